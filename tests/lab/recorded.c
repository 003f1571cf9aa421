// SPDX-License-Identifier: BSD-2-Clause
/* A test that runs itself under `kvmi-lat record`, and looks at the run file. */
#include "recorded.h"
#include "lab.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LOG_FILE "/tmp/recorded.log"

static void note_log(void)
{
	char line[512];
	FILE *f = fopen(LOG_FILE, "re");

	while (f && fgets(line, sizeof(line), f))
		note("%s", line);
	if (f)
		fclose(f);
}

void record(const char *first, const char *second)
{
	int status;
	pid_t pid = fork();

	if (pid < 0)
		fail("fork: %s", strerror(errno));
	if (!pid) {
		if (!freopen(LOG_FILE, "w", stdout) || dup2(STDOUT_FILENO, STDERR_FILENO) < 0)
			_exit(126);
		execlp("kvmi-lat", "kvmi-lat", "record", "-o", RECORDED_FILE, "--",
		       program_invocation_name, first, second, NULL);
		_exit(127);
	}
	check_eq(waitpid(pid, &status, 0), pid);
	if (!WIFEXITED(status) || WEXITSTATUS(status)) {
		note_log();
		fail("kvmi-lat record ended with wait status %#x", status);
	}
}

json_t *recorded(void)
{
	json_error_t err;
	json_t *run = json_load_file(RECORDED_FILE, 0, &err);

	if (!run)
		fail("%s: %s", RECORDED_FILE, err.text);
	return run;
}

json_int_t recorded_integer(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (!json_is_integer(value))
		fail("the run file has no number %s where one is expected", key);
	return json_integer_value(value);
}

bool recorded_is(json_t *object, const char *key, const char *want)
{
	const char *got = json_string_value(json_object_get(object, key));

	return got && !strcmp(got, want);
}

json_t *recorded_stage(json_t *run, const char *name, const char *stage)
{
	json_t *s;
	size_t i;

	json_array_foreach(json_object_get(run, "stages"), i, s) {
		if (recorded_is(s, "case", name) && recorded_is(s, "event", "breakpoint") &&
		    recorded_is(s, "action", "retry") && recorded_is(s, "stage", stage))
			return s;
	}
	fail("the run file has no stage %s of case %s", stage, name);
}

// SPDX-License-Identifier: BSD-2-Clause
/* Whether there is anything to watch: checks of the processes that -p and -t name. */
#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "lib/pid_namespace.h"
#include "lib/task_name.h"
#include "watched_processes.h"

/* The process that thread pid belongs to: 0 if there is no such, -1 if it is not known. */
static pid_t process_of(pid_t pid)
{
	char path[64], line[128];
	int process = -1;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/status", pid);
	f = fopen(path, "re");
	if (!f)
		return access("/proc/self", F_OK) ? -1 : 0;
	while (process < 0 && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "Tgid: %d", &process) != 1)
			process = -1;
	}
	fclose(f);
	return process;
}

static int check_process(const char *option, pid_t pid)
{
	pid_t process;

	if (!pid)
		return 0;
	if (!pid_namespace_is_initial()) {
		log_error(
			"%s needs PIDs of the host, which this PID namespace does not have: run kvmi-lat "
			"on the host, or in a container with the host's PID namespace (--pid=host)",
			option);
		return -EINVAL;
	}
	process = process_of(pid);
	if (!process) {
		log_error("there is no process %d (%s)", pid, option);
		return -EINVAL;
	}
	if (process > 0 && process != pid) {
		log_error("%d is a thread of process %d: use %s %d", pid, process, option, process);
		return -EINVAL;
	}
	return 0;
}

/* Also true if that cannot be told. */
static bool may_have_vm(pid_t pid)
{
	char path[64], link[512];
	struct dirent *entry;
	bool found = false;
	DIR *dir;

	snprintf(path, sizeof(path), "/proc/%d/fd", pid);
	dir = opendir(path);
	if (!dir)
		return true;
	while (!found && (entry = readdir(dir))) {
		ssize_t n = readlinkat(dirfd(dir), entry->d_name, link, sizeof(link) - 1);

		link[n < 0 ? 0 : n] = '\0';
		found = strstr(link, "kvm-vm");
	}
	closedir(dir);
	return found;
}

int watch_check(const struct observer_options *options)
{
	char name[TASK_NAME_SIZE];

	if (check_process("-p", options->pid) || check_process("-t", options->tool))
		return -EINVAL;
	if (options->pid && !may_have_vm(options->pid)) {
		task_name_of(name, options->pid);
		log_note(
			"process %d (%s) has no VM at present; -p is for the VMM's process, -t for the "
			"introspector's",
			options->pid, name);
	}
	return 0;
}

void watch_report_unseen(const struct observer_options *options, const struct run *run)
{
	uint64_t exits = 0, breakpoints = 0, split = 0;

	for (unsigned int i = 0; i < run->nr_cases; i++) {
		const struct measurement *m = run->cases[i].m;

		exits += m->exits;
		for (unsigned int class = CLASS_BREAKPOINT; class < CLASS_OTHER; class ++)
			breakpoints += m->hists[class].count;
		for (unsigned int class = CLASS_TOOL; class < NR_CLASSES; class ++)
			split += m->hists[class].count;
	}
	if (!exits && options->pid)
		log_note("no VM exit of process %d was seen", options->pid);
	else if (!exits)
		log_note("no VM exit was seen: no VM has run");
	else if (options->tool && !breakpoints)
		log_note("no breakpoint event was seen");
	else if (options->tool && !split)
		log_note(
			"process %d (-t) has answered no breakpoint event: is it the introspector?",
			options->tool);
}

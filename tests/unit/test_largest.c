// SPDX-License-Identifier: BSD-2-Clause
/* The largest run file there is: kvmi-lat compare takes it in under 0.5 s and 64 MB. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

#include "run-file/run_file.h"
#include "stats/rank_tests.h"

/* More cases and repetitions than the benchmark has, on a machine where nothing is quiet. */
#define CASES	    32
#define REPETITIONS 3
#define VALUES	    2000
#define QUANTILES   128

static char dir[] = "/tmp/kvmi-lat largest.XXXXXX", paths[2][64], output[64];

static int remove_files(void **state)
{
	(void)state;
	unlink(paths[0]);
	unlink(paths[1]);
	unlink(output);
	return rmdir(dir);
}

static json_t *entry(const char *name, const char *observer, int repetition, uint64_t *random)
{
	json_t *quantiles = json_array();

	for (int i = 0; i <= QUANTILES; i++)
		json_array_append_new(quantiles,
				      json_pack("[f,f]", (double)i / QUANTILES,
						20000 + 100 * i + rank_random(random) % 100 / 7.0));
	return json_pack("{s:s,s:s,s:i,s:i,s:i,s:f,s:i,s:o}", "case", name, "observer", observer,
			 "repetition", repetition, "n", VALUES, "hits", VALUES, "mean",
			 20000 + rank_random(random) % 1000 / 7.0, "min", 19000, "quantiles",
			 quantiles);
}

/* Spread over some 400 buckets, as eight vCPUs in each other's way would have it. */
static void fill_case(struct run *run, const char *name, uint64_t *random)
{
	struct run_case *c = run_case(run, name);

	assert_non_null(c);
	for (int stage = 0; stage < NR_STAGES; stage++) {
		for (int i = 0; i < VALUES; i++) {
			uint64_t octave = 1000ULL << rank_random(random) % 6;

			hist_add(&c->m->hists[CLASS_BREAKPOINT + stage],
				 octave + rank_random(random) % octave);
		}
	}
	for (int i = 0; i < REPETITIONS; i++) {
		json_array_append_new(run->entries, entry(name, "detached", i, random));
		json_array_append_new(run->entries, entry(name, "attached", i, random));
	}
}

static int write_files(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(output, sizeof(output), "%s/compared.json", dir);
	for (int i = 0; i < 2; i++) {
		uint64_t random = i;
		struct run run;

		if (run_init(&run))
			return -1;
		for (int j = 0; j < CASES; j++) {
			char name[80];

			snprintf(name, sizeof(name),
				 "int3_event_retry/vcpus:8/vms:4/process/other_cpu/%d", j);
			fill_case(&run, name, &random);
		}
		snprintf(paths[i], sizeof(paths[i]), "%s/%d.json", dir, i);
		if (run_write(&run, paths[i]))
			return -1;
		run_free(&run);
	}
	return 0;
}

static double seconds(const struct timeval *t)
{
	return t->tv_sec + t->tv_usec * 1e-6;
}

/* In a child whose memory is limited, that of programs and libraries with it. */
static double compare_files(void)
{
	const struct rlimit memory = {64 << 20, 64 << 20};
	struct rusage usage;
	json_t *compared;
	int status = 0, out;
	pid_t child;

	child = fork();
	if (!child) {
		out = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0600);
		dup2(out, STDOUT_FILENO);
		setrlimit(RLIMIT_AS, &memory);
		execl("build/kvmi-lat", "kvmi-lat", "compare", "--json", paths[0], paths[1],
		      (char *)NULL);
		_exit(127);
	}
	assert_true(child > 0 && wait4(child, &status, 0, &usage) == child);
	/* Of one run a side there is no verdict. */
	assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 2);
	compared = json_load_file(output, 0, NULL);
	assert_int_equal(json_array_size(json_object_get(compared, "cases")), CASES);
	json_decref(compared);
	return seconds(&usage.ru_utime) + seconds(&usage.ru_stime);
}

static void test_largest(void **state)
{
	double best = INFINITY;
	struct stat st;

	(void)state;
	assert_int_equal(stat(paths[0], &st), 0);
	assert_true(st.st_size > 1000000);
	/* The processor's time, and the best of up to ten: what else runs here does not count. */
	for (int i = 0; i < 10 && best >= 0.5; i++)
		best = fmin(best, compare_files());
	print_message("# %.1f MB a file: %.3f s\n", st.st_size / 1e6, best);
	assert_true(best < 0.5);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_largest),
	};

	return cmocka_run_group_tests_name("largest", tests, write_files, remove_files);
}

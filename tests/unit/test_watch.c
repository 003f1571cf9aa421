// SPDX-License-Identifier: BSD-2-Clause
/* Tests of what kvmi-lat says of processes to be watched that there are not, and of nothing seen. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach/watched_processes.h"
#include "lib/pid_namespace.h"

/* Messages go to a file meanwhile. */
static char said[1000];
static int real_stderr;

static void listen_to_messages(void)
{
	int fd = open("/tmp", O_TMPFILE | O_RDWR, 0600);

	assert_true(fd >= 0);
	real_stderr = dup(STDERR_FILENO);
	dup2(fd, STDERR_FILENO);
	close(fd);
}

static void end_of_messages(void)
{
	ssize_t n;

	lseek(STDERR_FILENO, 0, SEEK_SET);
	n = read(STDERR_FILENO, said, sizeof(said) - 1);
	said[n < 0 ? 0 : n] = '\0';
	dup2(real_stderr, STDERR_FILENO);
	close(real_stderr);
}

static int check(pid_t pid, pid_t tool)
{
	struct observer_options options = {.pid = pid, .tool = tool};
	int err;

	listen_to_messages();
	err = watch_check(&options);
	end_of_messages();
	return err;
}

static void says(const char *words)
{
	if (!strstr(said, words))
		print_error("it says: %s", said);
	assert_non_null(strstr(said, words));
}

static void ended(void **state)
{
	pid_t child = fork();
	char words[60];

	(void)state;
	if (!child)
		_exit(0);
	waitpid(child, NULL, 0);
	if (!pid_namespace_is_initial())
		skip();
	assert_int_equal(check(child, 0), -EINVAL);
	snprintf(words, sizeof(words), "there is no process %d (-p)", child);
	says(words);
	assert_int_equal(check(0, child), -EINVAL);
	says("(-t)");
}

static int tid;

static void *be_thread(void *arg)
{
	tid = gettid();
	pthread_barrier_wait(arg);
	pthread_barrier_wait(arg);
	return NULL;
}

static void is_thread(void **state)
{
	pthread_barrier_t barrier;
	pthread_t thread;
	char words[80];

	(void)state;
	if (!pid_namespace_is_initial())
		skip();
	pthread_barrier_init(&barrier, NULL, 2);
	assert_int_equal(pthread_create(&thread, NULL, be_thread, &barrier), 0);
	pthread_barrier_wait(&barrier);
	assert_int_equal(check(tid, 0), -EINVAL);
	snprintf(words, sizeof(words), "%d is a thread of process %d: use -p %d", tid, getpid(),
		 getpid());
	says(words);
	assert_int_equal(check(0, tid), -EINVAL);
	pthread_barrier_wait(&barrier);
	pthread_join(thread, NULL);
}

static void has_no_vm(void **state)
{
	(void)state;
	if (!pid_namespace_is_initial())
		skip();
	assert_int_equal(check(getpid(), 0), 0);
	says("(test_watch) has no VM at present");
	assert_int_equal(check(0, getpid()), 0);
	assert_string_equal(said, "");
}

static void in_a_namespace(void **state)
{
	pid_t child;
	int status;

	(void)state;
	child = fork();
	if (!child) {
		if (unshare(CLONE_NEWPID))
			_exit(2);
		child = fork();
		if (!child) {
			assert_false(pid_namespace_is_initial());
			assert_int_equal(check(1, 0), -EINVAL);
			says("-p needs PIDs of the host");
			assert_int_equal(check(0, 1), -EINVAL);
			says("-t needs PIDs of the host");
			assert_int_equal(check(0, 0), 0);
			_exit(0);
		}
		waitpid(child, &status, 0);
		_exit(status ? 1 : 0);
	}
	waitpid(child, &status, 0);
	if (WEXITSTATUS(status) == 2)
		skip();
	assert_int_equal(status, 0);
}

static void report(const struct run *run, pid_t pid, pid_t tool)
{
	struct observer_options options = {.pid = pid, .tool = tool};

	listen_to_messages();
	watch_report_unseen(&options, run);
	end_of_messages();
}

static void nothing_seen(void **state)
{
	struct measurement *m = calloc(1, sizeof(*m));
	struct run_case c = {.m = m};
	struct run run = {.cases = &c, .nr_cases = 1};

	(void)state;
	assert_non_null(m);
	report(&run, 0, 0);
	says("no VM exit was seen");
	report(&run, 7, 0);
	says("no VM exit of process 7 was seen");
	m->exits = 9;
	report(&run, 7, 0);
	assert_string_equal(said, "");
	report(&run, 0, 8);
	says("no breakpoint event was seen");
	m->hists[CLASS_BREAKPOINT].count = 4;
	report(&run, 0, 8);
	says("process 8 (-t) has answered no breakpoint event");
	m->hists[CLASS_TOOL].count = 3;
	report(&run, 0, 8);
	assert_string_equal(said, "");
	free(m);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(ended),	cmocka_unit_test(is_thread),
		cmocka_unit_test(has_no_vm),	cmocka_unit_test(in_a_namespace),
		cmocka_unit_test(nothing_seen),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-2-Clause
/* Tests of kvmi-trace as a process: what it leaves in the guest when a signal ends it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_vm.h"

#define ADDRESS 0x1000
#define INT3	0xcc
#define NOP	0x90

static struct fake_vm vm;

/* Runs kvmi-trace -f 3 --raw with these arguments; @prepare is called in its process. */
static void start(void (*prepare)(int signal), int signal, const char *output, char **args)
{
	int sv[2];

	assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, sv), 0);
	fcntl(sv[0], F_SETFD, FD_CLOEXEC);
	fake_vm_init(&vm, sv[0]);
	vm.tool = fork();
	if (!vm.tool) {
		int null = open(output, O_WRONLY | O_CREAT | O_TRUNC, 0600);

		dup2(sv[1], 3);
		dup2(null, STDOUT_FILENO);
		dup2(null, STDERR_FILENO);
		if (prepare)
			prepare(signal);
		execv("build/tools/kvmi-trace", args);
		_exit(127);
	}
	assert_true(vm.tool > 0);
	close(sv[1]);
}

static void start_break(void (*prepare)(int signal), int signal)
{
	char *args[] = {"kvmi-trace", "-f", "3", "--raw", "break", "0x1000", NULL};

	start(prepare, signal, "/dev/null", args);
}

static bool is_planted(const struct fake_vm *v)
{
	return v->memory[ADDRESS] == INT3;
}

/* Its wait status. */
static int wait_for_tool(void)
{
	int status;

	fake_vm_serve(&vm, NULL);
	assert_int_equal(waitpid(vm.tool, &status, 0), vm.tool);
	close(vm.sock);
	return status;
}

static void is_clean(void)
{
	assert_int_equal(vm.memory[ADDRESS], NOP);
	assert_false(vm.breakpoint_on);
}

static void ignore(int sig)
{
	signal(sig, SIG_IGN);
}

static void signal_ends_it(int signal)
{
	int status;

	start_break(NULL, 0);
	assert_true(fake_vm_serve(&vm, is_planted));
	assert_true(vm.breakpoint_on);
	kill(vm.tool, signal);
	status = wait_for_tool();
	if (vm.memory[ADDRESS] != NOP || status)
		print_error("signal %d (%s): byte %#x, status %#x\n", signal, strsignal(signal),
			    vm.memory[ADDRESS], status);
	is_clean();
	assert_int_equal(status, 0);
}

static void every_signal(void **state)
{
	(void)state;
	for (int signal = 1; signal <= SIGRTMAX; signal++) {
		switch (signal) {
		case SIGKILL:
		case SIGSTOP:
		case SIGTSTP:
		case SIGTTIN:
		case SIGTTOU:
		case SIGCONT:
		case SIGCHLD:
		case SIGURG:
		case SIGWINCH:
		case SIGPIPE:
			continue;
		}
		/* Those between are the C library's. */
		if (signal < 32 || signal >= SIGRTMIN)
			signal_ends_it(signal);
	}
}

static unsigned int enough;

static bool has_looked(const struct fake_vm *v)
{
	return v->commands >= enough;
}

/* As under nohup: it goes on, looking for vCPUs every half a second, and another signal ends it. */
static void ignored_signal(void **state)
{
	(void)state;
	start_break(ignore, SIGHUP);
	assert_true(fake_vm_serve(&vm, is_planted));
	kill(vm.tool, SIGHUP);
	enough = vm.commands + 2;
	assert_true(fake_vm_serve(&vm, has_looked));
	assert_int_equal(vm.memory[ADDRESS], INT3);
	kill(vm.tool, SIGQUIT);
	assert_int_equal(wait_for_tool(), 0);
	is_clean();
}

static void limit_output(int sig)
{
	struct rlimit limit = {0, RLIM_INFINITY};

	(void)sig;
	setrlimit(RLIMIT_FSIZE, &limit);
}

/* The hit cannot be written: SIGXFSZ. */
static void output_is_full(void **state)
{
	char *args[] = {"kvmi-trace", "-f", "3", "--raw", "break", "0x1000", NULL};
	char output[] = "/tmp/test_trace.XXXXXX";
	int fd = mkstemp(output), status;

	(void)state;
	assert_true(fd >= 0);
	close(fd);
	start(limit_output, 0, output, args);
	assert_true(fake_vm_serve(&vm, is_planted));
	fake_vm_hit(&vm, ADDRESS);
	status = wait_for_tool();
	unlink(output);
	is_clean();
	assert_true(WIFEXITED(status));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_signal),
		cmocka_unit_test(ignored_signal),
		cmocka_unit_test(output_is_full),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

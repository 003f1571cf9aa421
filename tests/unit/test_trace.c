// SPDX-License-Identifier: BSD-2-Clause
/* Tests of kvmi-trace as a process: what a signal leaves in the guest, and which VM it takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "fake_vm.h"
#include "kvmi_handshake.h"

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
		execv("build/kvmi-trace", args);
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

/* --- which VM --- */

static char dir[] = "/tmp/test_trace.XXXXXX";
static char sock_path[40], output_path[40];

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(sock_path, sizeof(sock_path), "%s/sock", dir);
	snprintf(output_path, sizeof(output_path), "%s/out", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(sock_path);
	unlink(output_path);
	return rmdir(dir);
}

static void start_listening(const char *option, const char *value)
{
	char *args[] = {"kvmi-trace",	"-w",	       "20",	"-l", sock_path,
			(char *)option, (char *)value, "vcpus", NULL};

	start(NULL, 0, output_path, args);
	close(vm.sock);
	for (int i = 0; i < 500 && access(sock_path, F_OK); i++)
		usleep(20000);
}

/* A VMM with this guest: 0, or how the handshake fails. */
static int offer(const char *name, uint8_t uuid)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	struct kvmi_handshake_guest guest = {.uuid = {uuid, 0xab}};
	int ret = -1;

	snprintf(guest.name, sizeof(guest.name), "%s", name);
	strcpy(addr.sun_path, sock_path);
	vm.sock = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	/* There is a moment between bind() and listen(). */
	for (int i = 0; i < 500 && ret; i++) {
		ret = connect(vm.sock, (struct sockaddr *)&addr, sizeof(addr));
		if (ret)
			usleep(20000);
	}
	assert_int_equal(ret, 0);
	ret = kvmi_handshake_vmm(vm.sock, 5000, NULL, 0, &guest);
	if (ret)
		close(vm.sock);
	return ret;
}

static void output_has(const char *words)
{
	char text[2000];
	FILE *f = fopen(output_path, "r");

	assert_non_null(f);
	text[fread(text, 1, sizeof(text) - 1, f)] = '\0';
	fclose(f);
	if (!strstr(text, words))
		print_error("the output is: %s", text);
	assert_non_null(strstr(text, words));
}

static void chosen(const char *guest)
{
	start_listening("--guest", guest);
	assert_int_equal(offer("one", 1), -EPIPE);
	assert_int_equal(offer("one", 1), -EPIPE);
	assert_int_equal(offer("two\033[2J\377", 2), 0);
	assert_int_equal(wait_for_tool(), 0);
	output_has(
		"guest \"one\", UUID 01ab0000-0000-0000-0000-000000000000 is not the one wanted");
	output_has("guest \"two?[2J?\", UUID 02ab0000-0000-0000-0000-000000000000\n");
}

static void choose_by_name(void **state)
{
	(void)state;
	chosen("two\033[2J\377");
}

static void choose_by_uuid(void **state)
{
	(void)state;
	chosen("02AB0000-0000-0000-0000-000000000000");
}

static void first_one(void **state)
{
	(void)state;
	start_listening("--json", "--json");
	assert_int_equal(offer("one", 1), 0);
	assert_int_equal(wait_for_tool(), 0);
	output_has("guest \"one\", UUID 01ab0000");
}

static void not_there(void **state)
{
	(void)state;
	start_listening("--guest", "three");
	assert_int_equal(offer("one", 1), -EPIPE);
	kill(vm.tool, SIGUSR1);
	vm.sock = -1;
	waitpid(vm.tool, NULL, 0);
	assert_int_equal(access(sock_path, F_OK), -1);
}

static void permissions(const char *option, const char *value, mode_t mode, gid_t group)
{
	struct stat st;

	start_listening(option, value);
	/* They are set before anybody can connect. */
	assert_int_equal(offer("one", 1), -EPIPE);
	assert_int_equal(stat(sock_path, &st), 0);
	assert_int_equal(st.st_mode & 07777, mode);
	assert_int_equal(st.st_gid, group);
	kill(vm.tool, SIGTERM);
	waitpid(vm.tool, NULL, 0);
}

static void socket_permissions(void **state)
{
	(void)state;
	permissions("--guest=x", "--socket-mode=660", 0660, getegid());
	permissions("--guest=x", "--json", 0600, getegid());
	if (!geteuid())
		permissions("--guest=x", "--socket-group=65534", 0600, 65534);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(every_signal),	  cmocka_unit_test(ignored_signal),
		cmocka_unit_test(output_is_full), cmocka_unit_test(choose_by_name),
		cmocka_unit_test(choose_by_uuid), cmocka_unit_test(first_one),
		cmocka_unit_test(not_there),	  cmocka_unit_test(socket_permissions),
	};

	alarm(120);
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}

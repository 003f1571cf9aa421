// SPDX-License-Identifier: BSD-2-Clause
/* The harness: forks a process per test, bounds it, and prints what became of it. */
#include "tap.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { EXIT_PASS = 0, EXIT_FAIL = 1, EXIT_SKIP = 77 };

#define KILL_GRACE_MS 10000

/* What the test has to say, shared with the process that prints it. */
struct text {
	unsigned int len;
	char buf[16384];
};

static struct text *text;

unsigned int tap_limit_s = 20;

/* One line; a line break within it would not be TAP. */
static void add_line(const char *prefix, const char *fmt, va_list ap)
{
	char line[1024];
	int n;

	vsnprintf(line, sizeof(line), fmt, ap);
	if (!text) {
		/* Not within a test: a program that one has started. */
		fprintf(stderr, "%s%s\n", prefix, line);
		return;
	}
	for (char *p = line; *p; p++)
		if (*p == '\n')
			*p = ' ';
	n = snprintf(text->buf + text->len, sizeof(text->buf) - text->len, "# %s%s\n", prefix,
		     line);
	if (n > 0 && n < (int)(sizeof(text->buf) - text->len))
		text->len += n;
}

void note(const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	add_line("", fmt, ap);
	va_end(ap);
}

void tap_fail(const char *file, int line, const char *fmt, ...)
{
	char where[128];
	va_list ap;

	snprintf(where, sizeof(where), "%s:%d: ", file, line);
	va_start(ap, fmt);
	add_line(where, fmt, ap);
	va_end(ap);
	_exit(EXIT_FAIL);
}

void skip(const char *fmt, ...)
{
	va_list ap;

	text->len = 0;
	va_start(ap, fmt);
	add_line("", fmt, ap);
	va_end(ap);
	_exit(EXIT_SKIP);
}

void tap_check_eq(const char *file, int line, const char *what, long long got, long long want)
{
	if (got != want)
		tap_fail(file, line, "%s is %lld (%#llx), not %lld (%#llx)", what, got,
			 (unsigned long long)got, want, (unsigned long long)want);
}

static void note_status(int status)
{
	if (WIFSIGNALED(status))
		note("ended by signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
	else if (WEXITSTATUS(status) != EXIT_PASS && WEXITSTATUS(status) != EXIT_FAIL &&
		 WEXITSTATUS(status) != EXIT_SKIP)
		note("ended with exit status %d", WEXITSTATUS(status));
}

/* Waits for the end of @pid; false: it has not come. */
static bool wait_ms(pid_t pid, int pidfd, int ms, int *status)
{
	struct pollfd pfd = {.fd = pidfd, .events = POLLIN};

	while (poll(&pfd, 1, ms) < 0 && errno == EINTR)
		;
	return waitpid(pid, status, WNOHANG) == pid;
}

static int run_test(const struct tap_test *t)
{
	bool ended, late = false;
	int status = 0, pidfd;
	pid_t pid;

	text->len = 0;
	fflush(stdout);
	pid = fork();
	if (pid < 0) {
		note("fork: %s", strerror(errno));
		return EXIT_FAIL;
	}
	if (!pid) {
		/* A group of its own: what it starts ends with it. */
		setpgid(0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		t->run();
		_exit(EXIT_PASS);
	}
	setpgid(pid, pid);
	pidfd = syscall(SYS_pidfd_open, pid, 0);

	ended = wait_ms(pid, pidfd, tap_limit_s * 1000, &status);
	if (!ended) {
		late = true;
		note("not finished after %u s", tap_limit_s);
		kill(-pid, SIGKILL);
		ended = wait_ms(pid, pidfd, KILL_GRACE_MS, &status);
		if (!ended)
			note("and not to be killed either: it hangs in the kernel");
	}
	kill(-pid, SIGKILL);
	close(pidfd);
	if (late)
		return EXIT_FAIL;

	note_status(status);
	if (!WIFEXITED(status))
		return EXIT_FAIL;
	return WEXITSTATUS(status) == EXIT_PASS || WEXITSTATUS(status) == EXIT_SKIP
		       ? WEXITSTATUS(status)
		       : EXIT_FAIL;
}

int tap_main(const struct tap_test *tests, size_t n)
{
	size_t failed = 0;

	text = mmap(NULL, sizeof(*text), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (text == MAP_FAILED) {
		printf("Bail out! no memory\n");
		return 1;
	}

	printf("1..%zu\n", n);
	for (size_t i = 0; i < n; i++) {
		int result = run_test(&tests[i]);

		failed += result == EXIT_FAIL;
		/* "# why" becomes "# SKIP why" on the line itself. */
		if (result == EXIT_SKIP)
			printf("ok %zu - %s # SKIP %.*s", i + 1, tests[i].name, (int)text->len - 2,
			       text->buf + 2);
		else
			printf("%s %zu - %s\n%.*s", result == EXIT_FAIL ? "not ok" : "ok", i + 1,
			       tests[i].name, (int)text->len, text->buf);
		fflush(stdout);
	}
	return failed ? 1 : 0;
}

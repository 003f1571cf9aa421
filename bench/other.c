// SPDX-License-Identifier: BSD-2-Clause
/* The process that keeps another VM hooked. */
#include "other.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static pid_t pid;
static int ctl = -1;

static const struct bench_case *event_case(void)
{
	size_t n;
	const struct bench_case *c = cases(&n);

	for (size_t i = 0; i < n; i++)
		if (c[i].answer)
			return &c[i];
	return NULL;
}

/* Never returns. Says "r" when the VM is hooked, and lasts until the other end is closed. */
static void child(int sock, const struct case_setup *setup)
{
	const struct bench_case *c = event_case();
	const char *why = case_skip_reason(c, setup);
	struct case_session *cs;
	char byte;
	int ret;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (why) {
		fprintf(stderr, "kvmi-bench: the other VM cannot be hooked: %s\n", why);
		_exit(1);
	}
	if (case_open(&cs, c, setup, 1)) {
		fprintf(stderr, "kvmi-bench: the other VM: %s\n", case_error());
		_exit(1);
	}
	if (write(sock, "r", 1) != 1)
		_exit(1);
	while (read(sock, &byte, 1) < 0 && errno == EINTR)
		;
	ret = case_close(cs);
	if (ret)
		fprintf(stderr, "kvmi-bench: the other VM: %s\n", case_error());
	_exit(ret ? 1 : 0);
}

int other_start(const struct case_setup *setup)
{
	int sv[2];
	char byte;

	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv)) {
		fprintf(stderr, "kvmi-bench: socketpair: %s\n", strerror(errno));
		return -errno;
	}
	fflush(NULL);
	pid = fork();
	if (pid < 0) {
		fprintf(stderr, "kvmi-bench: fork: %s\n", strerror(errno));
		return -errno;
	}
	if (!pid) {
		close(sv[0]);
		child(sv[1], setup);
	}
	close(sv[1]);
	ctl = sv[0];
	if (read(ctl, &byte, 1) == 1)
		return 0;
	other_stop();
	return -EIO;
}

int other_stop(void)
{
	int status;

	/* It is to have lasted: had it ended, this would not be the first to say so. */
	if (shutdown(ctl, SHUT_RDWR) || waitpid(pid, &status, 0) != pid || status) {
		fprintf(stderr, "kvmi-bench: the other VM did not stay hooked\n");
		return -EIO;
	}
	close(ctl);
	return 0;
}

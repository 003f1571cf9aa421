// SPDX-License-Identifier: BSD-2-Clause
/* The introspector: counts events and answers them. */
#include "introspector.h"

#include "kvmi_client.h"
#include "vmm/vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define STOP_TIMEOUT_MS 5000

/* Where both sides look. */
struct shared {
	_Atomic uint64_t events;
	char error[256];
};

/**
 * struct introspector - this side of it
 * @pid: of a process; else @thread, which uses @its_ctl and @its_sock
 * @ctl: a byte to it says go, a byte back says ready, its end says it is gone
 */
struct introspector {
	struct introspector_config config;
	pid_t pid;
	pthread_t thread;
	int its_ctl;
	int its_sock;
	int ctl;
	struct shared *shared;
};

static char start_error[320];

/* --- there --- */

static int its_error(struct shared *sh, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(sh->error, sizeof(sh->error), fmt, ap);
	va_end(ap);
	return 1;
}

static int answer_events(struct kvmi_client *c, struct shared *sh, const struct answer *answer)
{
	struct kvmi_event_msg ev;

	for (;;) {
		int ret = kvmi_recv_event(c, &ev);

		if (ret == -EPIPE)
			return 0; /* unhooked: the normal end */
		if (ret)
			return its_error(sh, "receiving an event: %s", kvmi_strerror(ret));
		if (ev.common.event != answer->event)
			return its_error(sh, "event %u came, which was not asked for",
					 ev.common.event);
		if (ev.common.event == KVMI_EVENT_BREAKPOINT && !ev.breakpoint.insn_len)
			return its_error(sh, "a breakpoint event with instruction length 0 came");

		atomic_fetch_add(&sh->events, 1);
		ret = answer->give(c, &ev);
		if (ret)
			return its_error(sh, "answering event %u: %s", ev.hdr.seq,
					 kvmi_strerror(ret));
	}
}

/* Closes @sock. */
static int introspect(struct shared *sh, const struct introspector_config *config, int ctl,
		      int sock)
{
	struct kvmi_client *c;
	uint32_t version;
	char byte;
	int ret;

	/* No limit per message: that would cost a timer for each, and alarm() bounds the whole. */
	ret = kvmi_client_new(&c, sock, -1);
	if (ret) {
		close(sock);
		return its_error(sh, "%s", kvmi_strerror(ret));
	}
	if (vmm_pin(config->cpu)) {
		kvmi_client_free(c);
		return its_error(sh, "%s", vmm_error());
	}
	kvmi_client_set_polling(c, config->polls);
	if (read(ctl, &byte, 1) != 1) {
		kvmi_client_free(c);
		return 0; /* never hooked */
	}

	ret = kvmi_get_version(c, &version);
	if (ret)
		its_error(sh, "GET_VERSION: %s", kvmi_strerror(ret));
	for (unsigned int i = 0; !ret && i < config->vcpus; i++) {
		ret = kvmi_vcpu_control_events(c, i, config->answer->event, true);
		if (ret)
			its_error(sh, "switching the event on: %s", kvmi_strerror(ret));
	}
	if (!ret && send(ctl, "r", 1, MSG_NOSIGNAL) != 1)
		ret = its_error(sh, "the benchmark is gone");
	if (!ret)
		ret = answer_events(c, sh, config->answer);
	kvmi_client_free(c);
	return ret;
}

/* Never returns. Keeps nothing but the two sockets and the standard streams. */
static void child(struct shared *sh, const struct introspector_config *config, int ctl, int sock,
		  pid_t parent)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	signal(SIGALRM, SIG_DFL);
	alarm(config->limit_s);

	ctl = fcntl(ctl, F_DUPFD, 100);
	sock = fcntl(sock, F_DUPFD, 100);
	if (ctl < 0 || sock < 0 || dup2(ctl, 3) < 0 || dup2(sock, 4) < 0)
		_exit(its_error(sh, "dup2: %s", strerror(errno)));
	close_range(5, ~0U, 0);
	_exit(introspect(sh, config, 3, 4) ? 1 : 0);
}

/* Its end is told as that of a process is: by that of its socket. */
static void *thread_main(void *arg)
{
	struct introspector *in = arg;

	introspect(in->shared, &in->config, in->its_ctl, in->its_sock);
	close(in->its_ctl);
	return NULL;
}

/* --- here --- */

static int start_failed(const char *what, int err)
{
	snprintf(start_error, sizeof(start_error), "%s: %s", what, strerror(err));
	return -err;
}

static int start_process(struct introspector *in)
{
	pid_t parent = getpid();

	fflush(NULL);
	in->pid = fork();
	if (in->pid < 0)
		return start_failed("fork", errno);
	if (!in->pid)
		child(in->shared, &in->config, in->its_ctl, in->its_sock, parent);
	close(in->its_ctl);
	close(in->its_sock);
	return 0;
}

int introspector_start(struct introspector **out, const struct introspector_config *config,
		       int *sock)
{
	int ctl[2] = {-1, -1}, sv[2] = {-1, -1}, ret;
	struct introspector *in = calloc(1, sizeof(*in));

	start_error[0] = '\0';
	if (!in)
		return start_failed("introspector", ENOMEM);
	in->config = *config;
	in->shared = mmap(NULL, sizeof(*in->shared), PROT_READ | PROT_WRITE,
			  MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (in->shared == MAP_FAILED) {
		ret = start_failed("mmap", errno);
		goto free_in;
	}
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ctl) ||
	    socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv)) {
		ret = start_failed("socketpair", errno);
		goto close_all;
	}
	in->ctl = ctl[0];
	in->its_ctl = ctl[1];
	in->its_sock = sv[1];

	if (config->thread) {
		ret = pthread_create(&in->thread, NULL, thread_main, in);
		if (ret)
			ret = start_failed("pthread_create", ret);
	} else {
		ret = start_process(in);
	}
	if (ret)
		goto close_all;
	*sock = sv[0];
	*out = in;
	return 0;

close_all:
	for (int i = 0; i < 2; i++) {
		if (ctl[i] >= 0)
			close(ctl[i]);
		if (sv[i] >= 0)
			close(sv[i]);
	}
	munmap(in->shared, sizeof(*in->shared));
free_in:
	free(in);
	return ret;
}

int introspector_go(struct introspector *in)
{
	return send(in->ctl, "g", 1, MSG_NOSIGNAL) == 1 ? 0 : -errno;
}

/* Wait until the child says something: the byte it sent, or -EPIPE if it is gone, -ETIMEDOUT. */
static int hear(struct introspector *in, int timeout_ms)
{
	struct pollfd pfd = {.fd = in->ctl, .events = POLLIN};
	char byte;
	int ret;

	do {
		ret = poll(&pfd, 1, timeout_ms);
	} while (ret < 0 && errno == EINTR);
	if (ret < 0)
		return -errno;
	if (!ret)
		return -ETIMEDOUT;
	return recv(in->ctl, &byte, 1, 0) == 1 ? byte : -EPIPE;
}

int introspector_ready(struct introspector *in, int timeout_ms)
{
	int ret = hear(in, timeout_ms);

	if (ret == -ETIMEDOUT)
		return 0;
	return ret < 0 ? ret : 1;
}

uint64_t introspector_events(const struct introspector *in)
{
	return atomic_load(&in->shared->events);
}

const char *introspector_error(const struct introspector *in)
{
	return in ? in->shared->error : start_error;
}

/* How it ended, in start_error: "" well. */
static void reap(struct introspector *in, bool hangs)
{
	int status = 0;

	if (in->config.thread) {
		/* Receiving is where it can be cancelled. */
		if (hangs)
			pthread_cancel(in->thread);
		pthread_join(in->thread, NULL);
	} else {
		if (hangs)
			kill(in->pid, SIGKILL);
		while (waitpid(in->pid, &status, 0) < 0 && errno == EINTR)
			;
	}

	start_error[0] = '\0';
	if (hangs)
		snprintf(start_error, sizeof(start_error),
			 "the introspector did not end after the VM was unhooked");
	else if (WIFSIGNALED(status))
		snprintf(start_error, sizeof(start_error),
			 "the introspector was killed by signal %d%s", WTERMSIG(status),
			 WTERMSIG(status) == SIGALRM ? " (its time limit)" : "");
	else if (status || in->shared->error[0])
		snprintf(start_error, sizeof(start_error), "the introspector failed: %s",
			 in->shared->error);
}

int introspector_stop(struct introspector *in)
{
	int ret;

	shutdown(in->ctl, SHUT_WR);
	do {
		ret = hear(in, STOP_TIMEOUT_MS);
	} while (ret >= 0);
	reap(in, ret == -ETIMEDOUT);
	ret = start_error[0] ? -EIO : 0;

	close(in->ctl);
	munmap(in->shared, sizeof(*in->shared));
	free(in);
	return ret;
}

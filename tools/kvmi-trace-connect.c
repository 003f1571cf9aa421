// SPDX-License-Identifier: BSD-2-Clause
/* kvmi-trace: from a socket's path to a VM that may be introspected. */
#include "kvmi-trace.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

static int bind_to(int fd, const struct sockaddr_un *addr)
{
	/* Whoever may connect can pose as a VM. */
	mode_t mask = umask(0077);
	int ret = bind(fd, (const struct sockaddr *)addr, sizeof(*addr)) ? -errno : 0;

	umask(mask);
	return ret;
}

/*
 * Is this the socket of a tool that is no more? A datagram socket cannot connect to one that lives either
 * (EPROTOTYPE), but unlike a stream socket it is not taken for a VMM there.
 */
static bool is_stale(const struct sockaddr_un *addr)
{
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	struct stat st;
	bool stale;

	if (fd < 0)
		return false;
	stale = !stat(addr->sun_path, &st) && S_ISSOCK(st.st_mode) &&
		connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) && errno == ECONNREFUSED;
	close(fd);
	return stale;
}

static int listen_on(const char *path)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX};
	int fd, ret;

	if (strlen(path) >= sizeof(addr.sun_path))
		return -ENAMETOOLONG;
	strcpy(addr.sun_path, path);
	fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;

	ret = bind_to(fd, &addr);
	if (ret == -EADDRINUSE && is_stale(&addr)) {
		unlink(path);
		ret = bind_to(fd, &addr);
	}
	if (!ret && listen(fd, 1))
		ret = -errno;
	if (ret) {
		close(fd);
		return ret;
	}
	return fd;
}

/* The first VMM that connects; nobody else is wanted then. */
static int accept_one(const struct connect_options *o)
{
	struct pollfd pfd[2];
	int fd = listen_on(o->listen), sock = -1, ret;

	if (fd < 0) {
		trace_error("cannot listen on %s: %s", o->listen,
			    fd == -EADDRINUSE ? "something is there already" : strerror(-fd));
		return -1;
	}
	pfd[0] = (struct pollfd){.fd = fd, .events = POLLIN};
	pfd[1] = (struct pollfd){.fd = o->signals, .events = POLLIN};
	ret = poll(pfd, 2, o->wait_s ? (int)o->wait_s * 1000 : -1);
	if (ret > 0 && !pfd[1].revents)
		sock = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	if (!ret)
		trace_error("no VMM has connected to %s within %lu s", o->listen, o->wait_s);
	else if (ret > 0 && pfd[1].revents)
		trace_error("no VMM has connected to %s yet", o->listen);
	else if (sock < 0)
		trace_error("%s: %s", o->listen, strerror(errno));
	unlink(o->listen);
	close(fd);
	return sock;
}

static int shake_hands(const struct connect_options *o, int sock)
{
	static char secret[KVMI_SECRET_MAX];
	struct kvmi_handshake_guest guest;
	size_t len = 0;
	int ret;

	if (o->secret) {
		ret = kvmi_secret_read(o->secret, secret, &len);
		if (ret)
			return trace_error("%s: %s", o->secret, strerror(-ret));
	}
	ret = kvmi_handshake_tool(sock, TRACE_TIMEOUT_MS, o->secret ? secret : NULL, len, &guest);
	if (ret)
		return trace_error("handshake: %s",
				   ret == -EPIPE    ? "the VMM has closed the connection"
				   : ret == -EPROTO ? "the VMM sends something else"
						    : strerror(-ret));
	return 0;
}

/*
 * Between hooking and allowing there is a moment in which KVM refuses everything. Events are allowed
 * last. A VMM that never allows this one is not an error here: some commands may do without.
 */
static int wait_until_allowed(struct kvmi_client *c)
{
	int ret = KVM_EPERM;

	for (int i = 0; i < 100 && ret == KVM_EPERM; i++) {
		if (i)
			nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
		ret = kvmi_check_event(c, KVMI_EVENT_BREAKPOINT);
	}
	if (ret == -EPIPE)
		return trace_error("the VMM has closed the connection: it refuses this tool (a "
				   "wrong secret?) or could not hook the VM");
	if (ret == -ETIMEDOUT)
		return trace_error("the VMM does not give the connection to KVM");
	return ret < 0 ? trace_kvmi_error("KVMI_VM_CHECK_EVENT", ret) : 0;
}

int trace_connect(const struct connect_options *o, struct kvmi_client **c)
{
	int sock = o->listen ? accept_one(o) : o->fd;
	int ret = sock < 0 ? TRACE_FAILED : 0;

	if (!ret && !o->raw)
		ret = shake_hands(o, sock);
	if (ret) {
		if (sock >= 0)
			close(sock);
		return ret;
	}

	ret = kvmi_client_new(c, sock, TRACE_TIMEOUT_MS);
	if (ret) {
		trace_error("file descriptor %d: %s", sock, strerror(-ret));
		close(sock);
		return TRACE_FAILED;
	}
	ret = wait_until_allowed(*c);
	if (ret)
		kvmi_client_free(*c);
	return ret;
}

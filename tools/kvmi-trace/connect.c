// SPDX-License-Identifier: BSD-2-Clause
/* kvmi-trace: from a socket's path to a VM that may be introspected. */
#include "kvmi_trace.h"
#include "plain_text.h"

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

/* Before listen(): nobody can connect until it is as wanted. */
static int set_permissions(const struct connect_options *o)
{
	if (o->has_group && chown(o->listen, -1, o->group))
		return -errno;
	return chmod(o->listen, o->mode) ? -errno : 0;
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

static int listen_on(const struct connect_options *o)
{
	const char *path = o->listen;
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
	if (!ret) {
		ret = set_permissions(o);
		if (!ret && listen(fd, 1))
			ret = -errno;
		if (ret)
			unlink(path);
	}
	if (ret) {
		close(fd);
		return ret;
	}
	return fd;
}

/* --- which guest --- */

struct guest_text {
	char uuid[KVMI_UUID_TEXT_SIZE];
	char name[sizeof(((struct kvmi_handshake_guest *)0)->name)];
};

/* The name may hold anything. */
static struct guest_text text_of(const struct kvmi_handshake_guest *guest)
{
	struct guest_text text;

	kvmi_uuid_text(guest->uuid, text.uuid);
	memcpy(text.name, guest->name, sizeof(text.name));
	text_blank(text.name, "");
	return text;
}

static bool is_wanted(const struct connect_options *o, const struct kvmi_handshake_guest *guest)
{
	struct guest_text text = text_of(guest);

	return !o->guest || !strcmp(o->guest, guest->name) || !strcasecmp(o->guest, text.uuid);
}

static void show_guest(const struct kvmi_handshake_guest *guest, const char *what)
{
	struct guest_text text = text_of(guest);

	trace_error("guest \"%s\", UUID %s%s", text.name, text.uuid, what);
}

static int handshake_error(int ret)
{
	return trace_error("handshake: %s", ret == -EPIPE    ? "the VMM has closed the connection"
					    : ret == -EPROTO ? "the VMM sends something else"
							     : strerror(-ret));
}

/* --- the VMM --- */

/* One that cannot say which guest it has is as good as another guest, if one was asked for. */
static bool receive_guest(const struct connect_options *o, int sock,
			  struct kvmi_handshake_guest *guest)
{
	static struct kvmi_handshake_guest turned_away;
	int ret = kvmi_handshake_receive(sock, TRACE_TIMEOUT_MS, guest);

	if (ret) {
		handshake_error(ret);
		return false;
	}
	if (is_wanted(o, guest))
		return true;
	/* Most VMMs try again and again. */
	if (memcmp(turned_away.uuid, guest->uuid, sizeof(guest->uuid)) ||
	    strcmp(turned_away.name, guest->name))
		show_guest(guest, " is not the one wanted (--guest)");
	turned_away = *guest;
	return false;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* The first VMM that connects and has the guest that is wanted, at most until @end (0: for ever). */
static int accept_from(const struct connect_options *o, int fd, int64_t end,
		       struct kvmi_handshake_guest *guest)
{
	struct pollfd pfd[] = {
		{.fd = fd, .events = POLLIN},
		{.fd = o->signals, .events = POLLIN},
	};

	for (;;) {
		int64_t left = end ? end - now_ms() : -1;
		int ret = end && left <= 0 ? 0 : poll(pfd, 2, left), sock;

		if (!ret) {
			trace_error("no VMM has connected to %s within %lu s%s%s", o->listen,
				    o->wait_s, o->guest ? " that has guest " : "",
				    o->guest ? o->guest : "");
			return -1;
		}
		if (ret > 0 && pfd[1].revents) {
			trace_error("no VMM has connected to %s yet", o->listen);
			return -1;
		}
		sock = ret < 0 ? -1 : accept4(fd, NULL, NULL, SOCK_CLOEXEC);
		if (sock < 0) {
			trace_error("%s: %s", o->listen, strerror(errno));
			return -1;
		}
		if (receive_guest(o, sock, guest))
			return sock;
		close(sock);
		if (!o->guest)
			return -1;
	}
}

static int accept_one(const struct connect_options *o, struct kvmi_handshake_guest *guest)
{
	int fd = listen_on(o), sock;

	if (fd < 0) {
		trace_error("cannot listen on %s: %s", o->listen,
			    fd == -EADDRINUSE ? "something is there already" : strerror(-fd));
		return -1;
	}
	sock = accept_from(o, fd, o->wait_s ? now_ms() + (int64_t)o->wait_s * 1000 : 0, guest);
	unlink(o->listen);
	close(fd);
	return sock;
}

static int use_inherited(const struct connect_options *o, struct kvmi_handshake_guest *guest)
{
	if (o->raw || receive_guest(o, o->fd, guest))
		return o->fd;
	close(o->fd);
	return -1;
}

static int answer(const struct connect_options *o, int sock)
{
	static char secret[KVMI_SECRET_MAX];
	size_t len = 0;
	int ret;

	if (o->secret) {
		ret = kvmi_secret_read(o->secret, secret, &len);
		if (ret)
			return trace_error("%s: %s", o->secret, strerror(-ret));
	}
	ret = kvmi_handshake_answer(sock, TRACE_TIMEOUT_MS, o->secret ? secret : NULL, len);
	return ret ? handshake_error(ret) : 0;
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
	struct kvmi_handshake_guest guest;
	int sock = o->listen ? accept_one(o, &guest) : use_inherited(o, &guest), ret;

	if (sock < 0)
		return TRACE_FAILED;
	if (!o->raw) {
		ret = answer(o, sock);
		if (ret) {
			close(sock);
			return ret;
		}
		show_guest(&guest, "");
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

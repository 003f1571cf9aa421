// SPDX-License-Identifier: BSD-2-Clause
/* Descriptors that HOOK has to refuse, and one sent where it should not be. */
#include "hostile.h"

#include "../lab/lab.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/netlink.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

/* More than KVM reads at once, with a header that it does not take. */
#define ENDING_BYTES 9000

static int unix_socket(int type)
{
	return socket(AF_UNIX, type | SOCK_CLOEXEC, 0);
}

/* One end of a pair; the other is closed, or kept in @other. */
static int pair(int type, int *other)
{
	int sv[2];

	if (socketpair(AF_UNIX, type | SOCK_CLOEXEC, 0, sv))
		return -1;
	*other = sv[1];
	return sv[0];
}

static int listening(void)
{
	/* autobind: an abstract name of the kernel's choosing */
	struct sockaddr_un sun = {.sun_family = AF_UNIX};
	int fd = unix_socket(SOCK_STREAM);

	if (fd >= 0)
		bind(fd, (struct sockaddr *)&sun, sizeof(sun.sun_family));
	if (fd >= 0)
		listen(fd, 1);
	return fd;
}

static int netlink(void)
{
	struct sockaddr_nl nl = {.nl_family = AF_NETLINK};
	int fd = socket(AF_NETLINK, SOCK_RAW | SOCK_CLOEXEC, NETLINK_USERSOCK);

	if (fd >= 0)
		bind(fd, (struct sockaddr *)&nl, sizeof(nl));
	return fd;
}

static int pipe_end(unsigned int which)
{
	int fd[2];

	if (pipe2(fd, O_CLOEXEC))
		return -1;
	close(fd[!which]);
	return fd[which];
}

static const char *const wrong[] = {
	"a datagram socket",  "a seqpacket socket", "an unconnected socket",
	"a listening socket", "a netlink socket",   "a pipe's read end",
	"a pipe's write end", "/dev/null",	    "an eventfd",
	"an epoll",	      "the VM itself",	    "a vCPU",
	"/dev/kvm",	      "no descriptor",	    "an unconnected datagram socket",
};

#define NR_WRONG (sizeof(wrong) / sizeof(wrong[0]))

static int make_wrong(struct machine *m, unsigned int what, int *other)
{
	switch (what) {
	case 0:
		return pair(SOCK_DGRAM, other);
	case 1:
		return pair(SOCK_SEQPACKET, other);
	case 2:
		return unix_socket(SOCK_STREAM);
	case 3:
		return listening();
	case 4:
		return netlink();
	case 5 ... 6:
		return pipe_end(what - 5);
	case 7:
		return open("/dev/null", O_RDWR | O_CLOEXEC);
	case 8:
		return eventfd(0, EFD_CLOEXEC);
	case 9:
		return epoll_create1(EPOLL_CLOEXEC);
	case 10:
		return dup(m->fd);
	case 11:
		return dup(m->vcpu[0].fd);
	case 12:
		return open("/dev/kvm", O_RDWR | O_CLOEXEC);
	case 13:
		return -1;
	default:
		return unix_socket(SOCK_DGRAM);
	}
}

void hostile_wrong_fd(struct machine *m, struct fuzz_random *r)
{
	unsigned int what = fuzz_below(r, NR_WRONG);
	int other = -1, fd = make_wrong(m, what, &other);

	if (fd < 0 && what != NR_WRONG - 2)
		return;
	if (!hostile_hook(m, fd)) {
		fuzz_found("HOOK takes %s", wrong[what]);
		ioctl(m->fd, KVM_INTROSPECTION_UNHOOK, 0);
	} else if (errno != EINVAL && errno != EEXIST && !m->plan->faults) {
		fuzz_found("HOOK of %s gives %s", wrong[what], strerror(errno));
	}
	if (fd >= 0)
		close(fd);
	if (other >= 0)
		close(other);
}

void hostile_send_vm(struct machine *m, int tool_end)
{
	static const uint8_t ending[ENDING_BYTES] = {0xff, 0xff, 0xff, 0xff};

	if (send(tool_end, ending, sizeof(ending), MSG_NOSIGNAL) != sizeof(ending) ||
	    !lab_send_fds(tool_end, "", 1, &m->fd, 1))
		fuzz_found("the VM's descriptor cannot be sent: %s", strerror(errno));
}

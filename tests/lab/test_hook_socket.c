// SPDX-License-Identifier: BSD-2-Clause
/* Which sockets can be hooked, and what is sent through them that would keep the VM for ever. */
#include "lab.h"

#include <dirent.h>
#include <errno.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

VMM_DECLARE_GUEST(hit);

#define CHILDREN  10
#define GONE_MS	  5000
#define DEBUG_KVM "/sys/kernel/debug/kvm"

static void open_vm(struct lab *l)
{
	lab_open_any(l, &VMM_GUEST(hit), 1);
}

/* --- which sockets --- */

static int open_socket(int domain, int type, int protocol)
{
	int fd = socket(domain, type | SOCK_CLOEXEC, protocol);

	if (fd < 0)
		fail("socket(%d, %d, %d): %s", domain, type, protocol, strerror(errno));
	return fd;
}

/* Abstract, so that there is nothing to be removed; a new one each time, as children may have the last. */
static struct sockaddr_un bind_socket(int fd)
{
	struct sockaddr_un name = {.sun_family = AF_UNIX};
	static unsigned int n;

	snprintf(name.sun_path + 1, sizeof(name.sun_path) - 1, "hook-%d-%u", getpid(), n++);
	check_eq(bind(fd, (struct sockaddr *)&name, sizeof(name)), 0);
	return name;
}

static int listening(struct sockaddr_un *name)
{
	int fd = open_socket(AF_UNIX, SOCK_STREAM, 0);

	*name = bind_socket(fd);
	check_eq(listen(fd, 1), 0);
	return fd;
}

static int hook_errno(struct lab *l, int fd)
{
	const struct kvm_introspection_hook hook = {.fd = fd};

	return ioctl(vmm_fd(l->vm), KVM_INTROSPECTION_HOOK, &hook) ? errno : 0;
}

/*
 * A hook of the wrong socket may be one that never ends, not even with the process: it is made by a child,
 * which nobody waits for.
 */
static int child_hook_errno(int fd)
{
	int fds[2], err = -1;
	pid_t pid;

	check_eq(pipe(fds), 0);
	pid = fork();
	check(pid >= 0);
	if (!pid) {
		struct lab l;

		open_vm(&l);
		err = hook_errno(&l, fd);
		_exit(write(fds[1], &err, sizeof(err)) != sizeof(err));
	}
	close(fds[1]);
	if (read(fds[0], &err, sizeof(err)) != sizeof(err))
		fail("the process that hooks says nothing");
	close(fds[0]);
	return err;
}

static void test_socket_netlink(void)
{
	const struct sockaddr_nl name = {.nl_family = AF_NETLINK};
	int fd = open_socket(AF_NETLINK, SOCK_RAW, NETLINK_USERSOCK);

	check_eq(bind(fd, (const struct sockaddr *)&name, sizeof(name)), 0);
	check_eq(child_hook_errno(fd), EINVAL);
}

static void test_socket_other_types(void)
{
	static const int types[] = {SOCK_DGRAM, SOCK_SEQPACKET};
	int sv[2];

	for (size_t i = 0; i < sizeof(types) / sizeof(types[0]); i++) {
		check_eq(socketpair(AF_UNIX, types[i] | SOCK_CLOEXEC, 0, sv), 0);
		check_eq(child_hook_errno(sv[0]), EINVAL);
		close(sv[0]);
		close(sv[1]);
	}
}

static void test_socket_not_connected(void)
{
	int fd = open_socket(AF_UNIX, SOCK_STREAM, 0);
	struct sockaddr_un name;

	check_eq(child_hook_errno(fd), EINVAL);
	bind_socket(fd);
	check_eq(child_hook_errno(fd), EINVAL);
	check_eq(child_hook_errno(listening(&name)), EINVAL);
}

static void test_socket_none(void)
{
	struct lab l;
	int fds[2];

	open_vm(&l);
	check_eq(pipe(fds), 0);
	check_eq(hook_errno(&l, fds[0]), EINVAL);
	check_eq(hook_errno(&l, fds[1]), EINVAL);
	check_eq(hook_errno(&l, vmm_fd(l.vm)), EINVAL);
	check_eq(hook_errno(&l, l.v->fd), EINVAL);
	check_eq(hook_errno(&l, -1), EINVAL);
	/* None of them has left anything behind. */
	lab_hook(&l);
	lab_no_event(l.c);
}

static void expect_works(struct lab *l, int kvm_end, int tool_end)
{
	check_eq(hook_errno(l, kvm_end), 0);
	close(kvm_end);
	check_eq(kvmi_client_new(&l->c, tool_end, TIMEOUT_MS), 0);
	lab_no_event(l->c);
	kvmi_client_free(l->c);
	check_eq(vmm_unhook(l->vm), 0);
}

static void test_socket_connected(void)
{
	struct sockaddr_un name;
	int sv[2], fd;
	struct lab l;

	open_vm(&l);
	lab_socketpair(sv);
	expect_works(&l, sv[0], sv[1]);

	fd = listening(&name);
	sv[0] = open_socket(AF_UNIX, SOCK_STREAM, 0);
	check_eq(connect(sv[0], (struct sockaddr *)&name, sizeof(name)), 0);
	sv[1] = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	check(sv[1] >= 0);
	expect_works(&l, sv[0], sv[1]);

	sv[1] = open_socket(AF_UNIX, SOCK_STREAM, 0);
	check_eq(connect(sv[1], (struct sockaddr *)&name, sizeof(name)), 0);
	sv[0] = accept4(fd, NULL, NULL, SOCK_CLOEXEC);
	check(sv[0] >= 0);
	expect_works(&l, sv[0], sv[1]);
}

/* The introspector may be gone before the hook. */
static void test_socket_peer_closed(void)
{
	struct lab l;
	int sv[2];

	open_vm(&l);
	lab_socketpair(sv);
	close(sv[1]);
	check_eq(hook_errno(&l, sv[0]), 0);
	check_eq(vmm_unhook(l.vm), 0);
	lab_hook(&l);
	lab_no_event(l.c);
}

/* --- descriptors sent --- */

/* Each VM has a directory there. */
static unsigned int vms(void)
{
	unsigned int n = 0;
	struct dirent *e;
	DIR *dir;

	if (access(DEBUG_KVM, F_OK) && mount("debugfs", "/sys/kernel/debug", "debugfs", 0, NULL))
		fail("mount of debugfs: %s", strerror(errno));
	dir = opendir(DEBUG_KVM);
	if (!dir)
		fail("%s: %s", DEBUG_KVM, strerror(errno));
	while ((e = readdir(dir)))
		n += e->d_type == DT_DIR && e->d_name[0] != '.';
	closedir(dir);
	return n;
}

static void send_fds(int to, const int *fds, unsigned int n)
{
	static const struct kvmi_msg_hdr hdr = {.id = KVMI_GET_VERSION};

	check(lab_send_fds(to, &hdr, sizeof(hdr), fds, n));
}

/* Commands until KVM reads no more, as nobody reads its replies, and then some. */
static void stop_reading(int kvm_end, int tool_end)
{
	static const struct kvmi_msg_hdr msg = {.id = KVMI_GET_VERSION};
	int unread = 0, idle = 0;

	while (idle < 20) {
		int before = unread;

		if (!unread)
			check_eq(send(tool_end, &msg, sizeof(msg), MSG_DONTWAIT), sizeof(msg));
		usleep(unread ? 1000 : 0);
		check_eq(ioctl(kvm_end, FIONREAD, &unread), 0);
		idle = unread && unread == before ? idle + 1 : 0;
	}
}

enum cycle { TO_KVM, TO_TOOL, TO_KVM_WITH_SOCKET, TO_TOOL_WITH_SOCKET };

/* A VM that is hooked to a socket in which it is itself. Ends with all that open. */
static void make_cycle(enum cycle cycle)
{
	struct lab l;
	int sv[2];

	open_vm(&l);
	lab_socketpair(sv);
	check_eq(hook_errno(&l, sv[0]), 0);
	/* In the other direction the replies would be in the way. */
	if (cycle == TO_KVM || cycle == TO_KVM_WITH_SOCKET)
		stop_reading(sv[0], sv[1]);
	switch (cycle) {
	case TO_KVM:
		send_fds(sv[1], (int[]){vmm_fd(l.vm)}, 1);
		break;
	case TO_TOOL:
		send_fds(sv[0], (int[]){vmm_fd(l.vm)}, 1);
		break;
	case TO_KVM_WITH_SOCKET:
		send_fds(sv[1], (int[]){vmm_fd(l.vm), sv[1]}, 2);
		break;
	case TO_TOOL_WITH_SOCKET:
		send_fds(sv[0], (int[]){vmm_fd(l.vm), sv[1]}, 2);
		break;
	}
}

static void cycles(enum cycle cycle)
{
	unsigned int receivers_before = lab_receivers(), vms_before = vms();
	int status;
	pid_t pid;

	for (int i = 0; i < CHILDREN; i++) {
		pid = fork();
		check(pid >= 0);
		if (!pid) {
			make_cycle(cycle);
			_exit(0);
		}
		check_eq(waitpid(pid, &status, 0), pid);
		check_eq(status, 0);
	}
	for (int ms = 0; ms < GONE_MS; ms += 10) {
		int sv[2];

		/* AF_UNIX collects what holds only itself when another socket is closed. */
		lab_socketpair(sv);
		close(sv[0]);
		close(sv[1]);
		if (lab_receivers() <= receivers_before && vms() <= vms_before)
			return;
		usleep(10000);
	}
	fail("of %d VMs %u are left, and %u receivers", CHILDREN, vms() - vms_before,
	     lab_receivers() - receivers_before);
}

static void test_socket_vm_to_kvm(void)
{
	cycles(TO_KVM);
}

static void test_socket_vm_to_tool(void)
{
	cycles(TO_TOOL);
}

static void test_socket_both_to_kvm(void)
{
	cycles(TO_KVM_WITH_SOCKET);
}

static void test_socket_both_to_tool(void)
{
	cycles(TO_TOOL_WITH_SOCKET);
}

int main(void)
{
	const struct tap_test tests[] = {
		{"HOOK of a netlink socket: EINVAL", test_socket_netlink},
		{"HOOK of a datagram or seqpacket socket: EINVAL", test_socket_other_types},
		{"HOOK of a socket that is not connected: EINVAL", test_socket_not_connected},
		{"HOOK of what is no socket: EINVAL", test_socket_none},
		{"HOOK of connected stream sockets", test_socket_connected},
		{"HOOK after the introspector has closed", test_socket_peer_closed},
		{"the VM's descriptor, sent to KVM: the VM ends", test_socket_vm_to_kvm},
		{"the VM's descriptor, sent to the introspector: the VM ends",
		 test_socket_vm_to_tool},
		{"the VM's descriptor and the socket, sent to KVM: the VM ends",
		 test_socket_both_to_kvm},
		{"the VM's descriptor and the socket, sent to the introspector: the VM ends",
		 test_socket_both_to_tool},
	};

	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

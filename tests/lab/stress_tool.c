// SPDX-License-Identifier: BSD-2-Clause
/* A tool that does the usual things up to some point, and is killed there. */
#include "stress_tool.h"

#include "guests/stress.h"
#include "lab.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define LIMIT_S	    30
#define NR_COMMANDS 20
#define NR_PAUSES   5
#define NR_STUFFED  500
#define PERMISSIONS 2000 /* tries, a millisecond apart at most */

const char *const stress_points[STRESS_NR_POINTS] = {
	[STRESS_BEFORE_FIRST] = "before its first message",
	[STRESS_MID_HEADER] = "within a header",
	[STRESS_MID_MESSAGE] = "within a message",
	[STRESS_VM_COMMANDS] = "VM commands sent",
	[STRESS_VCPU_COMMANDS] = "vCPU commands queued",
	[STRESS_PAUSE_SENT] = "PAUSE sent",
	[STRESS_PAUSE_EVENT] = "PAUSE event pending",
	[STRESS_ENABLE_SENT] = "enabling",
	[STRESS_ENABLED] = "enabled",
	[STRESS_DISABLED] = "disabled",
	[STRESS_EVENT_UNREAD] = "event unread",
	[STRESS_EVENT_READ] = "event pending",
	[STRESS_EVENT_COMMANDS] = "event pending, commands queued",
	[STRESS_EVENT_PAUSE] = "event pending, PAUSE sent",
	[STRESS_MID_REPLY] = "within an answer",
	[STRESS_REPLIED] = "answered",
	[STRESS_REPLIED_COMMANDS] = "answered, commands queued",
	[STRESS_STUFFED] = "socket full",
	[STRESS_ANYWHERE] = "anywhere",
};

uint64_t stress_random(uint64_t *state)
{
	uint64_t x = *state += 0x9e3779b97f4a7c15;

	x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9;
	x = (x ^ x >> 27) * 0x94d049bb133111eb;
	return x ^ x >> 31;
}

/* --- the tool --- */

static struct kvmi_client *c;
static struct stress_plan plan;

static unsigned int below(unsigned int n)
{
	return stress_random(&plan.seed) % n;
}

static _Noreturn void die(void)
{
	kill(getpid(), SIGKILL);
	for (;;)
		pause();
}

/* Is this the point? */
static void at(enum stress_point point)
{
	if (plan.point != point)
		return;
	if (plan.delay_us)
		usleep(plan.delay_us);
	die();
}

/* The VMM may have unhooked before the point was reached: then this is the end as well. */
#define must(call)                                                                           \
	do {                                                                                 \
		int must_ret = (call);                                                       \
                                                                                             \
		if (must_ret == -EPIPE || must_ret == -ECONNRESET)                           \
			die();                                                               \
		if (must_ret)                                                                \
			fail("the tool, to be killed %s: %s: %s", stress_points[plan.point], \
			     #call, kvmi_strerror(must_ret));                                \
	} while (0)

static void wait_for_permissions(void)
{
	for (int i = 0; i < PERMISSIONS; i++) {
		int ret = kvmi_check_event(c, KVMI_EVENT_BREAKPOINT);

		if (!ret)
			return;
		if (ret != KVM_EPERM)
			must(ret);
		usleep(100 + below(900));
	}
	fail("the VMM gives no permissions");
}

static uint16_t any_vcpu(void)
{
	return below(plan.nr_vcpus);
}

/* One vCPU command whose reply nobody waits for. */
static void send_command(void)
{
	const struct kvmi_vcpu_get_registers none = {0};
	const struct kvmi_vcpu_get_cpuid leaf = {.function = 0};
	const struct kvmi_vcpu_control_events on = {.event_id = KVMI_EVENT_PAUSE_VCPU, .enable = 1};
	uint32_t seq;

	switch (below(4)) {
	case 0:
		must(kvmi_vcpu_command_send(c, KVMI_VCPU_GET_INFO, any_vcpu(), NULL, 0, &seq));
		break;
	case 1:
		must(kvmi_vcpu_command_send(c, KVMI_VCPU_GET_REGISTERS, any_vcpu(), &none,
					    sizeof(none), &seq));
		break;
	case 2:
		must(kvmi_vcpu_command_send(c, KVMI_VCPU_GET_CPUID, any_vcpu(), &leaf, sizeof(leaf),
					    &seq));
		break;
	case 3:
		must(kvmi_vcpu_command_send(c, KVMI_VCPU_CONTROL_EVENTS, any_vcpu(), &on,
					    sizeof(on), &seq));
		break;
	}
}

static void send_commands(void)
{
	bool batch = below(2);

	if (batch)
		must(kvmi_batch_begin(c));
	for (unsigned int i = 1 + below(NR_COMMANDS); i; i--)
		send_command();
	if (batch)
		must(kvmi_batch_send(c));
}

static void send_vm_commands(void)
{
	const struct kvmi_vm_read_physical page = {.gpa = GUEST_CODE, .size = 4096};
	const struct iovec iov = {.iov_base = (void *)&page, .iov_len = sizeof(page)};
	uint32_t seq;

	for (unsigned int i = 1 + below(NR_COMMANDS); i; i--) {
		must(kvmi_command_send(c, KVMI_VM_GET_INFO, NULL, 0, &seq));
		must(kvmi_command_send(c, KVMI_VM_READ_PHYSICAL, &iov, 1, &seq));
	}
}

static void send_pauses(void)
{
	uint32_t seq;

	for (unsigned int i = 1 + below(NR_PAUSES); i; i--) {
		const struct kvmi_vcpu_pause pause_cmd = {.wait = below(2)};

		must(kvmi_vcpu_command_send(c, KVMI_VCPU_PAUSE, any_vcpu(), &pause_cmd,
					    sizeof(pause_cmd), &seq));
	}
}

/* The first bytes of a SET_REGISTERS. */
static void send_part(size_t len)
{
	struct {
		struct kvmi_msg_hdr hdr;
		struct kvmi_vcpu_hdr vcpu;
		struct kvm_regs regs;
	} msg = {
		.hdr.id = KVMI_VCPU_SET_REGISTERS,
		.hdr.size = sizeof(msg) - sizeof(msg.hdr),
	};

	must(kvmi_send_raw(c, &msg, len));
}

/* Commands until the replies that nobody reads are stuck in KVM: in its receiver, or in a vCPU. */
static void stuff(void)
{
	const struct {
		struct kvmi_msg_hdr hdr;
		struct kvmi_vcpu_hdr vcpu;
		struct kvmi_vcpu_get_registers none;
	} msg = {
		.hdr.id = KVMI_VCPU_GET_REGISTERS,
		.hdr.size = sizeof(msg) - sizeof(msg.hdr),
	};
	const struct kvmi_msg_hdr version = {.id = KVMI_GET_VERSION};
	bool vcpu = below(2);

	for (int i = 0; i < NR_STUFFED; i++) {
		ssize_t n = send(kvmi_client_fd(c), vcpu ? (const void *)&msg : &version,
				 vcpu ? sizeof(msg) : sizeof(version), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n < 0 && errno == EAGAIN)
			break;
		if (n < 0)
			die();
	}
	usleep(1000);
}

static void send_enable(void)
{
	const struct kvmi_vcpu_control_events on = {
		.event_id = plan.what & STRESS_BP ? KVMI_EVENT_BREAKPOINT : KVMI_EVENT_HYPERCALL,
		.enable = 1,
	};
	uint32_t seq;

	must(kvmi_vcpu_command_send(c, KVMI_VCPU_CONTROL_EVENTS, any_vcpu(), &on, sizeof(on),
				    &seq));
}

static void answer(const struct kvmi_event_msg *ev);

/* Events that come meanwhile are answered afterwards. */
static void control(bool on)
{
	for (unsigned int i = 0; i < plan.nr_vcpus; i++) {
		if (plan.what & STRESS_BP)
			must(kvmi_vcpu_control_events(c, i, KVMI_EVENT_BREAKPOINT, on));
		if (plan.what & STRESS_HC)
			must(kvmi_vcpu_control_events(c, i, KVMI_EVENT_HYPERCALL, on));
	}
	while (!on && kvmi_event_pending(c)) {
		struct kvmi_event_msg ev;

		must(kvmi_recv_event(c, &ev));
		answer(&ev);
	}
}

/* In one of the ways there are. The guest is to be none the worse for any of them. */
static void answer(const struct kvmi_event_msg *ev)
{
	struct kvm_regs regs = ev->common.arch.regs;

	if (ev->common.event != KVMI_EVENT_BREAKPOINT || below(2)) {
		must(kvmi_reply_event(c, ev, KVMI_EVENT_ACTION_CONTINUE));
		return;
	}
	regs.rip += ev->breakpoint.insn_len;
	if (below(2)) {
		must(kvmi_reply_event_regs(c, ev, &regs, KVMI_EVENT_ACTION_RETRY));
		return;
	}
	must(kvmi_vcpu_set_registers(c, ev->common.vcpu, &regs));
	must(kvmi_reply_event(c, ev, KVMI_EVENT_ACTION_RETRY));
}

static void answer_half(const struct kvmi_event_msg *ev)
{
	struct {
		struct kvmi_msg_hdr hdr;
		struct kvmi_vcpu_hdr vcpu;
		struct kvmi_event_reply reply;
	} msg = {
		.hdr.id = KVMI_EVENT_REPLY,
		.hdr.size = sizeof(msg) - sizeof(msg.hdr),
		.hdr.seq = ev->hdr.seq,
		.vcpu.vcpu = ev->common.vcpu,
		.reply.action = KVMI_EVENT_ACTION_CONTINUE,
		.reply.event = ev->common.event,
	};

	must(kvmi_send_raw(c, &msg, 1 + below(sizeof(msg) - 1)));
}

static void wait_for_event(void)
{
	struct pollfd pfd = {.fd = kvmi_client_fd(c), .events = POLLIN};

	if (!kvmi_event_pending(c) && poll(&pfd, 1, TIMEOUT_MS) != 1)
		fail("the tool: no event came within %d ms", TIMEOUT_MS);
}

static void events(void)
{
	struct kvmi_event_msg ev;

	for (unsigned int i = 0; i < plan.events || plan.point == STRESS_ANYWHERE; i++) {
		must(kvmi_recv_event(c, &ev));
		if (!below(4))
			must(kvmi_vcpu_get_registers(c, ev.common.vcpu, NULL, NULL, NULL, NULL, 0));
		answer(&ev);
	}

	wait_for_event();
	at(STRESS_EVENT_UNREAD);
	must(kvmi_recv_event(c, &ev));
	at(STRESS_EVENT_READ);
	switch (plan.point) {
	case STRESS_EVENT_COMMANDS:
		must(kvmi_vcpu_set_registers(c, ev.common.vcpu, &ev.common.arch.regs));
		send_commands();
		at(STRESS_EVENT_COMMANDS);
		break;
	case STRESS_EVENT_PAUSE:
		send_pauses();
		at(STRESS_EVENT_PAUSE);
		break;
	case STRESS_MID_REPLY:
		answer_half(&ev);
		at(STRESS_MID_REPLY);
		break;
	case STRESS_REPLIED_COMMANDS:
		must(kvmi_batch_begin(c));
		must(kvmi_reply_event(c, &ev, KVMI_EVENT_ACTION_CONTINUE));
		for (unsigned int i = 1 + below(NR_COMMANDS); i; i--)
			send_command();
		must(kvmi_batch_send(c));
		at(STRESS_REPLIED_COMMANDS);
		break;
	default:
		answer(&ev);
		at(STRESS_REPLIED);
		break;
	}
}

static void tool(int sock)
{
	struct kvmi_event_msg ev;
	uint32_t version;

	if (kvmi_client_new(&c, sock, TIMEOUT_MS))
		fail("kvmi_client_new");
	at(STRESS_BEFORE_FIRST);
	switch (plan.point) {
	case STRESS_MID_HEADER:
		send_part(1 + below(sizeof(struct kvmi_msg_hdr) - 1));
		at(STRESS_MID_HEADER);
		break;
	case STRESS_MID_MESSAGE:
		send_part(sizeof(struct kvmi_msg_hdr) + below(sizeof(struct kvm_regs)));
		at(STRESS_MID_MESSAGE);
		break;
	}

	must(kvmi_get_version(c, &version));
	wait_for_permissions();
	switch (plan.point) {
	case STRESS_VM_COMMANDS:
		send_vm_commands();
		at(STRESS_VM_COMMANDS);
		break;
	case STRESS_VCPU_COMMANDS:
		send_commands();
		at(STRESS_VCPU_COMMANDS);
		break;
	case STRESS_PAUSE_SENT:
		send_pauses();
		at(STRESS_PAUSE_SENT);
		break;
	case STRESS_PAUSE_EVENT:
		send_pauses();
		must(kvmi_recv_event(c, &ev));
		at(STRESS_PAUSE_EVENT);
		break;
	case STRESS_ENABLE_SENT:
		send_enable();
		at(STRESS_ENABLE_SENT);
		break;
	}

	control(true);
	at(STRESS_ENABLED);
	switch (plan.point) {
	case STRESS_DISABLED:
		/* A vCPU that waits executes commands, too. */
		control(false);
		at(STRESS_DISABLED);
		break;
	case STRESS_STUFFED:
		stuff();
		at(STRESS_STUFFED);
		break;
	}
	events();
	fail("the tool went past the point where it was to be killed: %s",
	     stress_points[plan.point]);
}

/* --- the process that starts it --- */

static int server = -1;

static bool receive(int sock, int *passed)
{
	struct iovec iov = {.iov_base = &plan, .iov_len = sizeof(plan)};
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(sizeof(int))];
	} u;
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = u.buf,
		.msg_controllen = sizeof(u.buf),
	};

	if (recvmsg(sock, &msg, MSG_CMSG_CLOEXEC) != sizeof(plan) || !CMSG_FIRSTHDR(&msg))
		return false;
	memcpy(passed, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
	return true;
}

static _Noreturn void serve(int sock)
{
	int passed, status;
	pid_t pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	while (receive(sock, &passed)) {
		pid = fork();
		if (pid < 0)
			fail("fork: %s", strerror(errno));
		if (!pid) {
			prctl(PR_SET_PDEATHSIG, SIGKILL);
			alarm(LIMIT_S);
			close(sock);
			tool(passed);
		}
		close(passed);
		if (plan.point == STRESS_ANYWHERE) {
			usleep(plan.delay_us);
			kill(pid, SIGKILL);
		}
		if (waitpid(pid, &status, 0) != pid)
			fail("waitpid: %s", strerror(errno));
		if (write(sock, &status, sizeof(status)) != sizeof(status))
			break;
	}
	_exit(0);
}

void stress_server_start(void)
{
	int sv[2];
	pid_t pid;

	if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, sv))
		fail("socketpair: %s", strerror(errno));
	pid = fork();
	if (pid < 0)
		fail("fork: %s", strerror(errno));
	if (!pid) {
		close(sv[0]);
		serve(sv[1]);
	}
	close(sv[1]);
	server = sv[0];
}

void stress_tool_start(const struct stress_plan *p, int sock)
{
	if (!lab_send_fds(server, p, sizeof(*p), &sock, 1))
		fail("starting the tool: %s", strerror(errno));
}

void stress_tool_wait(void)
{
	struct pollfd pfd = {.fd = server, .events = POLLIN};
	int status;

	if (poll(&pfd, 1, (LIMIT_S + 10) * 1000) != 1)
		fail("the tool cannot be killed: it hangs in the kernel");
	if (read(server, &status, sizeof(status)) != sizeof(status))
		fail("the process that starts the tools is gone");
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		fail("the tool did not come to its point within %d s", LIMIT_S);
	if (!WIFSIGNALED(status) || WTERMSIG(status) != SIGKILL)
		fail("the tool ended with status %#x instead of being killed", status);
}

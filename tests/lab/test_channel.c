// SPDX-License-Identifier: BSD-2-Clause
/* One socket for a receiver and many vCPUs: whole messages, whoever is slow, late or killed. */
#include "lab.h"

#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define PAGE	 4096
#define VCPUS	 4
#define MSR_STAR 0xc0000081

VMM_DECLARE_GUEST(hit);

static const struct vmm_guest hit = VMM_GUEST(hit);

/* Hooks by a socket through which no large message goes at once. */
static void hook_narrow(struct lab *l)
{
	int sv[2], least = 1;

	lab_socketpair(sv);
	check_eq(setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &least, sizeof(least)), 0);
	check_eq(vmm_hook(l->vm, sv[0]), 0);
	close(sv[0]);
	check_eq(kvmi_client_new(&l->c, sv[1], TIMEOUT_MS), 0);
}

/* The command with the largest reply: as many MSRs as there may be. */
struct get_all {
	struct kvmi_vcpu_get_registers cmd;
	uint32_t msrs[KVMI_MAX_GET_MSRS];
};

static const struct get_all *get_all(void)
{
	static struct get_all req = {.cmd.nmsrs = KVMI_MAX_GET_MSRS};

	for (unsigned int i = 0; i < KVMI_MAX_GET_MSRS; i++)
		req.msrs[i] = MSR_STAR + i % 3;
	return &req;
}

/* Nobody else's bytes are in it. */
static void check_get_all(const uint8_t *payload, size_t size, unsigned int vcpu)
{
	const struct kvmi_error_code *ec = (void *)payload;
	const struct kvmi_vcpu_get_registers_reply *rpl = (void *)(ec + 1);

	check_eq(size,
		 sizeof(*ec) + sizeof(*rpl) + KVMI_MAX_GET_MSRS * sizeof(struct kvm_msr_entry));
	check_eq(ec->err, 0);
	check_eq(rpl->mode, 8);
	check_eq(rpl->sregs.gs.base, GUEST_CONFIG + vcpu * PAGE);
	check_eq(rpl->msrs.nmsrs, KVMI_MAX_GET_MSRS);
	for (unsigned int i = 0; i < KVMI_MAX_GET_MSRS; i++)
		check_eq(rpl->msrs.entries[i].index, MSR_STAR + i % 3);
}

/* --- many writers --- */

enum { PER_VCPU = 3, READS = 6 };

struct expected {
	uint32_t vcpu_seq[VCPUS][PER_VCPU], read_seq[READS];
	unsigned int vcpu_done[VCPUS], reads_done, events;
};

static void send_all(struct kvmi_client *c, struct expected *e)
{
	const struct kvmi_vcpu_pause pause = {0};
	uint32_t seq;

	for (unsigned int i = 0; i < READS; i++) {
		const struct kvmi_vm_read_physical read = {GUEST_LOG + i * PAGE, PAGE};
		const struct iovec iov = {.iov_base = (void *)&read, .iov_len = sizeof(read)};

		for (unsigned int v = 0; v < VCPUS && i < PER_VCPU; v++)
			check_kvmi(kvmi_vcpu_command_send(c, KVMI_VCPU_GET_REGISTERS, v, get_all(),
							  sizeof(struct get_all),
							  &e->vcpu_seq[v][i]),
				   0);
		check_kvmi(kvmi_command_send(c, KVMI_VM_READ_PHYSICAL, &iov, 1, &e->read_seq[i]),
			   0);
	}
	for (unsigned int v = 0; v < VCPUS; v++)
		check_kvmi(
			kvmi_vcpu_command_send(c, KVMI_VCPU_PAUSE, v, &pause, sizeof(pause), &seq),
			0);
}

static void check_message(struct lab *l, struct expected *e, const struct kvmi_msg_hdr *hdr,
			  const uint8_t *payload)
{
	const struct kvmi_event *common = (void *)payload;
	struct kvmi_event_msg ev = {.hdr = *hdr};
	unsigned int v;

	switch (hdr->id) {
	case KVMI_VCPU_GET_REGISTERS:
		for (v = 0; v < VCPUS; v++)
			if (e->vcpu_done[v] < PER_VCPU &&
			    e->vcpu_seq[v][e->vcpu_done[v]] == hdr->seq)
				break;
		if (v == VCPUS)
			fail("a reply of seq %u, which is none's next", hdr->seq);
		check_get_all(payload, hdr->size, v);
		e->vcpu_done[v]++;
		break;
	case KVMI_VM_READ_PHYSICAL:
		check_eq(hdr->seq, e->read_seq[e->reads_done]);
		check_eq(hdr->size, 8 + PAGE);
		for (unsigned int i = 0; i < PAGE; i++)
			check_eq(payload[8 + i], (uint8_t)(0x11 * (e->reads_done + 1)));
		e->reads_done++;
		break;
	case KVMI_VCPU_PAUSE:
		check_eq(hdr->size, 8);
		break;
	case KVMI_EVENT:
		check_eq(hdr->size, 544);
		check(common->vcpu < VCPUS);
		check_eq(common->event, KVMI_EVENT_PAUSE_VCPU);
		check_eq(common->arch.sregs.gs.base, GUEST_CONFIG + common->vcpu * PAGE);
		ev.common = *common;
		lab_continue(l->c, &ev);
		e->events++;
		break;
	default:
		fail("message %u of %u bytes", hdr->id, hdr->size);
	}
}

/*
 * Four vCPUs and the receiver write messages that the socket takes in pieces only, to a tool in no
 * hurry. They come whole, and each vCPU's in order.
 */
static void test_channel_whole(void)
{
	static uint8_t payload[KVMI_REPLY_SIZE];
	struct runner r[VCPUS] = {0};
	struct kvmi_msg_hdr hdr;
	struct lab l;

	lab_open_any(&l, &hit, VCPUS);
	hook_narrow(&l);
	for (unsigned int i = 0; i < VCPUS; i++)
		lab_spin_vcpu(&l, &r[i], i);
	for (unsigned int i = 0; i < READS; i++)
		memset(vmm_mem(l.vm, GUEST_LOG + i * PAGE, PAGE), 0x11 * (i + 1), PAGE);
	for (int round = 0; round < 4; round++) {
		struct expected e = {0};

		send_all(l.c, &e);
		for (unsigned int n = VCPUS * (PER_VCPU + 2) + READS; n; n--) {
			usleep(500);
			check_kvmi(kvmi_recv_msg(l.c, &hdr, payload, sizeof(payload)), 0);
			check_message(&l, &e, &hdr, payload);
		}
		check_eq(e.events, VCPUS);
		check_eq(e.reads_done, READS);
		lab_no_event(l.c);
	}
	for (unsigned int i = 0; i < VCPUS; i++) {
		lab_goes_on(vmm_vcpu(l.vm, i));
		runner_stop(&r[i]);
	}
}

/* --- signals --- */

/*
 * The VMM wants a vCPU that is in the middle of a message: that is finished, then the vCPU comes. What it
 * has not begun is done in the next KVM_RUN.
 */
static void test_channel_signal(void)
{
	enum { N = 3 };
	static uint8_t payload[KVMI_REPLY_SIZE];
	struct kvmi_event_msg ev;
	struct runner r = {0};
	struct kvmi_msg_hdr hdr;
	uint32_t seq[N];
	struct lab l;

	lab_open_any(&l, &hit, 1);
	hook_narrow(&l);
	lab_spin_vcpu(&l, &r, 0);
	lab_goes_on(l.v);
	for (int round = 0; round < 5; round++) {
		for (int i = 0; i < N; i++)
			check_kvmi(kvmi_vcpu_command_send(l.c, KVMI_VCPU_GET_REGISTERS, 0,
							  get_all(), sizeof(struct get_all),
							  &seq[i]),
				   0);
		lab_comes_to_rest(l.v);
		vmm_kick(l.v);
		usleep(5000);
		for (int i = 0; i < N; i++) {
			check_kvmi(kvmi_recv_msg(l.c, &hdr, payload, sizeof(payload)), 0);
			check_eq(hdr.id, KVMI_VCPU_GET_REGISTERS);
			check_eq(hdr.seq, seq[i]);
			check_get_all(payload, hdr.size, 0);
			if (i)
				continue;
			check_eq(runner_join(&r), -EINTR);
			runner_start(&r, l.v);
		}
		lab_goes_on(l.v);
	}
	check_kvmi(kvmi_vcpu_pause(l.c, 0, true), 0);
	lab_expect_event(l.c, &ev, KVMI_EVENT_PAUSE_VCPU, 0);
	lab_continue(l.c, &ev);
	lab_goes_on(l.v);
	runner_stop(&r);
}

/* The same with an event: nobody reads when the vCPU sends it, and a signal comes. */
static void test_channel_signal_event(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct kvmi_msg_hdr hdr;
	uint8_t payload[544];
	unsigned int sent;
	struct lab l;

	lab_open_any(&l, &hit, 1);
	hook_narrow(&l);
	check_kvmi(kvmi_vcpu_pause(l.c, 0, false), 0);
	sent = lab_stuff(l.c);
	lab_spin_vcpu(&l, &r, 0);
	usleep(10000);
	for (int i = 0; i < 3; i++) {
		vmm_kick(l.v);
		usleep(2000);
	}
	check_eq(l.v->config->hits, 0);
	for (bool event = false; sent || !event;) {
		check_kvmi(kvmi_recv_msg(l.c, &hdr, payload, sizeof(payload)), 0);
		if (hdr.id == KVMI_EVENT) {
			check(!event);
			check_eq(hdr.size, 544);
			ev.hdr = hdr;
			memcpy(&ev.common, payload, sizeof(ev.common));
			event = true;
		} else {
			check_eq(hdr.id, KVMI_GET_VERSION);
			sent--;
		}
	}
	check_eq(runner_join(&r), -EINTR);
	runner_start(&r, l.v);
	lab_stands_still(l.v);
	lab_no_event(l.c);
	lab_continue(l.c, &ev);
	lab_goes_on(l.v);
	runner_stop(&r);
}

/* --- answers --- */

static void pause_vcpu(struct lab *l, struct kvmi_event_msg *ev, uint16_t vcpu)
{
	check_kvmi(kvmi_vcpu_pause(l->c, vcpu, true), 0);
	lab_expect_event(l->c, ev, KVMI_EVENT_PAUSE_VCPU, vcpu);
}

/* A second answer, at once or when the guest has gone on: closed, and no harm done. */
static void test_channel_duplicate_answer(void)
{
	for (int late = 0; late < 2; late++) {
		struct runner r = {0};
		struct kvmi_event_msg ev;
		struct lab l;

		lab_spin(&l, &r, 1);
		pause_vcpu(&l, &ev, 0);
		lab_continue(l.c, &ev);
		if (late)
			lab_goes_on(l.v);
		lab_continue(l.c, &ev);
		lab_expect_close(l.c);
		lab_goes_on(l.v);
		check_eq(vmm_unhook(l.vm), 0);
		runner_stop(&r);
		vmm_destroy(l.vm);
	}
}

/* An answer for a vCPU by the number of another's event. */
static void test_channel_other_vcpus_answer(void)
{
	struct runner r[2] = {0};
	struct kvmi_event_msg ev[2];
	struct lab l;

	lab_spin(&l, r, 2);
	for (unsigned int i = 0; i < 2; i++)
		pause_vcpu(&l, &ev[i], i);
	ev[0].hdr.seq = ev[1].hdr.seq;
	lab_continue(l.c, &ev[0]);
	lab_expect_close(l.c);
	for (unsigned int i = 0; i < 2; i++) {
		lab_goes_on(vmm_vcpu(l.vm, i));
		runner_stop(&r[i]);
	}
}

/* --- a VMM that is killed --- */

enum killed {
	KILLED_PAUSED,	 /* its vCPUs wait for answers */
	KILLED_SENDING,	 /* its vCPU is in the middle of a reply which nobody reads */
	KILLED_PREUNHOOK /* PREUNHOOK does not get its event out */
};

static _Noreturn void vmm_process(int sock, bool preunhook)
{
	struct runner r[2] = {{.timeout_ms = 60000}, {.timeout_ms = 60000}};
	int least = 1;
	struct lab l;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	lab_open_any(&l, &hit, 2);
	setsockopt(sock, SOL_SOCKET, SO_SNDBUF, &least, sizeof(least));
	if (vmm_hook(l.vm, sock))
		_exit(1);
	close(sock);
	for (unsigned int i = 0; i < 2; i++)
		lab_spin_vcpu(&l, &r[i], i);
	while (preunhook) {
		vmm_preunhook(l.vm);
		usleep(1000);
	}
	for (;;)
		pause();
}

static void kill_vmm(enum killed how)
{
	struct kvmi_event_msg ev;
	struct kvmi_client *c;
	int sv[2], status, pidfd;
	uint32_t seq;
	pid_t pid;

	lab_socketpair(sv);
	pid = fork();
	if (pid < 0)
		fail("fork: %s", strerror(errno));
	if (!pid) {
		close(sv[1]);
		vmm_process(sv[0], how == KILLED_PREUNHOOK);
	}
	close(sv[0]);
	check_eq(kvmi_client_new(&c, sv[1], TIMEOUT_MS), 0);
	check(lab_wait_allowed(c));
	switch (how) {
	case KILLED_PAUSED:
		for (unsigned int i = 0; i < 2; i++) {
			check_kvmi(kvmi_vcpu_pause(c, i, true), 0);
			lab_expect_event(c, &ev, KVMI_EVENT_PAUSE_VCPU, i);
		}
		break;
	case KILLED_SENDING:
		for (unsigned int i = 0; i < 4; i++)
			check_kvmi(kvmi_vcpu_command_send(c, KVMI_VCPU_GET_REGISTERS, i % 2,
							  get_all(), sizeof(struct get_all), &seq),
				   0);
		usleep(20000);
		break;
	case KILLED_PREUNHOOK:
		check_kvmi(kvmi_control_events(c, KVMI_EVENT_UNHOOK, true), 0);
		usleep(50000);
		break;
	}

	check_eq(kill(pid, SIGKILL), 0);
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (poll(&(struct pollfd){.fd = pidfd, .events = POLLIN}, 1, TIMEOUT_MS) != 1)
		fail("a killed VMM has not ended after %d ms", TIMEOUT_MS);
	check_eq(waitpid(pid, &status, 0), pid);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	/* A message may have been cut short. */
	for (int ret = 0; !ret;) {
		struct kvmi_msg_hdr hdr;

		ret = kvmi_recv_msg(c, &hdr, NULL, 0);
		if (ret && ret != -EPIPE)
			fail("the tool sees %s", kvmi_strerror(ret));
	}
}

static void test_killed_vmm_paused(void)
{
	kill_vmm(KILLED_PAUSED);
}

static void test_killed_vmm_sending(void)
{
	kill_vmm(KILLED_SENDING);
}

static void test_killed_vmm_preunhook(void)
{
	kill_vmm(KILLED_PREUNHOOK);
}

int main(void)
{
	const struct tap_test tests[] = {
		{"four vCPUs and the receiver write: all messages whole, in order",
		 test_channel_whole},
		{"signal while a vCPU is in the middle of a reply", test_channel_signal},
		{"signal while a vCPU cannot send its event", test_channel_signal_event},
		{"a second answer to PAUSE: closed, the guest goes on",
		 test_channel_duplicate_answer},
		{"an answer with another vCPU's number: closed, both go on",
		 test_channel_other_vcpus_answer},
		{"VMM killed with two events unanswered", test_killed_vmm_paused},
		{"VMM killed with replies that nobody reads", test_killed_vmm_sending},
		{"VMM killed in PREUNHOOK", test_killed_vmm_preunhook},
	};

	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

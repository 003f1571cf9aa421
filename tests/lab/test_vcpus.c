// SPDX-License-Identifier: BSD-2-Clause
/* vCPUs that are many, late, asleep or not yet there. */
#include "lab.h"
#include "raw.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define HITS 50

VMM_DECLARE_GUEST(hit);
extern const char guest_hit_bp[], guest_hit_handler[];

static const struct vmm_guest hit = VMM_GUEST(hit);

struct vcpu_get_registers {
	struct kvmi_vcpu_hdr hdr;
	struct kvmi_vcpu_get_registers cmd;
};

/* --- several at a time --- */

#define MAX_VCPUS 4

/* Starts vCPUs with BREAKPOINT enabled before their first instruction. */
static void run_with_bp(struct lab *l, struct runner *r, unsigned int first, unsigned int n)
{
	struct {
		struct kvmi_vcpu_hdr hdr;
		struct kvmi_vcpu_control_events cmd;
	} req = {.cmd.event_id = KVMI_EVENT_BREAKPOINT, .cmd.enable = 1};
	uint32_t seq[MAX_VCPUS];

	for (unsigned int i = first; i < first + n; i++) {
		req.hdr.vcpu = i;
		seq[i] = lab_queue(l, KVMI_VCPU_CONTROL_EVENTS, &req, sizeof(req));
		vmm_vcpu(l->vm, i)->config->count = HITS;
	}
	for (unsigned int i = first; i < first + n; i++)
		runner_start(&r[i], vmm_vcpu(l->vm, i));
	for (unsigned int i = first; i < first + n; i++)
		check_kvmi(kvmi_command_wait(l->c, KVMI_VCPU_CONTROL_EVENTS, seq[i], NULL, 0), 0);
}

static void enable_bp(struct lab *l, struct runner r[2])
{
	run_with_bp(l, r, 0, 2);
}

/* Each from 1 to @last once: a vCPU may be overtaken between taking its number and sending. */
struct numbers {
	uint32_t last;
	bool seen[MAX_VCPUS * HITS + 1];
};

static void check_number(struct numbers *numbers, uint32_t seq)
{
	check(seq >= 1 && seq <= numbers->last);
	check(!numbers->seen[seq]);
	numbers->seen[seq] = true;
}

/* The next breakpoint, of any vCPU; answers it. Which vCPU's it was. */
static unsigned int serve(struct lab *l, struct numbers *numbers)
{
	struct kvmi_event_msg ev;

	check_kvmi(kvmi_recv_event(l->c, &ev), 0);
	check_number(numbers, ev.hdr.seq);
	check_eq(ev.common.event, KVMI_EVENT_BREAKPOINT);
	check_eq(ev.common.arch.regs.rip, vmm_label(&hit, guest_hit_bp));
	check(ev.common.vcpu < MAX_VCPUS);
	/* Its own registers: GS base is its configuration's. */
	check_eq(ev.common.arch.sregs.gs.base, GUEST_CONFIG + ev.common.vcpu * 4096);
	lab_skip_bp(l->c, &ev);
	return ev.common.vcpu;
}

/* All run into it at the same time, for one tool, which answers as they come. */
static void at_once(unsigned int n)
{
	struct counter *exits, *sent;
	unsigned int hits[MAX_VCPUS] = {0};
	struct numbers numbers = {.last = n * HITS};
	struct runner r[MAX_VCPUS] = {0};
	struct lab l;

	lab_open(&l, &hit, n);
	lab_hook(&l);
	exits = counter_start_bp_exits();
	sent = counter_start("kvmi:kvmi_event_bp_send", NULL);
	run_with_bp(&l, r, 0, n);
	for (uint32_t i = 1; i <= n * HITS; i++)
		hits[serve(&l, &numbers)]++;
	for (unsigned int i = 0; i < n; i++) {
		runner_done(&r[i]);
		check_eq(hits[i], HITS);
		check_eq(vmm_vcpu(l.vm, i)->config->hits, HITS);
		check_eq(vmm_vcpu(l.vm, i)->config->bp_count, 0);
	}
	lab_no_event(l.c);
	check_eq(counter_read(sent), n * HITS);
	check_eq(counter_read(exits), n * HITS);
}

static void test_smp_one(void)
{
	at_once(1);
}

static void test_smp_two(void)
{
	at_once(2);
}

static void test_smp_four(void)
{
	at_once(4);
}

/* All wait at the same time, and none goes on before its own answer has come. */
static void test_smp_all_wait(void)
{
	struct runner r[MAX_VCPUS] = {0};
	struct kvmi_event_msg ev[MAX_VCPUS];
	struct lab l;

	lab_open(&l, &hit, MAX_VCPUS);
	lab_hook(&l);
	run_with_bp(&l, r, 0, MAX_VCPUS);
	for (int round = 0; round < HITS; round++) {
		unsigned int seen = 0;

		for (int i = 0; i < MAX_VCPUS; i++) {
			check_kvmi(kvmi_recv_event(l.c, &ev[i]), 0);
			check(ev[i].common.vcpu < MAX_VCPUS);
			check(!(seen & 1 << ev[i].common.vcpu));
			seen |= 1 << ev[i].common.vcpu;
		}
		lab_no_event(l.c);
		for (int i = 0; i < MAX_VCPUS; i++)
			check_eq(vmm_vcpu(l.vm, i)->config->hits, round);
		for (int i = MAX_VCPUS - 1; i >= 0; i--)
			lab_skip_bp(l.c, &ev[i]);
	}
	for (int i = 0; i < MAX_VCPUS; i++) {
		runner_done(&r[i]);
		check_eq(vmm_vcpu(l.vm, i)->config->hits, HITS);
	}
}

/* Both events are out; the answers come the other way round, and the first vCPU goes on waiting. */
static void test_answers_crosswise(void)
{
	struct kvmi_event_msg ev[2];
	struct runner r[2] = {0};
	struct lab l;

	lab_open(&l, &hit, 2);
	lab_hook(&l);
	enable_bp(&l, r);
	for (int i = 0; i < HITS; i++) {
		check_kvmi(kvmi_recv_event(l.c, &ev[0]), 0);
		check_kvmi(kvmi_recv_event(l.c, &ev[1]), 0);
		check_eq(ev[0].common.vcpu, !ev[1].common.vcpu);
		lab_skip_bp(l.c, &ev[1]);
		lab_skip_bp(l.c, &ev[0]);
	}
	for (int i = 0; i < 2; i++) {
		runner_done(&r[i]);
		check_eq(vmm_vcpu(l.vm, i)->config->hits, HITS);
	}
}

/* The tool goes with both waiting. */
static void test_close_two_vcpus(void)
{
	struct kvmi_event_msg ev[2];
	struct runner r[2] = {0};
	struct lab l;

	lab_open(&l, &hit, 2);
	lab_hook(&l);
	check_eq(vmm_set_handler(l.vm, 3, vmm_label(&hit, guest_hit_handler)), 0);
	enable_bp(&l, r);
	check_kvmi(kvmi_recv_event(l.c, &ev[0]), 0);
	check_kvmi(kvmi_recv_event(l.c, &ev[1]), 0);
	kvmi_client_free(l.c);
	for (int i = 0; i < 2; i++) {
		runner_done(&r[i]);
		check_eq(vmm_vcpu(l.vm, i)->config->hits, HITS);
		check_eq(vmm_vcpu(l.vm, i)->config->bp_count, HITS);
	}
}

/* --- late --- */

static void test_after_hook(void)
{
	const struct vcpu_get_registers req = {.hdr.vcpu = 1};
	struct kvmi_vcpu_get_registers_reply rpl;
	struct lab l;
	uint32_t seq;
	int fd;

	lab_open_any(&l, &hit, 1);
	lab_hook(&l);
	check_kvmi(kvmi_command(l.c, KVMI_VCPU_GET_REGISTERS, &req, sizeof(req), NULL, 0),
		   KVM_EINVAL);
	fd = ioctl(vmm_fd(l.vm), KVM_CREATE_VCPU, (unsigned long)VMM_VCPU_ID(1));
	if (fd < 0)
		fail("KVM_CREATE_VCPU: %s", strerror(errno));
	seq = lab_queue(&l, KVMI_VCPU_GET_REGISTERS, &req, sizeof(req));
	/* It is at the reset vector, where there is no memory: some exit ends this. */
	alarm(10);
	if (ioctl(fd, KVM_RUN, 0))
		note("KVM_RUN: %s", strerror(errno));
	check_kvmi(kvmi_command_wait(l.c, KVMI_VCPU_GET_REGISTERS, seq, &rpl, sizeof(rpl)), 0);
	check_eq(rpl.mode, 2);
	check_eq(rpl.regs.rip, 0xfff0);
}

/* It is like those that were there at HOOK: commands, pauses, breakpoints, and the end of it all. */
static void test_after_hook_events(void)
{
	struct runner r[MAX_VCPUS] = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	lab_open(&l, &hit, 1);
	lab_hook(&l);
	check_eq(vmm_set_handler(l.vm, 3, vmm_label(&hit, guest_hit_handler)), 0);
	check_kvmi(kvmi_vcpu_pause(l.c, 1, false), KVM_EINVAL);
	check_eq(vmm_add_vcpu(l.vm), 0);
	check_kvmi(kvmi_vcpu_pause(l.c, 1, true), 0);
	run_with_bp(&l, r, 1, 1);
	lab_expect_event(l.c, &ev, KVMI_EVENT_PAUSE_VCPU, 1);
	lab_continue(l.c, &ev);
	check_eq(ev.hdr.seq, 1);
	for (uint32_t seq = 2; seq <= 3; seq++) {
		lab_expect_bp(l.c, &ev, 1, vmm_label(&hit, guest_hit_bp));
		check_eq(ev.hdr.seq, seq);
		lab_skip_bp(l.c, &ev);
	}
	lab_expect_bp(l.c, &ev, 1, vmm_label(&hit, guest_hit_bp));
	check_eq(vmm_unhook(l.vm), 0);
	runner_done(&r[1]);
	check_eq(vmm_vcpu(l.vm, 1)->config->hits, HITS);
	check_eq(vmm_vcpu(l.vm, 1)->config->bp_count, HITS - 2);
}

/* In the middle of the others' breakpoints. */
static void test_hot_added(void)
{
	unsigned int hits[MAX_VCPUS] = {0};
	struct numbers numbers = {.last = MAX_VCPUS * HITS};
	struct runner r[MAX_VCPUS] = {0};
	struct lab l;

	lab_open(&l, &hit, 2);
	lab_hook(&l);
	run_with_bp(&l, r, 0, 2);
	for (uint32_t i = 1; i <= 4 * HITS; i++) {
		/* Both have at least half of their hits to go, and one of them may be waiting now. */
		if (i == HITS / 2 || i == HITS) {
			unsigned int index = i == HITS / 2 ? 2 : 3;

			check_eq(vmm_add_vcpu(l.vm), 0);
			run_with_bp(&l, r, index, 1);
		}
		hits[serve(&l, &numbers)]++;
	}
	for (unsigned int i = 0; i < MAX_VCPUS; i++) {
		runner_done(&r[i]);
		check_eq(hits[i], HITS);
		check_eq(vmm_vcpu(l.vm, i)->config->hits, HITS);
	}
	lab_no_event(l.c);
}

/* --- never started --- */

/* What it was sent goes unanswered, without harm to the others, to UNHOOK, or to the next tool. */
static void test_never_started(void)
{
	const struct kvmi_vcpu_get_registers get = {0};
	struct kvmi_event_msg ev;
	struct runner r[2] = {0};
	uint32_t seq;
	struct lab l;

	lab_open_any(&l, &hit, 2);
	lab_hook(&l);
	lab_spin_vcpu(&l, &r[0], 0);
	lab_goes_on(l.v);
	for (int i = 0; i < 10; i++)
		check_kvmi(kvmi_vcpu_command_send(l.c, KVMI_VCPU_GET_REGISTERS, 1, &get,
						  sizeof(get), &seq),
			   0);
	check_kvmi(kvmi_vcpu_pause(l.c, 1, true), 0);
	for (int i = 0; i < 10; i++)
		check_kvmi(kvmi_vcpu_get_registers(l.c, 0, NULL, NULL, NULL, NULL, 0), 0);
	check_kvmi(kvmi_vcpu_pause(l.c, 0, true), 0);
	lab_expect_event(l.c, &ev, KVMI_EVENT_PAUSE_VCPU, 0);
	lab_continue(l.c, &ev);
	lab_no_event(l.c);
	check_eq(vmm_unhook(l.vm), 0);
	lab_expect_close(l.c);

	kvmi_client_free(l.c);
	lab_hook(&l);
	lab_spin_vcpu(&l, &r[1], 1);
	check_kvmi(kvmi_vcpu_get_registers(l.c, 1, NULL, NULL, NULL, NULL, 0), 0);
	lab_no_event(l.c);
	for (unsigned int i = 0; i < 2; i++) {
		lab_goes_on(vmm_vcpu(l.vm, i));
		runner_stop(&r[i]);
	}
	/* And a VM that ends with commands waiting. */
	check_kvmi(kvmi_vcpu_command_send(l.c, KVMI_VCPU_GET_REGISTERS, 1, &get, sizeof(get), &seq),
		   0);
	lab_no_event(l.c);
	vmm_destroy(l.vm);
	lab_expect_close(l.c);
}

/* --- asleep --- */

/* HLT inside KVM_RUN: it serves the tool without waking the guest. */
static void test_halted(void)
{
	struct kvm_mp_state state;
	struct raw_runner r;
	struct kvm_regs regs;
	struct raw raw;
	uint32_t mode;

	raw_open(&raw, RAW_IRQCHIP, 1);
	raw_start(&r, &raw, 0);
	for (int i = 0; i < 20; i++) {
		usleep(2000);
		check_kvmi(kvmi_vcpu_get_registers(raw.c, 0, &mode, &regs, NULL, NULL, 0), 0);
		check_eq(mode, 2);
		check_kvmi(kvmi_vcpu_control_events(raw.c, 0, KVMI_EVENT_BREAKPOINT, i & 1), 0);
	}
	/* Behind the HLT, and it has not gone on from there. */
	check_eq(regs.rip, RAW_CODE + 1);
	raw_stop(&r);
	check_eq(ioctl(raw.vcpu[0], KVM_GET_MP_STATE, &state), 0);
	check_eq(state.mp_state, KVM_MP_STATE_HALTED);
}

/* --- not yet there --- */

static void test_uninitialized(void)
{
	const struct vcpu_get_registers req = {.hdr.vcpu = 1};
	struct kvm_mp_state state = {.mp_state = KVM_MP_STATE_UNINITIALIZED};
	struct raw raw;

	raw_open(&raw, RAW_IRQCHIP, 2);
	check_eq(ioctl(raw.vcpu[1], KVM_SET_MP_STATE, &state), 0);
	check_kvmi(kvmi_command(raw.c, KVMI_VCPU_GET_REGISTERS, &req, sizeof(req), NULL, 0),
		   KVM_EAGAIN);
	check_kvmi(kvmi_vcpu_control_events(raw.c, 1, KVMI_EVENT_BREAKPOINT, true), KVM_EAGAIN);
}

int main(void)
{
	const struct tap_test tests[] = {
		{"breakpoints of one vCPU", test_smp_one},
		{"breakpoints of two vCPUs at the same time", test_smp_two},
		{"breakpoints of four vCPUs at the same time", test_smp_four},
		{"four vCPUs wait, each goes on with its own answer", test_smp_all_wait},
		{"two vCPUs, answered the other way round", test_answers_crosswise},
		{"tool gone while two vCPUs wait", test_close_two_vcpus},
		{"vCPU created after HOOK: commands", test_after_hook},
		{"vCPU created after HOOK: events, and what UNHOOK leaves", test_after_hook_events},
		{"vCPUs created between breakpoints of others", test_hot_added},
		{"vCPU that is never started", test_never_started},
		{"halted vCPU serves commands, and stays halted", test_halted},
		{"vCPU that waits for INIT: EAGAIN", test_uninitialized},
	};

	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

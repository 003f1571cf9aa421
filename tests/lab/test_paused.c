// SPDX-License-Identifier: BSD-2-Clause
/* A paused vCPU: what the answers do, other events meanwhile, and the tool that goes without an answer. */
#include "lab.h"
#include "raw.h"

#include <sys/ioctl.h>
#include <unistd.h>

VMM_DECLARE_GUEST(hit);
extern const char guest_hit_bp[];

static const struct vmm_guest hit = VMM_GUEST(hit);

static void expect_pause(struct lab *l, struct kvmi_event_msg *ev, uint16_t vcpu)
{
	lab_expect_event(l->c, ev, KVMI_EVENT_PAUSE_VCPU, vcpu);
}

/* Pauses the spinning vCPU and waits for the event. */
static void pause_vcpu(struct lab *l, struct kvmi_event_msg *ev, uint16_t vcpu)
{
	check_kvmi(kvmi_vcpu_pause(l->c, vcpu, false), 0);
	expect_pause(l, ev, vcpu);
}

/* --- answers --- */

/* A second one meanwhile: its event follows, and the guest does nothing in between. */
static void test_pause_while_paused(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	uint64_t hits;
	struct lab l;

	lab_spin(&l, &r, 1);
	pause_vcpu(&l, &ev, 0);
	hits = l.v->config->hits;
	check_kvmi(kvmi_vcpu_pause(l.c, 0, true), 0);
	usleep(3000);
	lab_no_event(l.c);
	lab_continue(l.c, &ev);
	expect_pause(&l, &ev, 0);
	check_eq(l.v->config->hits, hits);
	lab_continue(l.c, &ev);
	lab_goes_on(l.v);
	runner_stop(&r);
}

/* During another event: it waits for that one's end. */
static void test_pause_during_bp(void)
{
	struct kvmi_event_msg bp, ev;
	struct runner r = {0};
	struct lab l;

	lab_start(&l, &hit);
	l.v->config->count = 1;
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &bp, 0, vmm_label(&hit, guest_hit_bp));
	check_kvmi(kvmi_vcpu_pause(l.c, 0, true), 0);
	usleep(3000);
	lab_no_event(l.c);
	lab_skip_bp(l.c, &bp);
	expect_pause(&l, &ev, 0);
	check_eq(ev.common.arch.regs.rip, bp.common.arch.regs.rip + 1);
	check_eq(l.v->config->hits, 0);
	lab_continue(l.c, &ev);
	runner_done(&r);
	check_eq(l.v->config->hits, 1);
}

static void test_pause_set_registers(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct kvm_regs regs;
	struct lab l;

	lab_spin(&l, &r, 1);
	l.v->config->count = 0;
	pause_vcpu(&l, &ev, 0);
	/* To the beginning: a round of no hits. */
	regs = ev.common.arch.regs;
	regs.rip = GUEST_CODE;
	regs.r15 = 0x5e7;
	check_kvmi(kvmi_vcpu_set_registers(l.c, 0, &regs), 0);
	lab_continue(l.c, &ev);
	runner_done(&r);
	check_eq(vmm_get_regs(l.v, &regs), 0);
	check_eq(regs.r15, 0x5e7);
	check_kvmi(kvmi_vcpu_pause(l.c, 0, false), 0);
	runner_start(&r, l.v);
	expect_pause(&l, &ev, 0);
	check_eq(ev.common.arch.regs.r15, 0x5e7);
	lab_continue(l.c, &ev);
	runner_done(&r);
}

static void test_pause_crash(void)
{
	struct runner r[2] = {0};
	struct kvmi_event_msg ev;
	uint64_t hits;
	struct lab l;

	lab_spin(&l, r, 2);
	pause_vcpu(&l, &ev, 1);
	hits = vmm_vcpu(l.vm, 1)->config->hits;
	check_kvmi(kvmi_reply_event(l.c, &ev, KVMI_EVENT_ACTION_CRASH), 0);
	for (unsigned int i = 0; i < 2; i++) {
		check_eq(runner_join(&r[i]), RUN_SYSTEM_EVENT);
		check_eq(r[i].system_event, KVM_SYSTEM_EVENT_CRASH);
		lab_stands_still(vmm_vcpu(l.vm, i));
	}
	check_eq(vmm_vcpu(l.vm, 1)->config->hits, hits);
}

/* Whatever a vCPU does: runs, waits for an answer itself, has left KVM_RUN, was never in it, halts. */
static void test_crash_everywhere(void)
{
	struct runner r[4] = {0};
	struct kvmi_event_msg ev, other;
	struct lab l;

	lab_spin(&l, r, 3);
	check_eq(vmm_add_vcpu(l.vm), 0);
	runner_stop(&r[2]);
	pause_vcpu(&l, &ev, 0);
	pause_vcpu(&l, &other, 1);
	check_kvmi(kvmi_reply_event(l.c, &ev, KVMI_EVENT_ACTION_CRASH), 0);
	for (unsigned int i = 0; i < 2; i++) {
		check_eq(runner_join(&r[i]), RUN_SYSTEM_EVENT);
		check_eq(r[i].system_event, KVM_SYSTEM_EVENT_CRASH);
	}
	lab_no_event(l.c);
	for (unsigned int i = 2; i < 4; i++) {
		uint64_t hits = vmm_vcpu(l.vm, i)->config->hits;

		runner_start(&r[i], vmm_vcpu(l.vm, i));
		check_eq(runner_join(&r[i]), RUN_SYSTEM_EVENT);
		check_eq(r[i].system_event, KVM_SYSTEM_EVENT_CRASH);
		check_eq(vmm_vcpu(l.vm, i)->config->hits, hits);
	}
}

static void test_crash_halted(void)
{
	struct raw_runner halted, crashing;
	struct kvmi_event_msg ev;
	struct raw raw;
	struct kvm_mp_state state = {.mp_state = KVM_MP_STATE_RUNNABLE};

	raw_open(&raw, RAW_IRQCHIP, 2);
	check_eq(ioctl(raw.vcpu[1], KVM_SET_MP_STATE, &state), 0);
	raw_start(&halted, &raw, 0);
	check_kvmi(kvmi_vcpu_pause(raw.c, 1, false), 0);
	raw_start(&crashing, &raw, 1);
	lab_expect_event(raw.c, &ev, KVMI_EVENT_PAUSE_VCPU, 1);
	usleep(5000);
	check_kvmi(kvmi_reply_event(raw.c, &ev, KVMI_EVENT_ACTION_CRASH), 0);
	check_eq(raw_join(&halted), 0);
	check_eq(raw_join(&crashing), 0);
	for (unsigned int i = 0; i < 2; i++) {
		check_eq(raw.run[i]->exit_reason, KVM_EXIT_SYSTEM_EVENT);
		check_eq(raw.run[i]->system_event.type, KVM_SYSTEM_EVENT_CRASH);
	}
}

/* RETRY is for breakpoints, and an answer names its event. */
static void test_pause_bad_answer(void)
{
	static const struct {
		uint8_t action, event;
	} cases[] = {
		{KVMI_EVENT_ACTION_RETRY, KVMI_EVENT_PAUSE_VCPU},
		{3, KVMI_EVENT_PAUSE_VCPU},
		{KVMI_EVENT_ACTION_CONTINUE, KVMI_EVENT_HYPERCALL},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct runner r = {0};
		struct kvmi_event_msg ev;
		struct lab l;

		lab_spin(&l, &r, 1);
		pause_vcpu(&l, &ev, 0);
		ev.common.event = cases[i].event;
		lab_answer_raw(l.c, &ev, cases[i].action);
		lab_expect_close(l.c);
		lab_goes_on(l.v);
		runner_stop(&r);
		vmm_destroy(l.vm);
	}
}

/* The VMM wants its thread: EINTR, and the next KVM_RUN goes on waiting with the same event. */
static void test_pause_signal(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct kvm_regs regs;
	struct lab l;

	lab_spin(&l, &r, 1);
	pause_vcpu(&l, &ev, 0);
	for (int i = 0; i < 3; i++) {
		runner_stop(&r);
		check_eq(vmm_get_regs(l.v, &regs), 0);
		check_eq(regs.rip, ev.common.arch.regs.rip);
		runner_start(&r, l.v);
		lab_stands_still(l.v);
		lab_no_event(l.c);
	}
	lab_continue(l.c, &ev);
	lab_goes_on(l.v);
	lab_no_event(l.c);
	runner_stop(&r);
}

/* --- the tool goes --- */

/*
 * Neither the vCPU that waits nor the pauses that are due stop the guest then, nor does the next tool
 * see any.
 */
static void forgotten(bool close_first)
{
	struct runner r[2] = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	lab_open_any(&l, &hit, 2);
	lab_hook(&l);
	lab_spin_vcpu(&l, &r[0], 0);
	lab_goes_on(l.v);
	pause_vcpu(&l, &ev, 0);
	for (int i = 0; i < 3; i++) {
		check_kvmi(kvmi_vcpu_pause(l.c, 0, i & 1), 0);
		check_kvmi(kvmi_vcpu_pause(l.c, 1, i & 1), 0);
	}
	if (close_first) {
		kvmi_client_free(l.c);
		lab_goes_on(l.v);
	}
	check_eq(vmm_unhook(l.vm), 0);
	lab_goes_on(l.v);

	lab_hook(&l);
	lab_spin_vcpu(&l, &r[1], 1);
	for (unsigned int i = 0; i < 2; i++)
		check_kvmi(kvmi_vcpu_get_registers(l.c, i, NULL, NULL, NULL, NULL, 0), 0);
	lab_no_event(l.c);
	for (unsigned int i = 0; i < 2; i++) {
		lab_goes_on(vmm_vcpu(l.vm, i));
		check_kvmi(kvmi_vcpu_pause(l.c, i, true), 0);
		expect_pause(&l, &ev, i);
		check_eq(ev.hdr.seq, i + 1);
		lab_continue(l.c, &ev);
		runner_stop(&r[i]);
	}
	lab_no_event(l.c);
}

static void test_pause_unhook(void)
{
	forgotten(false);
}

static void test_pause_close(void)
{
	forgotten(true);
}

int main(void)
{
	const struct tap_test tests[] = {
		{"PAUSE while paused", test_pause_while_paused},
		{"PAUSE while a breakpoint is being answered", test_pause_during_bp},
		{"PAUSE: registers set", test_pause_set_registers},
		{"PAUSE: CRASH", test_pause_crash},
		{"CRASH ends KVM_RUN of vCPUs that run, wait, are outside", test_crash_everywhere},
		{"CRASH ends KVM_RUN of a halted vCPU", test_crash_halted},
		{"PAUSE: RETRY or another event's answer: closed", test_pause_bad_answer},
		{"PAUSE: signal, KVM_GET_REGS, the next KVM_RUN goes on waiting",
		 test_pause_signal},
		{"PAUSE: UNHOOK forgets those that are due", test_pause_unhook},
		{"PAUSE: tool gone forgets those that are due", test_pause_close},
	};

	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

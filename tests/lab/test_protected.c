// SPDX-License-Identifier: BSD-2-Clause
/* Guests whose registers the host cannot see (SEV-ES, SNP, TDX): what needs them is refused. */
#include "lab.h"
#include "peek.h"

#include <string.h>

/*
 * No emulator has such guests. An ordinary vCPU is made to look like one while it waits for the answer
 * to a PAUSE event, where commands are served and the guest is not entered.
 */
struct protected
{
	struct lab l;
	struct runner r;
	struct peek *p;
	struct kvmi_event_msg ev;
};

/* The first of two PAUSE events is being waited at, by a protected vCPU from now on. */
static void start(struct protected *t)
{
	const struct kvm_regs none = {0};

	memset(t, 0, sizeof(*t));
	t->p = peek_open();
	lab_spin(&t->l, &t->r, 1);
	/* One that waits, so that the other is sent right after it, without the guest in between. */
	for (int i = 0; i < 2; i++)
		check_kvmi(kvmi_vcpu_pause(t->l.c, 0, true), 0);
	lab_expect_event(t->l.c, &t->ev, KVMI_EVENT_PAUSE_VCPU, 0);
	check(memcmp(&t->ev.common.arch.regs, &none, sizeof(none)));
	peek_protect(t->p, true);
}

/* An ordinary vCPU again, at the second event; it goes on. */
static void finish(struct protected *t)
{
	lab_continue(t->l.c, &t->ev);
	lab_expect_event(t->l.c, &t->ev, KVMI_EVENT_PAUSE_VCPU, 0);
	peek_protect(t->p, false);
	lab_continue(t->l.c, &t->ev);
	lab_goes_on(t->l.v);
}

static void test_protected_get_registers(void)
{
	struct kvm_msr_entry msr = {.index = 0xc0000081};
	struct kvm_regs regs;
	struct protected t;

	start(&t);
	check_kvmi(kvmi_vcpu_get_registers(t.l.c, 0, NULL, &regs, NULL, NULL, 0), KVM_EOPNOTSUPP);
	check_kvmi(kvmi_vcpu_get_registers(t.l.c, 0, NULL, &regs, NULL, &msr, 1), KVM_EOPNOTSUPP);
	finish(&t);
	check_kvmi(kvmi_vcpu_get_registers(t.l.c, 0, NULL, &regs, NULL, NULL, 0), 0);
	runner_stop(&t.r);
}

/* Refused though the vCPU waits for an answer; and nothing of it takes effect with that. */
static void test_protected_set_registers(void)
{
	struct kvm_regs regs;
	struct protected t;

	start(&t);
	regs = t.ev.common.arch.regs;
	regs.rip = 0xbad;
	check_kvmi(kvmi_vcpu_set_registers(t.l.c, 0, &regs), KVM_EOPNOTSUPP);
	finish(&t);
	runner_stop(&t.r);
}

/* Refused, and not half done: once the vCPU is an ordinary one it has neither event nor exits. */
static void check_refused(uint16_t event)
{
	struct counter *exits = counter_start_bp_exits();
	struct counter *events;
	struct protected t;
	uint64_t before;

	start(&t);
	check_kvmi(kvmi_vcpu_control_events(t.l.c, 0, event, true), KVM_EOPNOTSUPP);
	/* To have off what is off is not refused. */
	check_kvmi(kvmi_vcpu_control_events(t.l.c, 0, event, false), 0);
	check_kvmi(kvmi_vcpu_control_events(t.l.c, 0, event, true), KVM_EOPNOTSUPP);
	finish(&t);
	events = counter_start("kvmi:kvmi_event", NULL);
	before = counter_read(exits);
	t.l.v->config->bp_mode = GUEST_BP_COUNT;
	t.l.v->config->count = 3;
	t.l.v->config->arg[0] = 1;
	runner_done(&t.r);
	check_eq(t.l.v->config->bp_count, 3);
	check_eq(counter_read(exits), before);
	check_eq(counter_read(events), 0);
}

static void test_protected_breakpoint(void)
{
	check_refused(KVMI_EVENT_BREAKPOINT);
}

static void test_protected_hypercall(void)
{
	check_refused(KVMI_EVENT_HYPERCALL);
}

/* A userspace debugger has breakpoints intercepted: with the event half on they would be the tool's. */
static void test_protected_debugger(void)
{
	struct protected t;

	lab_need_bp();
	start(&t);
	check_kvmi(kvmi_vcpu_control_events(t.l.c, 0, KVMI_EVENT_BREAKPOINT, true), KVM_EOPNOTSUPP);
	finish(&t);
	runner_stop(&t.r);
	check_eq(vmm_guest_debug(t.l.v, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP), 0);
	t.l.v->config->count = 3;
	t.l.v->config->arg[0] = 1;
	runner_start(&t.r, t.l.v);
	runner_done(&t.r);
	check_eq(t.r.debug_exits, 3);
	lab_no_event(t.l.c);
}

static void check_zero(const char *what, const void *p, size_t size)
{
	const uint8_t *byte = p;

	for (size_t i = 0; i < size; i++)
		if (byte[i])
			fail("byte %zu of the event's %s is %#x", i, what, byte[i]);
}

static void test_protected_pause(void)
{
	struct protected t;

	start(&t);
	lab_continue(t.l.c, &t.ev);
	lab_expect_event(t.l.c, &t.ev, KVMI_EVENT_PAUSE_VCPU, 0);
	check_eq(t.ev.common.size, sizeof(t.ev.common));
	check_eq(t.ev.common.arch.mode, 0);
	check_zero("regs", &t.ev.common.arch.regs, sizeof(t.ev.common.arch.regs));
	check_zero("sregs", &t.ev.common.arch.sregs, sizeof(t.ev.common.arch.sregs));
	check_zero("msrs", &t.ev.common.arch.msrs, sizeof(t.ev.common.arch.msrs));
	peek_protect(t.p, false);
	lab_continue(t.l.c, &t.ev);
	lab_goes_on(t.l.v);
	runner_stop(&t.r);
}

/* What needs no registers works as ever. */
static void test_protected_others(void)
{
	struct kvmi_vcpu_get_cpuid_reply cpuid;
	struct protected t;
	uint64_t hz;

	start(&t);
	check_kvmi(kvmi_vcpu_get_info(t.l.c, 0, &hz), 0);
	check_kvmi(kvmi_vcpu_get_cpuid(t.l.c, 0, 0, 0, &cpuid), 0);
	check_kvmi(kvmi_vcpu_control_events(t.l.c, 0, KVMI_EVENT_PAUSE_VCPU, true), 0);
	finish(&t);
	runner_stop(&t.r);
}

int main(void)
{
	const struct tap_test tests[] = {
		{"protected guest: GET_REGISTERS is refused", test_protected_get_registers},
		{"protected guest: SET_REGISTERS is refused", test_protected_set_registers},
		{"protected guest: BREAKPOINT is refused", test_protected_breakpoint},
		{"protected guest: HYPERCALL is refused", test_protected_hypercall},
		{"protected guest: BREAKPOINT is refused, a debugger's are its own",
		 test_protected_debugger},
		{"protected guest: PAUSE event without registers", test_protected_pause},
		{"protected guest: other commands", test_protected_others},
	};

	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

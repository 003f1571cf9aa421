// SPDX-License-Identifier: BSD-2-Clause
/* Breakpoints of a nested guest (L2), and what becomes of the hypervisor in between (L1). */
#include "nested.h"

#include <errno.h>
#include <unistd.h>

#define NR_L1_BP 3

static uint64_t l2_bp(void)
{
	return nested_label(guest_nested_l2_bp);
}

static volatile uint64_t *arg(struct lab *l, unsigned int n)
{
	return &l->v->config->arg[n];
}

/* Where L2's CPUID is: right in front of its handler. */
static uint64_t l2_end(void)
{
	return nested_label(guest_nested_l2_end);
}

/* L1's own #BP are counted by its handler. */
static void start(struct lab *l, unsigned int flags, uint64_t hits, uint64_t l1_hits)
{
	nested_start(l, flags);
	l->v->config->count = hits;
	l->v->config->bp_mode = GUEST_BP_COUNT;
	*arg(l, NESTED_ARG_L1_BP) = l1_hits;
}

static void answer(struct lab *l, const struct kvmi_event_msg *ev, uint8_t action)
{
	check_kvmi(kvmi_reply_event(l->c, ev, action), 0);
}

static void control_bp(struct lab *l, bool enable)
{
	check_kvmi(kvmi_vcpu_control_events(l->c, 0, KVMI_EVENT_BREAKPOINT, enable), 0);
}

/* L2 is on the way, counting. */
static void start_spinning(struct lab *l, struct runner *r, bool enable)
{
	nested_set_rip(l, nested_label(guest_nested_l2_spin));
	if (enable)
		lab_run_with_bp(l, r);
	else
		runner_start(r, l->v);
	while (!*arg(l, NESTED_ARG_SPUN))
		usleep(1000);
}

static void stop_spinning(struct lab *l)
{
	*arg(l, NESTED_ARG_STOP) = 1;
}

/* --- L1 does not intercept #BP --- */

static void test_nested_retry(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start(&l, 0, 3, 0);
	lab_run_with_bp(&l, &r);
	for (unsigned int i = 0; i < 3; i++) {
		lab_expect_bp(l.c, &ev, 0, l2_bp());
		check_eq(ev.breakpoint.gpa, l2_bp());
		check_eq(ev.breakpoint.insn_len, 1);
		check_eq(ev.common.arch.mode, 8);
		check_eq(ev.common.arch.sregs.cr3, NESTED_PML4);
		check_eq(ev.common.arch.sregs.idt.base, NESTED_IDT);
		check_eq(l.v->config->hits, i);
		lab_skip_bp(l.c, &ev);
	}
	runner_done(&r);
	nested_check_exit(&l, NESTED_EXIT_CPUID, l2_end());
	check_eq(l.v->config->hits, 3);
	check_eq(*arg(&l, NESTED_ARG_L2_COUNT), 0);
}

/* gva, L2's gpa and L1's gpa all differ: the event has L1's, the one that memory commands take. */
static void check_gpa(unsigned int flags)
{
	const uint8_t nop = 0x90;
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start(&l, flags, 5, 0);
	nested_set_rip(&l, nested_label(guest_nested_l2) + NESTED_GVA);
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, l2_bp() + NESTED_GVA);
	check_eq(ev.breakpoint.gpa, l2_bp());
	check_kvmi(kvmi_write_physical(l.c, ev.breakpoint.gpa, &nop, 1), 0);
	answer(&l, &ev, KVMI_EVENT_ACTION_RETRY);
	runner_done(&r);
	lab_no_event(l.c);
	nested_check_exit(&l, NESTED_EXIT_CPUID, l2_end() + NESTED_GVA);
	check_eq(l.v->config->hits, 5);
}

static void test_nested_gpa(void)
{
	check_gpa(0);
}

static void test_nested_gpa_paging(void)
{
	check_gpa(NESTED_PAGING);
}

static void test_nested_continue(void)
{
	struct counter *injected = counter_start_injected_bp();
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start(&l, 0, 3, 0);
	lab_run_with_bp(&l, &r);
	for (unsigned int i = 0; i < 3; i++) {
		lab_expect_bp(l.c, &ev, 0, l2_bp());
		check_eq(*arg(&l, NESTED_ARG_L2_COUNT), i);
		answer(&l, &ev, KVMI_EVENT_ACTION_CONTINUE);
	}
	runner_done(&r);
	nested_check_exit(&l, NESTED_EXIT_CPUID, l2_end());
	check_eq(l.v->config->hits, 3);
	check_eq(*arg(&l, NESTED_ARG_L2_COUNT), 3);
	if (!lab_injects_wrong_rip())
		check_eq(*arg(&l, NESTED_ARG_L2_RIP), l2_bp() + 1);
	/* None of them was L1's. */
	check_eq(l.v->config->bp_count, 0);
	check_eq(counter_read(injected), 3);
}

static void test_nested_crash(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start(&l, 0, 1, 1);
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, l2_bp());
	answer(&l, &ev, KVMI_EVENT_ACTION_CRASH);
	check_eq(runner_join(&r), RUN_SYSTEM_EVENT);
	check_eq(r.system_event, KVM_SYSTEM_EVENT_CRASH);
	check_eq(l.v->config->hits, 0);
	check_eq(*arg(&l, NESTED_ARG_L1_PASSED), 0);
}

/* --- L1 intercepts #BP --- */

static void test_nested_l1_gets_bp(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start(&l, NESTED_BP_EXIT, 1, 0);
	lab_run_with_bp(&l, &r);
	for (unsigned int i = 0; i < 3; i++) {
		lab_expect_bp(l.c, &ev, 0, l2_bp());
		check_eq(ev.breakpoint.gpa, l2_bp());
		check_eq(ev.breakpoint.insn_len, 1);
		answer(&l, &ev, KVMI_EVENT_ACTION_CONTINUE);
		runner_done(&r);
		nested_check_exit(&l, NESTED_EXIT_BP, l2_bp());
		check_eq(l.v->config->hits, 0);
		check_eq(*arg(&l, NESTED_ARG_L2_COUNT), 0);
		nested_set_rip(&l, nested_label(guest_nested_l2));
		runner_start(&r, l.v);
	}
	lab_expect_bp(l.c, &ev, 0, l2_bp());
	lab_skip_bp(l.c, &ev);
	runner_done(&r);
}

static void test_nested_l1_not_on_retry(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start(&l, NESTED_BP_EXIT, 3, 0);
	lab_run_with_bp(&l, &r);
	for (unsigned int i = 0; i < 3; i++) {
		lab_expect_bp(l.c, &ev, 0, l2_bp());
		lab_skip_bp(l.c, &ev);
	}
	runner_done(&r);
	nested_check_exit(&l, NESTED_EXIT_CPUID, l2_end());
	check_eq(l.v->config->hits, 3);
	check_eq(*arg(&l, NESTED_ARG_L2_COUNT), 0);
}

/* Without introspection, what L1 is told; test_nested_l1_gets_bp must find the same. */
static void test_nested_l1_alone(void)
{
	struct runner r = {0};
	struct lab l;

	start(&l, NESTED_BP_EXIT, 1, 0);
	runner_start(&r, l.v);
	runner_done(&r);
	lab_no_event(l.c);
	nested_check_exit(&l, NESTED_EXIT_BP, l2_bp());
}

/* Switched off while L2 runs: L1 goes on getting what it intercepts itself. */
static void test_nested_off_leaves_l1(void)
{
	struct runner r = {0};
	struct lab l;

	start(&l, NESTED_BP_EXIT, 1, 0);
	start_spinning(&l, &r, true);
	control_bp(&l, false);
	stop_spinning(&l);
	runner_done(&r);
	lab_no_event(l.c);
	nested_check_exit(&l, NESTED_EXIT_BP, l2_bp());
}

/* --- switched while L2 runs --- */

/* L1's int3 after L2, NR_L1_BP of them, all of them events. */
static void expect_l1_events(struct lab *l)
{
	struct kvmi_event_msg ev;

	for (unsigned int i = 0; i < NR_L1_BP; i++) {
		lab_expect_bp(l->c, &ev, 0, nested_l1_bp());
		check_eq(ev.common.arch.sregs.cr3, GUEST_PML4);
		check_eq(*arg(l, NESTED_ARG_L1_PASSED), i);
		lab_skip_bp(l->c, &ev);
	}
}

static void test_nested_on_in_l2(void)
{
	struct counter *events = counter_start("kvmi:kvmi_event", NULL);
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start(&l, 0, 1, NR_L1_BP);
	start_spinning(&l, &r, false);
	control_bp(&l, true);
	stop_spinning(&l);
	lab_expect_bp(l.c, &ev, 0, l2_bp());
	lab_skip_bp(l.c, &ev);
	expect_l1_events(&l);
	runner_done(&r);
	check_eq(counter_read(events), 1 + NR_L1_BP);
	check_eq(l.v->config->bp_count, 0);
}

/* L2 goes without having come to an int3: L1's is the first. */
static void test_nested_on_for_l1(void)
{
	struct runner r = {0};
	struct lab l;

	start(&l, 0, 0, NR_L1_BP);
	start_spinning(&l, &r, false);
	control_bp(&l, true);
	stop_spinning(&l);
	expect_l1_events(&l);
	runner_done(&r);
	check_eq(l.v->config->bp_count, 0);
}

/* No exits by #BP any more, neither from L2 nor from L1: both take theirs by themselves. */
static void check_not_intercepted(struct lab *l, const struct counter *exits, uint64_t before)
{
	check_eq(*arg(l, NESTED_ARG_L1_PASSED), NR_L1_BP);
	check_eq(l->v->config->bp_count, NR_L1_BP);
	check_eq(l->v->config->bp_rip, nested_l1_bp() + 1);
	check_eq(counter_read(exits), before);
}

static void test_nested_off_in_l2(void)
{
	struct runner r = {0};
	struct counter *exits;
	struct lab l;

	start(&l, 0, 10, NR_L1_BP);
	exits = counter_start_bp_exits();
	start_spinning(&l, &r, true);
	control_bp(&l, false);
	stop_spinning(&l);
	runner_done(&r);
	lab_no_event(l.c);
	nested_check_exit(&l, NESTED_EXIT_CPUID, l2_end());
	check_eq(*arg(&l, NESTED_ARG_L2_COUNT), 10);
	check_not_intercepted(&l, exits, 0);
}

static void test_nested_off_in_event(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct counter *exits;
	struct lab l;

	start(&l, 0, 10, NR_L1_BP);
	exits = counter_start_bp_exits();
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, l2_bp());
	control_bp(&l, false);
	lab_skip_bp(l.c, &ev);
	runner_done(&r);
	lab_no_event(l.c);
	check_eq(*arg(&l, NESTED_ARG_L2_COUNT), 9);
	check_not_intercepted(&l, exits, 1);
}

/* On and off several times within one run of L2; the last one holds, for L1 as well. */
static void test_nested_switch_often(void)
{
	struct runner r = {0};
	struct counter *exits;
	struct lab l;

	start(&l, 0, 0, NR_L1_BP);
	exits = counter_start_bp_exits();
	start_spinning(&l, &r, false);
	for (unsigned int i = 0; i < 5; i++) {
		control_bp(&l, false);
		control_bp(&l, true);
	}
	stop_spinning(&l);
	expect_l1_events(&l);
	runner_done(&r);
	check_eq(counter_read(exits), NR_L1_BP);

	*arg(&l, NESTED_ARG_STOP) = 0;
	*arg(&l, NESTED_ARG_SPUN) = 0;
	*arg(&l, NESTED_ARG_L1_PASSED) = 0;
	start_spinning(&l, &r, false);
	for (unsigned int i = 0; i < 5; i++) {
		control_bp(&l, true);
		control_bp(&l, false);
	}
	stop_spinning(&l);
	runner_done(&r);
	check_not_intercepted(&l, exits, NR_L1_BP);
}

static void queue_control(struct lab *l, struct runner *r, bool enable)
{
	const struct {
		struct kvmi_vcpu_hdr hdr;
		struct kvmi_vcpu_control_events cmd;
	} req = {.cmd.event_id = KVMI_EVENT_BREAKPOINT, .cmd.enable = enable};
	uint32_t seq = lab_queue(l, KVMI_VCPU_CONTROL_EVENTS, &req, sizeof(req));

	runner_start(r, l->v);
	check_kvmi(kvmi_command_wait(l->c, KVMI_VCPU_CONTROL_EVENTS, seq, NULL, 0), 0);
}

/* Between two runs of L2, on L1's account: the next run of L2 has it. */
static void test_nested_switch_in_l1(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct counter *exits;
	struct lab l;

	start(&l, 0, 2, 0);
	exits = counter_start_bp_exits();
	runner_start(&r, l.v);
	runner_done(&r);
	check_eq(*arg(&l, NESTED_ARG_L2_COUNT), 2);
	for (unsigned int i = 1; i <= 2; i++) {
		nested_set_rip(&l, nested_label(guest_nested_l2));
		queue_control(&l, &r, true);
		for (unsigned int j = 0; j < 2; j++) {
			lab_expect_bp(l.c, &ev, 0, l2_bp());
			lab_skip_bp(l.c, &ev);
		}
		runner_done(&r);
		check_eq(*arg(&l, NESTED_ARG_L2_COUNT), 2 * i);
		check_eq(counter_read(exits), 2 * i);

		nested_set_rip(&l, nested_label(guest_nested_l2));
		queue_control(&l, &r, false);
		runner_done(&r);
		lab_no_event(l.c);
		check_eq(*arg(&l, NESTED_ARG_L2_COUNT), 2 + 2 * i);
		check_eq(counter_read(exits), 2 * i);
	}
}

/* --- the end of introspection while L2 runs --- */

static void test_nested_unhook(void)
{
	struct runner r = {0};
	struct counter *exits;
	struct lab l;

	start(&l, 0, 10, NR_L1_BP);
	exits = counter_start_bp_exits();
	start_spinning(&l, &r, true);
	check_eq(vmm_unhook(l.vm), 0);
	lab_expect_close(l.c);
	/* The vCPU is told by an interrupt. */
	usleep(10000);
	stop_spinning(&l);
	runner_done(&r);
	nested_check_exit(&l, NESTED_EXIT_CPUID, l2_end());
	check_eq(*arg(&l, NESTED_ARG_L2_COUNT), 10);
	check_not_intercepted(&l, exits, 0);
}

static void test_nested_tool_dies(void)
{
	struct runner r = {0};
	struct counter *exits;
	struct lab l;

	start(&l, 0, 10, NR_L1_BP);
	exits = counter_start_bp_exits();
	start_spinning(&l, &r, true);
	kvmi_client_free(l.c);
	usleep(10000);
	stop_spinning(&l);
	runner_done(&r);
	check_eq(*arg(&l, NESTED_ARG_L2_COUNT), 10);
	check_not_intercepted(&l, exits, 0);
}

/* In the middle of L2's event: that one is L2's own, as are the rest. */
static void test_nested_tool_dies_in_event(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct counter *exits;
	struct lab l;

	start(&l, 0, 10, NR_L1_BP);
	exits = counter_start_bp_exits();
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, l2_bp());
	kvmi_client_free(l.c);
	runner_done(&r);
	check_eq(l.v->config->hits, 10);
	check_eq(*arg(&l, NESTED_ARG_L2_COUNT), 10);
	check_not_intercepted(&l, exits, 1);
}

/* The same where L1 intercepts #BP: it is L1's. */
static void test_nested_tool_dies_l1_gets_bp(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start(&l, NESTED_BP_EXIT, 1, 0);
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, l2_bp());
	kvmi_client_free(l.c);
	runner_done(&r);
	nested_check_exit(&l, NESTED_EXIT_BP, l2_bp());
}

/* A new tool while L2 still runs. */
static void test_nested_rehook(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start(&l, 0, 1, NR_L1_BP);
	start_spinning(&l, &r, true);
	check_eq(vmm_unhook(l.vm), 0);
	kvmi_client_free(l.c);
	lab_hook(&l);
	control_bp(&l, true);
	stop_spinning(&l);
	lab_expect_bp(l.c, &ev, 0, l2_bp());
	lab_skip_bp(l.c, &ev);
	expect_l1_events(&l);
	runner_done(&r);
}

/* --- other commands and userspace's debugging, while L2 runs --- */

static void check_in_spin(const struct kvm_regs *regs, const struct kvm_sregs *sregs)
{
	check(regs->rip >= nested_label(guest_nested_l2_spin) &&
	      regs->rip < nested_label(guest_nested_end));
	check_eq(sregs->cr3, NESTED_PML4);
	check_eq(sregs->idt.base, NESTED_IDT);
}

static void test_nested_get_registers(void)
{
	struct runner r = {0};
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	uint32_t mode;
	struct lab l;

	start(&l, 0, 0, 0);
	start_spinning(&l, &r, false);
	for (unsigned int i = 0; i < 10; i++) {
		check_kvmi(kvmi_vcpu_get_registers(l.c, 0, &mode, &regs, &sregs, NULL, 0), 0);
		check_eq(mode, 8);
		check_in_spin(&regs, &sregs);
	}
	stop_spinning(&l);
	runner_done(&r);
	nested_check_exit(&l, NESTED_EXIT_CPUID, l2_end());
}

static void test_nested_pause(void)
{
	struct kvmi_event_msg ev;
	struct runner r = {0};
	struct lab l;

	start(&l, 0, 0, 0);
	start_spinning(&l, &r, false);
	for (unsigned int i = 0; i < 3; i++) {
		uint64_t spun;

		check_kvmi(kvmi_vcpu_pause(l.c, 0, true), 0);
		check_kvmi(kvmi_recv_event(l.c, &ev), 0);
		check_eq(ev.common.event, KVMI_EVENT_PAUSE_VCPU);
		check_in_spin(&ev.common.arch.regs, &ev.common.arch.sregs);
		spun = *arg(&l, NESTED_ARG_SPUN);
		usleep(5000);
		check_eq(*arg(&l, NESTED_ARG_SPUN), spun);
		answer(&l, &ev, KVMI_EVENT_ACTION_CONTINUE);
	}
	stop_spinning(&l);
	runner_done(&r);
	nested_check_exit(&l, NESTED_EXIT_CPUID, l2_end());
}

/* The vCPU leaves KVM_RUN in the middle of L2's event, and comes back. */
static void check_signal(unsigned int flags)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct kvm_regs regs;
	struct lab l;

	start(&l, flags, 1, 0);
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, l2_bp());
	vmm_kick(l.v);
	check_eq(runner_join(&r), -EINTR);
	check_eq(vmm_get_regs(l.v, &regs), 0);
	check_eq(regs.rip, l2_bp());
	runner_start(&r, l.v);
	answer(&l, &ev, KVMI_EVENT_ACTION_CONTINUE);
	runner_done(&r);
	lab_no_event(l.c);
	if (flags & NESTED_BP_EXIT) {
		nested_check_exit(&l, NESTED_EXIT_BP, l2_bp());
	} else {
		nested_check_exit(&l, NESTED_EXIT_CPUID, l2_end());
		check_eq(*arg(&l, NESTED_ARG_L2_COUNT), 1);
	}
}

static void test_nested_signal(void)
{
	check_signal(0);
}

static void test_nested_signal_l1_gets_bp(void)
{
	check_signal(NESTED_BP_EXIT);
}

/* Userspace debugs with SW_BP: CONTINUE gives it L2's breakpoint, before L1 or L2. */
static void test_nested_sw_bp(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start(&l, NESTED_BP_EXIT, 2, 0);
	check_eq(vmm_guest_debug(l.v, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP), 0);
	lab_run_with_bp(&l, &r);
	for (unsigned int i = 0; i < 2; i++) {
		lab_expect_bp(l.c, &ev, 0, l2_bp());
		check_eq(r.debug_exits, i);
		answer(&l, &ev, KVMI_EVENT_ACTION_CONTINUE);
	}
	runner_done(&r);
	check_eq(r.debug_exits, 2);
	check_eq(r.debug.exception, 3);
	check_eq(r.debug.pc, l2_bp());
	check_eq(l.v->config->hits, 2);
	check_eq(*arg(&l, NESTED_ARG_L2_COUNT), 0);
	nested_check_exit(&l, NESTED_EXIT_CPUID, l2_end());
}

int main(void)
{
	const struct tap_test tests[] = {
		{"L2's int3 is an event; RETRY goes on in L2", test_nested_retry},
		{"L2's int3: gpa without EPT or NPT in L1", test_nested_gpa},
		{"L2's int3: gpa is L1's with EPT or NPT in L1", test_nested_gpa_paging},
		{"L2's int3: CONTINUE gives #BP to L2", test_nested_continue},
		{"L2's int3: CRASH", test_nested_crash},
		{"L1 intercepts #BP: what it gets without introspection", test_nested_l1_alone},
		{"L1 intercepts #BP: event first, CONTINUE gives it the exit",
		 test_nested_l1_gets_bp},
		{"L1 intercepts #BP: RETRY gives it nothing", test_nested_l1_not_on_retry},
		{"L1 intercepts #BP: still does after the event is off", test_nested_off_leaves_l1},
		{"switched on while L2 runs: events of L2 and L1", test_nested_on_in_l2},
		{"switched on while L2 runs: L1's first", test_nested_on_for_l1},
		{"switched off while L2 runs: no exit of L2 or L1", test_nested_off_in_l2},
		{"switched off in L2's event: no exit of L2 or L1", test_nested_off_in_event},
		{"switched often while L2 runs: the last one holds for L1",
		 test_nested_switch_often},
		{"switched in L1: L2's next run has it", test_nested_switch_in_l1},
		{"unhooked while L2 runs: no exit of L2 or L1", test_nested_unhook},
		{"tool gone while L2 runs: no exit of L2 or L1", test_nested_tool_dies},
		{"tool gone in L2's event: L2's own #BP", test_nested_tool_dies_in_event},
		{"tool gone in L2's event, L1 intercepts #BP: L1's exit",
		 test_nested_tool_dies_l1_gets_bp},
		{"hooked anew while L2 runs", test_nested_rehook},
		{"GET_REGISTERS while L2 runs: L2's", test_nested_get_registers},
		{"PAUSE while L2 runs", test_nested_pause},
		{"signal in L2's event, CONTINUE: L2's own #BP", test_nested_signal},
		{"signal in L2's event, CONTINUE, L1 intercepts #BP: L1's exit",
		 test_nested_signal_l1_gets_bp},
		{"userspace's SW_BP and L2's int3: CONTINUE is userspace's", test_nested_sw_bp},
	};

	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

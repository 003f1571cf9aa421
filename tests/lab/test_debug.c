// SPDX-License-Identifier: BSD-2-Clause
/* Introspection of breakpoints next to userspace's own KVM_SET_GUEST_DEBUG: neither may disturb the other. */
#include "lab.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#define SW_BP	    (KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP)
#define SINGLE_STEP (KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP)
#define HW_BP	    (KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP)

#define DB_VECTOR 1
#define BP_VECTOR 3
#define DR6_BS	  0x4000 /* single step */
#define DR6_B0	  0x1	 /* breakpoint 0 */
#define DR7_G0	  0x2	 /* enable it, on execution of one byte */
#define DR7_FIXED 0x400

VMM_DECLARE_GUEST(hit);
VMM_DECLARE_GUEST(steps);
extern const char guest_hit_bp[], guest_hit_handler[];
extern const char guest_steps_first[], guest_steps_watched[], guest_steps_bp[];

static const struct vmm_guest hit = VMM_GUEST(hit);
static const struct vmm_guest steps = VMM_GUEST(steps);

static void start_hit(struct lab *l, uint64_t count)
{
	lab_start(l, &hit);
	l->v->config->count = count;
	check_eq(vmm_set_handler(l->vm, 3, vmm_label(&hit, guest_hit_handler)), 0);
}

/* Stopped right before the code to be stepped through. */
static void start_steps(struct lab *l)
{
	struct runner r = {0};

	lab_start(l, &steps);
	runner_start(&r, l->v);
	runner_done(&r);
}

static void guest_debug(struct vmm_vcpu *v, uint32_t control)
{
	if (vmm_guest_debug(v, control))
		fail("%s", vmm_error());
}

/* --- #DB is userspace's --- */

/* Steps through the nops from guest_steps_first on, then lets the guest run. */
static int count_steps(struct runner *r)
{
	static unsigned int in_guest;

	if (r->debug.exception != DB_VECTOR)
		fail("KVM_EXIT_DEBUG of exception %u while stepping", r->debug.exception);
	if (!lab_loses_dr6() && !(r->debug.dr6 & DR6_BS))
		fail("DR6 is %#llx: no single step", (unsigned long long)r->debug.dr6);
	if (r->debug.pc == vmm_label(&steps, guest_steps_first) + in_guest + 1)
		in_guest++;
	if (in_guest == 4)
		guest_debug(r->v, 0);
	return 0;
}

static void test_single_step(void)
{
	struct counter *events = counter_start("kvmi:kvmi_event", NULL);
	struct runner r = {.on_debug = count_steps};
	struct kvmi_event_msg ev;
	struct lab l;

	start_steps(&l);
	guest_debug(l.v, SINGLE_STEP);
	lab_run_with_bp(&l, &r);
	/* The first event is the int3 behind the nops; and it comes though control has become 0. */
	lab_expect_bp(l.c, &ev, 0, vmm_label(&steps, guest_steps_bp));
	check(r.debug_exits >= 4);
	check_eq(counter_read(events), 1);
	lab_skip_bp(l.c, &ev);
	runner_done(&r);
	lab_no_event(l.c);
	check_eq(counter_read(events), 1);
	check_eq(l.v->config->hits, 1);
}

static int clear_watch(struct runner *r)
{
	guest_debug(r->v, 0);
	return 0;
}

static void test_hw_breakpoint(void)
{
	struct kvm_guest_debug debug = {
		.control = HW_BP,
		.arch.debugreg = {[7] = DR7_FIXED | DR7_G0},
	};
	struct runner r = {.on_debug = clear_watch};
	struct kvmi_event_msg ev;
	struct lab l;

	start_steps(&l);
	debug.arch.debugreg[0] = vmm_label(&steps, guest_steps_watched);
	if (ioctl(l.v->fd, KVM_SET_GUEST_DEBUG, &debug))
		fail("KVM_SET_GUEST_DEBUG: %s", strerror(errno));
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, vmm_label(&steps, guest_steps_bp));
	check_eq(r.debug_exits, 1);
	check_eq(r.debug.exception, DB_VECTOR);
	check_eq(r.debug.pc, vmm_label(&steps, guest_steps_watched));
	if (!lab_loses_dr6())
		check_eq(r.debug.dr6 & 0xf, DR6_B0);
	lab_skip_bp(l.c, &ev);
	runner_done(&r);
	check_eq(l.v->config->hits, 1);
}

/* --- #BP with both interested --- */

static void test_continue_is_userspaces(void)
{
	struct counter *injected = counter_start_injected_bp();
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start_hit(&l, 2);
	guest_debug(l.v, SW_BP);
	lab_run_with_bp(&l, &r);
	for (unsigned int i = 0; i < 2; i++) {
		lab_expect_bp(l.c, &ev, 0, vmm_label(&hit, guest_hit_bp));
		check_eq(r.debug_exits, i);
		check_kvmi(kvmi_reply_event(l.c, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	}
	runner_done(&r);
	check_eq(r.debug_exits, 2);
	check_eq(r.debug.exception, BP_VECTOR);
	check_eq(r.debug.pc, vmm_label(&hit, guest_hit_bp));
	check_eq(l.v->config->bp_count, 0);
	check_eq(counter_read(injected), 0);
}

static void test_retry_is_not_userspaces(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start_hit(&l, 3);
	guest_debug(l.v, SW_BP);
	lab_run_with_bp(&l, &r);
	for (int i = 0; i < 3; i++) {
		lab_expect_bp(l.c, &ev, 0, vmm_label(&hit, guest_hit_bp));
		lab_skip_bp(l.c, &ev);
	}
	runner_done(&r);
	check_eq(r.debug_exits, 0);
	check_eq(l.v->config->bp_count, 0);
}

/* QEMU does that all the time: it must not take the tool's events away. */
static void test_control_zero(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start_hit(&l, 1);
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, vmm_label(&hit, guest_hit_bp));
	lab_skip_bp(l.c, &ev);
	runner_done(&r);

	for (int i = 0; i < 3; i++) {
		static const uint32_t control[] = {0, SW_BP, 0};

		guest_debug(l.v, control[i]);
		runner_start(&r, l.v);
		lab_expect_bp(l.c, &ev, 0, vmm_label(&hit, guest_hit_bp));
		lab_skip_bp(l.c, &ev);
		runner_done(&r);
	}
	check_eq(r.debug_exits, 0);
	check_eq(l.v->config->bp_count, 0);
}

/* Switched off by the tool while userspace debugs: userspace's breakpoints go on working. */
static void test_disable_leaves_userspace(void)
{
	struct counter *events = counter_start("kvmi:kvmi_event", NULL);
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start_hit(&l, 10);
	guest_debug(l.v, SW_BP);
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, vmm_label(&hit, guest_hit_bp));
	check_kvmi(kvmi_vcpu_control_events(l.c, 0, KVMI_EVENT_BREAKPOINT, false), 0);
	lab_skip_bp(l.c, &ev);
	runner_done(&r);
	check_eq(r.debug_exits, 9);
	check_eq(counter_read(events), 1);
	check_eq(l.v->config->hits, 10);
	check_eq(l.v->config->bp_count, 0);
}

/* With nobody left: the guest's own, without an exit. */
static void test_disable(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct counter *exits;
	struct lab l;

	start_hit(&l, 100);
	exits = counter_start_bp_exits();
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, vmm_label(&hit, guest_hit_bp));
	check_kvmi(kvmi_vcpu_control_events(l.c, 0, KVMI_EVENT_BREAKPOINT, false), 0);
	lab_skip_bp(l.c, &ev);
	runner_done(&r);
	lab_no_event(l.c);
	check_eq(l.v->config->bp_count, 99);
	check_eq(l.v->config->bp_rip, vmm_label(&hit, guest_hit_bp) + 1);
	check_eq(counter_read(exits), 1);
}

/* The tool dies while both have #BP intercepted: the breakpoint is userspace's, now and later. */
static void test_tool_dies_leaves_userspace(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start_hit(&l, 5);
	guest_debug(l.v, SW_BP);
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, vmm_label(&hit, guest_hit_bp));
	check_eq(r.debug_exits, 0);
	kvmi_client_free(l.c);
	runner_done(&r);
	check_eq(r.debug_exits, 5);
	check_eq(l.v->config->hits, 5);
	check_eq(l.v->config->bp_count, 0);
}

int main(void)
{
	const struct tap_test tests[] = {
		{"userspace's single step is KVM_EXIT_DEBUG, never an event", test_single_step},
		{"userspace's hardware breakpoint is KVM_EXIT_DEBUG, never an event",
		 test_hw_breakpoint},
		{"CONTINUE while userspace has SW_BP: KVM_EXIT_DEBUG, no #BP",
		 test_continue_is_userspaces},
		{"RETRY while userspace has SW_BP: no KVM_EXIT_DEBUG",
		 test_retry_is_not_userspaces},
		{"KVM_SET_GUEST_DEBUG with control 0 leaves the event on", test_control_zero},
		{"event switched off: userspace's SW_BP goes on", test_disable_leaves_userspace},
		{"event switched off, nobody else: no exits, the guest's own #BP", test_disable},
		{"tool gone: userspace's SW_BP goes on", test_tool_dies_leaves_userspace},
	};

	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

// SPDX-License-Identifier: BSD-2-Clause
/* A debugger (KVM_SET_GUEST_DEBUG) and an introspector come and go, in every order: each gets its own. */
#include "lab.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

VMM_DECLARE_GUEST(coexist);
extern const char guest_coexist_bp[], guest_coexist_out[], guest_coexist_handler[];

static const struct vmm_guest coexist = VMM_GUEST(coexist);

#define SW   KVM_GUESTDBG_USE_SW_BP
#define HW   KVM_GUESTDBG_USE_HW_BP
#define STEP KVM_GUESTDBG_SINGLESTEP

#define DB_VECTOR   1
#define BP_VECTOR   3
#define DR7_FIXED   0x400
#define DR7_WATCH_0 0x90002 /* G0; writes of eight bytes */

/* --- the state, and what a round must show in it --- */

struct state {
	struct lab l;
	bool event;	/* BREAKPOINT is on */
	bool pending;	/* ... but the vCPU has yet to be told so, or told that it is off */
	uint32_t debug; /* of SW, HW, STEP */
	const char *after;
	struct counter *exits, *events;
};

/* What KVM_EXIT_DEBUG told in this round. */
static struct {
	struct state *state;
	unsigned int bp, db;
	bool stepped_to_bp, stepped_behind;
} seen;

static void guest_debug(struct state *s, uint32_t debug)
{
	struct kvm_guest_debug dbg = {.control = debug ? KVM_GUESTDBG_ENABLE | debug : 0};

	if (debug & HW) {
		dbg.arch.debugreg[0] = GUEST_CONFIG + CFG_ARG;
		dbg.arch.debugreg[7] = DR7_FIXED | DR7_WATCH_0;
	}
	if (ioctl(s->l.v->fd, KVM_SET_GUEST_DEBUG, &dbg))
		fail("KVM_SET_GUEST_DEBUG of %#x: %s", dbg.control, strerror(errno));
}

/* As a debugger that has set this breakpoint and takes it for passed. */
static void pass_bp(struct state *s)
{
	struct kvm_regs regs;

	check_eq(vmm_get_regs(s->l.v, &regs), 0);
	regs.rip++;
	check_eq(vmm_set_regs(s->l.v, &regs), 0);
	/* KVM steps on only from where it knows RIP to be. */
	if (s->debug & STEP)
		guest_debug(s, s->debug);
}

static int on_debug(struct runner *r)
{
	struct state *s = seen.state;
	uint64_t pc = r->debug.pc;

	switch (r->debug.exception) {
	case BP_VECTOR:
		seen.bp++;
		check_eq(pc, vmm_label(&coexist, guest_coexist_bp));
		pass_bp(s);
		break;
	case DB_VECTOR:
		seen.db++;
		if (pc == vmm_label(&coexist, guest_coexist_bp))
			seen.stepped_to_bp = true;
		if (pc == vmm_label(&coexist, guest_coexist_out)) {
			seen.stepped_behind = true;
			/*
			 * Bochs makes a #DB out of an OUT that is intercepted with RFLAGS.TF set,
			 * the guest's on VMX, the host's own on SVM: let it not be stepped over.
			 */
			if (s->debug & STEP)
				guest_debug(s, s->debug & ~STEP);
		}
		break;
	default:
		fail("KVM_EXIT_DEBUG of exception %u at %#llx", r->debug.exception,
		     (unsigned long long)pc);
	}
	return 0;
}

/* The command reaches the vCPU before it enters the guest. */
static void run(struct state *s, struct runner *r)
{
	const struct {
		struct kvmi_vcpu_hdr hdr;
		struct kvmi_vcpu_control_events cmd;
	} req = {.cmd.event_id = KVMI_EVENT_BREAKPOINT, .cmd.enable = s->event};
	uint32_t seq;

	if (!s->pending) {
		runner_start(r, s->l.v);
		return;
	}
	s->pending = false;
	seq = lab_queue(&s->l, KVMI_VCPU_CONTROL_EVENTS, &req, sizeof(req));
	runner_start(r, s->l.v);
	check_kvmi(kvmi_command_wait(s->l.c, KVMI_VCPU_CONTROL_EVENTS, seq, NULL, 0), 0);
}

/* As check_eq(), with the state. */
static void expect(const struct state *s, uint8_t action, const char *what, uint64_t got,
		   uint64_t want)
{
	if (got != want)
		fail("%s, event %s%s, debugger%s%s%s%s: %llu %s, not %llu", s->after,
		     s->event ? "on" : "off",
		     !s->event				 ? ""
		     : action == KVMI_EVENT_ACTION_RETRY ? " (RETRY)"
							 : " (CONTINUE)",
		     s->debug ? "" : " off", s->debug & SW ? " SW_BP" : "",
		     s->debug & HW ? " HW_BP" : "", s->debug & STEP ? " SINGLESTEP" : "",
		     (unsigned long long)got, what, (unsigned long long)want);
}

static void check_round(struct state *s, uint8_t action)
{
	volatile struct guest_config *config = s->l.v->config;
	uint64_t exits = counter_read(s->exits), events = counter_read(s->events);
	uint64_t hits = config->hits, handled = config->bp_count;
	bool retry = s->event && action == KVMI_EVENT_ACTION_RETRY;
	struct runner r = {.on_debug = on_debug};
	struct kvmi_event_msg ev;

	memset(&seen, 0, sizeof(seen));
	seen.state = s;
	if (s->debug & STEP)
		guest_debug(s, s->debug);
	run(s, &r);
	if (s->event) {
		lab_expect_bp(s->l.c, &ev, 0, vmm_label(&coexist, guest_coexist_bp));
		expect(s, action, "KVM_EXIT_DEBUG of #BP before the answer", seen.bp, 0);
		if (retry)
			lab_skip_bp(s->l.c, &ev);
		else
			lab_continue(s->l.c, &ev);
	}
	runner_done(&r);

	expect(s, action, "rounds", config->hits - hits, 1);
	expect(s, action, "events", counter_read(s->events) - events, s->event);
	/* VMX has one exit for all exceptions, and a step over an emulated instruction has none. */
	if (lab_is_svm() || !(s->debug & STEP))
		expect(s, action, "exits by #BP", counter_read(s->exits) - exits,
		       (s->event || s->debug & SW) + (lab_is_svm() ? 0 : seen.db));
	expect(s, action, "KVM_EXIT_DEBUG of #BP", seen.bp, !retry && s->debug & SW);
	expect(s, action, "#BP to the guest", config->bp_count - handled,
	       !retry && !(s->debug & SW));
	expect(s, action, "single steps to the int3", seen.stepped_to_bp, !!(s->debug & STEP));
	expect(s, action, "single steps behind it", seen.stepped_behind, !!(s->debug & STEP));
	if (!(s->debug & STEP))
		expect(s, action, "KVM_EXIT_DEBUG of #DB", seen.db, !!(s->debug & HW));
}

static void check_state(struct state *s, const char *after)
{
	static const uint8_t actions[] = {KVMI_EVENT_ACTION_CONTINUE, KVMI_EVENT_ACTION_RETRY,
					  KVMI_EVENT_ACTION_CONTINUE};

	s->after = after;
	for (size_t i = 0; i < sizeof(actions); i++)
		check_round(s, actions[i]);
}

/* --- steps --- */

/* Ways to switch the event off; hooked anew where that takes it. */
enum off { OFF_COMMAND, OFF_UNHOOK, OFF_CLOSE, NR_OFF };

static void event_on(struct state *s)
{
	s->event = true;
	s->pending = true;
	check_state(s, "event switched on");
}

static void event_off(struct state *s, enum off how)
{
	static const char *const after[] = {"event switched off", "unhooked", "tool gone"};

	s->event = false;
	switch (how) {
	case OFF_COMMAND:
		s->pending = true;
		check_state(s, after[how]);
		return;
	case OFF_UNHOOK:
		check_eq(vmm_unhook(s->l.vm), 0);
		kvmi_client_free(s->l.c);
		break;
	default:
		kvmi_client_free(s->l.c);
		break;
	}
	/* The receiver takes notice in a thread of its own. */
	usleep(10000);
	check_state(s, after[how]);
	if (how == OFF_CLOSE)
		check_eq(vmm_unhook(s->l.vm), 0);
	lab_hook(&s->l);
	check_state(s, "hooked anew");
}

static void set_debug(struct state *s, uint32_t debug)
{
	guest_debug(s, debug);
	s->debug = debug;
	check_state(s, debug ? "debugger switched on" : "debugger switched off");
}

/* Both on and off again: who is first in, and who is first out. */
static void check_orders(uint32_t debug)
{
	struct state s = {0};

	lab_start(&s.l, &coexist);
	check_eq(vmm_set_handler(s.l.vm, BP_VECTOR, vmm_label(&coexist, guest_coexist_handler)), 0);
	s.exits = counter_start_bp_exits();
	s.events = counter_start("kvmi:kvmi_event", NULL);
	check_state(&s, "hooked");

	for (enum off how = 0; how < NR_OFF; how++) {
		for (unsigned int order = 0; order < 4; order++) {
			bool event_first_in = order & 1, event_first_out = order & 2;

			if (event_first_in)
				event_on(&s);
			set_debug(&s, debug);
			if (!event_first_in)
				event_on(&s);

			if (event_first_out)
				event_off(&s, how);
			set_debug(&s, 0);
			if (!event_first_out)
				event_off(&s, how);
		}
	}
}

static void test_orders_sw_bp(void)
{
	check_orders(SW);
}

static void test_orders_hw_bp(void)
{
	check_orders(HW);
}

static void test_orders_single_step(void)
{
	check_orders(STEP);
}

static void test_orders_all(void)
{
	check_orders(SW | HW | STEP);
}

/* The debugger changes its mind, from any set of its three to any other, with the event on and off. */
static void test_orders_debugger(void)
{
	static const uint32_t sets[] = {0,	 SW,	    HW,	       STEP,
					SW | HW, SW | STEP, HW | STEP, SW | HW | STEP};
	const unsigned int n = sizeof(sets) / sizeof(sets[0]);
	struct state s = {0};

	lab_start(&s.l, &coexist);
	check_eq(vmm_set_handler(s.l.vm, BP_VECTOR, vmm_label(&coexist, guest_coexist_handler)), 0);
	s.exits = counter_start_bp_exits();
	s.events = counter_start("kvmi:kvmi_event", NULL);
	event_on(&s);
	for (unsigned int from = 0; from < n; from++) {
		for (unsigned int to = 0; to < n; to++) {
			set_debug(&s, sets[from]);
			set_debug(&s, sets[to]);
		}
	}
	event_off(&s, OFF_COMMAND);
	for (unsigned int i = 0; i < n; i++)
		set_debug(&s, sets[i]);
}

int main(void)
{
	const struct tap_test tests[] = {
		{"event and SW_BP, on and off in every order", test_orders_sw_bp},
		{"event and HW_BP, on and off in every order", test_orders_hw_bp},
		{"event and SINGLESTEP, on and off in every order", test_orders_single_step},
		{"event and all three, on and off in every order", test_orders_all},
		{"event, and any change of the debugger's mind", test_orders_debugger},
	};

	tap_limit_s = 60;
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

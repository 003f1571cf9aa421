// SPDX-License-Identifier: BSD-2-Clause
/* The VMM changes the vCPU's state while an event waits: the event is void, the VMM's state holds. */
#include "nested.h"
#include "raw.h"
#include "waiting.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#ifndef KVM_GET_SREGS2
#define KVM_CAP_SREGS2 200
#define KVM_GET_SREGS2 _IOR(KVMIO, 0xcc, struct kvm_sregs2)
#define KVM_SET_SREGS2 _IOW(KVMIO, 0xcd, struct kvm_sregs2)
#endif

#define NEW_RAX	    0xa1
#define NEW_RBX	    0xb1
#define NEW_FS	    0x5000
#define BAD	    0xbad
#define UD_VECTOR   6
#define NESTED_SIZE 16384

/* --- what the VMM may change --- */

enum change {
	CHANGE_REGS,
	CHANGE_DIRTY_REGS,
	CHANGE_SREGS,
	CHANGE_SREGS2,
	CHANGE_EVENTS,
	NR_CHANGES,
};

static const char *const change_names[] = {
	[CHANGE_REGS] = "KVM_SET_REGS",		 [CHANGE_DIRTY_REGS] = "kvm_dirty_regs",
	[CHANGE_SREGS] = "KVM_SET_SREGS",	 [CHANGE_SREGS2] = "KVM_SET_SREGS2",
	[CHANGE_EVENTS] = "KVM_SET_VCPU_EVENTS",
};

static void new_registers(struct kvm_regs *regs)
{
	regs->rip = waiting_label(guest_waiting_elsewhere);
	regs->rax = NEW_RAX;
	regs->rbx = NEW_RBX;
}

static void change_sregs2(struct vmm_vcpu *v)
{
	struct kvm_sregs2 sregs;

	check_eq(ioctl(v->fd, KVM_GET_SREGS2, &sregs), 0);
	sregs.fs.base = NEW_FS;
	check_eq(ioctl(v->fd, KVM_SET_SREGS2, &sregs), 0);
}

/* An exception that the guest is to get first. */
static void change_events(struct waiting *w)
{
	struct kvm_vcpu_events events;

	check_eq(vmm_set_handler(w->l.vm, UD_VECTOR, waiting_label(guest_waiting_elsewhere)), 0);
	check_eq(ioctl(w->l.v->fd, KVM_GET_VCPU_EVENTS, &events), 0);
	events.exception.injected = 1;
	events.exception.nr = UD_VECTOR;
	events.exception.has_error_code = 0;
	check_eq(ioctl(w->l.v->fd, KVM_SET_VCPU_EVENTS, &events), 0);
}

static void make_change(struct waiting *w, enum change change)
{
	struct vmm_vcpu *v = w->l.v;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	switch (change) {
	case CHANGE_REGS:
		check_eq(vmm_get_regs(v, &regs), 0);
		new_registers(&regs);
		check_eq(vmm_set_regs(v, &regs), 0);
		break;
	case CHANGE_DIRTY_REGS:
		new_registers(&v->run->s.regs.regs);
		v->run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
		break;
	case CHANGE_SREGS:
		check_eq(vmm_get_sregs(v, &sregs), 0);
		sregs.fs.base = NEW_FS;
		check_eq(vmm_set_sregs(v, &sregs), 0);
		break;
	case CHANGE_SREGS2:
		change_sregs2(v);
		break;
	case CHANGE_EVENTS:
		change_events(w);
		break;
	case NR_CHANGES:
		break;
	}
}

/* Where the change leaves RIP at the instruction, that is executed once more. */
static bool instruction_again(const struct waiting *w, enum change change)
{
	return w->kind != WAITING_PAUSE && (change == CHANGE_SREGS || change == CHANGE_SREGS2);
}

/* --- and what has to come of it --- */

static void check_registers(const struct waiting *w, enum change change,
			    const struct kvm_regs *regs)
{
	bool changed = change == CHANGE_REGS || change == CHANGE_DIRTY_REGS;

	if (w->kind == WAITING_HYPERCALL && !instruction_again(w, change))
		check_eq(regs->rax, changed ? NEW_RAX : WAITING_HC);
	else if (changed)
		check_eq(regs->rax, NEW_RAX);
	check_eq(regs->rbx, changed ? NEW_RBX : WAITING_RBX);
	check_eq(regs->r15, WAITING_R15);
}

/* The guest has gone on with what the VMM has set, and with nothing else. */
static void expect_changed(struct waiting *w, enum change change)
{
	const volatile struct guest_config *config = w->l.v->config;
	bool elsewhere = change != CHANGE_SREGS && change != CHANGE_SREGS2;
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	waiting_end(w, &regs);
	check_registers(w, change, &regs);
	check_eq(config->arg[WAITING_ELSEWHERE], elsewhere);
	check_eq(config->arg[WAITING_PASSED], instruction_again(w, change));
	check_eq(config->bp_count, instruction_again(w, change) && w->kind == WAITING_BREAKPOINT);
	check_eq(vmm_get_sregs(w->l.v, &sregs), 0);
	check_eq(sregs.fs.base, elsewhere ? w->ev.common.arch.sregs.fs.base : NEW_FS);
}

/* The instruction's second event, which is like any other. */
static void continue_again(struct waiting *w)
{
	struct kvmi_event_msg ev;

	lab_expect_event(w->l.c, &ev, w->ev.common.event, 0);
	check_eq(ev.hdr.seq, w->ev.hdr.seq + 1);
	check_eq(ev.common.arch.regs.rip, w->ev.common.arch.regs.rip);
	check_eq(ev.common.arch.sregs.fs.base, NEW_FS);
	lab_continue(w->l.c, &ev);
}

static int set_registers(struct waiting *w)
{
	struct kvm_regs regs = w->ev.common.arch.regs;

	regs.rbx = regs.r15 = BAD;
	return kvmi_vcpu_set_registers(w->l.c, 0, &regs);
}

enum variant {
	ANSWER,	    /* CONTINUE, and nothing else */
	SET_BEFORE, /* the introspector sets registers, then the VMM */
	SET_AFTER,  /* the other way round */
	CLOSE,	    /* no answer */
	NR_VARIANTS,
};

static void void_event(enum waiting_kind kind, enum variant variant, enum change change)
{
	struct waiting w;

	note("%s", change_names[change]);
	waiting_start(&w, kind);
	if (change == CHANGE_SREGS2 &&
	    ioctl(vmm_fd(w.l.vm), KVM_CHECK_EXTENSION, KVM_CAP_SREGS2) <= 0)
		return;
	if (variant == SET_BEFORE)
		check_kvmi(set_registers(&w), 0);
	/* What counts is what has become of the vCPU since the event, whenever that was. */
	waiting_leave(&w);
	waiting_enter(&w);
	lab_stands_still(w.l.v);
	waiting_leave(&w);
	make_change(&w, change);
	waiting_enter(&w);
	lab_stands_still(w.l.v);
	if (variant == SET_AFTER)
		check_kvmi(set_registers(&w), KVM_EOPNOTSUPP);
	if (variant == CLOSE) {
		kvmi_client_free(w.l.c);
		expect_changed(&w, change);
		return;
	}
	lab_continue(w.l.c, &w.ev);
	if (instruction_again(&w, change))
		continue_again(&w);
	expect_changed(&w, change);
	lab_no_event(w.l.c);
}

static void all_changes(enum variant variant, bool breakpoints)
{
	for (enum change change = 0; change < NR_CHANGES; change++) {
		/* With nobody to send the second event to, the instruction is the guest's own. */
		if (variant == CLOSE && (change == CHANGE_SREGS || change == CHANGE_SREGS2))
			continue;
		if (breakpoints) {
			void_event(WAITING_BREAKPOINT, variant, change);
			continue;
		}
		void_event(WAITING_HYPERCALL, variant, change);
		void_event(WAITING_PAUSE, variant, change);
	}
}

static void test_state_answer(void)
{
	all_changes(ANSWER, false);
}

static void test_state_answer_breakpoint(void)
{
	all_changes(ANSWER, true);
}

static void test_state_set_before(void)
{
	all_changes(SET_BEFORE, false);
}

static void test_state_set_before_breakpoint(void)
{
	all_changes(SET_BEFORE, true);
}

static void test_state_set_after(void)
{
	all_changes(SET_AFTER, false);
}

static void test_state_set_after_breakpoint(void)
{
	all_changes(SET_AFTER, true);
}

static void test_state_close(void)
{
	all_changes(CLOSE, false);
}

static void test_state_close_breakpoint(void)
{
	all_changes(CLOSE, true);
}

/*
 * UNHOOK ends the event, then the VMM sends the vCPU elsewhere. What KVM_RUN would have done for the event's
 * instruction must not be done for the one at the new RIP: a hypercall's end would step over it.
 */
static void unhook_and_change(enum waiting_kind kind)
{
	struct waiting w;

	waiting_start(&w, kind);
	waiting_leave(&w);
	waiting_unhook(&w);
	make_change(&w, CHANGE_REGS);
	waiting_enter(&w);
	expect_changed(&w, CHANGE_REGS);
}

static void test_state_unhook(void)
{
	unhook_and_change(WAITING_HYPERCALL);
	unhook_and_change(WAITING_PAUSE);
}

static void test_state_unhook_breakpoint(void)
{
	unhook_and_change(WAITING_BREAKPOINT);
}

/* What the introspector sees of the vCPU is what the VMM has set. */
static void test_state_get_registers(void)
{
	struct kvm_regs want, regs;
	struct kvm_sregs sregs;
	struct waiting w;

	waiting_start(&w, WAITING_HYPERCALL);
	waiting_leave(&w);
	make_change(&w, CHANGE_REGS);
	make_change(&w, CHANGE_SREGS);
	check_eq(vmm_get_regs(w.l.v, &want), 0);
	waiting_enter(&w);
	check_kvmi(kvmi_vcpu_get_registers(w.l.c, 0, NULL, &regs, &sregs, NULL, 0), 0);
	check_eq(memcmp(&regs, &want, sizeof(regs)), 0);
	check_eq(regs.rip, waiting_label(guest_waiting_elsewhere));
	check_eq(sregs.fs.base, NEW_FS);
	lab_continue(w.l.c, &w.ev);
	waiting_end(&w, &regs);
	check_eq(regs.rax, NEW_RAX);
	check_eq(w.l.v->config->arg[WAITING_ELSEWHERE], 1);
}

static void test_state_crash(void)
{
	struct waiting w;

	waiting_start(&w, WAITING_HYPERCALL);
	waiting_leave(&w);
	make_change(&w, CHANGE_REGS);
	waiting_enter(&w);
	check_kvmi(kvmi_reply_event(w.l.c, &w.ev, KVMI_EVENT_ACTION_CRASH), 0);
	check_eq(runner_join(&w.r), RUN_SYSTEM_EVENT);
	check_eq(w.r.system_event, KVM_SYSTEM_EVENT_CRASH);
	check_eq(w.l.v->config->arg[WAITING_ELSEWHERE], 0);
}

/* The next event is like any other. */
static void test_state_next_event(void)
{
	struct kvmi_event_msg ev;
	struct kvm_regs regs;
	struct waiting w;

	waiting_start(&w, WAITING_HYPERCALL);
	waiting_leave(&w);
	make_change(&w, CHANGE_REGS);
	waiting_enter(&w);
	lab_continue(w.l.c, &w.ev);
	check_kvmi(kvmi_vcpu_pause(w.l.c, 0, false), 0);
	lab_expect_event(w.l.c, &ev, KVMI_EVENT_PAUSE_VCPU, 0);
	check_eq(ev.common.arch.regs.rax, NEW_RAX);
	regs = ev.common.arch.regs;
	regs.r15 = 0x15;
	check_kvmi(kvmi_reply_event_regs(w.l.c, &ev, &regs, KVMI_EVENT_ACTION_CONTINUE), 0);
	waiting_end(&w, &regs);
	check_eq(regs.r15, 0x15);
	check_eq(regs.rbx, NEW_RBX);
}

static void set_as_it_is(struct vmm_vcpu *v, unsigned long get, unsigned long set, void *buf)
{
	if (ioctl(v->fd, get, buf)) {
		note("ioctl %#lx: %s", get, strerror(errno));
		return;
	}
	if (ioctl(v->fd, set, buf))
		fail("ioctl %#lx: %s", set, strerror(errno));
}

/* As a VMM does that reads all of the vCPU's state, looks at it and writes it back. */
static void set_all_as_it_is(struct vmm_vcpu *v)
{
	static union {
		struct kvm_nested_state nested;
		uint8_t buf[NESTED_SIZE];
	} state;

	set_as_it_is(v, KVM_GET_REGS, KVM_SET_REGS, &state);
	set_as_it_is(v, KVM_GET_SREGS, KVM_SET_SREGS, &state);
	set_as_it_is(v, KVM_GET_SREGS2, KVM_SET_SREGS2, &state);
	set_as_it_is(v, KVM_GET_DEBUGREGS, KVM_SET_DEBUGREGS, &state);
	set_as_it_is(v, KVM_GET_MP_STATE, KVM_SET_MP_STATE, &state);
	set_as_it_is(v, KVM_GET_VCPU_EVENTS, KVM_SET_VCPU_EVENTS, &state);
	state.nested.size = sizeof(state);
	set_as_it_is(v, KVM_GET_NESTED_STATE, KVM_SET_NESTED_STATE, &state);
	v->run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
}

static void no_change(enum waiting_kind kind)
{
	struct kvm_regs regs;
	struct waiting w;

	waiting_start(&w, kind);
	for (int i = 0; i < 3; i++) {
		waiting_leave(&w);
		set_all_as_it_is(w.l.v);
		waiting_enter(&w);
		lab_stands_still(w.l.v);
	}
	lab_continue(w.l.c, &w.ev);
	waiting_expect_continued(&w);

	/* Registers can be set, and take effect. */
	waiting_event(&w);
	waiting_leave(&w);
	set_all_as_it_is(w.l.v);
	waiting_enter(&w);
	check_kvmi(set_registers(&w), 0);
	waiting_leave(&w);
	set_all_as_it_is(w.l.v);
	waiting_enter(&w);
	lab_continue(w.l.c, &w.ev);
	waiting_end(&w, &regs);
	check_eq(regs.rbx, BAD);
	check_eq(regs.r15, BAD);
}

static void test_state_no_change(void)
{
	no_change(WAITING_HYPERCALL);
	no_change(WAITING_PAUSE);
}

static void test_state_no_change_breakpoint(void)
{
	no_change(WAITING_BREAKPOINT);
}

/* --- reset --- */

/* The vCPU begins anew; the introspector, which does not know, answers with registers of before. */
static void reset(enum waiting_kind kind)
{
	uint8_t action =
		kind == WAITING_BREAKPOINT ? KVMI_EVENT_ACTION_RETRY : KVMI_EVENT_ACTION_CONTINUE;
	struct kvm_regs regs;
	struct waiting w;

	waiting_start(&w, kind);
	waiting_leave(&w);
	check_eq(vmm_vcpu_start(w.l.v, waiting_label(guest_waiting_elsewhere)), 0);
	waiting_enter(&w);
	regs = w.ev.common.arch.regs;
	regs.r15 = BAD;
	regs.rip++;
	check_kvmi(kvmi_reply_event_regs(w.l.c, &w.ev, &regs, action), KVM_EOPNOTSUPP);
	waiting_end(&w, &regs);
	check_eq(w.l.v->config->arg[WAITING_ELSEWHERE], 1);
	check_eq(w.l.v->config->arg[WAITING_PASSED], 0);
	check_eq(w.l.v->config->bp_count, 0);
	/* As the guest's entry leaves them. */
	check_eq(regs.rax, 0);
	check_eq(regs.rbx, 0);
	check_eq(regs.r15, 0);
	lab_no_event(w.l.c);
}

static void test_state_reset(void)
{
	reset(WAITING_HYPERCALL);
	reset(WAITING_PAUSE);
}

static void test_state_reset_breakpoint(void)
{
	reset(WAITING_BREAKPOINT);
}

/* --- migration --- */

/* What the VMM reads while the event waits is enough for another VM, where the event comes again. */
static void migrate(enum waiting_kind kind)
{
	struct kvm_sregs sregs;
	struct kvmi_event_msg ev;
	struct kvm_regs regs;
	struct waiting w, to;

	waiting_start(&w, kind);
	waiting_leave(&w);
	check_eq(vmm_get_regs(w.l.v, &regs), 0);
	check_eq(vmm_get_sregs(w.l.v, &sregs), 0);
	check_eq(regs.rip, w.ev.common.arch.regs.rip);

	waiting_start(&to, kind);
	waiting_leave(&to);
	memcpy(vmm_mem(to.l.vm, 0, VMM_MEM_DEFAULT), vmm_mem(w.l.vm, 0, VMM_MEM_DEFAULT),
	       VMM_MEM_DEFAULT);
	waiting_unhook(&to);
	vmm_destroy(w.l.vm);
	kvmi_client_free(w.l.c);
	lab_hook(&to.l);
	/* What `to` waited with is over, so that it may be told from what the other one brings along. */
	waiting_enter(&to);
	waiting_end(&to, NULL);
	memset((void *)to.l.v->config->arg, 0, sizeof(to.l.v->config->arg));
	to.l.v->config->bp_count = 0;

	lab_queue(&to.l, KVMI_VCPU_CONTROL_EVENTS, &(const struct {
		struct kvmi_vcpu_hdr hdr;
		struct kvmi_vcpu_control_events cmd;
	}){.cmd = {.event_id = w.ev.common.event, .enable = 1}},
		  sizeof(struct kvmi_vcpu_hdr) + sizeof(struct kvmi_vcpu_control_events));
	check_eq(vmm_set_sregs(to.l.v, &sregs), 0);
	check_eq(vmm_set_regs(to.l.v, &regs), 0);
	waiting_enter(&to);
	lab_expect_event(to.l.c, &ev, w.ev.common.event, 0);
	check_eq(ev.hdr.seq, 1);
	check_eq(memcmp(&ev.common.arch.regs, &w.ev.common.arch.regs, sizeof(regs)), 0);
	lab_continue(to.l.c, &ev);
	waiting_expect_continued(&to);
}

static void test_state_migrate(void)
{
	migrate(WAITING_HYPERCALL);
}

static void test_state_migrate_breakpoint(void)
{
	migrate(WAITING_BREAKPOINT);
}

/* --- what else makes a vCPU what it is --- */

static void test_state_mp_state(void)
{
	static const uint8_t spin[] = {0xeb, 0xfe};
	struct kvm_mp_state state;
	struct kvmi_event_msg ev;
	struct raw_runner r;
	struct raw raw;

	raw_open(&raw, RAW_IRQCHIP, 1);
	for (int changed = 0; changed < 2; changed++) {
		/* An interrupt could have woken a vCPU that halts; nothing but the VMM halts one that spins. */
		if (changed) {
			/* With interrupts on: Bochs never leaves a guest that spins with them off. */
			struct kvm_regs regs = {.rip = RAW_CODE, .rflags = 0x202};

			memcpy(raw.mem + RAW_CODE, spin, sizeof(spin));
			check_eq(ioctl(raw.vcpu[0], KVM_SET_REGS, &regs), 0);
			state.mp_state = KVM_MP_STATE_RUNNABLE;
			check_eq(ioctl(raw.vcpu[0], KVM_SET_MP_STATE, &state), 0);
		}
		raw_start(&r, &raw, 0);
		/* To its HLT; the first run takes long on a debug kernel. */
		usleep(200000);
		check_kvmi(kvmi_vcpu_pause(raw.c, 0, false), 0);
		lab_expect_event(raw.c, &ev, KVMI_EVENT_PAUSE_VCPU, 0);
		raw_stop(&r);
		check_eq(ioctl(raw.vcpu[0], KVM_GET_MP_STATE, &state), 0);
		check_eq(state.mp_state, changed ? KVM_MP_STATE_RUNNABLE : KVM_MP_STATE_HALTED);
		state.mp_state = KVM_MP_STATE_HALTED;
		check_eq(ioctl(raw.vcpu[0], KVM_SET_MP_STATE, &state), 0);
		raw_start(&r, &raw, 0);
		check_kvmi(kvmi_vcpu_set_registers(raw.c, 0, &ev.common.arch.regs),
			   changed ? KVM_EOPNOTSUPP : 0);
		lab_continue(raw.c, &ev);
		check_kvmi(kvmi_vcpu_get_registers(raw.c, 0, NULL, &ev.common.arch.regs, NULL, NULL,
						   0),
			   0);
		raw_stop(&r);
	}
}

/* The VMM takes the vCPU out of L2. */
static void test_state_nested(void)
{
	static union {
		struct kvm_nested_state state;
		uint8_t buf[NESTED_SIZE];
	} nested = {.state.size = sizeof(nested)};
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	nested_start(&l, 0);
	nested_set_rip(&l, nested_label(guest_nested_l2_spin));
	runner_start(&r, l.v);
	for (int ms = 0; ms < TIMEOUT_MS && !l.v->config->arg[NESTED_ARG_SPUN]; ms++)
		usleep(1000);
	check(l.v->config->arg[NESTED_ARG_SPUN]);
	for (int changed = 0; changed < 2; changed++) {
		do {
			check_kvmi(kvmi_vcpu_pause(l.c, 0, false), 0);
			lab_expect_event(l.c, &ev, KVMI_EVENT_PAUSE_VCPU, 0);
			runner_stop(&r);
			nested.state.size = sizeof(nested);
			check_eq(ioctl(l.v->fd, KVM_GET_NESTED_STATE, &nested), 0);
			if (nested.state.flags & KVM_STATE_NESTED_GUEST_MODE)
				break;
			runner_start(&r, l.v);
			lab_continue(l.c, &ev);
		} while (true);
		if (changed) {
			nested.state.flags &=
				~(KVM_STATE_NESTED_GUEST_MODE | KVM_STATE_NESTED_RUN_PENDING);
			if (lab_is_svm())
				nested.state.size = sizeof(nested.state);
		}
		check_eq(ioctl(l.v->fd, KVM_SET_NESTED_STATE, &nested), 0);
		runner_start(&r, l.v);
		check_kvmi(kvmi_vcpu_set_registers(l.c, 0, &ev.common.arch.regs),
			   changed ? KVM_EOPNOTSUPP : 0);
		lab_answer_raw(l.c, &ev,
			       changed ? KVMI_EVENT_ACTION_CRASH : KVMI_EVENT_ACTION_CONTINUE);
	}
	check_eq(runner_join(&r), RUN_SYSTEM_EVENT);
}

int main(void)
{
	const struct tap_test tests[] = {
		{"void: CONTINUE changes nothing", test_state_answer},
		{"void: CONTINUE changes nothing, breakpoint", test_state_answer_breakpoint},
		{"void: registers that the introspector had set", test_state_set_before},
		{"void: registers that the introspector had set, breakpoint",
		 test_state_set_before_breakpoint},
		{"void: SET_REGISTERS is EOPNOTSUPP", test_state_set_after},
		{"void: SET_REGISTERS is EOPNOTSUPP, breakpoint", test_state_set_after_breakpoint},
		{"void: closed instead of answered", test_state_close},
		{"void: closed instead of answered, breakpoint", test_state_close_breakpoint},
		{"void: UNHOOK, then KVM_SET_REGS", test_state_unhook},
		{"void: UNHOOK, then KVM_SET_REGS, breakpoint", test_state_unhook_breakpoint},
		{"void: GET_REGISTERS gives what the VMM has set", test_state_get_registers},
		{"void: CRASH holds", test_state_crash},
		{"void: the next event is like any other", test_state_next_event},
		{"state set to what it is: the event goes on", test_state_no_change},
		{"state set to what it is: the event goes on, breakpoint",
		 test_state_no_change_breakpoint},
		{"reset while an event waits", test_state_reset},
		{"reset while a breakpoint event waits", test_state_reset_breakpoint},
		{"migration while an event waits: it comes again", test_state_migrate},
		{"migration while a breakpoint event waits: it comes again",
		 test_state_migrate_breakpoint},
		{"void: KVM_SET_MP_STATE", test_state_mp_state},
		{"void: KVM_SET_NESTED_STATE", test_state_nested},
	};

	tap_limit_s = 60;
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

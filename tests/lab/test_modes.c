// SPDX-License-Identifier: BSD-2-Clause
/* The breakpoint event in every mode of the processor, and at instructions out of the ordinary. */
#include "inject.h"
#include "modes.h"
#include "peek.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#define RFLAGS_TF 0x100
#define RFLAGS_RF 0x10000
#define BASE_WRAP 0xfffff000 /* RIP and this are more than 32 bits hold */

extern const char guest_modes_64_bp[], guest_modes_32_bp[], guest_modes_16_bp[];
extern const char guest_modes_longest[], guest_modes_too_long[], guest_modes_rex[],
	guest_modes_cd03[];
extern const char guest_modes_sti[], guest_modes_sti_bp[];
extern const char guest_modes_mov_ss[], guest_modes_mov_ss_bp[];
extern const char guest_modes_stale[], guest_modes_stale_bp[], guest_modes_stale_end[];

/* --- modes --- */

static const void *bp_label(enum mode mode, uint32_t base)
{
	switch (modes_info(mode, base).bytes) {
	case 8:
		return guest_modes_64_bp;
	case 4:
		return guest_modes_32_bp;
	default:
		return guest_modes_16_bp;
	}
}

static void check_event(const struct kvmi_event_msg *ev, enum mode mode, uint32_t base)
{
	struct mode_info info = modes_info(mode, base);
	const struct kvm_sregs *s = &ev->common.arch.sregs;

	check_eq(ev->common.arch.mode, info.bytes);
	check_eq(ev->breakpoint.gpa, modes_gpa(bp_label(mode, base)));
	check_eq(ev->breakpoint.insn_len, 1);
	check_eq(s->cs.selector, info.cs);
	check_eq(s->ss.dpl, info.cpl);
	check_eq(s->cs.l, info.bytes == 8);
	check_eq(s->cr0 & 1, mode != MODE_REAL);
}

/* Twice RETRY behind the breakpoint, twice CONTINUE through the guest's own gate. */
static void check_mode(enum mode mode, uint32_t base)
{
	const void *label = bp_label(mode, base);
	uint64_t bp = modes_rip(mode, label, base);
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct kvm_regs regs;
	struct kvm_sregs s;
	uint32_t bytes;
	struct lab l;

	modes_start(&l);
	modes_enter(&l, mode, label, base);
	l.v->config->hits = 0;
	l.v->config->arg[MODES_ARG_RETURN] = bp + 1;
	lab_run_with_bp(&l, &r);
	for (unsigned int i = 0; i < 4; i++) {
		if (i)
			runner_start(&r, l.v);
		lab_expect_bp(l.c, &ev, 0, bp);
		check_event(&ev, mode, base);
		check_kvmi(kvmi_vcpu_get_registers(l.c, 0, &bytes, &regs, &s, NULL, 0), 0);
		check_eq(bytes, ev.common.arch.mode);
		check_eq(memcmp(&regs, &ev.common.arch.regs, sizeof(regs)), 0);
		check_eq(memcmp(&s, &ev.common.arch.sregs, sizeof(s)), 0);
		if (i % 2)
			check_kvmi(kvmi_reply_event(l.c, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
		else
			lab_skip_bp(l.c, &ev);
		runner_done(&r);
		check_eq(l.v->config->hits, i + 1);
		check_eq(l.v->config->bp_count, (i + 1) / 2);
	}

	check_eq(l.v->config->arg[MODES_ARG_CS], modes_info(mode, base).cs);
	/* Below: the flags that 16 bits hold. */
	check_eq(l.v->config->arg[MODES_ARG_FLAGS] & 0x3ed5, ev.common.arch.regs.rflags & 0x3ed5);
	note("RIP in the handler's frame: int3 %+lld", (long long)(l.v->config->bp_rip - bp));
	if (!lab_injects_wrong_rip())
		check_eq(l.v->config->bp_rip, bp + 1);
}

static void test_mode_long(void)
{
	check_mode(MODE_LONG, 0);
}

static void test_mode_user64(void)
{
	check_mode(MODE_USER64, 0);
}

static void test_mode_compat32(void)
{
	check_mode(MODE_COMPAT32, 0);
}

static void test_mode_compat32_base(void)
{
	check_mode(MODE_COMPAT32, BASE_WRAP);
}

static void test_mode_compat16(void)
{
	check_mode(MODE_COMPAT16, 0);
}

static void test_mode_pae32(void)
{
	check_mode(MODE_PAE32, 0);
}

static void test_mode_pae32_base(void)
{
	check_mode(MODE_PAE32, BASE_WRAP);
}

static void test_mode_2level32(void)
{
	check_mode(MODE_2LEVEL32, 0);
}

static void test_mode_user32(void)
{
	check_mode(MODE_USER32, 0);
}

static void test_mode_unpaged32(void)
{
	check_mode(MODE_UNPAGED32, 0);
}

static void test_mode_unpaged32_base(void)
{
	check_mode(MODE_UNPAGED32, 0x12000);
}

static void test_mode_unpaged32_wrap(void)
{
	check_mode(MODE_UNPAGED32, BASE_WRAP);
}

static void test_mode_prot16(void)
{
	check_mode(MODE_PROT16, 0);
}

static void test_mode_real(void)
{
	check_mode(MODE_REAL, 0);
}

/* --- instructions --- */

static void start_at(struct lab *l, const void *label)
{
	modes_start(l);
	modes_enter(l, MODE_LONG, label, 0);
	l->v->config->hits = 0;
}

static void check_prefixes(const void *label, unsigned int len)
{
	uint64_t bp = modes_rip(MODE_LONG, label, 0);
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start_at(&l, label);
	l.v->config->arg[MODES_ARG_RETURN] = bp + len;
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, bp);
	check_eq(ev.breakpoint.insn_len, len);
	check_eq(ev.breakpoint.gpa, modes_gpa(label));
	lab_skip_bp(l.c, &ev);
	runner_done(&r);
	check_eq(l.v->config->hits, 1);
	check_eq(l.v->config->bp_count, 0);

	modes_enter(&l, MODE_LONG, label, 0);
	runner_start(&r, l.v);
	lab_expect_bp(l.c, &ev, 0, bp);
	check_kvmi(kvmi_reply_event(l.c, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	runner_done(&r);
	check_eq(l.v->config->hits, 2);
	check_eq(l.v->config->bp_count, 1);
	if (!lab_injects_wrong_rip())
		check_eq(l.v->config->bp_rip, bp + len);
}

static void test_prefix_two(void)
{
	check_prefixes(guest_modes_rex, 3);
}

static void test_prefix_longest(void)
{
	check_prefixes(guest_modes_longest, 15);
}

/* Sixteen bytes are no instruction: #GP, which the VMM here takes for the end. */
static void test_prefix_too_long(void)
{
	struct runner r = {0};
	struct counter *exits;
	struct lab l;

	start_at(&l, guest_modes_too_long);
	exits = counter_start_bp_exits();
	lab_run_with_bp(&l, &r);
	check_eq(runner_join(&r), -EFAULT);
	check_eq(l.v->config->trap_vector, 13);
	lab_no_event(l.c);
	check_eq(counter_read(exits), 0);
}

static void test_int_3(void)
{
	uint64_t at = modes_rip(MODE_LONG, guest_modes_cd03, 0);
	struct runner r = {0};
	struct counter *exits;
	struct lab l;

	start_at(&l, guest_modes_cd03);
	exits = counter_start_bp_exits();
	l.v->config->arg[MODES_ARG_RETURN] = at + 2;
	lab_run_with_bp(&l, &r);
	runner_done(&r);
	lab_no_event(l.c);
	check_eq(l.v->config->hits, 1);
	check_eq(l.v->config->bp_count, 1);
	check_eq(l.v->config->bp_rip, at + 2);
	check_eq(counter_read(exits), 0);
}

/* --- pages --- */

#define OWN_GVA 0x80000000

/* Maps MODES_PAGE, alone, and gives where. */
static uint64_t map_page(struct lab *l)
{
	((uint64_t *)vmm_mem(l->vm, GUEST_PDPT, 4096))[OWN_GVA >> 30] = MODES_PD | 0x27;
	*(uint64_t *)vmm_mem(l->vm, MODES_PD, 8) = MODES_PT | 0x27;
	*(uint64_t *)vmm_mem(l->vm, MODES_PT, 8) = MODES_PAGE | 0x67;
	return OWN_GVA;
}

static void set_rip(struct lab *l, uint64_t rip)
{
	struct kvm_regs regs;

	check_eq(vmm_get_regs(l->v, &regs), 0);
	regs.rip = rip;
	check_eq(vmm_set_regs(l->v, &regs), 0);
}

/* RETRY, with RIP at the end of the ordinary round. */
static void retry_elsewhere(struct lab *l, const struct kvmi_event_msg *ev)
{
	struct kvm_regs regs = ev->common.arch.regs;

	regs.rip = modes_rip(MODE_LONG, guest_modes_64_bp, 0) + 1;
	check_kvmi(kvmi_vcpu_set_registers(l->c, 0, &regs), 0);
	check_kvmi(kvmi_reply_event(l->c, ev, KVMI_EVENT_ACTION_RETRY), 0);
}

/* The last byte of a page, and nothing is mapped behind it. */
static void check_page_end(unsigned int prefixes)
{
	unsigned int offset = 4095 - prefixes;
	struct runner r = {0};
	struct kvmi_event_msg ev;
	uint8_t *page;
	struct lab l;

	start_at(&l, guest_modes_64_bp);
	page = vmm_mem(l.vm, MODES_PAGE, 4096);
	memset(page + offset, 0x66, prefixes);
	page[4095] = 0xcc;
	set_rip(&l, map_page(&l) + offset);
	l.v->config->arg[MODES_ARG_RETURN] = modes_rip(MODE_LONG, guest_modes_64_bp, 0) + 1;

	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, OWN_GVA + offset);
	check_eq(ev.breakpoint.gpa, MODES_PAGE + offset);
	check_eq(ev.breakpoint.insn_len, prefixes + 1);
	retry_elsewhere(&l, &ev);
	runner_done(&r);

	set_rip(&l, OWN_GVA + offset);
	runner_start(&r, l.v);
	lab_expect_bp(l.c, &ev, 0, OWN_GVA + offset);
	check_kvmi(kvmi_reply_event(l.c, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	runner_done(&r);
	check_eq(l.v->config->hits, 2);
	check_eq(l.v->config->bp_count, 1);
	if (!lab_injects_wrong_rip())
		check_eq(l.v->config->bp_rip, OWN_GVA + 4096);
}

static void test_page_end(void)
{
	check_page_end(0);
}

static void test_page_end_prefix(void)
{
	check_page_end(3);
}

/*
 * The guest unmaps the page it runs in, and without a flush comes to the breakpoint all the same. Where
 * KVM has to look for the instruction's length it cannot find it: the guest is entered again, and takes
 * the page fault that it has coming.
 */
static void test_page_gone(void)
{
	size_t size = guest_modes_stale_end - guest_modes_stale;
	uint64_t bp = OWN_GVA + (guest_modes_stale_bp - guest_modes_stale);
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start_at(&l, guest_modes_64_bp);
	memcpy(vmm_mem(l.vm, MODES_PAGE, 4096), guest_modes_stale, size);
	set_rip(&l, map_page(&l));
	l.v->config->arg[MODES_ARG_PTE] = MODES_PT;
	lab_run_with_bp(&l, &r);
	if (lab_is_svm() && !inject_nrips()) {
		check_eq(runner_join(&r), -EFAULT);
		check_eq(l.v->config->trap_vector, 14);
		check_eq(l.v->config->trap_rip, bp);
		lab_no_event(l.c);
		return;
	}
	lab_expect_bp(l.c, &ev, 0, bp);
	check_eq(ev.breakpoint.gpa, ~0ULL);
	check_eq(ev.breakpoint.insn_len, 1);
	retry_elsewhere(&l, &ev);
	runner_done(&r);
	check_eq(l.v->config->hits, 1);
}

/* --- what belongs to the instruction: RF, TF, interrupt shadow --- */

static void set_flag(struct lab *l, uint64_t flag)
{
	struct kvm_regs regs;

	check_eq(vmm_get_regs(l->v, &regs), 0);
	regs.rflags |= flag;
	check_eq(vmm_set_regs(l->v, &regs), 0);
}

static unsigned int get_shadow(struct lab *l)
{
	struct kvm_vcpu_events events;

	if (ioctl(l->v->fd, KVM_GET_VCPU_EVENTS, &events))
		fail("KVM_GET_VCPU_EVENTS: %s", strerror(errno));
	return events.interrupt.shadow;
}

#define AT_BP 1

static int stop_at_bp(struct runner *r)
{
	(void)r;
	return AT_BP;
}

/*
 * A vCPU at @label, with @rflags, comes to a breakpoint with RFLAGS.RF set or in an interrupt shadow.
 * Where the machine does not say so at the exit, which userspace finds out by a breakpoint of its own,
 * it is put into the VMCB.
 */
static struct peek *start_with(struct lab *l, const void *label, uint64_t rflags, bool in_shadow)
{
	struct runner r = {.on_debug = stop_at_bp};
	struct peek *p = NULL;
	struct kvm_regs regs;
	bool shown;

	if (lab_is_svm())
		p = peek_open();
	start_at(l, label);
	set_flag(l, rflags);
	check_eq(vmm_guest_debug(l->v, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP), 0);
	runner_start(&r, l->v);
	check_eq(runner_join(&r), AT_BP);
	check_eq(vmm_get_regs(l->v, &regs), 0);
	shown = in_shadow ? get_shadow(l) : regs.rflags & rflags;
	check_eq(vmm_guest_debug(l->v, 0), 0);

	modes_enter(l, MODE_LONG, label, 0);
	set_flag(l, rflags);
	if (shown)
		return NULL;
	if (!p)
		skip("this machine has lost RFLAGS.RF and the interrupt shadow when a #BP exits, as "
		     "Bochs does, and a VMCS is not to be written from outside: run test_modes on "
		     "hardware");
	note("put into the VMCB: this machine does not save it");
	peek_add_at_bp(p, rflags, in_shadow);
	return p;
}

static void check_added(const struct peek *p, uint64_t n)
{
	if (p)
		check_eq(peek_added(p), n);
}

/* Twice RETRY in place, then behind. */
static void check_flag_survives(struct lab *l, uint64_t flag)
{
	uint64_t bp = modes_rip(MODE_LONG, guest_modes_64_bp, 0);
	struct peek *p = start_with(l, guest_modes_64_bp, flag, false);
	struct runner r = {0};
	struct kvmi_event_msg ev;

	lab_run_with_bp(l, &r);
	for (unsigned int i = 0; i < 3; i++) {
		lab_expect_bp(l->c, &ev, 0, bp);
		check_added(p, i + 1);
		check_eq(ev.common.arch.regs.rflags & flag, flag);
		check_eq(ev.breakpoint.insn_len, 1);
		if (i < 2)
			check_kvmi(kvmi_reply_event(l->c, &ev, KVMI_EVENT_ACTION_RETRY), 0);
	}
	lab_skip_bp(l->c, &ev);
	runner_done(&r);
	check_eq(l->v->config->hits, 1);
	check_eq(l->v->config->bp_count, 0);
}

static void test_retry_keeps_rf(void)
{
	struct lab l;

	check_flag_survives(&l, RFLAGS_RF);
}

static void test_retry_keeps_tf(void)
{
	struct lab l;

	check_flag_survives(&l, RFLAGS_TF);
	/* Behind the instruction after the breakpoint. */
	check_eq(l.v->config->arg[MODES_ARG_DB], 1);
}

static void check_shadow(const void *label, const void *bp_label, unsigned int want)
{
	uint64_t bp = modes_rip(MODE_LONG, bp_label, 0);
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct peek *p;
	struct lab l;

	p = start_with(&l, label, 0, true);
	lab_run_with_bp(&l, &r);
	for (unsigned int i = 0; i < 3; i++) {
		lab_expect_bp(l.c, &ev, 0, bp);
		check_added(p, i + 1);
		/* A waiting vCPU can be taken out of KVM_RUN; it waits on the next time. */
		vmm_kick(l.v);
		check_eq(runner_join(&r), -EINTR);
		check_eq(get_shadow(&l), want);
		runner_start(&r, l.v);
		if (i < 2)
			check_kvmi(kvmi_reply_event(l.c, &ev, KVMI_EVENT_ACTION_RETRY), 0);
	}
	lab_skip_bp(l.c, &ev);
	runner_done(&r);
	check_eq(l.v->config->hits, 1);
}

/* SVM has one shadow for both. */
#define SVM_SHADOW (KVM_X86_SHADOW_INT_STI | KVM_X86_SHADOW_INT_MOV_SS)

static void test_retry_keeps_sti_shadow(void)
{
	check_shadow(guest_modes_sti, guest_modes_sti_bp,
		     lab_is_svm() ? SVM_SHADOW : KVM_X86_SHADOW_INT_STI);
}

static void test_retry_keeps_mov_ss_shadow(void)
{
	check_shadow(guest_modes_mov_ss, guest_modes_mov_ss_bp,
		     lab_is_svm() ? SVM_SHADOW : KVM_X86_SHADOW_INT_MOV_SS);
}

int main(void)
{
	const struct tap_test tests[] = {
		{"64-bit, kernel", test_mode_long},
		{"64-bit, user", test_mode_user64},
		{"32-bit below a 64-bit kernel, user", test_mode_compat32},
		{"32-bit below a 64-bit kernel, CS.base + RIP wrap", test_mode_compat32_base},
		{"16-bit below a 64-bit kernel", test_mode_compat16},
		{"32-bit, PAE", test_mode_pae32},
		{"32-bit, PAE, CS.base + RIP wrap", test_mode_pae32_base},
		{"32-bit, page tables of two levels", test_mode_2level32},
		{"32-bit, PAE, user", test_mode_user32},
		{"32-bit, paging off", test_mode_unpaged32},
		{"32-bit, paging off, CS.base", test_mode_unpaged32_base},
		{"32-bit, paging off, CS.base + RIP wrap", test_mode_unpaged32_wrap},
		{"16-bit protected mode, paging off", test_mode_prot16},
		{"real mode", test_mode_real},
		{"two prefixes: insn_len 3", test_prefix_two},
		{"as many prefixes as there can be: insn_len 15", test_prefix_longest},
		{"one prefix more: #GP, no event", test_prefix_too_long},
		{"INT 3 in two bytes: no event, no exit", test_int_3},
		{"int3 on the last byte of a page", test_page_end},
		{"int3 with prefixes at the end of a page", test_page_end_prefix},
		{"int3 on a page that is not mapped any more: gpa ~0", test_page_gone},
		{"RETRY: RFLAGS.RF is still set", test_retry_keeps_rf},
		{"RETRY: RFLAGS.TF is still set, and has its #DB", test_retry_keeps_tf},
		{"RETRY: the shadow of STI is still there", test_retry_keeps_sti_shadow},
		{"RETRY: the shadow of MOV SS is still there", test_retry_keeps_mov_ss_shadow},
	};

	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

// SPDX-License-Identifier: BSD-2-Clause
/* SET_REGISTERS with what no vCPU can be entered with: refused, whatever mode the vCPU is in. */
#include "modes.h"
#include "waiting.h"

#include <errno.h>

#define RFLAGS_CF 0x1
#define RFLAGS_1  0x2 /* always set */
#define RFLAGS_VM 0x20000

#define BIT(n)	  (1ULL << (n))
#define GIB_4	  BIT(32)
#define NOT_CANON BIT(47) /* the first address that is not canonical */
#define TOP_HALF  (~0ULL << 47)
#define HC_LEN	  3
#define INSN_MAX  15
#define R15	  0x15

extern const char guest_modes_64_bp[], guest_modes_32_bp[], guest_modes_16_bp[];

static bool bit_allowed(unsigned int bit)
{
	return bit < 22 && bit != 3 && bit != 5 && bit != 15 && bit != 17;
}

static void expect_set(struct kvmi_client *c, const struct kvm_regs *regs, int want)
{
	int got = kvmi_vcpu_set_registers(c, 0, regs);

	if (got != want)
		fail("RIP %#llx, RFLAGS %#llx: SET_REGISTERS gave %d (%s), not %d",
		     (unsigned long long)regs->rip, (unsigned long long)regs->rflags, got,
		     kvmi_strerror(got), want);
}

/* All bits of RFLAGS, one at a time; at last the registers as they are. */
static void check_rflags(struct kvmi_client *c, const struct kvm_regs *now)
{
	for (unsigned int bit = 0; bit < 64; bit++) {
		struct kvm_regs regs = *now;

		regs.rflags |= BIT(bit);
		expect_set(c, &regs, bit_allowed(bit) ? 0 : KVM_EINVAL);
	}
	expect_set(c, now, 0);
}

static void expect_rip(struct kvmi_client *c, const struct kvm_regs *now, uint64_t rip, int want)
{
	struct kvm_regs regs = *now;

	regs.rip = rip;
	expect_set(c, &regs, want);
}

/* --- 64-bit mode --- */

static void test_bad_rflags(void)
{
	struct waiting w;

	waiting_start(&w, WAITING_PAUSE);
	check_rflags(w.l.c, &w.ev.common.arch.regs);
	lab_continue(w.l.c, &w.ev);
	waiting_expect_continued(&w);
}

static void test_bad_rip(void)
{
	static const uint64_t bad[] = {NOT_CANON, TOP_HALF - 1, BIT(63), BIT(62), ~BIT(62)};
	static const uint64_t good[] = {0, NOT_CANON - 1, TOP_HALF, ~0ULL, GIB_4};
	const struct kvm_regs *now;
	struct waiting w;

	waiting_start(&w, WAITING_PAUSE);
	now = &w.ev.common.arch.regs;
	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		expect_rip(w.l.c, now, bad[i], KVM_EINVAL);
	for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++)
		expect_rip(w.l.c, now, good[i], 0);
	expect_set(w.l.c, now, 0);
	lab_continue(w.l.c, &w.ev);
	waiting_expect_continued(&w);
}

/* CONTINUE moves RIP on by the length of the instruction. */
static void test_bad_rip_hypercall(void)
{
	const struct kvm_regs *now;
	struct waiting w;

	waiting_start(&w, WAITING_HYPERCALL);
	now = &w.ev.common.arch.regs;
	expect_rip(w.l.c, now, NOT_CANON, KVM_EINVAL);
	for (unsigned int below = 1; below <= HC_LEN; below++)
		expect_rip(w.l.c, now, NOT_CANON - below, KVM_EINVAL);
	/* KVM need not look how long it is. */
	expect_rip(w.l.c, now, NOT_CANON - INSN_MAX - 1, 0);
	check_rflags(w.l.c, now);
	lab_continue(w.l.c, &w.ev);
	waiting_expect_continued(&w);
}

/* A command that is refused changes nothing, also not what an earlier one has set. */
static void bad_stay(enum waiting_kind kind)
{
	struct kvm_regs regs, bad;
	struct waiting w;

	waiting_start(&w, kind);
	regs = w.ev.common.arch.regs;
	regs.r15 = R15;
	check_kvmi(kvmi_vcpu_set_registers(w.l.c, 0, &regs), 0);
	bad = regs;
	bad.r15 = bad.rbx = 0xbad;
	bad.rflags |= RFLAGS_VM;
	expect_set(w.l.c, &bad, KVM_EINVAL);
	bad.rflags = regs.rflags;
	bad.rip = NOT_CANON;
	expect_set(w.l.c, &bad, KVM_EINVAL);
	lab_continue(w.l.c, &w.ev);
	waiting_end(&w, &regs);
	check_eq(regs.r15, R15);
	check_eq(regs.rbx, WAITING_RBX);
	check_eq(regs.rflags & RFLAGS_VM, 0);
	check_eq(w.l.v->config->arg[WAITING_PASSED], kind != WAITING_PAUSE);
}

static void test_bad_stay(void)
{
	bad_stay(WAITING_PAUSE);
	bad_stay(WAITING_HYPERCALL);
}

/* The #BP that is delivered then is what the hardware would have refused. */
static void test_bad_stay_breakpoint(void)
{
	bad_stay(WAITING_BREAKPOINT);
}

/* KVM sets it, as KVM_SET_REGS does. */
static void test_rflags_bit1(void)
{
	struct kvm_regs regs;
	struct waiting w;

	waiting_start(&w, WAITING_PAUSE);
	regs = w.ev.common.arch.regs;
	regs.rflags = (regs.rflags | RFLAGS_CF) & ~(uint64_t)RFLAGS_1;
	expect_set(w.l.c, &regs, 0);
	lab_continue(w.l.c, &w.ev);
	waiting_end(&w, &regs);
	check_eq(regs.rflags & RFLAGS_1, RFLAGS_1);
}

/* --- other modes --- */

static const void *bp_label(enum mode mode)
{
	switch (modes_info(mode, 0).bytes) {
	case 8:
		return guest_modes_64_bp;
	case 4:
		return guest_modes_32_bp;
	default:
		return guest_modes_16_bp;
	}
}

/* CONTINUE delivers #BP, RETRY goes on behind the INT3: both with what is set last. */
static void check_mode(enum mode mode)
{
	const void *label = bp_label(mode);
	uint64_t bp = modes_rip(mode, label, 0);
	bool long_mode = modes_info(mode, 0).bytes == 8;
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	modes_start(&l);
	modes_enter(&l, mode, label, 0);
	l.v->config->hits = 0;
	l.v->config->arg[MODES_ARG_RETURN] = bp + 1;
	lab_run_with_bp(&l, &r);
	for (unsigned int i = 0; i < 2; i++) {
		const struct kvm_regs *now = &ev.common.arch.regs;

		if (i)
			runner_start(&r, l.v);
		lab_expect_bp(l.c, &ev, 0, bp);
		expect_rip(l.c, now, bp + GIB_4, long_mode ? 0 : KVM_EINVAL);
		expect_rip(l.c, now, bp | BIT(63), KVM_EINVAL);
		expect_rip(l.c, now, bp | NOT_CANON, KVM_EINVAL);
		expect_rip(l.c, now, GIB_4 - 1, 0);
		check_rflags(l.c, now);
		if (i)
			lab_skip_bp(l.c, &ev);
		else
			lab_continue(l.c, &ev);
		runner_done(&r);
		check_eq(l.v->config->hits, i + 1);
		check_eq(l.v->config->bp_count, 1);
	}
}

static void test_bad_mode_long(void)
{
	check_mode(MODE_LONG);
	check_mode(MODE_USER64);
}

static void test_bad_mode_compat(void)
{
	check_mode(MODE_COMPAT32);
	check_mode(MODE_COMPAT16);
}

static void test_bad_mode_paged32(void)
{
	check_mode(MODE_PAE32);
	check_mode(MODE_2LEVEL32);
	check_mode(MODE_USER32);
}

static void test_bad_mode_unpaged32(void)
{
	check_mode(MODE_UNPAGED32);
}

static void test_bad_mode_prot16(void)
{
	check_mode(MODE_PROT16);
}

static void test_bad_mode_real(void)
{
	check_mode(MODE_REAL);
}

int main(void)
{
	const struct tap_test tests[] = {
		{"SET_REGISTERS: reserved bits of RFLAGS, and VM", test_bad_rflags},
		{"SET_REGISTERS: RIP is not canonical", test_bad_rip},
		{"SET_REGISTERS: RIP behind the hypercall is not canonical",
		 test_bad_rip_hypercall},
		{"SET_REGISTERS, refused: what was set before stays", test_bad_stay},
		{"SET_REGISTERS, refused during a breakpoint, and CONTINUE",
		 test_bad_stay_breakpoint},
		{"SET_REGISTERS: bit 1 of RFLAGS need not be set", test_rflags_bit1},
		{"SET_REGISTERS, refused in 64-bit mode", test_bad_mode_long},
		{"SET_REGISTERS, refused in compatibility mode", test_bad_mode_compat},
		{"SET_REGISTERS, refused in 32-bit mode", test_bad_mode_paged32},
		{"SET_REGISTERS, refused in 32-bit mode without paging", test_bad_mode_unpaged32},
		{"SET_REGISTERS, refused in 16-bit protected mode", test_bad_mode_prot16},
		{"SET_REGISTERS, refused in real mode", test_bad_mode_real},
	};

	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

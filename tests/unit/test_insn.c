// SPDX-License-Identifier: BSD-2-Clause
/* Unit tests of kvmi-trace's instructions: what is emulated and how, where the others lead. */
#include "kvmi-trace/insn.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* A guest of 64 KiB, virtual = physical, whose second half cannot be written. */
static uint8_t memory[0x10000];
#define CODE	 0x1000
#define STACK	 0x2000
#define READONLY 0x8000

int kvmi_read_physical(struct kvmi_client *c, uint64_t gpa, void *data, size_t size)
{
	(void)c;
	if (gpa + size > sizeof(memory))
		return KVM_ENOENT;
	memcpy(data, memory + gpa, size);
	return 0;
}

int kvmi_translate(struct kvmi_client *c, const struct kvm_sregs *sregs, uint64_t gva,
		   uint64_t *gpa)
{
	(void)c;
	(void)sregs;
	*gpa = gva;
	return gva < sizeof(memory) ? 0 : -EFAULT;
}

int kvmi_read_virtual(struct kvmi_client *c, const struct kvm_sregs *sregs, uint64_t gva,
		      void *data, size_t size, size_t *done)
{
	(void)sregs;
	(void)done;
	return kvmi_read_physical(c, gva, data, size) ? -EFAULT : 0;
}

int kvmi_write_virtual(struct kvmi_client *c, const struct kvm_sregs *sregs, uint64_t gva,
		       const void *data, size_t size)
{
	(void)c;
	(void)sregs;
	if (gva + size > READONLY)
		return -EFAULT;
	memcpy(memory + gva, data, size);
	return 0;
}

/* An int3 of ours hides a nop at CODE. */
static bool hidden;

void places_hide(const struct tracer *t, uint64_t gpa, uint8_t *bytes, size_t n)
{
	(void)t;
	if (hidden && gpa <= CODE && CODE - gpa < n)
		bytes[CODE - gpa] = 0x90;
}

static struct tracer tracer;
static struct kvmi_event_msg ev;
static struct insn in;

static int setup(void **state)
{
	(void)state;
	memset(memory, 0xaa, sizeof(memory));
	memset(&ev, 0, sizeof(ev));
	hidden = false;
	ev.common.arch.mode = 8;
	ev.common.arch.regs.rip = CODE;
	ev.common.arch.regs.rsp = STACK;
	ev.common.arch.sregs.ss.db = 1;
	return 0;
}

#define fetch(...) fetch_at(CODE, (uint8_t[]){__VA_ARGS__}, sizeof((uint8_t[]){__VA_ARGS__}))
static void fetch_at(uint64_t at, const uint8_t *code, size_t n)
{
	struct breakpoint bp = {.gva = at, .gpa = at};

	memcpy(memory + at, code, n);
	ev.common.arch.regs.rip = at;
	assert_int_equal(insn_fetch(&in, &tracer, &bp, &ev), 0);
	assert_int_equal(in.i.length, n);
}

static void expect_rip(uint64_t rip)
{
	assert_int_equal(insn_emulate(&in), 0);
	assert_true(in.regs.rip == rip);
}

static void expect_successors(unsigned int n, uint64_t a, uint64_t b)
{
	const char *why = NULL;
	uint64_t next[2] = {0};
	unsigned int got = 0;

	assert_int_equal(insn_successors(&in, next, &got, &why), 0);
	assert_int_equal(got, n);
	assert_int_equal(next[0], a);
	if (n > 1)
		assert_int_equal(next[1], b);
}

static void expect_none(void)
{
	const char *why = NULL;
	unsigned int n;
	uint64_t next[2];

	assert_int_equal(insn_successors(&in, next, &n, &why), -EOPNOTSUPP);
	assert_non_null(why);
}

/* --- emulation --- */

static void test_nops(void **state)
{
	(void)state;
	fetch(0x90);
	expect_rip(CODE + 1);
	fetch(0xf3, 0x0f, 0x1e, 0xfa); /* endbr64 */
	expect_rip(CODE + 4);
	fetch(0x66, 0x0f, 0x1f, 0x84, 0x00, 0x00, 0x00, 0x00, 0x00);
	expect_rip(CODE + 9);
	assert_memory_equal(&in.sregs, &ev.common.arch.sregs, sizeof(in.sregs));
}

static void test_push(void **state)
{
	uint64_t value;

	(void)state;
	ev.common.arch.regs.rbp = 0x1122334455667788;
	fetch(0x55);
	expect_rip(CODE + 1);
	assert_int_equal(in.regs.rsp, STACK - 8);
	memcpy(&value, memory + STACK - 8, 8);
	assert_true(value == 0x1122334455667788);

	/* RSP is pushed as it was; R15 is the last of its kind. */
	fetch(0x54);
	expect_rip(CODE + 1);
	memcpy(&value, memory + STACK - 8, 8);
	assert_int_equal(value, STACK);
	ev.common.arch.regs.r15 = 15;
	fetch(0x41, 0x57);
	expect_rip(CODE + 2);
	assert_int_equal(memory[STACK - 8], 15);
}

static void test_mov(void **state)
{
	(void)state;
	ev.common.arch.regs.rcx = 7;
	ev.common.arch.regs.rbx = 9;
	fetch(0x48, 0x89, 0xcb); /* mov %rcx,%rbx */
	expect_rip(CODE + 3);
	assert_int_equal(in.regs.rbx, 7);
	/* 32 bits, or memory: not emulated. */
	fetch(0x89, 0xcb);
	assert_int_equal(insn_emulate(&in), -EOPNOTSUPP);
	fetch(0x48, 0x89, 0x0b);
	assert_int_equal(insn_emulate(&in), -EOPNOTSUPP);
}

static void test_call_ret_jmp(void **state)
{
	uint64_t value = 0x4567;

	(void)state;
	fetch(0xe8, 0x00, 0x01, 0x00, 0x00);
	expect_rip(CODE + 5 + 0x100);
	memcpy(&value, memory + STACK - 8, 8);
	assert_int_equal(value, CODE + 5);

	value = 0x4567;
	memcpy(memory + STACK, &value, 8);
	fetch(0xc3);
	expect_rip(0x4567);
	assert_int_equal(in.regs.rsp, STACK + 8);
	fetch(0xc2, 0x10, 0x00);
	expect_rip(0x4567);
	assert_int_equal(in.regs.rsp, STACK + 8 + 16);

	fetch(0xeb, 0xfe); /* to itself */
	expect_rip(CODE);
	fetch(0xff, 0xe2);
	assert_int_equal(insn_emulate(&in), -EOPNOTSUPP);
}

/* What the guest could not do right now is left to it. */
static void test_not_emulated(void **state)
{
	(void)state;
	ev.common.arch.regs.rsp = READONLY + 0x100;
	fetch(0x55);
	assert_int_equal(insn_emulate(&in), -EOPNOTSUPP);
	ev.common.arch.regs.rsp = 0x100000;
	fetch(0xc3);
	assert_int_equal(insn_emulate(&in), -EOPNOTSUPP);
	ev.common.arch.regs.rsp = STACK;
	ev.common.arch.sregs.cr4 = 1 << 23; /* CET: there may be a shadow stack */
	fetch(0xc3);
	assert_int_equal(insn_emulate(&in), -EOPNOTSUPP);
	ev.common.arch.regs.rflags = 1 << 8; /* TF */
	fetch(0x90);
	assert_int_equal(insn_emulate(&in), -EOPNOTSUPP);
	ev.common.arch.regs.rflags = 0;
	ev.common.arch.mode = 4;
	fetch(0x90);
	assert_int_equal(insn_emulate(&in), -EOPNOTSUPP);
}

/* --- successors --- */

static void test_next(void **state)
{
	(void)state;
	fetch(0x48, 0x8d, 0x47, 0xf9); /* lea -7(%rdi),%rax */
	expect_successors(1, CODE + 4, 0);
	fetch(0xf3, 0xa4); /* rep movsb */
	expect_successors(1, CODE + 2, 0);
}

static void test_branches(void **state)
{
	uint64_t target = 0x3456;

	(void)state;
	fetch(0x74, 0x06); /* je */
	expect_successors(2, CODE + 8, CODE + 2);
	fetch(0xe2, 0xf0); /* loop */
	expect_successors(2, CODE - 14, CODE + 2);
	fetch(0xe9, 0x00, 0x02, 0x00, 0x00);
	expect_successors(1, CODE + 5 + 0x200, 0);
	fetch(0xe8, 0x00, 0x02, 0x00, 0x00);
	expect_successors(1, CODE + 5 + 0x200, 0);

	ev.common.arch.regs.rdx = 0x5000;
	fetch(0xff, 0xe2); /* jmp *%rdx */
	expect_successors(1, 0x5000, 0);
	ev.common.arch.regs.r12 = 0x6000;
	fetch(0x41, 0xff, 0xd4); /* call *%r12 */
	expect_successors(1, 0x6000, 0);

	memcpy(memory + 0x5018, &target, 8);
	ev.common.arch.regs.rcx = 2;
	fetch(0xff, 0x64, 0xca, 0x08); /* jmp *8(%rdx,%rcx,8) */
	expect_successors(1, 0x3456, 0);
	memcpy(memory + CODE + 6 + 0x20, &target, 8);
	fetch(0xff, 0x25, 0x20, 0x00, 0x00, 0x00); /* jmp *0x20(%rip) */
	expect_successors(1, 0x3456, 0);
	ev.common.arch.sregs.gs.base = 0x5000;
	fetch(0x65, 0xff, 0x24, 0x25, 0x18, 0x00, 0x00, 0x00); /* jmp *%gs:0x18 */
	expect_successors(1, 0x3456, 0);

	memcpy(memory + STACK, &target, 8);
	fetch(0xc3);
	expect_successors(1, 0x3456, 0);
}

static void test_nowhere(void **state)
{
	(void)state;
	fetch(0x74, 0xfe); /* je to itself */
	expect_none();
	fetch(0x0f, 0x05); /* syscall */
	expect_none();
	fetch(0xcd, 0x80); /* int $0x80 */
	expect_none();
	fetch(0x48, 0xcf); /* iretq */
	expect_none();
	fetch(0x48, 0xcb); /* lretq */
	expect_none();
	ev.common.arch.regs.rsp = 0x100000;
	fetch(0xc3);
	expect_none();
}

/* 32-bit code in a segment of its own; 16-bit code. */
static void test_other_modes(void **state)
{
	uint32_t target = 0x123;

	(void)state;
	ev.common.arch.mode = 4;
	ev.common.arch.sregs.cs.base = 0x800;
	ev.common.arch.sregs.ss.base = 0x100;
	fetch(0x40); /* inc %eax, which is a prefix in 64-bit mode */
	expect_successors(1, 0x800 + CODE + 1, 0);
	memcpy(memory + 0x100 + STACK, &target, 4);
	fetch(0xc3);
	expect_successors(1, 0x800 + 0x123, 0);
	ev.common.arch.mode = 2;
	ev.common.arch.sregs.ss.db = 0;
	fetch(0xe9, 0x00, 0x01); /* jmp with 16 bits */
	expect_successors(1, 0x800 + CODE + 3 + 0x100, 0);
}

/* --- fetching --- */

static void test_fetch(void **state)
{
	static const uint8_t lea[] = {0x48, 0x8d, 0x47, 0xf9};
	struct breakpoint bp = {.gva = CODE, .gpa = CODE};

	(void)state;
	/* Across a page, and at the end of memory. */
	fetch_at(0x1ffe, lea, sizeof(lea));
	fetch_at(0xfffc, lea, sizeof(lea));

	/* Our own int3 is not what the guest has. */
	hidden = true;
	memory[CODE] = 0xcc;
	ev.common.arch.regs.rip = CODE;
	assert_int_equal(insn_fetch(&in, &tracer, &bp, &ev), 0);
	assert_int_equal(in.i.mnemonic, ZYDIS_MNEMONIC_NOP);

	hidden = false;
	memory[CODE] = 0x06; /* none in 64-bit mode */
	assert_int_equal(insn_fetch(&in, &tracer, &bp, &ev), -EFAULT);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_nops),	 TEST(test_push),	  TEST(test_mov),
		TEST(test_call_ret_jmp), TEST(test_not_emulated), TEST(test_next),
		TEST(test_branches),	 TEST(test_nowhere),	  TEST(test_other_modes),
		TEST(test_fetch),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-2-Clause
/* Unit tests of the walk through guest page tables: every paging mode, every size of page. */
#include "kvmi_walk.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

/* A guest of 64 KiB: tables at 0x1000, 0x2000, ... What they point at need not be there. */
static uint8_t memory[0x10000] __attribute__((aligned(8)));
static unsigned int reads;

static int setup(void **state)
{
	(void)state;
	memset(memory, 0, sizeof(memory));
	reads = 0;
	return 0;
}

static int read_memory(void *ctx, uint64_t gpa, void *data, size_t size)
{
	assert_ptr_equal(ctx, memory);
	assert_true(size <= 8 && gpa % size == 0);
	reads++;
	if (gpa >= sizeof(memory))
		return KVM_ENOENT;
	memcpy(data, memory + gpa, size);
	return 0;
}

static void set64(uint64_t table, unsigned int index, uint64_t entry)
{
	memcpy(memory + table + index * 8, &entry, 8);
}

static void set32(uint64_t table, unsigned int index, uint32_t entry)
{
	memcpy(memory + table + index * 4, &entry, 4);
}

static uint64_t walked(const struct kvm_sregs *sregs, uint64_t gva, unsigned int want_reads)
{
	struct kvmi_page page;

	reads = 0;
	assert_int_equal(kvmi_walk(sregs, gva, read_memory, memory, &page), 0);
	assert_int_equal(reads, want_reads);
	return page.gpa;
}

static int walk_error(const struct kvm_sregs *sregs, uint64_t gva)
{
	struct kvmi_page page;

	return kvmi_walk(sregs, gva, read_memory, memory, &page);
}

#define PG	 0x80000000
#define PAE	 0x20
#define PSE	 0x10
#define LA57	 0x1000
#define LMA	 0x400
#define NX	 (1ULL << 63)
#define PRESENT	 1
#define LARGE	 0x81
#define LARGEPAT 0x1081 /* PAT is where 4 KiB pages have an address bit */

static const struct kvm_sregs long_mode = {.cr0 = PG, .cr4 = PAE, .efer = LMA, .cr3 = 0x1fff};

static void test_no_paging(void **state)
{
	const struct kvm_sregs sregs = {.cr3 = 0x1000, .cr4 = PAE};

	(void)state;
	assert_int_equal(walked(&sregs, 0x12345678, 0), 0x12345678);
	/* The address of 16-bit code: CS.base + IP, cut to 32 bits. */
	assert_int_equal(walked(&sregs, 0x1fffffff0, 0), 0xfffffff0);
}

static void test_long(void **state)
{
	(void)state;
	set64(0x1000, 511, 0x2000 | PRESENT);
	set64(0x2000, 1, 0x3000 | PRESENT);
	set64(0x3000, 2, 0x4000 | PRESENT);
	set64(0x4000, 3, NX | 0x000fedcba9876000 | PRESENT);
	assert_true(walked(&long_mode, 0xffffff8040403abc, 4) == 0x000fedcba9876abc);

	set64(0x3000, 4, NX | 0xabcde00000 | LARGEPAT);
	assert_true(walked(&long_mode, 0xffffff8040923456, 3) == 0xabcdf23456);
	set64(0x2000, 5, 0x7fc0000000 | LARGEPAT);
	assert_true(walked(&long_mode, 0xffffff8153456789, 2) == 0x7fd3456789);
}

static void test_long_faults(void **state)
{
	(void)state;
	assert_int_equal(walk_error(&long_mode, 0), -EFAULT);
	/* Not canonical: bit 47 and those above differ. */
	set64(0x1000, 0, 0x2000 | PRESENT);
	set64(0x1000, 256, 0x2000 | PRESENT);
	set64(0x2000, 0, LARGE);
	assert_int_equal(walk_error(&long_mode, 0x0000800000000000), -EFAULT);
	assert_int_equal(walk_error(&long_mode, 0x0001000000000000), -EFAULT);
	assert_true(walked(&long_mode, 0xffff800000000123, 2) == 0x123);
	/* Not present on each level; bit 0 alone decides. */
	set64(0x2000, 1, 0x3000 | PRESENT);
	assert_int_equal(walk_error(&long_mode, 0x40000000), -EFAULT);
	set64(0x3000, 0, 0x4000 | PRESENT);
	set64(0x4000, 0, 0x5000 | 0xfe);
	assert_int_equal(walk_error(&long_mode, 0x40000000), -EFAULT);
	/* A table where there is no memory. */
	set64(0x3000, 0, 0x100000 | PRESENT);
	assert_int_equal(walk_error(&long_mode, 0x40000000), -EFAULT);
}

static int no_channel(void *ctx, uint64_t gpa, void *data, size_t size)
{
	(void)ctx;
	(void)gpa;
	(void)data;
	(void)size;
	return -EPIPE;
}

/* What reading gives comes through. */
static void test_read_error(void **state)
{
	struct kvmi_page page;

	(void)state;
	assert_int_equal(kvmi_walk(&long_mode, 0, no_channel, NULL, &page), -EPIPE);
}

static void test_5_levels(void **state)
{
	struct kvm_sregs sregs = long_mode;

	(void)state;
	sregs.cr4 |= LA57;
	set64(0x1000, 0x102, 0x2000 | PRESENT);
	set64(0x2000, 1, 0x3000 | PRESENT);
	set64(0x3000, 0, 0x4000 | PRESENT);
	set64(0x4000, 0, 0x5000 | PRESENT);
	set64(0x5000, 7, 0x77000 | PRESENT);
	assert_true(walked(&sregs, 0xff02008000007123, 5) == 0x77123);
	/* Canonical for 57 bits begins elsewhere. */
	set64(0x1000, 0, 0x2000 | PRESENT);
	set64(0x2000, 256, 0x3000 | PRESENT);
	assert_true(walked(&sregs, 0x0000800000007123, 5) == 0x77123);
	assert_int_equal(walk_error(&sregs, 0x0102008000007123), -EFAULT);
}

static void test_pae(void **state)
{
	/* CR3 is aligned to 32 bytes only. */
	struct kvm_sregs sregs = {.cr0 = PG, .cr4 = PAE, .cr3 = 0x1020 | 0x18};

	(void)state;
	set64(0x1020, 3, 0x2000 | PRESENT);
	set64(0x2000, 1, 0x3000 | PRESENT);
	set64(0x3000, 2, NX | 0x923456000 | PRESENT);
	assert_true(walked(&sregs, 0xc0202abc, 3) == 0x923456abc);
	set64(0x2000, 4, 0xe00000000 | LARGEPAT);
	assert_true(walked(&sregs, 0xc0812345, 2) == 0xe00012345);
	assert_true(walked(&sregs, 0xffffffffc0812345, 2) == 0xe00012345);
	assert_int_equal(walk_error(&sregs, 0x40000000), -EFAULT);
	assert_int_equal(walk_error(&sregs, 0xc0203000), -EFAULT);
}

static void test_32_bit(void **state)
{
	struct kvm_sregs sregs = {.cr0 = PG, .cr3 = 0x1018};

	(void)state;
	set32(0x1000, 0x300, 0x2000 | PRESENT);
	set32(0x2000, 0x45, 0xfedcb000 | PRESENT);
	assert_true(walked(&sregs, 0xc0045123, 2) == 0xfedcb123);
	assert_int_equal(walk_error(&sregs, 0xc0046123), -EFAULT);
	assert_int_equal(walk_error(&sregs, 0), -EFAULT);

	/* A page of 4 MiB, above 4 GiB; without CR4.PSE the bit means nothing. */
	set32(0x1000, 1, 0x00c02000 | LARGE);
	sregs.cr4 = PSE;
	assert_true(walked(&sregs, 0x00712345, 1) == 0x100f12345);
	set32(0x1000, 2, 0x2000 | LARGE);
	sregs.cr4 = 0;
	assert_true(walked(&sregs, 0x00845123, 2) == 0xfedcb123);
}

static struct kvmi_page access_to(const struct kvm_sregs *sregs, uint64_t gva)
{
	struct kvmi_page page;

	assert_int_equal(kvmi_walk(sregs, gva, read_memory, memory, &page), 0);
	return page;
}

/* Every level has a say in who may write; the last one alone knows whether it is dirty. */
static void test_access(void **state)
{
	struct kvmi_page page;

	(void)state;
	set64(0x1000, 0, 0x2007);
	set64(0x2000, 0, 0x3007);
	set64(0x3000, 0, 0x4007);
	set64(0x4000, 0, 0x5047);
	page = access_to(&long_mode, 0);
	assert_true(page.writable && page.user && page.dirty);
	set64(0x4000, 0, 0x5045);
	page = access_to(&long_mode, 0);
	assert_true(!page.writable && page.user && page.dirty);
	set64(0x4000, 0, 0x5007);
	set64(0x2000, 0, 0x3043);
	page = access_to(&long_mode, 0);
	assert_true(page.writable && !page.user && !page.dirty);
	set64(0x1000, 0, 0x2005);
	assert_false(access_to(&long_mode, 0).writable);
}

#define TEST(name) cmocka_unit_test_setup(name, setup)

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_no_paging),  TEST(test_long),	    TEST(test_long_faults),
		TEST(test_read_error), TEST(test_5_levels), TEST(test_pae),
		TEST(test_32_bit),     TEST(test_access),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

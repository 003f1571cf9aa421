// SPDX-License-Identifier: BSD-2-Clause
/* VM_READ_PHYSICAL and VM_WRITE_PHYSICAL, and memory slots that change meanwhile. */
#include "lab.h"
#include "raw.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE	 4096UL
#define NOWHERE	 0x40000000ULL /* a guest physical address without memory */
#define NEW_SLOT 1
#define NEW_GPA	 NOWHERE
#define NEW_SIZE (4 * PAGE)

VMM_DECLARE_GUEST(hit);
extern const char guest_hit_bp[];

static const struct vmm_guest hit = VMM_GUEST(hit);

static void start(struct lab *l)
{
	lab_open_any(l, &hit, 1);
	lab_hook(l);
}

/* @mem NULL: removes it. */
static void change_slot(struct vmm *vm, uint64_t gpa, const void *mem, uint32_t flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = NEW_SLOT,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = mem ? NEW_SIZE : 0,
		.userspace_addr = (uintptr_t)mem,
	};

	if (ioctl(vmm_fd(vm), KVM_SET_USER_MEMORY_REGION, &region))
		fail("KVM_SET_USER_MEMORY_REGION: %s", strerror(errno));
}

static void *set_slot(struct vmm *vm, uint32_t flags)
{
	void *mem = mmap(NULL, NEW_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	check(mem != MAP_FAILED);
	change_slot(vm, NEW_GPA, mem, flags);
	return mem;
}

/* --- contents --- */

/* Neither what is missing nor what is too much may go unnoticed: the reply as it is on the wire. */
static int read_exact(struct kvmi_client *c, uint64_t gpa, uint64_t size, uint8_t *data)
{
	const struct kvmi_vm_read_physical req = {.gpa = gpa, .size = size};
	const struct iovec iov = {.iov_base = (void *)&req, .iov_len = sizeof(req)};
	struct {
		struct kvmi_error_code ec;
		uint8_t data[PAGE + 8];
	} msg;
	struct kvmi_msg_hdr hdr;
	uint32_t seq;

	check_kvmi(kvmi_command_send(c, KVMI_VM_READ_PHYSICAL, &iov, 1, &seq), 0);
	check_kvmi(kvmi_recv_msg(c, &hdr, &msg, sizeof(msg)), 0);
	check_eq(hdr.id, KVMI_VM_READ_PHYSICAL);
	check_eq(hdr.seq, seq);
	check_eq(hdr.size, 8 + (msg.ec.err ? 0 : size));
	memcpy(data, msg.data, hdr.size - 8);
	return -msg.ec.err;
}

static void test_read_physical(void)
{
	static const struct {
		uint64_t gpa, size;
		int err;
	} cases[] = {
		{GUEST_LOG, 1, 0},
		{GUEST_LOG + PAGE - 1, 1, 0},
		{GUEST_LOG, PAGE, 0},
		{GUEST_LOG + 5, 100, 0},
		{GUEST_LOG + 1, PAGE - 1, 0},
		{GUEST_LOG + PAGE, PAGE, 0},
		{VMM_MEM_DEFAULT - 1, 1, 0},
		{VMM_MEM_DEFAULT - PAGE, PAGE, 0},
		{GUEST_LOG, 0, KVM_EINVAL},
		{GUEST_LOG, PAGE + 1, KVM_EINVAL},
		{GUEST_LOG, 8192, KVM_EINVAL},
		{GUEST_LOG + 1, PAGE, KVM_EINVAL},
		{GUEST_LOG + PAGE - 1, 2, KVM_EINVAL},
		{GUEST_LOG, ~0ULL, KVM_EINVAL},
		{GUEST_LOG, 1ULL << 32, KVM_EINVAL},
		{GUEST_LOG, (1ULL << 32) + 8, KVM_EINVAL},
		{GUEST_LOG + 8, ~0ULL - 7, KVM_EINVAL},
		{~0ULL - 7, 16, KVM_EINVAL},
		{VMM_MEM_DEFAULT, 1, KVM_ENOENT},
		{NOWHERE, 1, KVM_ENOENT},
		{~0ULL, 1, KVM_ENOENT},
		{~0ULL - PAGE + 1, PAGE, KVM_ENOENT},
		{1ULL << 52, 1, KVM_ENOENT},
		{1ULL << 63, 1, KVM_ENOENT},
	};
	uint8_t data[PAGE], *mem;
	struct lab l;

	start(&l);
	mem = vmm_mem(l.vm, 0, VMM_MEM_DEFAULT);
	for (uint64_t i = GUEST_LOG; i < VMM_MEM_DEFAULT; i++)
		mem[i] = i * 7 + (i >> 8);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int got = read_exact(l.c, cases[i].gpa, cases[i].size, data);

		if (got != cases[i].err)
			fail("gpa %#llx size %#llx: %s", (unsigned long long)cases[i].gpa,
			     (unsigned long long)cases[i].size, kvmi_strerror(got));
		if (!got && memcmp(data, mem + cases[i].gpa, cases[i].size))
			fail("gpa %#llx size %#llx: wrong bytes", (unsigned long long)cases[i].gpa,
			     (unsigned long long)cases[i].size);
	}
	lab_no_event(l.c);
}

static void test_there_and_back(void)
{
	uint8_t out[PAGE], in[PAGE];
	struct lab l;

	start(&l);
	for (unsigned int i = 0; i < 64; i++) {
		uint64_t gpa = GUEST_LOG + i * PAGE + i * 61 % PAGE;
		size_t size = PAGE - gpa % PAGE - i;

		for (size_t j = 0; j < size; j++)
			out[j] = j * 3 + i;
		check_kvmi(kvmi_write_physical(l.c, gpa, out, size), 0);
		check_eq(memcmp(vmm_mem(l.vm, gpa, size), out, size), 0);
		check_kvmi(kvmi_read_physical(l.c, gpa, in, size), 0);
		check_eq(memcmp(in, out, size), 0);
	}
}

/* What the guest does meanwhile is seen, and it sees what is written. */
static void test_while_running(void)
{
	uint64_t hits, before, one = 1;
	struct runner r = {0};
	struct lab l;

	lab_spin(&l, &r, 1);
	check_kvmi(kvmi_read_physical(l.c, GUEST_CONFIG + CFG_HITS, &before, 8), 0);
	lab_goes_on(l.v);
	check_kvmi(kvmi_read_physical(l.c, GUEST_CONFIG + CFG_HITS, &hits, 8), 0);
	check(hits > before);
	l.v->config->count = 0;
	check_kvmi(kvmi_write_physical(l.c, GUEST_CONFIG + CFG_ARG, &one, 8), 0);
	runner_done(&r);
}

/* --- where there is no memory, or only some --- */

static void expect_access(struct kvmi_client *c, uint64_t gpa, int read, int write)
{
	uint8_t byte = 0x5a;
	int got;

	got = kvmi_write_physical(c, gpa, &byte, 1);
	if (got != write)
		fail("write to %#llx: %s", (unsigned long long)gpa, kvmi_strerror(got));
	got = kvmi_read_physical(c, gpa, &byte, 1);
	if (got != read)
		fail("read of %#llx: %s", (unsigned long long)gpa, kvmi_strerror(got));
}

static void test_readonly_slot(void)
{
	struct lab l;
	uint8_t *mem;

	start(&l);
	mem = set_slot(l.vm, KVM_MEM_READONLY);
	expect_access(l.c, NEW_GPA, 0, KVM_ENOENT);
	check_eq(mem[0], 0);
}

/* The VMM's memory behind the slot has gone, or is not to be touched. */
static void test_unmapped(void)
{
	struct lab l;
	uint8_t *mem;

	start(&l);
	mem = set_slot(l.vm, 0);
	expect_access(l.c, NEW_GPA, 0, 0);
	check_eq(mem[0], 0x5a);
	mem[0] = 0;
	check_eq(mprotect(mem, NEW_SIZE, PROT_READ), 0);
	expect_access(l.c, NEW_GPA, 0, KVM_ENOENT);
	check_eq(mem[0], 0);
	check_eq(mprotect(mem, NEW_SIZE, PROT_NONE), 0);
	expect_access(l.c, NEW_GPA, KVM_ENOENT, KVM_ENOENT);
	check_eq(munmap(mem, NEW_SIZE), 0);
	expect_access(l.c, NEW_GPA, KVM_ENOENT, KVM_ENOENT);
	/* The rest is there as before. */
	expect_access(l.c, GUEST_LOG, 0, 0);
	lab_no_event(l.c);
}

static void test_no_vcpu(void)
{
	struct raw raw;

	raw_open(&raw, RAW_BARE, 0);
	expect_access(raw.c, 0, KVM_EINVAL, KVM_EINVAL);
	check_eq(raw.mem[0], 0);
}

/* --- dirty pages --- */

static uint64_t dirty_pages(struct vmm *vm)
{
	uint64_t bitmap = 0;
	struct kvm_dirty_log log = {.slot = NEW_SLOT, .dirty_bitmap = &bitmap};

	if (ioctl(vmm_fd(vm), KVM_GET_DIRTY_LOG, &log))
		fail("KVM_GET_DIRTY_LOG: %s", strerror(errno));
	return bitmap;
}

static void test_dirty_log(void)
{
	static const uint8_t data[PAGE] = {0x5a, [PAGE - 1] = 0xa5};
	uint8_t byte;
	struct lab l;
	uint8_t *mem;

	start(&l);
	mem = set_slot(l.vm, KVM_MEM_LOG_DIRTY_PAGES);
	check_eq(dirty_pages(l.vm), 0);
	check_kvmi(kvmi_write_physical(l.c, NEW_GPA + 2 * PAGE + 7, data, 1), 0);
	check_eq(mem[2 * PAGE + 7], 0x5a);
	check_eq(dirty_pages(l.vm), 1 << 2);
	check_eq(dirty_pages(l.vm), 0);
	check_kvmi(kvmi_write_physical(l.c, NEW_GPA, data, PAGE), 0);
	check_kvmi(kvmi_write_physical(l.c, NEW_GPA + 3 * PAGE, data, PAGE), 0);
	check_eq(memcmp(mem + 3 * PAGE, data, PAGE), 0);
	check_eq(dirty_pages(l.vm), 1 << 3 | 1 << 0);
	/* What fails leaves no trace, nor does reading. */
	check_kvmi(kvmi_write_physical(l.c, NEW_GPA + NEW_SIZE, data, 1), KVM_ENOENT);
	check_kvmi(kvmi_read_physical(l.c, NEW_GPA + PAGE, &byte, 1), 0);
	check_eq(dirty_pages(l.vm), 0);
}

/* There is no vCPU into whose ring it could be entered: a migration would lose the page. */
static void test_dirty_ring(void)
{
	const uint8_t byte = 0x5a;
	uint8_t read = 0;
	struct raw raw;

	raw_open(&raw, RAW_DIRTY_RING, 1);
	check_kvmi(kvmi_write_physical(raw.c, RAW_MEM_SIZE - PAGE, &byte, 1), KVM_EOPNOTSUPP);
	check_eq(raw.mem[RAW_MEM_SIZE - PAGE], 0);
	raw.mem[RAW_MEM_SIZE - 1] = 0xa5;
	check_kvmi(kvmi_read_physical(raw.c, RAW_MEM_SIZE - 1, &read, 1), 0);
	check_eq(read, 0xa5);
}

/* --- slots that change while a vCPU waits for an answer --- */

/* It must not hold up the VMM, and the tool sees the memory there is at the time. */
static void change_slots(struct lab *l)
{
	uint8_t *mem;

	expect_access(l->c, NEW_GPA, KVM_ENOENT, KVM_ENOENT);
	mem = set_slot(l->vm, 0);
	expect_access(l->c, NEW_GPA, 0, 0);
	check_eq(mem[0], 0x5a);
	/* Elsewhere, then logged, then gone. */
	change_slot(l->vm, NEW_GPA + NEW_SIZE, mem, 0);
	expect_access(l->c, NEW_GPA, KVM_ENOENT, KVM_ENOENT);
	expect_access(l->c, NEW_GPA + NEW_SIZE + PAGE, 0, 0);
	check_eq(mem[PAGE], 0x5a);
	change_slot(l->vm, NEW_GPA + NEW_SIZE, mem, KVM_MEM_LOG_DIRTY_PAGES);
	expect_access(l->c, NEW_GPA + NEW_SIZE + 2 * PAGE, 0, 0);
	check_eq(dirty_pages(l->vm), 1 << 2);
	change_slot(l->vm, 0, NULL, 0);
	expect_access(l->c, NEW_GPA + NEW_SIZE, KVM_ENOENT, KVM_ENOENT);
}

static void test_slots_during_event(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	lab_start(&l, &hit);
	l.v->config->count = 1;
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, vmm_label(&hit, guest_hit_bp));
	change_slots(&l);
	check_eq(l.v->config->hits, 0);
	lab_skip_bp(l.c, &ev);
	runner_done(&r);
	check_eq(l.v->config->hits, 1);
}

static void test_slots_during_pause(void)
{
	struct runner r[2] = {0};
	struct kvmi_event_msg ev[2];
	struct lab l;

	lab_spin(&l, r, 2);
	for (unsigned int i = 0; i < 2; i++) {
		check_kvmi(kvmi_vcpu_pause(l.c, i, true), 0);
		lab_expect_event(l.c, &ev[i], KVMI_EVENT_PAUSE_VCPU, i);
	}
	change_slots(&l);
	for (unsigned int i = 0; i < 2; i++) {
		lab_stands_still(vmm_vcpu(l.vm, i));
		lab_continue(l.c, &ev[i]);
		lab_goes_on(vmm_vcpu(l.vm, i));
		runner_stop(&r[i]);
	}
}

int main(void)
{
	const struct tap_test tests[] = {
		{"VM_READ_PHYSICAL: what is read and what refused", test_read_physical},
		{"VM_WRITE_PHYSICAL and VM_READ_PHYSICAL: there and back", test_there_and_back},
		{"the same with the guest running", test_while_running},
		{"read-only slot: read, not written (ENOENT)", test_readonly_slot},
		{"what the VMM has unmapped or protected: ENOENT", test_unmapped},
		{"no vCPU yet: EINVAL", test_no_vcpu},
		{"VM_WRITE_PHYSICAL: the page is in the dirty log", test_dirty_log},
		{"dirty ring: VM_WRITE_PHYSICAL EOPNOTSUPP, nothing written; reading works",
		 test_dirty_ring},
		{"memory slots change while a vCPU waits with a breakpoint",
		 test_slots_during_event},
		{"memory slots change while two vCPUs are paused", test_slots_during_pause},
	};

	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

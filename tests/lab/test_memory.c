// SPDX-License-Identifier: BSD-2-Clause
/* Introspection and the VM's memory: dirty pages, read-only slots, slots that change meanwhile. */
#include "lab.h"
#include "raw.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define PAGE	 4096UL
#define NEW_SLOT 1
#define NEW_GPA	 0x40000000UL
#define NEW_SIZE (4 * PAGE)

VMM_DECLARE_GUEST(hit);
extern const char guest_hit_bp[];

static const struct vmm_guest hit = VMM_GUEST(hit);

static void *set_slot(struct vmm *vm, uint32_t flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = NEW_SLOT,
		.flags = flags,
		.guest_phys_addr = NEW_GPA,
		.memory_size = NEW_SIZE,
	};
	void *mem = mmap(NULL, NEW_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);

	check(mem != MAP_FAILED);
	region.userspace_addr = (uintptr_t)mem;
	if (ioctl(vmm_fd(vm), KVM_SET_USER_MEMORY_REGION, &region))
		fail("KVM_SET_USER_MEMORY_REGION: %s", strerror(errno));
	return mem;
}

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
	struct lab l;
	uint8_t *mem;

	lab_open_any(&l, &hit, 1);
	lab_hook(&l);
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
	/* What fails leaves no trace. */
	check_kvmi(kvmi_write_physical(l.c, NEW_GPA + NEW_SIZE, data, 1), KVM_ENOENT);
	check_eq(dirty_pages(l.vm), 0);
}

/* There is no vCPU into whose ring it could be entered: a migration would lose the page. */
static void test_dirty_ring(void)
{
	const uint8_t byte = 0x5a;
	struct raw raw;

	raw_open(&raw, RAW_DIRTY_RING);
	check_kvmi(kvmi_write_physical(raw.c, RAW_MEM_SIZE - PAGE, &byte, 1), KVM_EOPNOTSUPP);
	check_eq(raw.mem[RAW_MEM_SIZE - PAGE], 0);
}

static void test_readonly_slot(void)
{
	const uint8_t byte = 0x5a;
	struct lab l;
	uint8_t *mem;

	lab_open_any(&l, &hit, 1);
	lab_hook(&l);
	mem = set_slot(l.vm, KVM_MEM_READONLY);
	check_kvmi(kvmi_write_physical(l.c, NEW_GPA, &byte, 1), KVM_ENOENT);
	check_eq(mem[0], 0);
}

/* The VMM's memory behind the slot has gone. */
static void test_unmapped(void)
{
	const uint8_t byte = 0x5a;
	struct lab l;

	lab_open_any(&l, &hit, 1);
	lab_hook(&l);
	check_eq(munmap(set_slot(l.vm, 0), NEW_SIZE), 0);
	check_kvmi(kvmi_write_physical(l.c, NEW_GPA, &byte, 1), KVM_ENOENT);
	lab_no_event(l.c);
}

/* A vCPU that waits for an answer must not hold up the VMM, and the tool sees the new memory at once. */
static void test_slots_during_event(void)
{
	const uint8_t byte = 0x5a;
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;
	uint8_t *mem;

	lab_start(&l, &hit);
	l.v->config->count = 1;
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, vmm_label(&hit, guest_hit_bp));
	check_kvmi(kvmi_write_physical(l.c, NEW_GPA, &byte, 1), KVM_ENOENT);
	mem = set_slot(l.vm, 0);
	check_kvmi(kvmi_write_physical(l.c, NEW_GPA, &byte, 1), 0);
	check_eq(mem[0], byte);
	check_eq(l.v->config->hits, 0);
	lab_skip_bp(l.c, &ev);
	runner_done(&r);
	check_eq(l.v->config->hits, 1);
}

int main(void)
{
	const struct tap_test tests[] = {
		{"VM_WRITE_PHYSICAL: the page is in the dirty log", test_dirty_log},
		{"VM_WRITE_PHYSICAL with a dirty ring: EOPNOTSUPP, nothing written",
		 test_dirty_ring},
		{"VM_WRITE_PHYSICAL to a read-only slot: ENOENT", test_readonly_slot},
		{"VM_WRITE_PHYSICAL where the VMM has nothing mapped: ENOENT", test_unmapped},
		{"memory slots change while a vCPU waits for its answer", test_slots_during_event},
	};

	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

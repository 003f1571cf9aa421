// SPDX-License-Identifier: BSD-2-Clause
/* A second memory slot whose pages KVM has to map again and again, one by one. */
#include "vmm_priv.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#define PAGE	   4096UL
#define LARGE_PAGE (2UL << 20)
#define SLOT	   1

static int set_slot(struct vmm *vm, size_t size)
{
	const struct kvm_userspace_memory_region region = {
		.slot = SLOT,
		.guest_phys_addr = GUEST_PAGES,
		.memory_size = size,
		.userspace_addr = (uintptr_t)vm->pages,
	};

	return ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region)
		       ? vmm_set_errno("KVM_SET_USER_MEMORY_REGION of the second slot")
		       : 0;
}

int vmm_add_pages(struct vmm *vm, size_t n)
{
	size_t size = (n * PAGE + LARGE_PAGE - 1) & -LARGE_PAGE;
	uint64_t *pd = (void *)(vm->mem + GUEST_PD);

	if (vm->pages || !n || size > GUEST_PAGES_MAX || vm->mem_size > GUEST_PAGES)
		return vmm_set_error(-EINVAL, "there is no room for a second slot of %zu pages", n);

	vm->pages = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (vm->pages == MAP_FAILED) {
		vm->pages = NULL;
		return vmm_set_errno("mmap of the second slot");
	}
	vm->pages_size = size;
	/* A large page here would be mapped by a single fault. A kernel without them says EINVAL. */
	if (madvise(vm->pages, size, MADV_NOHUGEPAGE) && errno != EINVAL)
		return vmm_set_errno("madvise of the second slot");
	memset(vm->pages, 0, size);

	for (uint64_t gpa = GUEST_PAGES; gpa < GUEST_PAGES + size; gpa += LARGE_PAGE)
		pd[gpa / LARGE_PAGE] = gpa | VMM_PTE_LARGE;
	return set_slot(vm, size);
}

int vmm_unmap_pages(struct vmm *vm)
{
	int ret = set_slot(vm, 0);

	return ret ? ret : set_slot(vm, vm->pages_size);
}

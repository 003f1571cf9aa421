// SPDX-License-Identifier: BSD-2-Clause
/* The VMM: sets up memory, tables and vCPUs of a VM. */
#include "vmm_priv.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE	   4096UL
#define LARGE_PAGE (2UL << 20)

/* Three pages somewhere the guest has no memory; older Intel CPUs need them. */
#define TSS_ADDR 0xfffbd000UL

VMM_DECLARE_GUEST(runtime);
extern const char guest_runtime_entry[], guest_runtime_stubs[];

/* --- set-up --- */

static int open_kvm(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int version;

	if (fd < 0) {
		switch (errno) {
		case ENOENT:
		case ENODEV:
		case ENXIO:
			return vmm_set_error(
				-ENOENT,
				"there is no /dev/kvm: load kvm_intel or kvm_amd and enable "
				"virtualisation (VT-x, AMD-V) in the firmware");
		case EACCES:
		case EPERM:
			return vmm_set_error(-EACCES,
					     "no right to open /dev/kvm: be root or a member of "
					     "its group");
		default:
			return vmm_set_errno("open /dev/kvm");
		}
	}

	version = ioctl(fd, KVM_GET_API_VERSION, 0);
	if (version != KVM_API_VERSION) {
		close(fd);
		return vmm_set_error(-EOPNOTSUPP, "/dev/kvm speaks API version %d, not %d", version,
				     KVM_API_VERSION);
	}
	return fd;
}

/* Give the vCPU every CPUID leaf KVM can offer: without them it refuses 64-bit mode. */
static int set_cpuid(struct vmm *vm, struct vmm_vcpu *v)
{
	unsigned int n = 128;

	for (;;) {
		struct kvm_cpuid2 *cpuid =
			calloc(1, sizeof(*cpuid) + n * sizeof(struct kvm_cpuid_entry2));
		int ret = 0;

		if (!cpuid)
			return vmm_set_error(-ENOMEM, "no memory for the CPUID table");

		cpuid->nent = n;
		if (ioctl(vm->kvm_fd, KVM_GET_SUPPORTED_CPUID, cpuid))
			ret = vmm_set_errno("KVM_GET_SUPPORTED_CPUID");
		else if (ioctl(v->fd, KVM_SET_CPUID2, cpuid))
			ret = vmm_set_errno("KVM_SET_CPUID2");
		free(cpuid);
		if (ret != -E2BIG || n >= 4096)
			return ret;
		n *= 2;
	}
}

static int create_vcpu(struct vmm *vm, unsigned int index)
{
	struct vmm_vcpu *v = &vm->vcpus[index];
	int fd = ioctl(vm->fd, KVM_CREATE_VCPU, (unsigned long)VMM_VCPU_ID(index));
	int ret;

	if (fd < 0)
		return vmm_set_errno("KVM_CREATE_VCPU");

	v->vm = vm;
	v->index = index;
	v->fd = fd;
	vm->nr_vcpus = index + 1;
	v->config = (void *)(vm->mem + GUEST_CONFIG + index * PAGE);
	v->run = mmap(NULL, vm->run_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	if (v->run == MAP_FAILED) {
		v->run = NULL;
		return vmm_set_errno("mmap of the vCPU's kvm_run");
	}

	ret = set_cpuid(vm, v);
	if (ret)
		return ret;

	v->run->kvm_valid_regs = KVM_SYNC_X86_REGS;
	return 0;
}

/* The identity map, twice: at 0 and at GUEST_ALIAS. Accessed and dirty are set beforehand. */
static void build_page_tables(struct vmm *vm)
{
	const uint64_t table = 0x27; /* present, writable, user, accessed */
	uint64_t *pml4 = (void *)(vm->mem + GUEST_PML4);
	uint64_t *pdpt = (void *)(vm->mem + GUEST_PDPT);
	uint64_t *pd = (void *)(vm->mem + GUEST_PD);

	pml4[0] = GUEST_PDPT | table;
	pdpt[0] = GUEST_PD | table;
	pdpt[GUEST_ALIAS >> 30] = GUEST_PD | table;
	for (uint64_t i = 0; i * LARGE_PAGE < vm->mem_size; i++)
		pd[i] = i * LARGE_PAGE | VMM_PTE_LARGE;
}

static void set_gate(struct vmm *vm, unsigned int vector, uint64_t rip)
{
	uint64_t *gate = (void *)(vm->mem + GUEST_IDT + vector * 16);

	/* Trap gate (interrupts stay on), present; DPL 3, so that int3 works from user mode too. */
	gate[0] = (rip & 0xffff) | (uint64_t)GUEST_CS << 16 | 0xef00ULL << 32 |
		  (rip >> 16 & 0xffff) << 48;
	gate[1] = rip >> 32;
}

static void build_tables(struct vmm *vm)
{
	uint64_t *gdt = (void *)(vm->mem + GUEST_GDT);
	uint64_t stubs = GUEST_RUNTIME + (guest_runtime_stubs - guest_runtime_start);

	gdt[GUEST_CS / 8] = 0x00af9b000000ffffULL; /* code, 64-bit, accessed */
	gdt[GUEST_DS / 8] = 0x00cf93000000ffffULL; /* data, accessed */
	gdt[GUEST_TR / 8] = 0x0000890000000067ULL | (uint64_t)GUEST_TSS << 16;

	/* RSP0: where exceptions from user mode of vCPU 0 go; it is the only field in use. */
	*(uint64_t *)(vm->mem + GUEST_TSS + 4) = GUEST_STACK + PAGE;

	for (unsigned int i = 0; i < 32; i++)
		set_gate(vm, i, stubs + i * 16);
}

int vmm_create(struct vmm **out, size_t mem_size, unsigned int nr_vcpus)
{
	struct kvm_userspace_memory_region region = {0};
	struct vmm *vm;
	int ret;

	if (!nr_vcpus || nr_vcpus > GUEST_MAX_VCPUS)
		return vmm_set_error(-EINVAL, "a VM has 1 to %d vCPUs, not %u", GUEST_MAX_VCPUS,
				     nr_vcpus);
	if (mem_size <= GUEST_LOG || mem_size > 1UL << 30)
		return vmm_set_error(-EINVAL,
				     "a VM has more than %#x bytes and up to 1 GiB, not %zu",
				     GUEST_LOG, mem_size);

	vm = calloc(1, sizeof(*vm));
	if (!vm)
		return vmm_set_error(-ENOMEM, "no memory for a VM");
	vm->fd = -1;
	vm->mem_size = (mem_size + LARGE_PAGE - 1) & -LARGE_PAGE;

	vm->kvm_fd = open_kvm();
	if (vm->kvm_fd < 0) {
		ret = vm->kvm_fd;
		goto fail;
	}
	if (!(ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_SYNC_REGS) & KVM_SYNC_X86_REGS) ||
	    ioctl(vm->kvm_fd, KVM_CHECK_EXTENSION, KVM_CAP_IMMEDIATE_EXIT) <= 0) {
		ret = vmm_set_error(-EOPNOTSUPP, "this kernel's KVM is too old: it lacks "
						 "KVM_CAP_SYNC_REGS or KVM_CAP_IMMEDIATE_EXIT");
		goto fail;
	}
	ret = ioctl(vm->kvm_fd, KVM_GET_VCPU_MMAP_SIZE, 0);
	if (ret < 0) {
		ret = vmm_set_errno("KVM_GET_VCPU_MMAP_SIZE");
		goto fail;
	}
	vm->run_size = ret;

	vm->fd = ioctl(vm->kvm_fd, KVM_CREATE_VM, 0);
	if (vm->fd < 0) {
		ret = vmm_set_errno("KVM_CREATE_VM");
		goto fail;
	}
	if (ioctl(vm->fd, KVM_SET_TSS_ADDR, TSS_ADDR)) {
		ret = vmm_set_errno("KVM_SET_TSS_ADDR");
		goto fail;
	}

	vm->mem =
		mmap(NULL, vm->mem_size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (vm->mem == MAP_FAILED) {
		vm->mem = NULL;
		ret = vmm_set_errno("mmap of guest memory");
		goto fail;
	}
	region.memory_size = vm->mem_size;
	region.userspace_addr = (uintptr_t)vm->mem;
	if (ioctl(vm->fd, KVM_SET_USER_MEMORY_REGION, &region)) {
		ret = vmm_set_errno("KVM_SET_USER_MEMORY_REGION");
		goto fail;
	}

	build_page_tables(vm);
	build_tables(vm);
	memcpy(vm->mem + GUEST_RUNTIME, guest_runtime_start,
	       guest_runtime_end - guest_runtime_start + 1);

	for (unsigned int i = 0; i < nr_vcpus; i++) {
		ret = create_vcpu(vm, i);
		if (!ret)
			ret = vmm_vcpu_start(&vm->vcpus[i], GUEST_CODE);
		if (ret)
			goto fail;
	}

	*out = vm;
	return 0;

fail:
	vmm_destroy(vm);
	return ret;
}

void vmm_destroy(struct vmm *vm)
{
	if (!vm)
		return;

	if (vm->hooked)
		vmm_unhook(vm);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		struct vmm_vcpu *v = &vm->vcpus[i];

		if (v->timer_tid)
			timer_delete(v->timer);
		if (v->run)
			munmap(v->run, vm->run_size);
		close(v->fd);
	}
	if (vm->fd >= 0)
		close(vm->fd);
	if (vm->mem)
		munmap(vm->mem, vm->mem_size);
	if (vm->pages)
		munmap(vm->pages, vm->pages_size);
	if (vm->kvm_fd >= 0)
		close(vm->kvm_fd);
	free(vm);
}

int vmm_add_vcpu(struct vmm *vm)
{
	unsigned int index = vm->nr_vcpus;
	int ret;

	if (index == GUEST_MAX_VCPUS)
		return vmm_set_error(-EINVAL, "a VM has no more than %d vCPUs", GUEST_MAX_VCPUS);
	ret = create_vcpu(vm, index);
	return ret ? ret : vmm_vcpu_start(&vm->vcpus[index], GUEST_CODE);
}

struct vmm_vcpu *vmm_vcpu(struct vmm *vm, unsigned int index)
{
	return index < vm->nr_vcpus ? &vm->vcpus[index] : NULL;
}

int vmm_fd(const struct vmm *vm)
{
	return vm->fd;
}

void *vmm_mem(struct vmm *vm, uint64_t gpa, size_t len)
{
	if (gpa > vm->mem_size || len > vm->mem_size - gpa)
		return NULL;
	return vm->mem + gpa;
}

int vmm_load(struct vmm *vm, const struct vmm_guest *g)
{
	size_t size = (const char *)g->end - (const char *)g->start;

	if (size > GUEST_LOG - GUEST_CODE)
		return vmm_set_error(-E2BIG, "guest %s has %zu bytes, there is room for %d",
				     g->name, size, GUEST_LOG - GUEST_CODE);

	memcpy(vm->mem + GUEST_CODE, g->start, size);
	for (unsigned int i = 0; i < vm->nr_vcpus; i++) {
		int ret = vmm_vcpu_start(&vm->vcpus[i], GUEST_CODE);

		if (ret)
			return ret;
	}
	return 0;
}

uint64_t vmm_label(const struct vmm_guest *g, const void *label)
{
	return GUEST_CODE + ((const char *)label - (const char *)g->start);
}

int vmm_vcpu_start(struct vmm_vcpu *v, uint64_t rip)
{
	const struct kvm_segment cs = {
		.selector = GUEST_CS,
		.limit = 0xffffffff,
		.type = 11,
		.present = 1,
		.s = 1,
		.l = 1,
		.g = 1,
	};
	struct kvm_segment ds = cs, tr = cs;
	struct kvm_sregs sregs;
	struct kvm_regs regs = {
		.rip = GUEST_RUNTIME + (guest_runtime_entry - guest_runtime_start),
		/*
		 * Interrupts on, though none is ever injected: with them off, Bochs does not leave the
		 * guest for the host's interrupts either, and a guest that spins spins for ever.
		 */
		.rflags = 0x202,
		.rsp = GUEST_STACK + (v->index + 1) * PAGE,
		.rdi = rip,
	};
	int ret = vmm_get_sregs(v, &sregs);

	if (ret)
		return ret;

	ds.selector = GUEST_DS;
	ds.type = 3;
	ds.l = 0;
	ds.db = 1;
	tr.selector = GUEST_TR;
	tr.base = GUEST_TSS;
	tr.limit = 0x67;
	tr.s = 0;
	tr.l = 0;
	tr.g = 0;

	sregs.cs = cs;
	sregs.ds = sregs.es = sregs.fs = sregs.gs = sregs.ss = ds;
	sregs.gs.base = GUEST_CONFIG + v->index * PAGE;
	sregs.tr = tr;
	sregs.gdt.base = GUEST_GDT;
	sregs.gdt.limit = 5 * 8 - 1;
	sregs.idt.base = GUEST_IDT;
	sregs.idt.limit = 32 * 16 - 1;
	sregs.cr0 = 0x80050033; /* PG AM WP NE ET MP PE */
	sregs.cr3 = GUEST_PML4;
	sregs.cr4 = 0x20;   /* PAE */
	sregs.efer = 0x500; /* LMA LME */

	ret = vmm_set_sregs(v, &sregs);
	return ret ? ret : vmm_set_regs(v, &regs);
}

int vmm_set_handler(struct vmm *vm, unsigned int vector, uint64_t rip)
{
	if (vector >= 32)
		return vmm_set_error(-EINVAL, "vector %u is not in 0..31", vector);
	set_gate(vm, vector, rip);
	return 0;
}

int vmm_get_regs(struct vmm_vcpu *v, struct kvm_regs *regs)
{
	return ioctl(v->fd, KVM_GET_REGS, regs) ? vmm_set_errno("KVM_GET_REGS") : 0;
}

int vmm_set_regs(struct vmm_vcpu *v, const struct kvm_regs *regs)
{
	/* What is not yet written back of the shared page would undo it. */
	v->run->kvm_dirty_regs &= ~(uint64_t)KVM_SYNC_X86_REGS;
	return ioctl(v->fd, KVM_SET_REGS, regs) ? vmm_set_errno("KVM_SET_REGS") : 0;
}

int vmm_get_sregs(struct vmm_vcpu *v, struct kvm_sregs *sregs)
{
	return ioctl(v->fd, KVM_GET_SREGS, sregs) ? vmm_set_errno("KVM_GET_SREGS") : 0;
}

int vmm_set_sregs(struct vmm_vcpu *v, const struct kvm_sregs *sregs)
{
	return ioctl(v->fd, KVM_SET_SREGS, sregs) ? vmm_set_errno("KVM_SET_SREGS") : 0;
}

int vmm_guest_debug(struct vmm_vcpu *v, uint32_t control)
{
	struct kvm_guest_debug debug = {.control = control};

	return ioctl(v->fd, KVM_SET_GUEST_DEBUG, &debug) ? vmm_set_errno("KVM_SET_GUEST_DEBUG") : 0;
}

long vmm_tsc_khz(struct vmm_vcpu *v)
{
	int khz = ioctl(v->fd, KVM_GET_TSC_KHZ, 0);

	if (khz < 0)
		return vmm_set_errno("KVM_GET_TSC_KHZ");
	if (!khz)
		return vmm_set_error(-EIO, "KVM_GET_TSC_KHZ says 0: the host's TSC is unusable");
	return khz;
}

int vmm_pin(int cpu)
{
	cpu_set_t *set;
	size_t size;
	int ret = 0;

	if (cpu < 0)
		return vmm_set_error(-EINVAL, "there is no CPU %d", cpu);
	set = CPU_ALLOC(cpu + 1);
	if (!set)
		return vmm_set_error(-ENOMEM, "no memory for a CPU set");
	size = CPU_ALLOC_SIZE(cpu + 1);
	CPU_ZERO_S(size, set);
	CPU_SET_S(cpu, size, set);
	if (sched_setaffinity(0, size, set))
		ret = vmm_set_error(-errno, "cannot bind to CPU %d: %s", cpu, strerror(errno));
	CPU_FREE(set);
	return ret;
}

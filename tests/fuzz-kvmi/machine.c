// SPDX-License-Identifier: BSD-2-Clause
/* Creates a VM to be fuzzed, resets its vCPUs, and asks them at last for a plain hypercall. */
#include "machine.h"

#include "../lab/lab.h"
#include "../lab/raw.h"
#include "guests/fuzz.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#define PAGE	 4096UL
#define CHECK_MS 5000

VMM_DECLARE_GUEST(fuzz);
extern const char guest_fuzz_handler[], guest_fuzz_plain[], guest_fuzz_spin[], guest_fuzz_touch[];

static const struct vmm_guest guest = VMM_GUEST(fuzz);

/* --- long mode --- */

/* Every exception has a stack that is there, a TSS per vCPU: no triple fault whatever RSP is. */
static void build_tables(struct machine *m)
{
	uint64_t *gdt = vmm_mem(m->vmm, GUEST_GDT, PAGE);
	uint64_t handler = vmm_label(&guest, guest_fuzz_handler);

	memcpy(m->idt, vmm_mem(m->vmm, GUEST_IDT, sizeof(m->idt)), sizeof(m->idt));
	gdt[FUZZ_USER_DS >> 3] = 0x00cff3000000ffffULL;
	gdt[FUZZ_USER_CS >> 3] = 0x00affb000000ffffULL;
	for (unsigned int i = 0; i < 32; i++) {
		vmm_set_handler(m->vmm, i, handler);
		*(uint64_t *)vmm_mem(m->vmm, GUEST_IDT + i * 16, 8) |= 1ULL << 32;
	}
	for (unsigned int i = 0; i < FUZZ_MAX_VCPUS; i++) {
		uint8_t *tss = vmm_mem(m->vmm, GUEST_TSS + i * 0x80, 0x80);
		uint64_t stack = GUEST_STACK + (i + 1) * PAGE;

		memcpy(tss + 4, &stack, sizeof(stack));
		stack -= PAGE / 2;
		memcpy(tss + 0x24, &stack, sizeof(stack));
	}
}

static void configure(struct machine *m, unsigned int index)
{
	struct fuzz_random r = fuzz_random(m->plan->round, THREAD_VCPU + 0x80 + index);
	volatile struct guest_config *c =
		vmm_mem(m->vmm, GUEST_CONFIG + index * PAGE, sizeof(struct guest_config));
	uint64_t what = fuzz_next(&r) | 0x18;

	if (m->plan->scene == SCENE_FLOOD)
		what = 0;
	c->arg[FUZZ_ARG_WHAT] = what;
	c->arg[FUZZ_ARG_STATE] = fuzz_next(&r) | 1;
	c->arg[FUZZ_ARG_STACK] = GUEST_STACK + (index + 1) * PAGE;
}

static bool get_state(struct fuzz_vcpu *v)
{
	v->nested.size = sizeof(v->nested);
	if (ioctl(v->fd, KVM_GET_NESTED_STATE, &v->nested))
		v->nested.size = 0;
	return !ioctl(v->fd, KVM_GET_SREGS, &v->sregs) && !ioctl(v->fd, KVM_GET_REGS, &v->regs);
}

static bool start_long_mode(struct fuzz_vcpu *v)
{
	bool spin = v->m->plan->scene == SCENE_FLOOD;

	if (vmm_vcpu_start(v->v, spin ? vmm_label(&guest, guest_fuzz_spin) : GUEST_CODE) ||
	    !get_state(v))
		return false;
	v->sregs.gdt.limit = 8 * 8 - 1;
	v->sregs.tr.base = GUEST_TSS + v->index * 0x80;
	return !vmm_set_sregs(v->v, &v->sregs);
}

/* By the first vCPU, for all of them. */
static bool touch(struct machine *m)
{
	struct vmm_vcpu *v = vmm_vcpu(m->vmm, 0);

	return !vmm_vcpu_start(v, vmm_label(&guest, guest_fuzz_touch)) &&
	       !vmm_run(v, NULL, NULL, CHECK_MS);
}

static bool create_long_mode(struct machine *m)
{
	if (vmm_create(&m->vmm, VMM_MEM_DEFAULT, m->plan->nr_vcpus) || vmm_load(m->vmm, &guest) ||
	    !touch(m)) {
		if (!m->plan->faults)
			fuzz_found("no VM: %s", vmm_error());
		return false;
	}
	m->fd = vmm_fd(m->vmm);
	m->mem = vmm_mem(m->vmm, 0, VMM_MEM_DEFAULT);
	m->mem_size = VMM_MEM_DEFAULT;
	build_tables(m);
	for (unsigned int i = 0; i < FUZZ_MAX_VCPUS; i++)
		configure(m, i);
	for (unsigned int i = 0; i < m->plan->nr_vcpus; i++) {
		struct vmm_vcpu *v = vmm_vcpu(m->vmm, i);

		m->vcpu[i].v = v;
		m->vcpu[i].fd = v->fd;
		m->vcpu[i].run = v->run;
		if (!start_long_mode(&m->vcpu[i]))
			return false;
	}
	return true;
}

/* --- real mode --- */

/* All vectors lead to HLT, IRET: whatever happens, the vCPU comes out. */
static void raw_code(struct machine *m)
{
	static const uint8_t handler[] = {0xf4, 0xcf};
	/* 1: hlt; int3; mov $34, %eax; mov $24, %ebx; xor %ecx, %ecx; vmmcall; vmcall; jmp 1b */
	static const uint8_t code[] = {
		0xf4, 0xcc, 0x66, 0xb8, 34,   0,    0,	  0,	0x66, 0xbb, 24,	  0,	0,
		0,    0x66, 0x31, 0xc9, 0x0f, 0x01, 0xd9, 0x0f, 0x01, 0xc1, 0xeb, 0xe7,
	};
	uint16_t *ivt = (void *)m->mem;

	for (unsigned int i = 0; i < 256; i++) {
		ivt[2 * i] = 0x800;
		ivt[2 * i + 1] = 0;
	}
	memcpy(m->mem + 0x800, handler, sizeof(handler));
	memcpy(m->mem + RAW_CODE, code, sizeof(code));
}

static bool create_raw(struct machine *m)
{
	static const enum raw_kind kinds[] = {
		[VM_BARE] = RAW_BARE,
		[VM_IRQCHIP] = RAW_IRQCHIP,
		[VM_DIRTY_RING] = RAW_DIRTY_RING,
	};
	static struct raw raw;

	raw_open(&raw, kinds[m->plan->vm], m->plan->nr_vcpus);
	kvmi_client_free(raw.c);
	if (ioctl(raw.vm, KVM_INTROSPECTION_UNHOOK, 0))
		return false;
	m->fd = raw.vm;
	m->mem = raw.mem;
	m->mem_size = RAW_MEM_SIZE;
	m->irqchip = m->plan->vm == VM_IRQCHIP;
	raw_code(m);
	for (unsigned int i = 0; i < m->plan->nr_vcpus; i++) {
		m->vcpu[i].fd = raw.vcpu[i];
		m->vcpu[i].run = raw.run[i];
		if (!get_state(&m->vcpu[i]))
			return false;
		m->vcpu[i].regs.rsp = 0xff00;
		if (fuzz_kind(KIND_IF_OFF))
			continue;
		m->vcpu[i].regs.rflags |= 0x200;
	}
	return true;
}

/* --- all --- */

bool machine_create(struct machine *m, const struct fuzz_plan *plan)
{
	m->plan = plan;
	m->fd = -1;
	for (unsigned int i = 0; i < FUZZ_MAX_VCPUS; i++) {
		m->vcpu[i].m = m;
		m->vcpu[i].index = i;
		m->vcpu[i].fd = -1;
	}
	if (plan->vm == VM_LONG_MODE ? !create_long_mode(m) : !create_raw(m))
		return false;
	m->saved = malloc(m->mem_size);
	if (!m->saved)
		return false;
	memcpy(m->saved, m->mem, m->mem_size);
	atomic_store(&m->nr_vcpus, plan->nr_vcpus);
	return true;
}

bool machine_add_vcpu(struct machine *m)
{
	unsigned int index = atomic_load(&m->nr_vcpus);
	struct fuzz_vcpu *v = &m->vcpu[index];

	/* The VMM's own tables take no two at a time. */
	if (index >= FUZZ_MAX_VCPUS || !m->vmm || vmm_add_vcpu(m->vmm))
		return false;
	v->v = vmm_vcpu(m->vmm, index);
	v->fd = v->v->fd;
	v->run = v->v->run;
	if (!start_long_mode(v))
		return false;
	atomic_store(&m->nr_vcpus, index + 1);
	return true;
}

void machine_restore_memory(struct machine *m)
{
	memcpy(m->mem, m->saved, m->mem_size);
}

void machine_reset_vcpu(struct fuzz_vcpu *v)
{
	struct kvm_mp_state mp = {.mp_state = KVM_MP_STATE_RUNNABLE};
	struct kvm_guest_debug debug = {0};
	struct kvm_vcpu_events events;

	v->run->kvm_dirty_regs = 0;
	ioctl(v->fd, KVM_SET_GUEST_DEBUG, &debug);
	if (v->nested.size)
		ioctl(v->fd, KVM_SET_NESTED_STATE, &v->nested);
	if (!ioctl(v->fd, KVM_GET_VCPU_EVENTS, &events)) {
		memset(&events.exception, 0, sizeof(events.exception));
		memset(&events.interrupt, 0, sizeof(events.interrupt));
		memset(&events.nmi, 0, sizeof(events.nmi));
		memset(&events.smi, 0, sizeof(events.smi));
		events.flags &= KVM_VCPUEVENT_VALID_NMI_PENDING | KVM_VCPUEVENT_VALID_SHADOW |
				KVM_VCPUEVENT_VALID_SMM;
		ioctl(v->fd, KVM_SET_VCPU_EVENTS, &events);
	}
	if (v->m->irqchip)
		ioctl(v->fd, KVM_SET_MP_STATE, &mp);
	ioctl(v->fd, KVM_SET_SREGS, &v->sregs);
	ioctl(v->fd, KVM_SET_REGS, &v->regs);
}

void machine_kick(struct fuzz_vcpu *v)
{
	int tid = atomic_load(&v->tid);

	v->run->immediate_exit = 1;
	if (tid)
		syscall(SYS_tgkill, getpid(), tid, SIGUSR1);
}

/* --- afterwards --- */

/* What old_single_step() makes of a run. */
enum { AGAIN = 1 };

static bool complete_io(struct fuzz_vcpu *v)
{
	v->run->immediate_exit = 1;
	return ioctl(v->fd, KVM_RUN, 0) && errno == EINTR;
}

/* If the introspector had the VM crash while nobody ran this vCPU, it says so now, once. */
static int crash_is_over(struct vmm_vcpu *v, void *ctx)
{
	bool *crashed = ctx;

	if (v->run->exit_reason == KVM_EXIT_SYSTEM_EVENT && !*crashed) {
		*crashed = true;
		return 0;
	}
	fuzz_found("vCPU %u, which is to do a plain hypercall afterwards: exit reason %u at RIP "
		   "%#llx, %u",
		   v->index, v->run->exit_reason, (unsigned long long)v->run->s.regs.regs.rip,
		   v->run->exit_reason == KVM_EXIT_INTERNAL_ERROR ? v->run->internal.suberror : 0);
	return -EIO;
}

/*
 * A single step that had begun when its instruction exited is kept by the processor (GUEST_PENDING_DBG_EXCEPTIONS
 * of the VMCS, SDM 26.7.3), where no ioctl reaches it: the #DB comes before the first instruction, wherever that is.
 */
static int old_single_step(struct vmm_vcpu *v, void *ctx)
{
	(void)ctx;
	if (v->config->trap_vector == 1 &&
	    v->config->trap_rip == vmm_label(&guest, guest_fuzz_plain))
		return AGAIN;
	fuzz_found(
		"vCPU %u, which is to do a plain hypercall afterwards: exception %llu, error code "
		"%#llx, at RIP %#llx",
		v->index, (unsigned long long)v->config->trap_vector,
		(unsigned long long)v->config->trap_error, (unsigned long long)v->config->trap_rip);
	return -EFAULT;
}

static int start_plain(struct fuzz_vcpu *v)
{
	int ret = vmm_vcpu_start(v->v, vmm_label(&guest, guest_fuzz_plain));

	return ret ? ret : vmm_set_sregs(v->v, &v->sregs);
}

static void check_vcpu(struct fuzz_vcpu *v)
{
	const struct vmm_ops ops = {.exit = crash_is_over, .trap = old_single_step};
	bool crashed = false;
	int ret;
	volatile struct guest_config *c = v->v->config;

	/* What userspace was to complete comes first, else it is done to the new state. */
	complete_io(v);
	machine_reset_vcpu(v);
	if (start_plain(v)) {
		fuzz_found("vCPU %u, afterwards: %s", v->index, vmm_error());
		return;
	}
	v->run->immediate_exit = 0;
	c->arg[FUZZ_ARG_PLAIN] = 1;
	ret = vmm_run(v->v, &ops, &crashed, CHECK_MS);
	if (ret == AGAIN)
		ret = start_plain(v) ? -EIO : vmm_run(v->v, NULL, NULL, CHECK_MS);
	if (ret)
		fuzz_found("vCPU %u, which is to do a plain hypercall afterwards: %s", v->index,
			   vmm_error());
	else if (c->arg[FUZZ_ARG_PLAIN] != (uint64_t)-1000)
		fuzz_found("vCPU %u: a plain hypercall without introspector gave %#llx", v->index,
			   (unsigned long long)c->arg[FUZZ_ARG_PLAIN]);
	else
		fuzz_add(COUNT_CHECKED, 1);
}

void machine_check(struct machine *m)
{
	struct kvm_userspace_memory_region region = {.memory_size = m->mem_size,
						     .userspace_addr = (uintptr_t)m->mem};

	if (!m->vmm)
		return;
	ioctl(m->fd, KVM_SET_USER_MEMORY_REGION, &region);
	machine_restore_memory(m);
	memcpy(m->mem + GUEST_IDT, m->idt, sizeof(m->idt));
	for (unsigned int i = 0; i < atomic_load(&m->nr_vcpus); i++)
		if (!m->vcpu[i].broken)
			check_vcpu(&m->vcpu[i]);
}

void machine_close(struct machine *m)
{
	for (unsigned int i = 0; i < atomic_load(&m->nr_vcpus); i++) {
		munmap(m->vcpu[i].run, LAB_RUN_BYTES);
		close(m->vcpu[i].fd);
	}
	close(m->fd);
}

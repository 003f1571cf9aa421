// SPDX-License-Identifier: BSD-2-Clause
/* Ioctls of the VMM, valid and not, on a VM that is hooked. */
#include "hostile.h"

#include <string.h>
#include <sys/ioctl.h>

#define SLOT_GPA    0x40000000ull
#define DIRTY_BYTES 4096
#define BAD_POINTER ((void *)16)
/* #DF, #TS, #NP, #SS, #GP, #PF, #AC; others with one, or these without, are refused at VM entry */
#define WITH_ERROR_CODE 0x27d00u
#define STATE_SIZE	16384
#define KVMI_IOCTL_5	_IO(KVMIO, 0xf5)

static int vcpu_ioctl(struct fuzz_vcpu *v, unsigned long cmd, void *arg)
{
	fuzz_add(COUNT_IOCTLS, 1);
	return ioctl(v->fd, cmd, arg);
}

static int vm_ioctl(struct machine *m, unsigned long cmd, const void *arg)
{
	fuzz_add(COUNT_IOCTLS, 1);
	return ioctl(m->fd, cmd, arg);
}

/* --- state of a vCPU --- */

static void mend_regs(struct kvm_regs *regs)
{
	regs->rflags = fuzz_rflags(regs->rflags);
}

static void change_regs(struct fuzz_vcpu *v, struct fuzz_random *r, struct kvm_regs *regs)
{
	switch (fuzz_below(r, 5)) {
	case 0:
		*regs = v->regs;
		break;
	case 1:
		regs->rip = v->regs.rip;
		break;
	case 2:
		regs->rax = fuzz_next(r);
		regs->rcx = fuzz_next(r);
		regs->rsp = fuzz_one_in(r, 2) ? fuzz_next(r) : v->regs.rsp;
		break;
	case 3:
		regs->rip++;
		break;
	case 4:
		if (!fuzz_kind(KIND_SETREGS) || !fuzz_kind(KIND_TABLES))
			break;
		regs->rflags ^= 1ull << fuzz_below(r, 22);
		regs->rip = fuzz_next(r) >> fuzz_below(r, 64);
		break;
	}
	mend_regs(regs);
}

static void set_regs(struct fuzz_vcpu *v, struct fuzz_random *r)
{
	struct kvm_debugregs debugregs;
	struct {
		struct kvm_msrs head;
		struct kvm_msr_entry entry[1];
	} msrs = {.head.nmsrs = 1, .entry = {{.index = 0xc0000082, .data = fuzz_next(r)}}};
	struct kvm_regs regs;

	switch (fuzz_below(r, 8)) {
	case 0 ... 5:
		if (!vcpu_ioctl(v, KVM_GET_REGS, &regs)) {
			change_regs(v, r, &regs);
			vcpu_ioctl(v, KVM_SET_REGS, &regs);
		}
		break;
	case 6:
		if (!vcpu_ioctl(v, KVM_GET_DEBUGREGS, &debugregs)) {
			debugregs.db[fuzz_below(r, 4)] = fuzz_next(r) >> 20;
			vcpu_ioctl(v, KVM_SET_DEBUGREGS, &debugregs);
		}
		break;
	case 7:
		vcpu_ioctl(v, KVM_SET_MSRS, &msrs);
		break;
	}
}

static void set_sregs(struct fuzz_vcpu *v, struct fuzz_random *r)
{
	struct kvm_sregs2 sregs2;
	struct kvm_sregs sregs;

	if (fuzz_one_in(r, 3)) {
		if (!vcpu_ioctl(v, KVM_GET_SREGS2, &sregs2))
			vcpu_ioctl(v, KVM_SET_SREGS2, &sregs2);
		return;
	}
	if (vcpu_ioctl(v, KVM_GET_SREGS, &sregs))
		return;
	if (fuzz_one_in(r, 2))
		sregs = v->sregs;
	if (fuzz_one_in(r, 8))
		sregs.cr8 = fuzz_below(r, 16);
	if (fuzz_kind(KIND_TABLES) && fuzz_one_in(r, 4)) {
		uint64_t *word = (uint64_t *)&sregs + fuzz_below(r, sizeof(sregs) / 8);

		*word ^= 1ull << fuzz_below(r, 64);
	}
	vcpu_ioctl(v, KVM_SET_SREGS, &sregs);
}

static void set_events(struct fuzz_vcpu *v, struct fuzz_random *r)
{
	struct kvm_interrupt irq = {.irq = fuzz_below(r, 32)};
	struct kvm_vcpu_events events;

	switch (fuzz_below(r, 4)) {
	case 0:
		/* While NMIs are masked, KVM steps an SVM guest up to the IRET. */
		if (fuzz_kind(KIND_SINGLE_STEP))
			vcpu_ioctl(v, KVM_NMI, NULL);
		return;
	case 1:
		vcpu_ioctl(v, KVM_INTERRUPT, &irq);
		return;
	}
	if (vcpu_ioctl(v, KVM_GET_VCPU_EVENTS, &events))
		return;
	switch (fuzz_below(r, 4)) {
	case 0:
		events.exception.injected = 1;
		events.exception.nr = fuzz_one_in(r, 2) ? 3 : fuzz_below(r, 32);
		events.exception.has_error_code = WITH_ERROR_CODE >> events.exception.nr & 1;
		break;
	case 1:
		memset(&events.exception, 0, sizeof(events.exception));
		events.exception.nr = 3;
		break;
	case 2:
		if (!fuzz_kind(KIND_SINGLE_STEP))
			break;
		events.nmi.pending = fuzz_below(r, 2);
		events.nmi.masked = fuzz_below(r, 2);
		break;
	case 3:
		events.interrupt.shadow = fuzz_below(r, 4);
		events.flags |= KVM_VCPUEVENT_VALID_SHADOW;
		if (fuzz_kind(KIND_TABLES) && fuzz_one_in(r, 4))
			fuzz_bytes(r, &events, sizeof(events));
		break;
	}
	vcpu_ioctl(v, KVM_SET_VCPU_EVENTS, &events);
}

static void set_mp_state(struct fuzz_vcpu *v, struct fuzz_random *r)
{
	struct kvm_mp_state mp = {.mp_state = fuzz_below(r, 6)};

	vcpu_ioctl(v, KVM_SET_MP_STATE, &mp);
	if (fuzz_one_in(r, 2)) {
		mp.mp_state = KVM_MP_STATE_RUNNABLE;
		vcpu_ioctl(v, KVM_SET_MP_STATE, &mp);
	}
}

static void set_nested_state(struct fuzz_vcpu *v, struct fuzz_random *r)
{
	static _Thread_local union {
		struct kvm_nested_state head;
		uint8_t bytes[STATE_SIZE];
	} state;

	memset(&state.head, 0, sizeof(state.head));
	state.head.size = sizeof(state);
	if (vcpu_ioctl(v, KVM_GET_NESTED_STATE, &state))
		return;
	switch (fuzz_below(r, 4)) {
	case 0:
		state.head.flags ^= 1u << fuzz_below(r, 10);
		break;
	case 1:
		fuzz_bytes(r, &state.head.hdr, 24);
		break;
	case 2:
		state.head.size = fuzz_below(r, STATE_SIZE);
		break;
	}
	vcpu_ioctl(v, KVM_SET_NESTED_STATE, &state);
}

static void set_guest_debug(struct fuzz_vcpu *v, struct fuzz_random *r)
{
	static const uint32_t flags[] = {
		0,
		KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP,
		KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_SINGLESTEP,
		KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_HW_BP,
		KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_INJECT_BP,
		KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP | KVM_GUESTDBG_SINGLESTEP,
	};
	struct kvm_guest_debug debug = {.control = flags[fuzz_below(r, 6)]};

	debug.arch.debugreg[0] = v->regs.rip;
	debug.arch.debugreg[7] = 0x401;
	vcpu_ioctl(v, KVM_SET_GUEST_DEBUG, &debug);
	if (fuzz_one_in(r, 2)) {
		debug.control = 0;
		vcpu_ioctl(v, KVM_SET_GUEST_DEBUG, &debug);
	}
}

static void get(struct fuzz_vcpu *v, struct fuzz_random *r)
{
	static const unsigned long cmds[] = {
		KVM_GET_REGS,	      KVM_GET_SREGS,   KVM_GET_SREGS2, KVM_GET_VCPU_EVENTS,
		KVM_GET_MP_STATE,     KVM_GET_FPU,     KVM_GET_XCRS,   KVM_GET_DEBUGREGS,
		KVM_GET_NESTED_STATE, KVM_GET_TSC_KHZ, KVM_GET_XSAVE,
	};
	static _Thread_local _Alignas(64) uint8_t buf[STATE_SIZE];

	memset(buf, 0, 64);
	vcpu_ioctl(v, cmds[fuzz_below(r, sizeof(cmds) / sizeof(cmds[0]))], buf);
}

/* Introspection's own are the VM's, not the vCPU's. */
static void wrong_ioctl(struct fuzz_vcpu *v, struct fuzz_random *r)
{
	static const unsigned long cmds[] = {KVM_INTROSPECTION_UNHOOK, KVM_INTROSPECTION_HOOK,
					     KVM_INTROSPECTION_PREUNHOOK};
	struct kvm_introspection_hook hook = {.fd = v->fd};

	if (!vcpu_ioctl(v, cmds[fuzz_below(r, 3)], &hook))
		fuzz_found("an ioctl of introspection is taken from a vCPU's descriptor");
}

void hostile_vcpu_ioctl(struct fuzz_vcpu *v, struct fuzz_random *r)
{
	static const struct {
		enum fuzz_kind kind;
		void (*f)(struct fuzz_vcpu *v, struct fuzz_random *r);
	} table[] = {
		{KIND_REGS, set_regs},
		{KIND_REGS, set_regs},
		{KIND_SREGS, set_sregs},
		{KIND_VCPU_EVENTS, set_events},
		{KIND_MP_STATE, set_mp_state},
		{KIND_NESTED_STATE, set_nested_state},
		{KIND_GUEST_DEBUG, set_guest_debug},
		{KIND_GET, get},
		{KIND_GET, get},
		{KIND_UNHOOK, wrong_ioctl},
	};
	unsigned int i = fuzz_below(r, sizeof(table) / sizeof(table[0]));

	if (fuzz_kind(table[i].kind))
		table[i].f(v, r);
}

/* --- the VM --- */

int hostile_hook(struct machine *m, int fd)
{
	const struct kvm_introspection_hook hook = {.fd = fd, .uuid = "kvmi-lat"};
	int ret = vm_ioctl(m, KVM_INTROSPECTION_HOOK, &hook);

	fuzz_add(ret ? COUNT_HOOKS_REFUSED : COUNT_HOOKS, 1);
	return ret;
}

int hostile_allow_all(struct machine *m)
{
	const struct kvm_introspection_feature all = {.allow = 1, .id = -1};
	int ret = vm_ioctl(m, KVM_INTROSPECTION_COMMAND, &all);

	return ret ? ret : vm_ioctl(m, KVM_INTROSPECTION_EVENT, &all);
}

static void permissions(struct machine *m, struct fuzz_random *r)
{
	struct kvm_introspection_feature f = {
		.allow = fuzz_below(r, 16) ? 1 : fuzz_next(r),
		.id = (int)fuzz_below(r, 20) - 2,
	};
	unsigned long cmd = fuzz_below(r, 2) ? KVM_INTROSPECTION_COMMAND : KVM_INTROSPECTION_EVENT;

	if (fuzz_one_in(r, 8))
		f.id = fuzz_next(r);
	if (fuzz_one_in(r, 6))
		f.allow = 0;
	vm_ioctl(m, cmd, fuzz_one_in(r, 32) ? BAD_POINTER : &f);
	/* Not for long, or there is nothing else to be seen. */
	if (fuzz_below(r, 4))
		hostile_allow_all(m);
}

static void hook_again(struct machine *m, struct fuzz_random *r)
{
	struct kvm_introspection_hook hook = {.fd = fuzz_below(r, 20), .padding = fuzz_below(r, 2)};

	switch (fuzz_below(r, 4)) {
	case 0:
		vm_ioctl(m, KVM_INTROSPECTION_HOOK, BAD_POINTER);
		break;
	case 1:
		hook.padding = 1;
		if (!vm_ioctl(m, KVM_INTROSPECTION_HOOK, &hook))
			fuzz_found("HOOK takes padding");
		break;
	case 2:
		vm_ioctl(m, KVMI_IOCTL_5, NULL);
		break;
	case 3:
		vm_ioctl(m, KVM_INTROSPECTION_UNHOOK, NULL);
		break;
	}
}

static void memslots(struct machine *m, struct fuzz_random *r)
{
	static _Thread_local uint8_t bitmap[DIRTY_BYTES];
	struct kvm_userspace_memory_region region = {
		.slot = 1 + fuzz_below(r, 2),
		.guest_phys_addr = SLOT_GPA + (uint64_t)fuzz_below(r, 4) * 0x10000,
		.memory_size = fuzz_one_in(r, 2) ? 0 : 0x10000,
		.userspace_addr = (uintptr_t)m->mem,
	};
	struct kvm_userspace_memory_region all = {.memory_size = m->mem_size,
						  .userspace_addr = (uintptr_t)m->mem};
	struct kvm_dirty_log log = {.dirty_bitmap = bitmap};

	switch (fuzz_below(r, 8)) {
	case 0 ... 4:
		vm_ioctl(m, KVM_SET_USER_MEMORY_REGION, &region);
		break;
	case 5:
		all.flags = fuzz_below(r, 2) ? KVM_MEM_LOG_DIRTY_PAGES : 0;
		vm_ioctl(m, KVM_SET_USER_MEMORY_REGION, &all);
		break;
	case 6:
		vm_ioctl(m, KVM_GET_DIRTY_LOG, &log);
		break;
	case 7: /* for a moment there is no memory */
		all.memory_size = 0;
		if (fuzz_one_in(r, 4) && fuzz_kind(KIND_TABLES))
			vm_ioctl(m, KVM_SET_USER_MEMORY_REGION, &all);
		all.memory_size = m->mem_size;
		vm_ioctl(m, KVM_SET_USER_MEMORY_REGION, &all);
		break;
	}
}

void hostile_vm_ioctl(struct machine *m, struct fuzz_random *r)
{
	switch (fuzz_below(r, 8)) {
	case 0 ... 2:
		if (fuzz_kind(KIND_PERMISSIONS))
			permissions(m, r);
		break;
	case 3:
		if (fuzz_kind(KIND_UNHOOK) && fuzz_one_in(r, 4))
			hook_again(m, r);
		break;
	case 4:
		if (fuzz_kind(KIND_PREUNHOOK))
			vm_ioctl(m, KVM_INTROSPECTION_PREUNHOOK, NULL);
		break;
	case 5 ... 6:
		if (fuzz_kind(KIND_MEMSLOTS))
			memslots(m, r);
		break;
	case 7:
		if (fuzz_kind(KIND_GET))
			vm_ioctl(m, KVM_RESET_DIRTY_RINGS, NULL);
		break;
	}
}

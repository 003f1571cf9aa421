/* SPDX-License-Identifier: BSD-2-Clause */
/* A small VMM on the KVM API: just enough machine for the guests of benchmark and tests. */
#ifndef VMM_H
#define VMM_H

/*
 * A VM has a flat memory from guest physical 0 on, vCPUs in 64-bit mode at CPL 0 with the layout of
 * guests/guest.h, and no devices. A guest is one assembly file; to run one:
 *
 *	vmm_create(&vm, VMM_MEM_DEFAULT, 1);
 *	vmm_load(vm, &VMM_GUEST(int3));
 *	v = vmm_vcpu(vm, 0);
 *	v->config->count = 1000; v->config->log = GUEST_LOG; v->config->log_size = 1001 * 8;
 *	ret = vmm_run(v, &ops, ctx, 5000);	// until the guest writes GUEST_PORT_DONE
 *	vmm_destroy(vm);
 *
 * Functions that return int give 0 or a negative errno unless they say otherwise; vmm_error() then
 * has a sentence on what failed and what to do. Addresses and sizes are in bytes.
 *
 * Threads: one thread creates and destroys a VM; each vCPU is run by one thread at a time. vmm_kick()
 * may be called from any thread. A program must not use SIGRTMIN itself.
 */

#include "../guests/guest.h"
#include "kvmi_abi.h"

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>
#include <time.h>

#define VMM_MEM_DEFAULT (4UL << 20)

struct vmm;

/**
 * struct vmm_vcpu - one vCPU; the VMM owns it
 * @vm: its VM
 * @index: in order of creation, from 0: what KVMI calls vcpu
 * @fd: for ioctls this header has no function for
 * @run: KVM's shared page. The general registers are synchronised: run->s.regs.regs is valid after
 *	 each exit, and written back if run->kvm_dirty_regs |= KVM_SYNC_X86_REGS.
 * @config: the guest's configuration and results, in guest memory
 *
 * The rest is the VMM's own.
 */
struct vmm_vcpu {
	struct vmm *vm;
	unsigned int index;
	int fd;
	struct kvm_run *run;
	volatile struct guest_config *config;

	timer_t timer;
	pid_t timer_tid;       /* the thread the timer signals, 0 no timer yet */
	volatile pid_t tid;    /* of the thread in vmm_run(), 0 outside */
	volatile bool expired; /* the time limit has passed */
};

/* The sentence that belongs to this thread's latest failure. Never NULL; valid until the next call. */
const char *vmm_error(void);

#define VMM_ERROR_MAX 384 /* bytes at most, the end included */

/* --- the machine --- */

/**
 * vmm_create() - create a VM with its vCPUs, ready to be loaded
 * @out: the VM; free it with vmm_destroy()
 * @mem_size: guest memory, more than GUEST_LOG and at most 1 GiB; rounded up to 2 MiB
 * @nr_vcpus: 1..GUEST_MAX_VCPUS; vCPU ids are VMM_VCPU_ID(index)
 *
 * Errors, among KVM's own: -ENOENT there is no /dev/kvm, -EACCES no right to open it, -EOPNOTSUPP this
 * KVM lacks something a VM here cannot do without.
 */
int vmm_create(struct vmm **out, size_t mem_size, unsigned int nr_vcpus);

/* vCPU ids differ from indexes, so that nobody can take one for the other. */
#define VMM_VCPU_ID(index) ((index) + 5)

/* Unhook, and free everything. Its vCPUs must not be running. NULL is allowed. */
void vmm_destroy(struct vmm *vm);

/* One more vCPU, which starts where the guest does. Others may be running. -EINVAL there are too many. */
int vmm_add_vcpu(struct vmm *vm);

struct vmm_vcpu *vmm_vcpu(struct vmm *vm, unsigned int index);
int vmm_fd(const struct vmm *vm);

/* Where guest physical [gpa, gpa + len) is in this process; NULL if it is not all memory. */
void *vmm_mem(struct vmm *vm, uint64_t gpa, size_t len);

/*
 * Add @n pages of memory at GUEST_PAGES, present on the host as pages of 4 KiB: the first touch of each
 * in the guest is a fault of second-level paging and nothing more. Once per VM, which must not have
 * more than GUEST_PAGES bytes of its own.
 */
int vmm_add_pages(struct vmm *vm, size_t n);

/* Have KVM forget that it has mapped any of them (or anything else), by deleting and re-adding the slot. */
int vmm_unmap_pages(struct vmm *vm);

/**
 * struct vmm_guest - a guest's code, as linked into this program
 */
struct vmm_guest {
	const char *name;
	const void *start;
	const void *end;
};

/* VMM_DECLARE_GUEST(name) at file scope, then VMM_GUEST(name): what GUEST_BEGIN name made. */
#define VMM_DECLARE_GUEST(n) extern const char guest_##n##_start[], guest_##n##_end[]
#define VMM_GUEST(n) \
	((const struct vmm_guest){.name = #n, .start = guest_##n##_start, .end = guest_##n##_end})

/* Copy a guest to GUEST_CODE and reset all vCPUs so that they start there. */
int vmm_load(struct vmm *vm, const struct vmm_guest *g);

/* Guest address (virtual = physical) of a label in a guest loaded at GUEST_CODE. */
uint64_t vmm_label(const struct vmm_guest *g, const void *label);

/*
 * (Re)start a vCPU: reset its registers so that the next vmm_run() goes through the runtime's entry
 * (which touches stack, tables, handlers, configuration and log, so that none of them faults later)
 * and then to @rip. What the configuration holds stays.
 */
int vmm_vcpu_start(struct vmm_vcpu *v, uint64_t rip);

/* Let exception @vector (0..31) of all vCPUs be handled by guest code at @rip. */
int vmm_set_handler(struct vmm *vm, unsigned int vector, uint64_t rip);

/* --- running --- */

/**
 * struct vmm_ops - what to do on an exit; each may be NULL
 * @debug: KVM_EXIT_DEBUG, run->debug.arch says what
 * @out: OUT to a port other than DONE and TRAP
 * @trap: the guest reports an exception: v->config->trap_*
 * @exit: any other exit
 *
 * Return 0 to go on with the guest, anything else to make vmm_run() return that. An exit without a
 * callback ends vmm_run() with -EIO (a trap: -EFAULT).
 */
struct vmm_ops {
	int (*debug)(struct vmm_vcpu *v, void *ctx);
	int (*out)(struct vmm_vcpu *v, uint16_t port, uint32_t value, void *ctx);
	int (*trap)(struct vmm_vcpu *v, void *ctx);
	int (*exit)(struct vmm_vcpu *v, void *ctx);
};

/**
 * vmm_run() - run a vCPU until its guest writes GUEST_PORT_DONE or something ends it
 * @ops: may be NULL
 * @timeout_ms: > 0; the limit of the whole call
 *
 * 0: DONE. Else what a callback returned, or -ETIMEDOUT, -EINTR (vmm_kick()), -EFAULT (the guest
 * reported an exception), -ESHUTDOWN (triple fault), -EIO (an exit nobody handles), KVM_RUN's errno.
 * The vCPU can be run on after any of them except -ESHUTDOWN.
 * A vCPU that waits for an introspector's reply can be killed but not interrupted: then the limit
 * only works once the introspector has answered or gone.
 */
int vmm_run(struct vmm_vcpu *v, const struct vmm_ops *ops, void *ctx, unsigned int timeout_ms);

/* Make vmm_run() of this vCPU return -EINTR, now or, if it is not running, the next time. */
void vmm_kick(struct vmm_vcpu *v);

int vmm_get_regs(struct vmm_vcpu *v, struct kvm_regs *regs);
int vmm_set_regs(struct vmm_vcpu *v, const struct kvm_regs *regs);
int vmm_get_sregs(struct vmm_vcpu *v, struct kvm_sregs *sregs);
int vmm_set_sregs(struct vmm_vcpu *v, const struct kvm_sregs *sregs);

/* KVM_SET_GUEST_DEBUG with KVM_GUESTDBG_* flags, e.g. ENABLE | USE_SW_BP; 0 switches it off. */
int vmm_guest_debug(struct vmm_vcpu *v, uint32_t control);

/* The guest's TSC frequency in kHz (> 0), or a negative errno. */
long vmm_tsc_khz(struct vmm_vcpu *v);

/* Bind the calling thread to one CPU. */
int vmm_pin(int cpu);

/* --- introspection --- */

/* KVM_CHECK_EXTENSION of KVM_CAP_INTROSPECTION: 0 this kernel has none, > 0 it has. */
int vmm_introspection_version(const struct vmm *vm);

/*
 * Hand @sock to KVM and allow every command and event: HOOK, COMMAND(-1), EVENT(-1). On failure the VM
 * is not hooked. KVM keeps its own reference; the caller may close @sock.
 * -EPERM: kvm.introspection is off. -ENOTTY: this kernel has no introspection.
 */
int vmm_hook(struct vmm *vm, int sock);
/* One step alone, for tests: HOOK without permissions, a permission by itself. */
int vmm_hook_only(struct vmm *vm, int sock);
int vmm_allow_command(struct vmm *vm, int id, bool allow);
int vmm_allow_event(struct vmm *vm, int id, bool allow);
int vmm_preunhook(struct vmm *vm);
int vmm_unhook(struct vmm *vm);

/* --- does this machine deliver #BP exits? --- */

enum vmm_probe {
	VMM_PROBE_OK,	  /* they arrive */
	VMM_PROBE_NO_KVM, /* no usable /dev/kvm */
	VMM_PROBE_NO_BP,  /* KVM runs guests, but their #BP is not intercepted */
	VMM_PROBE_FAILED, /* could not be found out */
};

/*
 * Run one guest with one int3 and KVM_GUESTDBG_USE_SW_BP. *@why: a sentence for the user, valid until
 * the next call in this thread.
 */
enum vmm_probe vmm_probe_int3(const char **why);

#endif /* VMM_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/* The VM that is fuzzed, of whichever sort, and its vCPUs. */
#ifndef FUZZ_KVMI_MACHINE_H
#define FUZZ_KVMI_MACHINE_H

#include "fuzz.h"
#include "../../bench/vmm/vmm.h"

#include <pthread.h>

struct machine;

/**
 * struct fuzz_vcpu - a vCPU and its thread
 * @v: of a VM in long mode, else NULL
 * @runs: how often KVM_RUN has returned
 * @tid: of its thread, 0: there is none
 * @broken: an entry was refused: KVM does not take back then what was to be injected
 * @sregs, @regs, @nested: as at first
 */
struct fuzz_vcpu {
	struct machine *m;
	unsigned int index;
	int fd;
	struct kvm_run *run;
	struct vmm_vcpu *v;
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	struct kvm_nested_state nested;
	bool broken;
	pthread_t thread;
	atomic_int tid;
	atomic_uint runs;
};

/**
 * struct machine - a VM
 * @vmm: NULL: a raw one
 * @saved: what memory was at first
 * @idt: the runtime's: an exception is reported
 * @end: the threads are to end
 * @parked: vCPUs stay out of KVM_RUN
 */
struct machine {
	const struct fuzz_plan *plan;
	struct vmm *vmm;
	int fd;
	uint8_t *mem;
	size_t mem_size;
	uint8_t *saved;
	uint8_t idt[32 * 16];
	atomic_uint nr_vcpus;
	struct fuzz_vcpu vcpu[FUZZ_MAX_VCPUS];
	atomic_bool end;
	atomic_bool parked;
	bool irqchip;
};

/* False: it cannot be had, which has been said unless faults are injected. */
bool machine_create(struct machine *m, const struct fuzz_plan *plan);
/* One more; false: no. */
bool machine_add_vcpu(struct machine *m);

/* As after its creation: where the guest begins. */
void machine_reset_vcpu(struct fuzz_vcpu *v);
void machine_restore_memory(struct machine *m);

/* When no thread uses it any more: KVM destroys it here and now, instead of when the process ends. */
void machine_close(struct machine *m);

/* Takes it out of KVM_RUN. */
void machine_kick(struct fuzz_vcpu *v);

/* All vCPUs, memory as at first, do a plain hypercall without an introspector. */
void machine_check(struct machine *m);

#endif /* FUZZ_KVMI_MACHINE_H */

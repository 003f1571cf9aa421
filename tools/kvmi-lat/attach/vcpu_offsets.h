/* SPDX-License-Identifier: BSD-2-Clause */
/* Where in the kernel's struct kvm_vcpu the fields are by which a vCPU is known. */
#ifndef KVMI_LAT_OFFSETS_H
#define KVMI_LAT_OFFSETS_H

#include <stdbool.h>

struct btf;

struct vcpu_offsets {
	int kvm;   /* kvm_vcpu.kvm; -1, like the others: not known */
	int id;	   /* kvm_vcpu.vcpu_idx: in order of creation, as introspection counts them */
	int exits; /* kvm_vcpu.stat.exits */
};

/*
 * Looked up in the type information (BTF) of the running kernel, or of KVM's module. Where there is
 * none, as in 5.10 for a module, nothing is known.
 */
struct vcpu_offsets vcpu_offsets_find(void);

/* The same in this type information. False: it has no struct kvm_vcpu. */
bool vcpu_offsets_in(const struct btf *btf, struct vcpu_offsets *o);

#endif

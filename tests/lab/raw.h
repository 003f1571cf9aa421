/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM by bare ioctls, with what bench's VMM has no use for: an interrupt controller, a dirty ring. */
#ifndef RAW_H
#define RAW_H

#include "kvmi_client.h"

/* Where its code, which halts for ever, is; it runs in real mode. */
#define RAW_CODE     0x1000
#define RAW_MEM_SIZE 0x10000

enum raw_kind {
	RAW_IRQCHIP,	/* KVM's own: HLT does not leave KVM_RUN, and vCPU 1 waits for INIT */
	RAW_DIRTY_RING, /* pages written are entered there */
};

struct raw {
	int vm;
	int vcpu[2];
	struct kvm_run *run[2];
	uint8_t *mem;
	struct kvmi_client *c;
};

/* Two vCPUs, hooked, everything allowed. Fails or skips the test. */
void raw_open(struct raw *raw, enum raw_kind kind);

#endif /* RAW_H */

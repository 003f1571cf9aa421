/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM by bare ioctls, with what bench's VMM has no use for: an interrupt controller, a dirty ring. */
#ifndef RAW_H
#define RAW_H

#include "kvmi_client.h"

#include <pthread.h>
#include <sys/types.h>

/* Where its code, which halts for ever, is; it runs in real mode. */
#define RAW_CODE     0x1000
#define RAW_MEM_SIZE 0x10000

/* More than fit into a byte. */
#define RAW_MAX_VCPUS 260

enum raw_kind {
	RAW_BARE,
	RAW_IRQCHIP,	/* KVM's own: HLT does not leave KVM_RUN, and vCPU 1 waits for INIT */
	RAW_DIRTY_RING, /* pages written are entered there */
};

struct raw {
	int vm;
	int vcpu[RAW_MAX_VCPUS];
	struct kvm_run *run[RAW_MAX_VCPUS];
	uint8_t *mem;
	struct kvmi_client *c;
};

/* Hooked, everything allowed; all vCPUs begin at RAW_CODE. Fails or skips the test. */
void raw_open(struct raw *raw, enum raw_kind kind, unsigned int nr_vcpus);

/* A vCPU in a thread of its own. */
struct raw_runner {
	struct raw *raw;
	unsigned int index;
	pthread_t thread;
	volatile pid_t tid;
	int err;
};

void raw_start(struct raw_runner *r, struct raw *raw, unsigned int index);
/* Waits for the end of KVM_RUN: 0 or errno. */
int raw_join(struct raw_runner *r);
/* Ends it by a signal: it must have been in KVM_RUN until then. */
void raw_stop(struct raw_runner *r);

#endif /* RAW_H */

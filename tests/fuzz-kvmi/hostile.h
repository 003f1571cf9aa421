/* SPDX-License-Identifier: BSD-2-Clause */
/* What a VMM can do beside introspection: ioctls at random, and HOOK of descriptors that are none for it. */
#ifndef FUZZ_KVMI_HOSTILE_H
#define FUZZ_KVMI_HOSTILE_H

#include "machine.h"

/* One ioctl on a vCPU, which may be waited for until the vCPU has left KVM_RUN. */
void hostile_vcpu_ioctl(struct fuzz_vcpu *v, struct fuzz_random *r);
/* One on the VM. */
void hostile_vm_ioctl(struct machine *m, struct fuzz_random *r);

int hostile_hook(struct machine *m, int fd);
int hostile_allow_all(struct machine *m);

/* Tries one descriptor that HOOK has to refuse. */
void hostile_wrong_fd(struct machine *m, struct fuzz_random *r);

/* Before HOOK of @kvm_end: a message that ends the connection, the VM's descriptor behind it. */
void hostile_send_vm(struct machine *m, int tool_end);

#endif /* FUZZ_KVMI_HOSTILE_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/* Reaches into a vCPU where no interface leads: by BPF to find it, by /dev/mem to write. */
#ifndef PEEK_H
#define PEEK_H

#include <stdbool.h>
#include <stdint.h>

struct peek;

/*
 * From now on, watches the only vCPU this process runs. The test is skipped where /dev/mem does not
 * give memory.
 */
struct peek *peek_open(void);

/*
 * Makes KVM take the vCPU for one whose state is encrypted (SEV-ES, SNP, TDX), or for an ordinary one
 * again, which it must be before it enters the guest. The vCPU must have been in the guest, and must be
 * in KVM_RUN but not in the guest, nor on the way there.
 */
void peek_protect(struct peek *p, bool on);

/*
 * SVM: at each exit by #BP from now on, adds these bits to RFLAGS and to the interrupt shadow, as the
 * CPU does where they were set before the int3. The vCPU must have been in the guest.
 */
void peek_add_at_bp(struct peek *p, uint64_t rflags, uint32_t shadow);

/* How often that was done. */
uint64_t peek_added(const struct peek *p);

#endif /* PEEK_H */

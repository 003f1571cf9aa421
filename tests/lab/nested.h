/* SPDX-License-Identifier: BSD-2-Clause */
/* A VM whose guest is a hypervisor (L1) with a guest of its own (L2). */
#ifndef NESTED_H
#define NESTED_H

#include "lab.h"

#include "guests/nested.h"

VMM_DECLARE_GUEST(nested);
extern const char guest_nested_l2[], guest_nested_l2_bp[], guest_nested_l2_spin[],
	guest_nested_l2_end[];

/* What L1 does. */
#define NESTED_BP_EXIT 0x1 /* intercepts #BP */
#define NESTED_PAGING  0x2 /* has an EPT or NPT */

/* Where L2 sees its code: at the same address as L1, or so that gva, L2's gpa and L1's gpa differ. */
#define NESTED_GVA 0x40000000
#define NESTED_GPA 0x80000000 /* with NESTED_PAGING */

/* Opens the VM, hooks it, and sets everything up so that L1 runs L2 at guest_nested_l2. */
void nested_start(struct lab *l, unsigned int flags);

/* L2 begins its next run there, with a fresh stack. */
void nested_set_rip(struct lab *l, uint64_t rip);

/* Guest address of a label in L1 or L2. */
uint64_t nested_label(const void *label);

/* Where L1 itself has its int3. */
uint64_t nested_l1_bp(void);

enum nested_exit_reason { NESTED_EXIT_CPUID, NESTED_EXIT_BP };

/* The latest exit from L2 to L1 was this one, at @rip, and all that L1 is told of it is in order. */
void nested_check_exit(struct lab *l, enum nested_exit_reason reason, uint64_t rip);

#endif /* NESTED_H */

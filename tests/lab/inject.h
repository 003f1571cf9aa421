/* SPDX-License-Identifier: BSD-2-Clause */
/* What KVM injects on SVM, looked up in the VMCB by BPF. */
#ifndef INJECT_H
#define INJECT_H

#include <stdbool.h>
#include <stdint.h>

struct inject;

/* Watches from now on. NULL, which inject_check() does not mind, where there is no VMCB that BPF can read. */
struct inject *inject_open(void);

/*
 * There must have been at least @n injections of #BP, the latest of an int3 of one byte at @bp, so that
 * the CPU delivers it with RIP behind: by nRIP where KVM uses that, otherwise by RIP itself.
 */
void inject_check(struct inject *in, uint64_t n, uint64_t bp);

/* Does KVM use the CPU's next RIP (kvm_amd.nrips)? */
bool inject_nrips(void);

/* Prints what kvm_amd.nrips is, as a TAP comment; nothing on VMX. */
void inject_say_nrips(void);

#endif /* INJECT_H */

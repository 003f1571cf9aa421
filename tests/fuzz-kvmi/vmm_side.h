/* SPDX-License-Identifier: BSD-2-Clause */
/* The VMM's process of a round. */
#ifndef FUZZ_KVMI_VMM_SIDE_H
#define FUZZ_KVMI_VMM_SIDE_H

#include "fuzz.h"

/*
 * @sock: KVM's ends of the connections; @tool_end: the other one of the first, for the scene that needs
 * both, else -1. Does not return.
 */
_Noreturn void fuzz_vmm(const struct fuzz_plan *plan, const int *sock, int tool_end);

#endif /* FUZZ_KVMI_VMM_SIDE_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/* The introspector's process of a round. */
#ifndef FUZZ_KVMI_TOOL_H
#define FUZZ_KVMI_TOOL_H

#include "fuzz.h"

/* @sock: its ends of the connections, each to be hooked in turn. Does not return. */
_Noreturn void fuzz_tool(const struct fuzz_plan *plan, const int *sock);

#endif /* FUZZ_KVMI_TOOL_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/* kvmi-trace break: what the instruction under a breakpoint does, and where it leads. */
#ifndef KVMI_TRACE_INSN_H
#define KVMI_TRACE_INSN_H

#include "break.h"

#include <Zydis/Zydis.h>

/* The instruction under a breakpoint, and the vCPU that is about to execute it. */
struct insn {
	struct kvmi_client *c;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	uint8_t mode;
	ZydisDecodedInstruction i;
	ZydisDecodedOperand ops[ZYDIS_MAX_OPERAND_COUNT];
};

/* The linear address of an instruction pointer. */
uint64_t insn_linear(const struct insn *in, uint64_t ip);

/* Read and decode it. -EFAULT: the bytes there are no instruction. */
int insn_fetch(struct insn *in, const struct tracer *t, const struct breakpoint *bp,
	       const struct kvmi_event_msg *ev);

/*
 * Do it, in @in->regs and guest memory, if it is one of those known here. 0 done, -EOPNOTSUPP not, or a
 * KVM or channel error. Memory is written only when nothing else can fail any more.
 */
int insn_emulate(struct insn *in);

/*
 * Where it may lead: *@n linear addresses, 1 or 2. -EOPNOTSUPP: that cannot be told, *@why says
 * which kind of instruction it is.
 */
int insn_successors(const struct insn *in, uint64_t next[2], unsigned int *n, const char **why);

#endif /* KVMI_TRACE_INSN_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/* A guest that waits with an event of any kind, and counts in config.hits before or after that. */

#include "../../../bench/guests/guest.inc"
#include "waiting.h"

.macro KNOWN_REGISTERS
	movabsq	$WAITING_RBX, %rbx
	movabsq	$WAITING_R15, %r15
.endm

.macro HYPERCALL_ARGS
	movl	$WAITING_HC, %eax
	movl	$WAITING_HC_SUB, %edi
	xorl	%esi, %esi
.endm

GUEST_BEGIN waiting
/* PAUSE. The loop changes no register, so that what an event left behind can be read from outside. */
GUEST_LABEL guest_waiting_spin
	KNOWN_REGISTERS
GUEST_LABEL guest_waiting_loop
	incq	%gs:CFG_HITS
	jmp	guest_waiting_loop

.Lpassed:
	incq	%gs:CFG_ARG + 8 * WAITING_PASSED
	jmp	guest_waiting_loop

/* BREAKPOINT */
GUEST_LABEL guest_waiting_breakpoint
	KNOWN_REGISTERS
GUEST_LABEL guest_waiting_int3
	int3
	jmp	.Lpassed

/* Goes on behind the breakpoint whatever RIP is in the frame. */
GUEST_LABEL guest_waiting_handler
	incq	%gs:CFG_BP_COUNT
	pushq	%rax
	leaq	.Lpassed(%rip), %rax
	movq	%rax, 8(%rsp)
	popq	%rax
	iretq

/* HYPERCALL: once, or for ever */
GUEST_LABEL guest_waiting_vmcall
	KNOWN_REGISTERS
	HYPERCALL_ARGS
GUEST_LABEL guest_waiting_vmcall_insn
	vmcall
	jmp	.Lpassed
GUEST_LABEL guest_waiting_vmmcall
	KNOWN_REGISTERS
	HYPERCALL_ARGS
GUEST_LABEL guest_waiting_vmmcall_insn
	vmmcall
	jmp	.Lpassed
GUEST_LABEL guest_waiting_vmcalls
	HYPERCALL_ARGS
	vmcall
	incq	%gs:CFG_HITS
	jmp	guest_waiting_vmcalls
GUEST_LABEL guest_waiting_vmmcalls
	HYPERCALL_ARGS
	vmmcall
	incq	%gs:CFG_HITS
	jmp	guest_waiting_vmmcalls

/* Where the VMM or the introspector may send it */
GUEST_LABEL guest_waiting_elsewhere
	incq	%gs:CFG_ARG + 8 * WAITING_ELSEWHERE
	jmp	guest_waiting_loop
GUEST_END waiting

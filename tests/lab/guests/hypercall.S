/* SPDX-License-Identifier: BSD-2-Clause */
/* Guests of the hypercall tests: one for each vendor's instruction, and the 32-bit form of each. */

#include "../../../bench/guests/guest.inc"
#include "hypercall.h"

/*
 * Rounds of config.count hypercalls with the registers of config.arg[], each counted in config.hits; what
 * RAX, RBX are afterwards comes to config.arg[]. All other registers but R8 keep their values.
 * Three bytes before \name\()_moved are never executed: who has RIP set there and moved on by the length
 * of the instruction comes to a mark.
 */
.macro HYPERCALL_GUEST name, insn
GUEST_BEGIN \name
.L\name\()_round:
	movq	%gs:CFG_COUNT, %r8
	movq	$0, %gs:CFG_HITS
1:	testq	%r8, %r8
	jz	2f
	decq	%r8
	movq	%gs:CFG_ARG + 8 * HC_RAX, %rax
	movq	%gs:CFG_ARG + 8 * HC_RDI, %rdi
	movq	%gs:CFG_ARG + 8 * HC_RSI, %rsi
	movq	%gs:CFG_ARG + 8 * HC_RBX, %rbx
	movq	%gs:CFG_ARG + 8 * HC_RCX, %rcx
GUEST_LABEL guest_\name\()_insn
	\insn
3:	movq	%rax, %gs:CFG_ARG + 8 * HC_RESULT
	movq	%rbx, %gs:CFG_ARG + 8 * HC_RBX_AFTER
	incq	%gs:CFG_HITS
	jmp	1b
2:	GUEST_DONE
	jmp	.L\name\()_round

GUEST_LABEL guest_\name\()_elsewhere
	ud2
	nop
	movq	$1, %gs:CFG_ARG + 8 * HC_MOVED
	jmp	3b
GUEST_END \name
.endm

HYPERCALL_GUEST vmcall, vmcall
HYPERCALL_GUEST vmmcall, vmmcall

/* The same for a 32-bit code segment; a single round. */
	.code32
.macro HYPERCALL_GUEST32 name, insn
GUEST_BEGIN \name
	movl	%gs:CFG_ARG + 8 * HC_RAX, %eax
	movl	%gs:CFG_ARG + 8 * HC_RDI, %edi
	movl	%gs:CFG_ARG + 8 * HC_RSI, %esi
	movl	%gs:CFG_ARG + 8 * HC_RBX, %ebx
	movl	%gs:CFG_ARG + 8 * HC_RCX, %ecx
GUEST_LABEL guest_\name\()_insn
	\insn
	movl	%eax, %gs:CFG_ARG + 8 * HC_RESULT
	movl	%ebx, %gs:CFG_ARG + 8 * HC_RBX_AFTER
	incl	%gs:CFG_HITS
	GUEST_DONE
GUEST_END \name
.endm

HYPERCALL_GUEST32 vmcall32, vmcall
HYPERCALL_GUEST32 vmmcall32, vmmcall

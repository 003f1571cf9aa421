/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest: the same breakpoint in all the modes a processor has, with handlers of each width. */

#include "../../../bench/guests/guest.inc"
#include "modes.h"

#define ARG(n) %gs:CFG_ARG + 8 * (n)

GUEST_BEGIN modes

/* Touches all memory: a nested page fault later, in the middle of an exception, is too much for Bochs. */
GUEST_LABEL guest_modes_touch
	xorl	%eax, %eax
1:	lock orb $0, (%rax)
	addq	$4096, %rax
	cmpq	%gs:CFG_COUNT, %rax
	jb	1b
	GUEST_DONE

/* Each counts its round in config.hits. */
.macro ROUND bits, suffix
GUEST_LABEL guest_modes_\bits\()_bp
	int3
GUEST_LABEL guest_modes_\bits\()_after
	inc\suffix %gs:CFG_HITS
	GUEST_DONE
	jmp	guest_modes_\bits\()_bp
.endm

	ROUND	64, q

/* #BP of 64-bit code, and of 32-bit and 16-bit code below a 64-bit kernel */
GUEST_LABEL guest_modes_64_handler
	pushq	%rax
	movq	8(%rsp), %rax
	movq	%rax, %gs:CFG_BP_RIP
	movq	16(%rsp), %rax
	movq	%rax, ARG(MODES_ARG_CS)
	movq	24(%rsp), %rax
	movq	%rax, ARG(MODES_ARG_FLAGS)
	incq	%gs:CFG_BP_COUNT
	movq	ARG(MODES_ARG_RETURN), %rax
	movq	%rax, 8(%rsp)
	popq	%rax
	iretq

/* #DB: no more of them */
GUEST_LABEL guest_modes_64_db_handler
	incq	ARG(MODES_ARG_DB)
	andq	$~0x100, 16(%rsp)
	iretq

/* Prefixes: the longest instruction there is, one that is longer, and two that belong together. */
GUEST_LABEL guest_modes_longest
	.rept	14
	.byte	0x66
	.endr
	int3
	incq	%gs:CFG_HITS
	GUEST_DONE
GUEST_LABEL guest_modes_too_long
	.rept	15
	.byte	0x66
	.endr
	int3
	incq	%gs:CFG_HITS
	GUEST_DONE
GUEST_LABEL guest_modes_rex
	.byte	0xf3, 0x48
	int3
	incq	%gs:CFG_HITS
	GUEST_DONE

/* INT 3 in two bytes */
GUEST_LABEL guest_modes_cd03
	.byte	0xcd, 3
	incq	%gs:CFG_HITS
	GUEST_DONE

/* A breakpoint in the shadow of STI and of MOV SS; interrupts are off before it. */
GUEST_LABEL guest_modes_sti
	cli
	sti
GUEST_LABEL guest_modes_sti_bp
	int3
	incq	%gs:CFG_HITS
	GUEST_DONE
GUEST_LABEL guest_modes_mov_ss
	movl	%ss, %eax
	movl	%eax, %ss
GUEST_LABEL guest_modes_mov_ss_bp
	int3
	incq	%gs:CFG_HITS
	GUEST_DONE

/* To be copied to a page of its own: unmaps that page, and comes to the breakpoint all the same. */
GUEST_LABEL guest_modes_stale
	movq	ARG(MODES_ARG_PTE), %rax
	movq	$0, (%rax)
GUEST_LABEL guest_modes_stale_bp
	int3
GUEST_LABEL guest_modes_stale_end

	.code32
	ROUND	32, l

GUEST_LABEL guest_modes_32_handler
	pushl	%eax
	movl	4(%esp), %eax
	movl	%eax, %gs:CFG_BP_RIP
	movl	8(%esp), %eax
	movl	%eax, ARG(MODES_ARG_CS)
	movl	12(%esp), %eax
	movl	%eax, ARG(MODES_ARG_FLAGS)
	incl	%gs:CFG_BP_COUNT
	movl	ARG(MODES_ARG_RETURN), %eax
	movl	%eax, 4(%esp)
	popl	%eax
	iretl

/* Any other exception: what is on the stack tells it. */
GUEST_LABEL guest_modes_32_trap
	popl	%gs:CFG_TRAP_ERROR
	popl	%gs:CFG_TRAP_RIP
	movl	$255, %gs:CFG_TRAP_VECTOR
	outl	%eax, $GUEST_PORT_TRAP
1:	jmp	1b

	.code16
	ROUND	16, l

/* Real mode's */
GUEST_LABEL guest_modes_16_handler
	pushl	%eax
	pushw	%bp
	movw	%sp, %bp
	movzwl	6(%bp), %eax
	movl	%eax, %gs:CFG_BP_RIP
	movzwl	8(%bp), %eax
	movl	%eax, ARG(MODES_ARG_CS)
	movzwl	10(%bp), %eax
	movl	%eax, ARG(MODES_ARG_FLAGS)
	incl	%gs:CFG_BP_COUNT
	movl	ARG(MODES_ARG_RETURN), %eax
	movw	%ax, 6(%bp)
	popw	%bp
	popl	%eax
	iretw

GUEST_LABEL guest_modes_16_trap
	movl	$255, %gs:CFG_TRAP_VECTOR
	outl	%eax, $GUEST_PORT_TRAP
1:	jmp	1b

	.code64
GUEST_END modes

/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest: calls a handful of functions over and over, for a tool to set breakpoints in. */

#include "guest.inc"

#define DEMO_WRONG CFG_ARG

/* Every function gives back its argument: a breakpoint stepped over wrongly is noticed. */
.macro CALLED function
	call	\function
	cmpq	%rdi, %rax
	je	1f
	incq	%gs:DEMO_WRONG
1:
.endm

/*
 * A round: RDI counts them, from 1; each function is called once with that. Each 64th round has an int3
 * of the guest's own, which its handler takes. Then it asks the VMM for a rest.
 */
GUEST_BEGIN demo
	movq	$0, %gs:CFG_HITS
.Ldemo_round:
	movq	%gs:CFG_HITS, %rdi
	incq	%rdi
	CALLED	demo_nop
	CALLED	demo_push
	CALLED	demo_lea
	CALLED	demo_jump
	CALLED	demo_indirect
	CALLED	demo_ret
	testb	$63, %dil
	jnz	1f
GUEST_LABEL guest_demo_own
	int3
	nop
1:	movq	%rdi, %gs:CFG_HITS
	outl	%eax, $GUEST_PORT_USER
	jmp	.Ldemo_round

GUEST_LABEL guest_demo_nop
demo_nop:
	endbr64
	movq	%rdi, %rax
	ret

GUEST_LABEL guest_demo_push
demo_push:
	pushq	%rbp
	movq	%rsp, %rbp
	movq	%rdi, %rax
	popq	%rbp
	ret

GUEST_LABEL guest_demo_lea
demo_lea:
	leaq	-7(%rdi), %rax
	addq	$7, %rax
	ret

/* Taken each other time. */
demo_jump:
	movq	%rdi, %rax
	testb	$1, %dil
GUEST_LABEL guest_demo_jump
	jz	1f
	incq	%rax
	decq	%rax
1:	ret

demo_indirect:
	leaq	1f(%rip), %rdx
	xorl	%eax, %eax
GUEST_LABEL guest_demo_indirect
	jmp	*%rdx
	ud2
1:	addq	%rdi, %rax
	ret

demo_ret:
	movq	%rdi, %rax
GUEST_LABEL guest_demo_ret
	ret

/*
 * #BP: counts, and goes on behind the int3. RIP in the frame is there already, but for some emulated
 * machines, where it is still at the int3 when the exception came by injection.
 */
GUEST_LABEL guest_demo_handler
	pushq	%rax
	movq	8(%rsp), %rax
	cmpb	$0xcc, (%rax)
	jne	1f
	incq	8(%rsp)
1:	incq	%gs:CFG_BP_COUNT
	popq	%rax
	iretq
GUEST_END demo

/* SPDX-License-Identifier: BSD-2-Clause */
/* Where every vCPU starts, and how every guest takes exceptions. */

#include "guest.inc"

GUEST_BEGIN runtime

/*
 * Entry. RDI: where to go. Touches every page an exception, a stamp or the guest's own code will
 * need: a nested page fault later would show up in a measurement, and while an exception is being
 * delivered some emulated machines do not survive it. Written are the pages that will be written.
 */
GUEST_LABEL guest_runtime_entry
	movb	GUEST_GDT, %al
	movb	GUEST_TSS, %al
	movb	GUEST_IDT, %al
	movb	(%rdi), %al
	movb	guest_runtime_stubs(%rip), %al
	movb	guest_runtime_end(%rip), %al
	pushq	%rax
	popq	%rax
	movq	%gs:CFG_HITS, %rax
	movq	%rax, %gs:CFG_HITS

	movq	%gs:CFG_LOG, %rax
	movq	%gs:CFG_LOG_SIZE, %rcx
	addq	%rax, %rcx		/* end of the log */
1:	cmpq	%rcx, %rax
	jae	2f
	movb	$0, (%rax)
	addq	$4096, %rax
	jmp	1b
2:	cmpq	%rcx, %gs:CFG_LOG	/* the last byte, if there is any */
	je	3f
	movb	$0, -1(%rcx)
3:	xorl	%eax, %eax
	xorl	%ecx, %ecx
	jmp	*%rdi

/*
 * One stub per vector, 16 bytes apart: vmm.c builds the IDT from that. They make all frames alike:
 * vector, error code (0 where the CPU pushes none), RIP, CS, RFLAGS, RSP, SS.
 */
	.balign	16
GUEST_LABEL guest_runtime_stubs
	.set	vector, 0
	.rept	32
	.balign	16
	.if	!(vector == 8 || (vector >= 10 && vector <= 14) || vector == 17 || vector == 21 \
		  || vector == 29 || vector == 30)
	pushq	$0
	.endif
	pushq	$vector
	jmp	handler
	.set	vector, vector + 1
	.endr

/* All exceptions. After "pushq %rax": RAX at 0, vector at 8, error code at 16, RIP at 24. */
handler:
	pushq	%rax
	cmpq	$3, 8(%rsp)
	jne	1f
	movq	24(%rsp), %rax
	movq	%rax, %gs:CFG_BP_RIP
	cmpq	$GUEST_BP_COUNT, %gs:CFG_BP_MODE
	jne	1f
	incq	%gs:CFG_BP_COUNT
	jmp	2f

1:	movq	8(%rsp), %rax
	movq	%rax, %gs:CFG_TRAP_VECTOR
	movq	16(%rsp), %rax
	movq	%rax, %gs:CFG_TRAP_ERROR
	movq	24(%rsp), %rax
	movq	%rax, %gs:CFG_TRAP_RIP
	movq	%cr2, %rax
	movq	%rax, %gs:CFG_TRAP_CR2
	outl	%eax, $GUEST_PORT_TRAP

2:	popq	%rax
	addq	$16, %rsp
	iretq

GUEST_END runtime
	.section .rodata.guests, "a"
	.byte	0		/* guest_runtime_end is touched, too */

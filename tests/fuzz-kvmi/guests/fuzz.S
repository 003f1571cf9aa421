/* SPDX-License-Identifier: BSD-2-Clause */
/* The fuzzer's guest: does at random what introspection has to do with, for ever, whatever its registers are. */

#include "../../../bench/guests/guest.inc"
#include "fuzz.h"

#define ARG(n) %gs:CFG_ARG + 8 * (n)

.macro HYPERCALL
	testb	%r15b, %r15b
	jz	771f
	vmcall
	jmp	772f
771:	vmmcall
772:
.endm

GUEST_BEGIN fuzz
GUEST_LABEL guest_fuzz_loop
	xorl	%eax, %eax
	cpuid
	cmpl	$0x756e6547, %ebx	/* "Genu", of GenuineIntel */
	sete	%r15b
.Lnext:
	incq	%gs:CFG_HITS
	movq	ARG(FUZZ_ARG_STATE), %rax
	movq	%rax, %rcx
	shlq	$13, %rcx
	xorq	%rcx, %rax
	movq	%rax, %rcx
	shrq	$7, %rcx
	xorq	%rcx, %rax
	movq	%rax, %rcx
	shlq	$17, %rcx
	xorq	%rcx, %rax
	movq	%rax, ARG(FUZZ_ARG_STATE)
	shrq	$20, %rax
	andl	$FUZZ_ACTIONS - 1, %eax
	movq	ARG(FUZZ_ARG_WHAT), %rdx
	btq	%rax, %rdx
	jnc	.Lnext
	leaq	.Lactions(%rip), %rcx
	movslq	(%rcx, %rax, 4), %rdx
	addq	%rcx, %rdx
	jmp	*%rdx

	.balign	4
.Lactions:
	.long	.Lint3 - .Lactions
	.long	.Lcd03 - .Lactions
	.long	.Liret - .Lactions
	.long	.Lhypercall - .Lactions
	.long	.Lhypercall - .Lactions
	.long	.Lother - .Lactions
	.long	.Lhalt - .Lactions
	.long	.Lcpuid - .Lactions
	.long	.Lout - .Lactions
	.long	.Lin - .Lactions
	.long	.Lud - .Lactions
	.long	.Lmsr - .Lactions
	.long	.Ltouch - .Lactions
	.long	.Lspin - .Lactions
	.long	.Lcr - .Lactions
	.long	.Lwrong - .Lactions

GUEST_LABEL guest_fuzz_int3
.Lint3:
	int3
	.byte	0x66
	int3
	jmp	.Lnext
.Lcd03:
	.byte	0xcd, 3
	jmp	.Lnext
.Liret:
	pushq	$FUZZ_USER_DS
	pushq	ARG(FUZZ_ARG_STACK)
	pushq	$0x202
	pushq	$FUZZ_USER_CS
	leaq	.Luser(%rip), %rax
	pushq	%rax
	iretq
.Luser:
	int3
	movl	$34, %eax
	movl	$24, %edi
	xorl	%esi, %esi
	HYPERCALL
	hlt			/* #GP: back */
	jmp	.Luser
.Lhypercall:
	movl	$34, %eax
	movl	$24, %edi
	xorl	%esi, %esi
	HYPERCALL
	jmp	.Lnext
.Lother:			/* some other hypercall of KVM's, or none */
	movq	ARG(FUZZ_ARG_STATE), %rax
	andl	$63, %eax
	xorl	%ebx, %ebx
	HYPERCALL
	jmp	.Lnext
.Lhalt:
	hlt
	jmp	.Lnext
.Lcpuid:
	movq	ARG(FUZZ_ARG_STATE), %rax
	andl	$15, %eax
	xorl	%ecx, %ecx
	cpuid
	jmp	guest_fuzz_loop
.Lout:
	outl	%eax, $GUEST_PORT_USER
	jmp	.Lnext
.Lin:
	inl	$GUEST_PORT_USER, %eax
	jmp	.Lnext
.Lud:
	ud2
.Lmsr:
	movl	$0xc0000080, %ecx
	rdmsr
	jmp	.Lnext
.Ltouch:
	movq	ARG(FUZZ_ARG_STATE), %rax
	andl	$0xff000, %eax
	lock orb $0, GUEST_LOG(%rax)
	jmp	.Lnext
.Lspin:
	movl	$300, %ecx
1:	pause
	decl	%ecx
	jnz	1b
	jmp	.Lnext
.Lcr:
	movq	%cr3, %rax
	movq	%rax, %cr3
	jmp	.Lnext
.Lwrong:			/* ours, but for the arguments */
	movl	$34, %eax
	movl	$24, %edi
	movl	$1, %esi
	HYPERCALL
	jmp	.Lnext

/* Touches all that an exception needs: a nested page fault in the middle of one is too much for Bochs on SVM. */
GUEST_LABEL guest_fuzz_touch
	xorl	%eax, %eax
1:	lock orb $0, (%rax)
	addq	$4096, %rax
	cmpq	$GUEST_CODE + 0x4000, %rax
	jb	1b
	GUEST_DONE
	jmp	guest_fuzz_touch

/* Counts, and leaves the guest for nothing. */
GUEST_LABEL guest_fuzz_spin
	incq	%gs:CFG_HITS
	jmp	guest_fuzz_spin

/* Every exception, on a stack of its own: begins anew. */
GUEST_LABEL guest_fuzz_handler
	cld
	incq	%gs:CFG_BP_COUNT
	leaq	guest_fuzz_loop(%rip), %rax
	pushq	$GUEST_DS
	pushq	ARG(FUZZ_ARG_STACK)
	pushq	$0x202
	pushq	$GUEST_CS
	pushq	%rax
	iretq

/* One hypercall, and its result. */
GUEST_LABEL guest_fuzz_plain
	xorl	%eax, %eax
	cpuid
	cmpl	$0x756e6547, %ebx
	sete	%r15b
	movl	$34, %eax
	movl	$24, %edi
	xorl	%esi, %esi
	HYPERCALL
	movq	%rax, ARG(FUZZ_ARG_PLAIN)
	GUEST_DONE
	jmp	guest_fuzz_plain

/* One breakpoint, which is to be skipped. */
GUEST_LABEL guest_fuzz_breakpoint
	int3
	GUEST_DONE
	jmp	guest_fuzz_breakpoint
GUEST_END fuzz

/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest: a hypervisor of a few instructions (L1), on VMX or SVM, and what it runs (L2). */

#include "../../../bench/guests/guest.inc"
#include "nested.h"

#define ARG(n) %gs:CFG_ARG + 8 * (n)

#define CR4_VMXE    0x2000
#define MSR_EFER    0xc0000080
#define MSR_HSAVE   0xc0010117
#define EFER_SVME   0x1000

GUEST_BEGIN nested

/* --- L1: each round runs L2 once, executes as many int3 as it is told, and tells the VMM. --- */

/* A nested page fault in the middle of something is more than some emulated machines survive. */
.macro TOUCH
	movl	$NESTED_BEGIN, %eax
1:	lock orb $0, (%rax)
	addl	$4096, %eax
	cmpl	$NESTED_END, %eax
	jb	1b
.endm

.macro AFTER_L2 next, bp
	movq	ARG(NESTED_ARG_L1_BP), %r8
1:	testq	%r8, %r8
	jz	2f
	decq	%r8
GUEST_LABEL \bp
	int3
	incq	ARG(NESTED_ARG_L1_PASSED)
	jmp	1b
2:	GUEST_DONE
	jmp	\next
.endm

GUEST_LABEL guest_nested_vmx
	TOUCH
	movq	%cr4, %rax
	orq	$CR4_VMXE, %rax
	movq	%rax, %cr4
	movl	$1, %r9d
	pushq	$NESTED_VMXON
	vmxon	(%rsp)
	jbe	.Lvmx_failed
	movl	$2, %r9d
	movq	$NESTED_VMCS, (%rsp)
	vmclear	(%rsp)
	jbe	.Lvmx_failed
	vmptrld	(%rsp)
	jbe	.Lvmx_failed
	popq	%rax
	xorl	%r10d, %r10d		/* not launched yet */

.Lvmx_round:
	movl	$NESTED_WRITE, %ebx
1:	movq	(%rbx), %rax
	cmpq	$-1, %rax
	je	2f
	vmwrite	8(%rbx), %rax
	addl	$16, %ebx
	jmp	1b
2:	testl	%r10d, %r10d
	jnz	3f
	vmlaunch
	jmp	4f
3:	vmresume
4:	movl	$3, %r9d
.Lvmx_failed:
	movq	%r9, ARG(NESTED_ARG_FAILED)
	GUEST_DONE

	/* RSP is as it was when there was nothing on the stack. */
GUEST_LABEL guest_nested_vmx_exit
	movl	$NESTED_READ, %ebx
1:	movq	(%rbx), %rax
	cmpq	$-1, %rax
	je	2f
	vmread	%rax, 8(%rbx)
	addl	$16, %ebx
	jmp	1b
2:	movl	$1, %r10d
	AFTER_L2 .Lvmx_round, guest_nested_vmx_bp

GUEST_LABEL guest_nested_svm
	TOUCH
	movl	$MSR_EFER, %ecx
	rdmsr
	orl	$EFER_SVME, %eax
	wrmsr
	movl	$MSR_HSAVE, %ecx
	movl	$NESTED_VMXON, %eax
	xorl	%edx, %edx
	wrmsr

.Lsvm_round:
	movl	$NESTED_VMCS, %eax
	vmrun
	stgi
	AFTER_L2 .Lsvm_round, guest_nested_svm_bp

/* --- L2: CPUID takes it back to L1. --- */

/* Rounds of config.count breakpoints, counted in config.hits. */
GUEST_LABEL guest_nested_l2
	movb	NESTED_IDT, %al
	lock orb $0, NESTED_STACK
	movq	$0, %gs:CFG_HITS
.Ll2_hits:
	movq	%gs:CFG_COUNT, %r8
1:	testq	%r8, %r8
	jz	2f
	decq	%r8
GUEST_LABEL guest_nested_l2_bp
	int3
GUEST_LABEL guest_nested_l2_after
	incq	%gs:CFG_HITS
	jmp	1b
2:
GUEST_LABEL guest_nested_l2_end
	cpuid

/* L2's own #BP handler; it goes on behind the breakpoint whatever the frame says. */
GUEST_LABEL guest_nested_l2_handler
	pushq	%rax
	movq	8(%rsp), %rax
	movq	%rax, ARG(NESTED_ARG_L2_RIP)
	incq	ARG(NESTED_ARG_L2_COUNT)
	leaq	guest_nested_l2_after(%rip), %rax
	movq	%rax, 8(%rsp)
	popq	%rax
	iretq

/* Counts, without an exit, until it is told to stop; then rounds as above. */
GUEST_LABEL guest_nested_l2_spin
	movq	$0, %gs:CFG_HITS
1:	incq	ARG(NESTED_ARG_SPUN)
	cmpq	$0, ARG(NESTED_ARG_STOP)
	je	1b
	jmp	.Ll2_hits

GUEST_END nested

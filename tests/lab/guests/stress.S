/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest of the stress test: counts for ever in config.hits, and does what config.arg[0] says meanwhile. */

#include "../../../bench/guests/guest.inc"
#include "stress.h"

#define ARG(n)	   %gs:CFG_ARG + 8 * (n)
#define KVM_ENOSYS 1000

GUEST_BEGIN stress
	xorl	%eax, %eax
	cpuid
	cmpl	$0x756e6547, %ebx	/* "Genu", of GenuineIntel */
	sete	%r15b
.Lnext:
	incq	%gs:CFG_HITS
	testb	$STRESS_BP, ARG(STRESS_WHAT)
	jz	1f
GUEST_LABEL guest_stress_bp
	int3
.Lafter_bp:
1:	testb	$STRESS_HC, ARG(STRESS_WHAT)
	jz	.Lnext
	movl	$34, %eax
	movl	$24, %edi
	xorl	%esi, %esi
	testb	%r15b, %r15b
	jz	2f
	vmcall
	jmp	3f
2:	vmmcall
3:	testq	%rax, %rax
	jnz	4f
	incq	ARG(STRESS_ANSWERED)
	jmp	.Lnext
4:	cmpq	$-KVM_ENOSYS, %rax
	jne	5f
	incq	ARG(STRESS_REFUSED)
	jmp	.Lnext
5:	incq	ARG(STRESS_WRONG)
	jmp	.Lnext

/* #BP: goes on behind the breakpoint whatever RIP is in the frame; some emulators get that wrong. */
GUEST_LABEL guest_stress_handler
	incq	%gs:CFG_BP_COUNT
	pushq	%rax
	leaq	.Lafter_bp(%rip), %rax
	movq	%rax, 8(%rsp)
	popq	%rax
	iretq
GUEST_END stress

/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest: a hypercall that nobody knows, by the instruction of the vendor: KVM refuses it by itself. */

#include "guest.inc"

#define UNKNOWN	   4711
#define KVM_ENOSYS 1000

GUEST_BEGIN hypercall
	xorl	%eax, %eax
	cpuid
	cmpl	$0x756e6547, %ebx	/* "Genu", of GenuineIntel */
	sete	%r10b
	HITS_BEGIN
	movl	$UNKNOWN, %eax
	testb	%r10b, %r10b
	jz	1f
	vmcall
	jmp	2f
1:	vmmcall
2:	cmpq	$-KVM_ENOSYS, %rax
	jne	.Lwrong
	HITS_END
.Lwrong:
	ud2
GUEST_END hypercall

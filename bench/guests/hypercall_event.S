/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest: the hypercall that an introspector is told of, by the instruction of the vendor. */

#include "guest.inc"

/* KVM_HC_XEN_HVM_OP, with KVM_HC_XEN_HVM_OP_GUEST_REQUEST_VM_EVENT in RDI and 0 in RSI */
#define HVM_OP		 34
#define REQUEST_VM_EVENT 24

GUEST_BEGIN hypercall_event
	xorl	%eax, %eax
	cpuid
	cmpl	$0x756e6547, %ebx	/* "Genu", of GenuineIntel */
	sete	%r10b
	HITS_BEGIN
	movl	$HVM_OP, %eax
	movl	$REQUEST_VM_EVENT, %edi
	xorl	%esi, %esi
	testb	%r10b, %r10b
	jz	1f
	vmcall
	jmp	2f
1:	vmmcall
2:	testq	%rax, %rax		/* 0: answered; anything else: nobody was told */
	jnz	.Lwrong
	HITS_END
.Lwrong:
	ud2
GUEST_END hypercall_event

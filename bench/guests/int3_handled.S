/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest: int3 in a loop, taken by the guest's own handler, whoever has looked at it before. */

#include "guest.inc"

GUEST_BEGIN int3_handled
	HITS_BEGIN
	int3
.Lafter:
	HITS_END

/* Goes on behind the int3, whatever RIP the frame has: an emulated machine may have put a wrong one there. */
GUEST_LABEL guest_int3_handled_handler
	pushq	%rax
	leaq	.Lafter(%rip), %rax
	movq	%rax, 8(%rsp)
	popq	%rax
	iretq
GUEST_END int3_handled

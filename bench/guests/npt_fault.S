/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest: writes to one page after the other; KVM has to map each. One round, then it is to be restarted. */

#include "guest.inc"

GUEST_BEGIN npt_fault
	movl	$GUEST_PAGES, %r10d
	HITS_BEGIN
	movb	%al, (%r10)
	addq	$4096, %r10
	HITS_END
GUEST_END npt_fault

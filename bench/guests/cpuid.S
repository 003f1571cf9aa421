/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest: CPUID in a loop, the cheapest exit that KVM always handles by itself. */

#include "guest.inc"

GUEST_BEGIN cpuid
	HITS_BEGIN
	xorl	%eax, %eax
	xorl	%ecx, %ecx
	cpuid				/* clobbers RAX, RBX, RCX, RDX */
	HITS_END
GUEST_END cpuid

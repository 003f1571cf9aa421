/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest: int3 at a fixed rate. A hit that comes late does not put off those behind it. */

#include "guest.inc"

/* TSC ticks from when a hit is due until the next one is */
#define PERIOD CFG_ARG

/* R10: when the hit is due. The first is so a period after the round's first stamp, which is in RAX. */
GUEST_BEGIN int3_paced
	HITS_BEGIN
	cmpq	$0, %gs:CFG_HITS
	cmoveq	%rax, %r10
	addq	%gs:PERIOD, %r10
1:	rdtsc
	shlq	$32, %rdx
	orq	%rdx, %rax
	cmpq	%r10, %rax
	jb	1b
	int3
	HITS_END
GUEST_END int3_paced

/* SPDX-License-Identifier: BSD-2-Clause */
/* Guest: something for a debugger of every kind, and a breakpoint. */

#include "../../../bench/guests/guest.inc"

/*
 * A round writes config.arg[0], for a watchpoint, and comes to the breakpoint, once each. The handler
 * goes on behind it whatever RIP was in the frame.
 */
GUEST_BEGIN coexist
1:	movq	$1, %gs:CFG_ARG
	nop
GUEST_LABEL guest_coexist_bp
	int3
GUEST_LABEL guest_coexist_after
	incq	%gs:CFG_HITS
GUEST_LABEL guest_coexist_out
	GUEST_DONE
	jmp	1b

GUEST_LABEL guest_coexist_handler
	incq	%gs:CFG_BP_COUNT
	pushq	%rax
	leaq	guest_coexist_after(%rip), %rax
	movq	%rax, 8(%rsp)
	popq	%rax
	iretq
GUEST_END coexist

/* SPDX-License-Identifier: BSD-2-Clause */
/* Guests of the breakpoint tests. */

#include "../../../bench/guests/guest.inc"

/*
 * Rounds of config.count breakpoints, each counted in config.hits once it is passed. With
 * guest_hit_handler as #BP handler, config.bp_count is how often that ran and config.bp_rip the RIP in
 * its latest frame. It goes on behind the breakpoint whatever that RIP was, so that a test can tell
 * one delivery with a wrong RIP from many deliveries.
 */
GUEST_BEGIN hit
.Lhit_round:
	movq	%gs:CFG_COUNT, %r8
	movq	$0, %gs:CFG_HITS
1:	testq	%r8, %r8
	jz	2f
	decq	%r8
GUEST_LABEL guest_hit_bp
	int3
GUEST_LABEL guest_hit_after
	incq	%gs:CFG_HITS
	jmp	1b
2:	GUEST_DONE
	jmp	.Lhit_round

GUEST_LABEL guest_hit_handler
	pushq	%rax
	movq	8(%rsp), %rax
	movq	%rax, %gs:CFG_BP_RIP
	incq	%gs:CFG_BP_COUNT
	leaq	guest_hit_after(%rip), %rax
	movq	%rax, 8(%rsp)
	popq	%rax
	iretq

/* Counts in config.hits, without an exit, until config.arg[0] is set; then a round as above. */
GUEST_LABEL guest_hit_spin
	incq	%gs:CFG_HITS
	cmpq	$0, %gs:CFG_ARG
	je	guest_hit_spin
	jmp	.Lhit_round
GUEST_END hit

/* The same breakpoint with a prefix. */
GUEST_BEGIN prefixed
GUEST_LABEL guest_prefixed_bp
	.byte	0x66
	int3
	incq	%gs:CFG_HITS
	GUEST_DONE
GUEST_END prefixed

/* An instruction for a breakpoint to be put on. Its result is config.arg[0]. */
GUEST_BEGIN original
.Loriginal:
	xorl	%eax, %eax
GUEST_LABEL guest_original_insn
	movl	$0x600d, %eax
	movq	%rax, %gs:CFG_ARG
	incq	%gs:CFG_HITS
	GUEST_DONE
	jmp	.Loriginal
GUEST_END original

/* Known values in all registers at the breakpoint; config.arg[0] and [1] are RBX and R15 after it. */
GUEST_BEGIN registers
	movq	$0x1001, %rax
	movq	$0x1002, %rbx
	movq	$0x1003, %rcx
	movq	$0x1004, %rdx
	movq	$0x1005, %rsi
	movq	$0x1006, %rdi
	movq	$0x1007, %rbp
	movq	$0x1008, %r8
	movq	$0x1009, %r9
	movq	$0x100a, %r10
	movq	$0x100b, %r11
	movq	$0x100c, %r12
	movq	$0x100d, %r13
	movq	$0x100e, %r14
	movq	$0x100f, %r15
	stc
GUEST_LABEL guest_registers_bp
	int3
	movq	%rbx, %gs:CFG_ARG
	movq	%r15, %gs:CFG_ARG + 8
	incq	%gs:CFG_HITS
	GUEST_DONE
GUEST_END registers

/* A first stop with everything touched; then something to step through, and a breakpoint. */
GUEST_BEGIN steps
	GUEST_DONE
GUEST_LABEL guest_steps_first
	nop
	nop
	nop
	nop
	nop
	nop
GUEST_LABEL guest_steps_watched
	nop
GUEST_LABEL guest_steps_bp
	int3
GUEST_LABEL guest_steps_after
	incq	%gs:CFG_HITS
	GUEST_DONE
GUEST_END steps

/* SPDX-License-Identifier: BSD-2-Clause */
/* Guests for the tests of the VMM itself. */

#include "../../bench/guests/guest.inc"

/* Counts its rounds in config.hits. */
GUEST_BEGIN count
1:	incq	%gs:CFG_HITS
	GUEST_DONE
	jmp	1b
GUEST_END count

/* Two breakpoints per round. config.arg[0]: where it runs. */
GUEST_BEGIN bp
1:	leaq	1b(%rip), %rax
	movq	%rax, %gs:CFG_ARG
	int3
GUEST_LABEL guest_bp_after
	int3
	incq	%gs:CFG_HITS
	GUEST_DONE
	jmp	1b
GUEST_END bp

/* An undefined instruction; the handler's frame must leave the rest as it was. */
GUEST_BEGIN undefined
	movq	$0x1234, %rax
GUEST_LABEL guest_undefined_ud2
	ud2
	movq	%rax, %gs:CFG_ARG
	GUEST_DONE
GUEST_END undefined

/* A read from where no page is mapped: an exception with an error code and CR2. */
GUEST_BEGIN page_fault
	movabsq	$0x123456789000, %rax
GUEST_LABEL guest_page_fault_read
	movq	(%rax), %rax
	GUEST_DONE
GUEST_END page_fault

/* A handler of the test's own for #UD: skip the two bytes, tell the host. */
GUEST_BEGIN own_handler
	ud2
	GUEST_DONE
GUEST_LABEL guest_own_handler
	addq	$2, (%rsp)
	movl	$0xabcd, %eax
	outl	%eax, $(GUEST_PORT_USER + 1)
	iretq
GUEST_END own_handler

/* No IDT: triple fault. */
GUEST_BEGIN triple_fault
	pushq	$0
	pushq	$0
	lidt	(%rsp)
	ud2
GUEST_END triple_fault

/* Never ends. */
GUEST_BEGIN spin
1:	incq	%gs:CFG_HITS
	jmp	1b
GUEST_END spin

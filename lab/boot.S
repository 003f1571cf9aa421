/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Boot ROM of the lab's Bochs machines: reads kernel and initramfs off the disk that disk.c made and starts
 * the kernel by the x86 boot protocol.
 *
 * The BIOS calls an option ROM before it waits three seconds for F12, and a loader of our own needs no boot
 * medium put together by half a dozen packages. Entered in real mode with CS = this ROM's segment.
 */
#include "disk.h"

	.code16
	.globl	_start
_start:
	.byte	0x55, 0xaa, LAB_ROM_SIZE / 512
	cli
	cld
	inb	$0x92, %al		/* open the A20 gate, do not reset */
	orb	$2, %al
	andb	$0xfe, %al
	outb	%al, $0x92
	movw	%cs, %ax
	movw	%ax, %ds
	movzwl	%ax, %eax
	shll	$4, %eax
	xorw	%bx, %bx		/* a stack and a writable place for the GDT pointer, at 0x7c00 */
	movw	%bx, %ss
	movw	$0x7c00, %sp
	addl	$(gdt - _start), %eax
	pushl	%eax
	pushw	$15
	movw	%sp, %bp
	lgdtl	(%bp)
	movl	%cr0, %eax		/* "unreal" mode: ES keeps base 0 and reaches all 4 GB */
	orb	$1, %al
	movl	%eax, %cr0
	movw	$8, %bx
	movw	%bx, %es
	andb	$0xfe, %al
	movl	%eax, %cr0

	/* Sector 0 holds the table of loads; it goes to 0x8000 and is walked there. */
	movl	$1, %ecx
	xorl	%ebx, %ebx
	movl	$0x8000, %edi
	call	load
	xorw	%ax, %ax
	movw	%ax, %ds
	movw	$0x8000, %si
1:	lodsl
	movl	%eax, %ecx		/* sectors */
	lodsl
	movl	%eax, %ebx		/* first sector */
	lodsl
	movl	%eax, %edi		/* where it goes */
	testl	%ecx, %ecx
	jz	boot
	call	load
	jmp	1b

boot:	movw	$(LAB_SETUP_ADDR >> 4), %ax
	movw	%ax, %ds
	movw	%ax, %es
	movw	%ax, %fs
	movw	%ax, %gs
	movw	%ax, %ss
	movw	$LAB_SETUP_STACK, %sp
	ljmp	$((LAB_SETUP_ADDR >> 4) + 0x20), $0

/* %ecx sectors from %ebx to %es:%edi, by PIO, at most 256 a command */
load:	movl	%ecx, %ebp
	cmpl	$256, %ebp
	jbe	1f
	movl	$256, %ebp
1:	subl	%ebp, %ecx
	pushl	%ecx
	movw	$0x1f2, %dx
	movw	%bp, %ax
	outb	%al, %dx
	movl	%ebx, %eax
	incw	%dx
	outb	%al, %dx
	shrl	$8, %eax
	incw	%dx
	outb	%al, %dx
	shrl	$8, %eax
	incw	%dx
	outb	%al, %dx
	shrl	$8, %eax
	orb	$0xe0, %al		/* LBA, drive 0 */
	incw	%dx
	outb	%al, %dx
	incw	%dx
	movb	$0x20, %al		/* READ SECTORS */
	outb	%al, %dx
	addl	%ebp, %ebx
2:	movw	$0x1f7, %dx
3:	inb	%dx, %al
	testb	$0x80, %al		/* busy */
	jnz	3b
	testb	$0x21, %al		/* drive fault, error */
	jnz	fail
	testb	$0x08, %al		/* data there */
	jz	3b
	movl	$256, %ecx
	movw	$0x1f0, %dx
	addr32 rep insw
	decl	%ebp
	jnz	2b
	popl	%ecx
	testl	%ecx, %ecx
	jnz	load
	ret

fail:	hlt				/* the host sees no sign of life and says so */
	jmp	fail

	.balign	8
gdt:	.quad	0
	.quad	0x00cf93000000ffff	/* flat data */
	.org	LAB_ROM_SIZE

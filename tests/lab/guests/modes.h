/* SPDX-License-Identifier: BSD-2-Clause */
/* Where the tables for the guest's modes are, and what their guest and the test share. */
#ifndef MODES_GUEST_H
#define MODES_GUEST_H

/* Guest physical */
#define MODES_GDT      0x110000
#define MODES_IDT32    0x111000
#define MODES_TSS32    0x112000
#define MODES_PAE_PDPT 0x113000
#define MODES_PD32     0x114000
#define MODES_STACK    0x115000 /* user mode's */
#define MODES_PD       0x116000 /* of a page mapped by itself, with the table that follows */
#define MODES_PT       0x117000
#define MODES_PAGE     0x118000
#define MODES_STACK16  0x9000 /* real mode's */

/* Selectors, beside those of any guest */
#define MODES_USER_CS64 0x2b
#define MODES_USER_DS	0x33
#define MODES_CS32	0x38
#define MODES_USER_CS32 0x43
#define MODES_CS16	0x48
#define MODES_TR32	0x50
#define MODES_CS_BASED	0x58 /* with a base */
#define MODES_GDT_SIZE	0x60

/* config.arg[] */
#define MODES_ARG_RETURN 0 /* in: where the #BP handler returns to, whatever the frame says */
#define MODES_ARG_CS	 1 /* out: CS in its frame */
#define MODES_ARG_FLAGS	 2 /* out: RFLAGS in its frame */
#define MODES_ARG_DB	 3 /* out: how often the #DB handler ran */
#define MODES_ARG_PTE	 4 /* in: address of a page table entry to be cleared */

#endif /* MODES_GUEST_H */

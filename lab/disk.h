/* SPDX-License-Identifier: BSD-2-Clause */
/* What the boot ROM (boot.S) and the disk's maker (disk.c) have to agree on. */
#ifndef KVMI_LAB_DISK_H
#define KVMI_LAB_DISK_H

#define LAB_ROM_SIZE	512
#define LAB_SETUP_ADDR	0x90000 /* the kernel's real-mode part */
#define LAB_SETUP_STACK 0xe000	/* its stack and heap end here */
#define LAB_CMDLINE	0x9e000 /* the kernel command line, at most LAB_CMDLINE_MAX */
#define LAB_CMDLINE_MAX 2048
#define LAB_KERNEL_ADDR 0x100000  /* its protected-mode part */
#define LAB_INITRD_ADDR 0x8000000 /* clear of where the kernel unpacks itself to (16 MB and on) */

#endif

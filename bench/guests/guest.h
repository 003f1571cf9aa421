/* SPDX-License-Identifier: BSD-2-Clause */
/* What guest code (assembly) and the VMM (C) must agree on: addresses, ports, configuration. */
#ifndef GUEST_H
#define GUEST_H

/*
 * Guest physical layout. Virtual addresses are identical; the first GiB is seen a second time at
 * GUEST_ALIAS, so that a test can run code whose virtual and physical address differ.
 * Everything is mapped writable and executable, for supervisor and user.
 */
#define GUEST_GDT     0x1000
#define GUEST_TSS     0x1800 /* one for all: only CPL 0 code takes exceptions without it */
#define GUEST_IDT     0x2000
#define GUEST_PML4    0x3000
#define GUEST_PDPT    0x4000
#define GUEST_PD      0x5000
#define GUEST_RUNTIME 0x6000	 /* runtime.S: entry point and exception handlers */
#define GUEST_CONFIG  0x10000	 /* one page per vCPU: struct guest_config; GS base points at it */
#define GUEST_STACK   0x20000	 /* one page per vCPU, used from its end downwards */
#define GUEST_CODE    0x40000	 /* the guest itself, up to GUEST_LOG */
#define GUEST_LOG     0x100000	 /* from here on: for TSC logs and tests */
#define GUEST_PAGES   0x20000000 /* vmm_add_pages() */
#define GUEST_ALIAS   0x40000000

#define GUEST_PAGES_MAX 0x10000000

#define GUEST_MAX_VCPUS 16

/* Selectors */
#define GUEST_CS 0x08
#define GUEST_DS 0x10
#define GUEST_TR 0x18

/* Ports: a guest talks to the VMM by 32-bit OUT. */
#define GUEST_PORT_DONE 0x10 /* a round is over; when resumed the guest does the next one */
#define GUEST_PORT_TRAP 0x11 /* a handler reports an exception nobody expected: config.trap_* */
#define GUEST_PORT_USER 0x20 /* 0x20..0x2f are the guest's own */

/* config.bp_mode: what the guest's #BP handler does */
#define GUEST_BP_TRAP  0 /* as any exception: GUEST_PORT_TRAP; if resumed, return behind the int3 */
#define GUEST_BP_COUNT 1 /* config.bp_count++, config.bp_rip = RIP in the frame, return to it */

/* Offsets in struct guest_config */
#define CFG_COUNT	0x00
#define CFG_LOG		0x08
#define CFG_LOG_SIZE	0x10
#define CFG_HITS	0x18
#define CFG_BP_MODE	0x20
#define CFG_BP_COUNT	0x28
#define CFG_BP_RIP	0x30
#define CFG_TRAP_VECTOR 0x38
#define CFG_TRAP_ERROR	0x40
#define CFG_TRAP_RIP	0x48
#define CFG_TRAP_CR2	0x50
#define CFG_ARG		0x58

#ifndef __ASSEMBLER__
#include <stddef.h>
#include <stdint.h>

/**
 * struct guest_config - how host and guest share a vCPU's parameters and results
 * @count: in: hits of the next round
 * @log: in: guest address of the TSC log: count + 1 stamps of 8 bytes, one before each hit and one
 *	 after the last
 * @log_size: in: bytes of the log to touch before the guest begins, so that no stamp faults
 * @hits: out: hits of this round, counted by the guest after each; reset by it at the start
 * @bp_mode: in: GUEST_BP_*
 * @bp_count: out: how often the guest's own #BP handler ran (GUEST_BP_COUNT); never reset by it
 * @bp_rip: out: RIP in the latest #BP's exception frame
 * @trap_vector: out: the exception reported by GUEST_PORT_TRAP, and its error code (0 where it has
 *		 none), RIP and CR2
 * @arg: free for a guest's own use, both ways
 */
struct guest_config {
	uint64_t count;
	uint64_t log;
	uint64_t log_size;
	uint64_t hits;
	uint64_t bp_mode;
	uint64_t bp_count;
	uint64_t bp_rip;
	uint64_t trap_vector;
	uint64_t trap_error;
	uint64_t trap_rip;
	uint64_t trap_cr2;
	uint64_t arg[8];
};

_Static_assert(offsetof(struct guest_config, count) == CFG_COUNT, "CFG_COUNT");
_Static_assert(offsetof(struct guest_config, log) == CFG_LOG, "CFG_LOG");
_Static_assert(offsetof(struct guest_config, log_size) == CFG_LOG_SIZE, "CFG_LOG_SIZE");
_Static_assert(offsetof(struct guest_config, hits) == CFG_HITS, "CFG_HITS");
_Static_assert(offsetof(struct guest_config, bp_mode) == CFG_BP_MODE, "CFG_BP_MODE");
_Static_assert(offsetof(struct guest_config, bp_count) == CFG_BP_COUNT, "CFG_BP_COUNT");
_Static_assert(offsetof(struct guest_config, bp_rip) == CFG_BP_RIP, "CFG_BP_RIP");
_Static_assert(offsetof(struct guest_config, trap_vector) == CFG_TRAP_VECTOR, "CFG_TRAP_VECTOR");
_Static_assert(offsetof(struct guest_config, trap_error) == CFG_TRAP_ERROR, "CFG_TRAP_ERROR");
_Static_assert(offsetof(struct guest_config, trap_rip) == CFG_TRAP_RIP, "CFG_TRAP_RIP");
_Static_assert(offsetof(struct guest_config, trap_cr2) == CFG_TRAP_CR2, "CFG_TRAP_CR2");
_Static_assert(offsetof(struct guest_config, arg) == CFG_ARG, "CFG_ARG");
#endif /* __ASSEMBLER__ */

#endif /* GUEST_H */

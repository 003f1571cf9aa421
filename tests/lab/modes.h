/* SPDX-License-Identifier: BSD-2-Clause */
/* A vCPU in any of the modes a processor has. */
#ifndef MODES_H
#define MODES_H

#include "lab.h"

#include "guests/modes.h"

VMM_DECLARE_GUEST(modes);

enum mode {
	MODE_LONG, /* 64-bit, kernel and user */
	MODE_USER64,
	MODE_COMPAT32, /* below a 64-bit kernel, user mode */
	MODE_COMPAT16, /* the same, kernel */
	MODE_PAE32,    /* 32-bit protected mode, with three levels of page tables */
	MODE_2LEVEL32,
	MODE_UNPAGED32,
	MODE_USER32, /* with PAE */
	MODE_PROT16, /* 16-bit protected mode, paging off */
	MODE_REAL,
};

/* Opens the VM, hooks it, builds the tables of all modes and touches all memory. */
void modes_start(struct lab *l);

/*
 * The vCPU, which must not be running, will go on in @mode at guest_modes_ @label. @base: of CS, for
 * MODE_COMPAT32 and the protected modes of 32 bits; RIP is such that the code is where it is mapped.
 * Where there is paging that is GUEST_ALIAS, not where it lies.
 */
void modes_enter(struct lab *l, enum mode mode, const void *label, uint32_t base);

/* RIP of a label in that mode, with that base. */
uint64_t modes_rip(enum mode mode, const void *label, uint32_t base);

/* Guest physical address of a label. */
uint64_t modes_gpa(const void *label);

/* What an event must say: bytes of the mode, CS and its privilege level. */
struct mode_info {
	unsigned int bytes;
	uint16_t cs;
	unsigned int cpl;
};

struct mode_info modes_info(enum mode mode, uint32_t base);

#endif /* MODES_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/* Sequences of tracepoints, made up and damaged, with what is true of them: for tests of pairing. */
#ifndef SEQUENCES_H
#define SEQUENCES_H

#include <stdbool.h>
#include <stdint.h>

#include "kvmi_lat.h"

#define MAX_VCPUS   4
#define MAX_RECORDS 4096
#define MAX_EXITS   512
#define NO_EXIT	    (-1)

enum tracepoint { EXIT, BP_SEND, EVENT, REPLY, COMMAND, COMMAND_DONE, BP_RECV, ENTRY };

extern const char *const tracepoint_names[];

/* What a tracepoint tells, and what only the oracle knows. */
struct record {
	enum tracepoint what;
	unsigned int vcpu; /* stands for its address */
	uint32_t event, seq, action;
	uint64_t stamp; /* by the clock of the CPU */
	uint64_t seen;	/* when it is its turn, true time */
	int64_t clock;	/* how far the CPU's clock is off */
	int exit;	/* which one it belongs to */
	bool lost;
	bool stray; /* a reply that answers nothing */
};

enum kind { PLAIN, BREAKPOINT, OTHER, TWO_EVENTS };

struct vm_exit {
	enum kind kind;
	unsigned int first, end; /* its records */
	bool cut;		 /* its VM is destroyed in the middle of it */
	bool hopeless;		 /* its event cannot be paired */
	bool whole;		 /* has to become a sample: no more than commands are missing */
	bool exact;		 /* with just these stages */
	bool sampled;
	uint32_t action;
	int64_t stages[NR_STAGES];
};

/* What may be wrong in a sequence. */
enum fault {
	LOSS = 1 << 0,
	REPLY_FIRST = 1 << 1,
	REPLY_TWICE = 1 << 2,
	STRAY_REPLY = 1 << 3,
	CLOCK_BACK = 1 << 4,
	CLOCKS_APART = 1 << 5,
	DESTROYED = 1 << 6,
	SAME_SEQ = 1 << 7,
	BAD_ARGUMENT = 1 << 8,
	SECOND_EVENT = 1 << 9,
};
#define NR_FAULTS 10

struct sequence {
	unsigned int number;
	unsigned int faults; /* enum fault */
	unsigned int nr_vcpus;
	struct record records[MAX_RECORDS];
	unsigned int nr_records;
	const struct record *turns[MAX_RECORDS]; /* in the order in which they are seen */
	struct vm_exit exits[MAX_EXITS];
	unsigned int nr_exits;
	uint32_t seq;
};

/* The one that there is. */
extern struct sequence sequence;

/* Makes it up from the number: always the same one. */
void sequence_make(unsigned int number);

#endif

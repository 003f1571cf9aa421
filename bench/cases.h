/* SPDX-License-Identifier: BSD-2-Clause */
/* The cases of the benchmark, and how one is set up, run in rounds and checked. */
#ifndef CASES_H
#define CASES_H

#include "answers.h"
#include "stats.h"
#include "vmm.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * struct bench_case - one way in which a guest can cost an exit
 * @name: as in reports and run files
 * @what: one line for --list
 * @lab_hits: hits of a measurement in the lab, where counts are fixed: 50 ms and more
 * @extra: measured only if all cases are asked for, or some by a filter
 * @pages: the guest touches one page per hit, of so many, which are not mapped then; 0 it does not
 * @needs_bp: #BP exits must arrive on this machine
 * @guest_debug: KVM_GUESTDBG_* the VMM sets, 0 none
 * @bp_handler: label of what takes the guest's #BP; NULL: nobody expects one
 * @answer: an introspector is hooked and answers events so; NULL: there is none
 * @ops: how the VMM handles the exits
 */
struct bench_case {
	const char *name;
	const char *what;
	uint64_t lab_hits;
	struct vmm_guest guest;
	bool extra;
	size_t pages;
	bool needs_bp;
	uint32_t guest_debug;
	const char *bp_handler;
	const struct answer *answer;
	struct vmm_ops ops;
};

/* The table; *@n of them. */
const struct bench_case *cases(size_t *n);

/* Why this machine cannot run it: a sentence that says what to do; NULL it can. Static memory. */
const char *case_skip_reason(const struct bench_case *c);

/* Can breakpoint events be had here? *@why: one sentence either way. */
bool case_have_kvmi(const char **why);

/* Hits of one round at most: their stamps stay in guest memory until it is over. */
uint64_t case_max_round(const struct bench_case *c);

/* CPUs to bind to. */
struct case_cpus {
	int vcpu;
	int introspector;
};

struct case_session;

/*
 * Set up machine, guest and introspector of a case and do some warm-up hits, which no result counts.
 * @round: hits of a round at most. On failure negative errno; case_error() has a sentence.
 */
int case_open(struct case_session **out, const struct bench_case *c, const struct case_cpus *cpus,
	      uint64_t round);

/*
 * Do exactly @hits hits, add their times to @s. If @account, `kvmi-lat record` is told where they begin
 * and end. Fails unless the guest counted @hits hits, the introspector as many events, and all stamps
 * ascend.
 */
int case_round(struct case_session *cs, uint64_t hits, struct stats *s, bool account);

/*
 * One more round, which is in no account, for kvmi-lat's sake: it has the kernel count what its programs
 * take meanwhile.
 */
int case_cost(struct case_session *cs, uint64_t hits);

/* Of all rounds so far. Events: -1 for a case that has none. */
uint64_t case_hits(const struct case_session *cs);
int64_t case_events(const struct case_session *cs);
long case_tsc_khz(const struct case_session *cs);

/* Take everything down. NULL is allowed. Fails if the introspector did. */
int case_close(struct case_session *cs);

const char *case_error(void);

#endif /* CASES_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/* A case while it is set up: its machines, guests and introspectors, run in rounds and checked. */
#ifndef SESSION_H
#define SESSION_H

#include "cases.h"
#include "kcounts.h"
#include "stats.h"

#include <stdbool.h>
#include <stdint.h>

struct case_session;

/*
 * Set up machines, guests and introspectors of a case and do some warm-up hits, which no result counts.
 * @setup is copied. @round: hits of a round at most. On failure negative errno; case_error() has a
 * sentence.
 */
int case_open(struct case_session **out, const struct bench_case *c, const struct case_setup *setup,
	      uint64_t round);

/*
 * Do exactly @hits hits, all vCPUs together, and add their times to @s. If @account, `kvmi-lat record` is
 * told where they begin and end. Fails unless the guests counted @hits hits, the introspectors as many
 * events, and all stamps ascend.
 */
int case_round(struct case_session *cs, uint64_t hits, struct stats *s, bool account);

/*
 * One more round, which is in no account, for kvmi-lat's sake: it has the kernel count what its programs
 * take meanwhile.
 */
int case_cost(struct case_session *cs, uint64_t hits);

/* Of all rounds so far. Events: -1 for a case that has none; late: for one whose hits fall due. */
uint64_t case_hits(const struct case_session *cs);
int64_t case_events(const struct case_session *cs);
int64_t case_late(const struct case_session *cs);
long case_tsc_khz(const struct case_session *cs);

/* What the first vCPU's thread has executed in the kernel for each of its hits. False: not to be had here. */
bool case_kcounts(const struct case_session *cs, struct kcounts_values *values);

/* Take everything down. NULL is allowed. Fails if an introspector did. */
int case_close(struct case_session *cs);

const char *case_error(void);

#endif /* SESSION_H */

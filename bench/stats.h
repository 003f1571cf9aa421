/* SPDX-License-Identifier: BSD-2-Clause */
/* Exact statistics of all samples of a case: no buckets, no estimates. */
#ifndef STATS_H
#define STATS_H

#include <stddef.h>
#include <stdint.h>

/**
 * struct stats - a set of samples, in TSC ticks
 * @samples: sorted once stats_finish() was called; freed by stats_free()
 */
struct stats {
	uint64_t *samples;
	size_t n;
	size_t room;
	uint64_t sum;
};

/* Add the differences of neighbouring @stamps; n - 1 samples. -ENOMEM. */
int stats_add_stamps(struct stats *s, const uint64_t *stamps, size_t n);

/*
 * Add what hits took from when they were due: the first so a @period after the first stamp, each other a
 * @period after the one before; stamp i is the end of hit i. Those that were due before the one before
 * had ended are counted into *@late: their wait is in their time. -ENOMEM.
 */
int stats_add_due(struct stats *s, const uint64_t *stamps, size_t n, uint64_t period,
		  uint64_t *late);

/* Sort. Quantiles may be asked for from here on. */
void stats_finish(struct stats *s);
void stats_free(struct stats *s);

double stats_mean(const struct stats *s);

/*
 * The smallest sample that at least a part @q (0..1) of all samples do not exceed: always a sample that
 * occurred, the minimum for 0 and the maximum for 1. 0 if there are none.
 */
uint64_t stats_quantile(const struct stats *s, double q);

/*
 * The quantiles a percentile curve is drawn from: 0, every percent, then finer towards 1, which is the
 * last. *@n of them.
 */
const double *stats_quantile_list(size_t *n);

#endif /* STATS_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/* Log-linear histograms in user space: merging what the CPUs collected, and asking it things. */
#ifndef KVMI_LAT_HIST_H
#define KVMI_LAT_HIST_H

#include <stdbool.h>
#include <stdint.h>

#include "hist.bpf.h"

struct hist {
	uint64_t sum;
	uint64_t count;
	uint64_t min; /* meaningless while count is 0 */
	uint64_t max;
	uint64_t buckets[HIST_NR_BUCKETS];
};

/* The smallest and the largest value that fall into a bucket. */
uint64_t hist_lower(unsigned int index);
uint64_t hist_upper(unsigned int index);

/*
 * Rows are buckets taken together, 2^bits of them an octave, with bits up to HIST_SUB_BITS: no
 * bucket lies in two rows, so that what is counted by rows is as exact as what is counted by
 * buckets. The row a value is in, and the smallest value in a row.
 */
unsigned int hist_row(uint64_t value, unsigned int bits);
uint64_t hist_row_lower(unsigned int row, unsigned int bits);

void hist_add(struct hist *h, uint64_t value);
void hist_merge(struct hist *h, const struct hist *from);
void hist_merge_cpu(struct hist *h, const struct kvmi_lat_hist *from);

/* Whether the buckets hold as many values as were counted. */
bool hist_consistent(const struct hist *h);

/* 0 for an empty histogram, as for hist_quantile(). */
double hist_mean(const struct hist *h);

/*
 * The value below or at which a fraction q (0..1) of the values lie, interpolated within its
 * bucket: off by one bucket at most, that is 1.6 %, and never outside [min, max].
 */
double hist_quantile(const struct hist *h, double q);

#endif

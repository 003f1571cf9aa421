// SPDX-License-Identifier: BSD-2-Clause
/* Log-linear histograms in user space: merging what the CPUs collected, and asking it things. */
#include <math.h>

#include "hist.h"

unsigned int hist_row(uint64_t value, unsigned int bits)
{
	unsigned int shift;

	if (value < 1ULL << bits)
		return value;
	/* value is not 0 */
	shift = 63 - __builtin_clzll(value) - bits;
	return (shift << bits) + (value >> shift);
}

uint64_t hist_row_lower(unsigned int row, unsigned int bits)
{
	unsigned int shift;

	if (row < 2U << bits)
		return row;
	shift = (row >> bits) - 1;
	return (uint64_t)(row - (shift << bits)) << shift;
}

uint64_t hist_lower(unsigned int index)
{
	return hist_row_lower(index, HIST_SUB_BITS);
}

uint64_t hist_upper(unsigned int index)
{
	return index == HIST_NR_BUCKETS - 1 ? UINT64_MAX : hist_lower(index + 1) - 1;
}

void hist_add(struct hist *h, uint64_t value)
{
	if (!h->count || value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->count++;
	h->sum += value;
	h->buckets[hist_index(value)]++;
}

static void merge_summary(struct hist *h, uint64_t sum, uint64_t count, uint64_t min, uint64_t max)
{
	if (!count)
		return;
	if (!h->count || min < h->min)
		h->min = min;
	if (max > h->max)
		h->max = max;
	h->count += count;
	h->sum += sum;
}

void hist_merge(struct hist *h, const struct hist *from)
{
	merge_summary(h, from->sum, from->count, from->min, from->max);
	for (unsigned int i = 0; i < HIST_NR_BUCKETS; i++)
		h->buckets[i] += from->buckets[i];
}

void hist_merge_cpu(struct hist *h, const struct kvmi_lat_hist *from)
{
	merge_summary(h, from->sum, from->count, from->min, from->min + from->span);
	for (unsigned int i = 0; i < HIST_NR_BUCKETS; i++)
		h->buckets[i] += from->buckets[i];
}

bool hist_consistent(const struct hist *h)
{
	uint64_t n = 0;

	for (unsigned int i = 0; i < HIST_NR_BUCKETS; i++)
		n += h->buckets[i];
	return n == h->count;
}

double hist_mean(const struct hist *h)
{
	return h->count ? (double)h->sum / h->count : 0;
}

double hist_quantile(const struct hist *h, double q)
{
	uint64_t rank, before = 0;

	if (!h->count)
		return 0;
	/* The value of this rank, counted from 1, in sorted order: exact samples would do the same. */
	rank = ceil(q * h->count);
	if (rank <= 1)
		return h->min;
	if (rank >= h->count)
		return h->max;
	for (unsigned int i = 0; i < HIST_NR_BUCKETS; i++) {
		uint64_t n = h->buckets[i];

		if (before + n >= rank) {
			double lower = fmax(hist_lower(i), h->min);
			double upper = fmin(hist_upper(i), h->max);

			return lower + (upper - lower) * (rank - before - 0.5) / n;
		}
		before += n;
	}
	return h->max;
}

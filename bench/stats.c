// SPDX-License-Identifier: BSD-2-Clause
/* Exact statistics of all samples of a case. */
#include "stats.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

static int make_room(struct stats *s, size_t more)
{
	size_t room = s->n + more;
	uint64_t *p;

	if (room <= s->room)
		return 0;
	p = realloc(s->samples, room * sizeof(*p));
	if (!p)
		return -ENOMEM;
	s->samples = p;
	s->room = room;
	return 0;
}

static void add(struct stats *s, uint64_t sample)
{
	s->samples[s->n++] = sample;
	s->sum += sample;
}

int stats_add_stamps(struct stats *s, const uint64_t *stamps, size_t n)
{
	if (n < 2)
		return 0;
	if (make_room(s, n - 1))
		return -ENOMEM;
	for (size_t i = 1; i < n; i++)
		add(s, stamps[i] - stamps[i - 1]);
	return 0;
}

int stats_add_due(struct stats *s, const uint64_t *stamps, size_t n, uint64_t period,
		  uint64_t *late)
{
	if (n < 2)
		return 0;
	if (make_room(s, n - 1))
		return -ENOMEM;
	for (size_t i = 1; i < n; i++) {
		uint64_t due = stamps[0] + i * period;

		add(s, stamps[i] > due ? stamps[i] - due : 0);
		*late += stamps[i - 1] > due;
	}
	return 0;
}

static int cmp(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return x < y ? -1 : x > y;
}

/*
 * Millions of samples with few values between them: those are counted, which in the lab, where a sort of
 * them would take longer than the case itself, is what keeps a run short. Only what is longer is sorted.
 */
void stats_finish(struct stats *s)
{
	static size_t counts[65536];
	size_t longer = 0, n = 0;

	if (!s->n)
		return;
	memset(counts, 0, sizeof(counts));
	for (size_t i = 0; i < s->n; i++) {
		if (s->samples[i] < sizeof(counts) / sizeof(counts[0]))
			counts[s->samples[i]]++;
		else
			s->samples[longer++] = s->samples[i];
	}
	qsort(s->samples, longer, sizeof(*s->samples), cmp);
	memmove(s->samples + s->n - longer, s->samples, longer * sizeof(*s->samples));
	for (size_t v = 0; n < s->n - longer; v++)
		for (size_t i = 0; i < counts[v]; i++)
			s->samples[n++] = v;
}

void stats_free(struct stats *s)
{
	free(s->samples);
	*s = (struct stats){0};
}

double stats_mean(const struct stats *s)
{
	return s->n ? (double)s->sum / s->n : 0;
}

uint64_t stats_quantile(const struct stats *s, double q)
{
	size_t rank;
	double exact;

	if (!s->n)
		return 0;

	/* Ceiling of q * n, where a product that is whole but for rounding counts as whole. */
	exact = q * s->n;
	rank = (size_t)exact;
	if (exact - rank > 1e-9 * s->n)
		rank++;
	if (rank < 1)
		rank = 1;
	if (rank > s->n)
		rank = s->n;
	return s->samples[rank - 1];
}

const double *stats_quantile_list(size_t *n)
{
	/* 0.00 .. 0.99, 0.991 .. 0.999, 0.9991 .. 0.9999, 0.99991 .. 0.99999, 1 */
	static double list[100 + 3 * 9 + 1];

	if (!list[127]) {
		size_t k = 0;

		for (int i = 0; i < 100; i++)
			list[k++] = i / 100.0;
		for (int scale = 1000; scale <= 100000; scale *= 10)
			for (int i = 9; i >= 1; i--)
				list[k++] = (double)(scale - i) / scale;
		list[k] = 1;
	}
	*n = sizeof(list) / sizeof(list[0]);
	return list;
}

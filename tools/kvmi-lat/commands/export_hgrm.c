// SPDX-License-Identifier: BSD-2-Clause
/* Writes a histogram as the percentiles that HdrHistogram prints and its plotter reads. */
#include <math.h>

#include "export.h"

#define TICKS 5 /* lines for each halving of what is above */

/*
 * Percentiles as HdrHistogram steps through them: the nearer to 100 %, the closer together. The
 * last line has no fourth column, as 1/(1-1) is no number.
 */
static void put_percentiles(FILE *file, const struct hist *h)
{
	uint64_t below = h->buckets[0];
	unsigned int bucket = 0;
	double level = 0;

	while (level < 1) {
		double rank = fmax(ceil(level * h->count), 1);

		while (below < rank && bucket < HIST_NR_BUCKETS - 1)
			below += h->buckets[++bucket];
		if (below >= h->count)
			break;
		fprintf(file, "%12.3f %14.12f %10llu %14.2f\n",
			level > 0 ? (double)hist_upper(bucket) : h->min, level,
			(unsigned long long)below, 1 / (1 - level));
		level += exp2(ceil(log2(1 - level)) - 1) / TICKS;
	}
	fprintf(file, "%12.3f %14.12f %10llu\n", (double)h->max, 1.0, (unsigned long long)h->count);
}

/* From the middles of the buckets; their means would need every value. */
static double deviation(const struct hist *h)
{
	double mean = hist_mean(h), sum = 0;

	for (unsigned int i = 0; i < HIST_NR_BUCKETS; i++) {
		double lower = fmax(hist_lower(i), h->min), upper = fmin(hist_upper(i), h->max);

		sum += h->buckets[i] * pow((lower + upper) / 2 - mean, 2);
	}
	return sqrt(sum / h->count);
}

static void put_hist(FILE *file, const struct hist *h)
{
	fprintf(file, "%12s %14s %10s %14s\n\n", "Value", "Percentile", "TotalCount",
		"1/(1-Percentile)");
	put_percentiles(file, h);
	fprintf(file,
		"#[Mean    = %12.3f, StdDeviation   = %12.3f]\n"
		"#[Max     = %12.3f, Total count    = %12llu]\n"
		"#[Buckets = %12d, SubBuckets     = %12d]\n",
		hist_mean(h), deviation(h), (double)h->max, (unsigned long long)h->count,
		HIST_MAX_BITS - HIST_SUB_BITS + 1, HIST_SUB_BUCKETS);
}

int export_hgrm(FILE *file, const void *what)
{
	const struct export *e = what;

	/* There is but one to be found. */
	for (unsigned int i = 0; i < e->run->nr_cases; i++) {
		const struct run_case *c = &e->run->cases[i];

		for (unsigned int class = 0; class < NR_CLASSES; class ++) {
			if (c->m->hists[class].count && filter_has_case(&e->filter, c->name) &&
			    filter_has_class(&e->filter, class))
				put_hist(file, &c->m->hists[class]);
		}
	}
	return 0;
}

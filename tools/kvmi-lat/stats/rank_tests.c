// SPDX-License-Identifier: BSD-2-Clause
/* Statistics that assume nothing of a distribution but its order: medians, ranks, resampling. */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "rank_tests.h"

#define TAIL	  0.025 /* what an interval of 95 % leaves out on either side */
#define RESAMPLES 2000

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	/* NAN is above all else, so that the order is one. */
	if (isnan(x) || isnan(y))
		return !!isnan(x) - !!isnan(y);
	return (x > y) - (x < y);
}

void rank_sort(double *values, unsigned int n)
{
	qsort(values, n, sizeof(*values), compare_doubles);
}

double rank_median(const double *sorted, unsigned int n)
{
	if (!n || isnan(sorted[n - 1]))
		return NAN;
	return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

struct interval rank_median_interval(const double *sorted, unsigned int n)
{
	struct interval none = {NAN, NAN};
	double below = 0;
	unsigned int out = 0;

	/* How many values may be cut off at either end: P(Binomial(n, 1/2) <= out) <= TAIL. */
	for (unsigned int k = 0; k < n; k++) {
		below += exp(lgamma(n + 1.0) - lgamma(k + 1.0) - lgamma(n - k + 1.0) - n * M_LN2);
		if (below > TAIL)
			break;
		out++;
	}
	if (!out)
		return none;
	return (struct interval){sorted[out - 1], sorted[n - out]};
}

/*
 * The distribution of the sum of nr_a of the n ranks, all choices alike: of each sum from 0 on, how
 * many choices have it. Ranks and sums are doubled, so that those of ties are whole. *size of them.
 */
static double *rank_sums(const unsigned int *ranks, unsigned int n, unsigned int nr_a,
			 unsigned int *size)
{
	unsigned int sums = n * (n + 1) + 1;
	double *ways = calloc((size_t)(nr_a + 1) * sums, sizeof(*ways)), *of_all;

	*size = sums;
	if (!ways)
		return NULL;
	ways[0] = 1;
	for (unsigned int i = 0; i < n; i++) {
		for (unsigned int k = i + 1 < nr_a ? i + 1 : nr_a; k > 0; k--) {
			double *to = ways + (size_t)k * sums, *from = to - sums;

			for (unsigned int s = sums - 1; s >= ranks[i]; s--)
				to[s] += from[s - ranks[i]];
		}
	}
	of_all = malloc(sums * sizeof(*of_all));
	if (of_all)
		memcpy(of_all, ways + (size_t)nr_a * sums, sums * sizeof(*of_all));
	free(ways);
	return of_all;
}

struct value {
	double value;
	bool of_a;
};

static int compare_values(const void *a, const void *b)
{
	return compare_doubles(&((const struct value *)a)->value,
			       &((const struct value *)b)->value);
}

static double normal_above(double z)
{
	return erfc(z / M_SQRT2) / 2;
}

/* ties: sum of t^3 - t over the groups of t equal values. */
static void test_normal(struct rank_test *test, double nr_a, double nr_b, double ties)
{
	double n = nr_a + nr_b, mean = nr_a * nr_b / 2;
	double deviation = sqrt(nr_a * nr_b / 12 * (n + 1 - ties / (n * (n - 1))));

	if (!(deviation > 0)) {
		test->above = test->below = 1;
		return;
	}
	test->above = normal_above((test->u - mean - 0.5) / deviation);
	test->below = normal_above((mean - test->u - 0.5) / deviation);
}

static int test_exact(struct rank_test *test, const unsigned int *ranks, unsigned int n,
		      unsigned int nr_a, unsigned int sum)
{
	double above = 0, below = 0, all = 0;
	unsigned int size;
	double *ways = rank_sums(ranks, n, nr_a, &size);

	if (!ways)
		return -ENOMEM;
	for (unsigned int s = 0; s < size; s++) {
		all += ways[s];
		if (s >= sum)
			above += ways[s];
		if (s <= sum)
			below += ways[s];
	}
	test->above = above / all;
	test->below = below / all;
	free(ways);
	return 0;
}

int rank_test(const double *a, unsigned int nr_a, const double *b, unsigned int nr_b,
	      struct rank_test *test)
{
	unsigned int n = nr_a + nr_b;
	struct value *values = calloc(n, sizeof(*values));
	unsigned int *ranks = calloc(n, sizeof(*ranks));
	double sum = 0, ties = 0;
	int err = 0;

	if (!values || !ranks) {
		free(values);
		free(ranks);
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < n; i++)
		values[i] =
			i < nr_a ? (struct value){a[i], true} : (struct value){b[i - nr_a], false};
	qsort(values, n, sizeof(*values), compare_values);
	for (unsigned int i = 0, end; i < n; i = end) {
		double t;

		for (end = i + 1; end < n && values[end].value == values[i].value;)
			end++;
		t = end - i;
		ties += t * t * t - t;
		for (unsigned int j = i; j < end; j++) {
			ranks[j] = i + 1 + end; /* twice the mean of i + 1 .. end */
			if (values[j].of_a)
				sum += ranks[j];
		}
	}
	test->u = (sum - (double)nr_a * (nr_a + 1)) / 2;
	if (n <= RANK_EXACT)
		err = test_exact(test, ranks, n, nr_a, sum);
	else
		test_normal(test, nr_a, nr_b, ties);
	free(values);
	free(ranks);
	return err;
}

/*
 * How many of the sorted pairs the interval leaves out at either end: as many as U may be, without
 * ties, with a probability of TAIL at most. Negative: -ENOMEM.
 */
static long pairs_out(unsigned int nr_a, unsigned int nr_b)
{
	double pairs = (double)nr_a * nr_b, all = 0, below = 0;
	unsigned int n = nr_a + nr_b, size, least = nr_a * (nr_a + 1), ranks[RANK_EXACT];
	double *ways;
	long out = 0;

	if (n > RANK_EXACT) {
		double u = pairs / 2 - 1.959964 * sqrt(pairs * (n + 1) / 12);

		return u > 0 ? (long)u : 0;
	}
	for (unsigned int i = 0; i < n; i++)
		ranks[i] = 2 * (i + 1);
	ways = rank_sums(ranks, n, nr_a, &size);
	if (!ways)
		return -ENOMEM;
	for (unsigned int s = 0; s < size; s++)
		all += ways[s];
	for (unsigned int s = least; s < size; s += 2) {
		below += ways[s];
		if (below / all > TAIL)
			break;
		out++;
	}
	free(ways);
	return out;
}

int rank_shift(const double *a, unsigned int nr_a, const double *b, unsigned int nr_b,
	       enum rank_kind kind, double *shift, struct interval *interval)
{
	size_t n = (size_t)nr_a * nr_b;
	double *pairs = calloc(n + 1, sizeof(*pairs));
	long out = pairs_out(nr_a, nr_b);

	if (!pairs || out < 0) {
		free(pairs);
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < nr_a; i++) {
		for (unsigned int j = 0; j < nr_b; j++)
			pairs[(size_t)i * nr_b + j] =
				kind == RANK_RATIO ? a[i] / b[j] : a[i] - b[j];
	}
	rank_sort(pairs, n);
	*shift = rank_median(pairs, n);
	*interval = out ? (struct interval){pairs[out - 1], pairs[n - out]}
			: (struct interval){NAN, NAN};
	free(pairs);
	return 0;
}

struct place {
	double p;
	unsigned int at;
};

static int compare_places(const void *a, const void *b)
{
	return compare_doubles(&((const struct place *)a)->p, &((const struct place *)b)->p);
}

int rank_holm(double *p, unsigned int n)
{
	struct place *places = calloc(n + 1, sizeof(*places));
	double least = 0;

	if (!places)
		return -ENOMEM;
	for (unsigned int i = 0; i < n; i++)
		places[i] = (struct place){p[i], i};
	qsort(places, n, sizeof(*places), compare_places);
	for (unsigned int i = 0; i < n; i++) {
		least = fmax(least, places[i].p * (n - i));
		p[places[i].at] = fmin(least, 1);
	}
	free(places);
	return 0;
}

uint64_t rank_random(uint64_t *state)
{
	uint64_t z = *state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

/* The median of n of the sorted values, drawn with replacement; counts: room for n, all 0. */
static double drawn_median(const double *sorted, unsigned int n, unsigned int *counts,
			   uint64_t *state)
{
	unsigned int seen = 0, lower = (n - 1) / 2, upper = n / 2;
	double low = NAN, high = NAN;

	for (unsigned int i = 0; i < n; i++)
		counts[(rank_random(state) >> 32) * n >> 32]++;
	for (unsigned int i = 0; i < n; i++) {
		if (seen <= lower && lower < seen + counts[i])
			low = sorted[i];
		if (seen <= upper && upper < seen + counts[i])
			high = sorted[i];
		seen += counts[i];
		counts[i] = 0;
	}
	return (low + high) / 2;
}

int rank_bootstrap(const double *sorted_a, unsigned int nr_a, const double *sorted_b,
		   unsigned int nr_b, uint64_t seed, struct interval *interval)
{
	unsigned int *counts = calloc(nr_a > nr_b ? nr_a : nr_b, sizeof(*counts));
	double *ratios = calloc(RESAMPLES, sizeof(*ratios));
	unsigned int out = TAIL * RESAMPLES;

	if (!counts || !ratios) {
		free(counts);
		free(ratios);
		return -ENOMEM;
	}
	for (unsigned int i = 0; i < RESAMPLES; i++) {
		double a = drawn_median(sorted_a, nr_a, counts, &seed);

		ratios[i] = a / drawn_median(sorted_b, nr_b, counts, &seed);
	}
	rank_sort(ratios, RESAMPLES);
	*interval = (struct interval){ratios[out], ratios[RESAMPLES - 1 - out]};
	free(counts);
	free(ratios);
	return 0;
}

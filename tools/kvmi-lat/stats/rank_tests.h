/* SPDX-License-Identifier: BSD-2-Clause */
/* Statistics that assume nothing of a distribution but its order: medians, ranks, resampling. */
#ifndef KVMI_LAT_RANK_H
#define KVMI_LAT_RANK_H

#include <stdint.h>

/* NAN and NAN: there is none, for want of values. */
struct interval {
	double low, high;
};

void rank_sort(double *values, unsigned int n);

/* NAN without values, or if one of them is NAN. */
double rank_median(const double *sorted, unsigned int n);

/*
 * Order statistics between which the distribution's median lies with 95 % confidence or more:
 * exact, from the binomial distribution. Six values are the fewest that have one.
 */
struct interval rank_median_interval(const double *sorted, unsigned int n);

/* Mann-Whitney's U: pairs in which a is above b, ties count half. And how likely that is by chance. */
struct rank_test {
	double u;
	double above; /* that U is this large or larger, if a and b do not differ */
	double below; /* that it is this small or smaller */
};

/*
 * Up to RANK_EXACT values together, every assignment of them to a and b counts, ties included;
 * beyond, U is taken for normally distributed, with corrections for ties and continuity. 0 or
 * -ENOMEM; neither a nor b may be empty.
 */
#define RANK_EXACT 40
int rank_test(const double *a, unsigned int nr_a, const double *b, unsigned int nr_b,
	      struct rank_test *test);

enum rank_kind {
	RANK_DIFFERENCE, /* a - b */
	RANK_RATIO,	 /* a / b, of values above 0 */
};

/*
 * How far a is from b: the median over all pairs (Hodges and Lehmann), which, unlike the difference
 * of medians, does not jump if runs come in two modes. The interval of 95 % belongs to rank_test():
 * it holds what that test would not reject. 0 or -ENOMEM.
 */
int rank_shift(const double *a, unsigned int nr_a, const double *b, unsigned int nr_b,
	       enum rank_kind kind, double *shift, struct interval *interval);

/* Corrects the n values of p by Holm's procedure, in place. 0 or -ENOMEM. */
int rank_holm(double *p, unsigned int n);

/*
 * 95 % of the medians' ratio a / b when the runs of each are drawn anew, with replacement. The same
 * seed gives the same interval. 0 or -ENOMEM.
 */
int rank_bootstrap(const double *sorted_a, unsigned int nr_a, const double *sorted_b,
		   unsigned int nr_b, uint64_t seed, struct interval *interval);

/* The next of a sequence of random numbers (splitmix64). */
uint64_t rank_random(uint64_t *state);

#endif

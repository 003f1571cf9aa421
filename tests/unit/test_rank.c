// SPDX-License-Identifier: BSD-2-Clause
/* Rank statistics against enumeration, published tables and simulation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "stats/rank_tests.h"

static bool near(double a, double b)
{
	return fabs(a - b) <= 1e-12 * fmax(1, fabs(b));
}

static void test_median(void **state)
{
	double values[] = {5, 1, 4, 2};
	double with_nan[] = {NAN, 1, 2};

	(void)state;
	rank_sort(values, 4);
	assert_true(values[0] == 1 && values[3] == 5);
	assert_true(rank_median(values, 4) == 3);
	assert_true(rank_median(values, 3) == 2);
	assert_true(isnan(rank_median(values, 0)));
	rank_sort(with_nan, 3);
	assert_true(with_nan[0] == 1 && isnan(with_nan[2]));
	assert_true(isnan(rank_median(with_nan, 3)));
}

/* The ranks of the sign test's table for 5 %, two-sided. */
static void test_median_interval(void **state)
{
	static const struct {
		unsigned int n, low, high;
	} table[] = {
		{6, 1, 6},   {7, 1, 7},	  {8, 1, 8},   {9, 2, 8},    {10, 2, 9},    {12, 3, 10},
		{15, 4, 12}, {20, 6, 15}, {25, 8, 18}, {30, 10, 21}, {100, 40, 61},
	};
	double values[100];

	(void)state;
	for (int i = 0; i < 100; i++)
		values[i] = i + 1;
	for (unsigned int n = 0; n < 6; n++)
		assert_true(isnan(rank_median_interval(values, n).low));
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct interval interval = rank_median_interval(values, table[i].n);

		assert_true(interval.low == table[i].low);
		assert_true(interval.high == table[i].high);
	}
}

static double u_of(const double *a, unsigned int nr_a, const double *b, unsigned int nr_b)
{
	double u = 0;

	for (unsigned int i = 0; i < nr_a; i++) {
		for (unsigned int j = 0; j < nr_b; j++)
			u += a[i] > b[j] ? 1 : a[i] == b[j] ? 0.5 : 0;
	}
	return u;
}

/* Every way to choose which of the values are a. */
static void enumerate(const double *values, unsigned int n, unsigned int nr_a, double u,
		      struct rank_test *expected)
{
	unsigned int all = 0, above = 0, below = 0;

	for (unsigned int mask = 0; mask < 1u << n; mask++) {
		double a[16], b[16], chosen;
		unsigned int in_a = 0, in_b = 0;

		if ((unsigned int)__builtin_popcount(mask) != nr_a)
			continue;
		for (unsigned int i = 0; i < n; i++) {
			if (mask >> i & 1)
				a[in_a++] = values[i];
			else
				b[in_b++] = values[i];
		}
		chosen = u_of(a, in_a, b, in_b);
		all++;
		above += chosen >= u;
		below += chosen <= u;
	}
	*expected = (struct rank_test){u, (double)above / all, (double)below / all};
}

/* Of few different values, so that there are ties of every size, and of many. */
static void test_against_enumeration(void **state)
{
	uint64_t random = 1;

	(void)state;
	for (int round = 0; round < 200; round++) {
		unsigned int nr_a = 1 + rank_random(&random) % 5,
			     nr_b = 1 + rank_random(&random) % 5;
		uint64_t different = round % 2 ? 4 : 1000000;
		struct rank_test test, expected;
		double values[10];

		for (unsigned int i = 0; i < nr_a + nr_b; i++)
			values[i] = rank_random(&random) % different;
		assert_int_equal(rank_test(values, nr_a, values + nr_a, nr_b, &test), 0);
		enumerate(values, nr_a + nr_b, nr_a, u_of(values, nr_a, values + nr_a, nr_b),
			  &expected);
		assert_true(test.u == expected.u);
		assert_true(near(test.above, expected.above));
		assert_true(near(test.below, expected.below));
	}
}

static void test_extremes(void **state)
{
	double low[8], high[8];
	struct rank_test test;

	(void)state;
	for (int i = 0; i < 8; i++) {
		low[i] = i;
		high[i] = 100 + i;
	}
	assert_int_equal(rank_test(high, 8, low, 8, &test), 0);
	assert_true(test.u == 64);
	assert_true(near(test.above, 1 / 12870.0)); /* 16 over 8 */
	assert_true(test.below == 1);
	assert_int_equal(rank_test(low, 8, low, 8, &test), 0);
	assert_true(test.u == 32 && test.above > 0.5 && test.above == test.below);
}

/* Beyond RANK_EXACT, against values dealt out at random, with ties and without. */
static void test_normal_approximation(void **state)
{
	enum { A = 22, B = 25, ROUNDS = 20000 };
	uint64_t random = 7;

	(void)state;
	for (int with_ties = 0; with_ties < 2; with_ties++) {
		double values[A + B], above = 0, below = 0;
		struct rank_test test;

		for (int i = 0; i < A + B; i++) {
			values[i] = rank_random(&random) % 1000000 + (i < A ? 200000 : 0);
			if (with_ties)
				values[i] = floor(values[i] / 200000);
		}
		assert_int_equal(rank_test(values, A, values + A, B, &test), 0);
		for (int round = 0; round < ROUNDS; round++) {
			double u;

			for (int i = A + B - 1; i > 0; i--) {
				int j = rank_random(&random) % (i + 1);
				double value = values[i];

				values[i] = values[j];
				values[j] = value;
			}
			u = u_of(values, A, values + A, B);
			above += u >= test.u;
			below += u <= test.u;
		}
		assert_true(fabs(test.above - above / ROUNDS) < 0.01);
		assert_true(fabs(test.below - below / ROUNDS) < 0.01);
	}
}

static void test_all_alike(void **state)
{
	double values[60];
	struct rank_test test;

	(void)state;
	for (int i = 0; i < 60; i++)
		values[i] = 3;
	assert_int_equal(rank_test(values, 5, values, 5, &test), 0);
	assert_true(test.above == 1 && test.below == 1);
	assert_int_equal(rank_test(values, 30, values, 30, &test), 0);
	assert_true(test.above == 1 && test.below == 1);
}

/* U's critical value for 8 and 8 at 5 %, two-sided, is 13 in the tables: 14 pairs fall out. */
static void test_shift(void **state)
{
	double a[8], b[8], pairs[64], shift;
	struct interval interval;

	(void)state;
	for (int i = 0; i < 8; i++) {
		a[i] = 1000 + 10 * i;
		b[i] = 1 + i;
		for (int j = 0; j < 8; j++)
			pairs[8 * i + j] = 1000 + 10 * i - (1 + j);
	}
	rank_sort(pairs, 64);
	assert_int_equal(rank_shift(a, 8, b, 8, RANK_DIFFERENCE, &shift, &interval), 0);
	assert_true(shift == (pairs[31] + pairs[32]) / 2);
	assert_true(interval.low == pairs[13] && interval.high == pairs[50]);

	for (int i = 0; i < 8; i++)
		b[i] = a[i] * 2;
	assert_int_equal(rank_shift(b, 8, a, 8, RANK_RATIO, &shift, &interval), 0);
	assert_true(near(shift, 2) && interval.low < 2 && interval.high > 2);
	assert_int_equal(rank_shift(a, 3, b, 3, RANK_RATIO, &shift, &interval), 0);
	assert_true(isnan(interval.low) && isnan(interval.high));
}

static double uniform(uint64_t *random)
{
	return (rank_random(random) >> 11) * 0x1p-53;
}

/* The intervals hold what they are to hold in 95 % of experiments, few values or many. */
static void test_coverage(void **state)
{
	enum { ROUNDS = 1000 };
	static const unsigned int sizes[] = {8, 25};
	uint64_t random = 11;

	(void)state;
	for (int size = 0; size < 2; size++) {
		int shifts = 0, medians = 0, ratios = 0;

		for (int round = 0; round < ROUNDS; round++) {
			unsigned int n = sizes[size];
			double a[25], b[25], shift;
			struct interval interval;

			for (unsigned int i = 0; i < n; i++) {
				a[i] = 12 - log(1 - uniform(&random));
				b[i] = 10 - log(1 - uniform(&random));
			}
			assert_int_equal(rank_shift(a, n, b, n, RANK_DIFFERENCE, &shift, &interval),
					 0);
			shifts += interval.low <= 2 && 2 <= interval.high;
			rank_sort(a, n);
			rank_sort(b, n);
			interval = rank_median_interval(a, n);
			medians += interval.low <= 12 + M_LN2 && 12 + M_LN2 <= interval.high;
			assert_int_equal(rank_bootstrap(a, n, b, n, round, &interval), 0);
			ratios += interval.low <= (12 + M_LN2) / (10 + M_LN2) &&
				  (12 + M_LN2) / (10 + M_LN2) <= interval.high;
		}
		/* 95 % less three standard errors; the bootstrap of few values is known to be short. */
		assert_true(shifts >= 0.929 * ROUNDS);
		assert_true(medians >= 0.929 * ROUNDS);
		assert_true(ratios >= 0.90 * ROUNDS);
	}
}

static void test_holm(void **state)
{
	double p[] = {0.01, 0.04, 0.03, 0.005};
	double large[] = {0.9, 0.6};

	(void)state;
	assert_int_equal(rank_holm(p, 4), 0);
	assert_true(near(p[0], 0.03) && near(p[1], 0.06) && near(p[2], 0.06) && near(p[3], 0.02));
	assert_int_equal(rank_holm(large, 2), 0);
	assert_true(large[0] == 1 && large[1] == 1);
	assert_int_equal(rank_holm(NULL, 0), 0);
}

static void test_bootstrap(void **state)
{
	double a[9], b[9], flat[] = {4, 4, 4};
	struct interval first, again, other;

	(void)state;
	for (int i = 0; i < 9; i++) {
		a[i] = 200 + i * i;
		b[i] = 100 + i;
	}
	assert_int_equal(rank_bootstrap(a, 9, b, 9, 1, &first), 0);
	assert_int_equal(rank_bootstrap(a, 9, b, 9, 1, &again), 0);
	assert_int_equal(rank_bootstrap(a, 9, b, 9, 2, &other), 0);
	assert_true(first.low == again.low && first.high == again.high);
	assert_true(first.low != other.low || first.high != other.high);
	assert_true(first.low < 216 / 104.0 && 216 / 104.0 < first.high);
	assert_true(first.low >= 200 / 108.0 && first.high <= 264 / 100.0);
	assert_int_equal(rank_bootstrap(flat, 3, flat, 3, 1, &first), 0);
	assert_true(first.low == 1 && first.high == 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_median),
		cmocka_unit_test(test_median_interval),
		cmocka_unit_test(test_against_enumeration),
		cmocka_unit_test(test_extremes),
		cmocka_unit_test(test_normal_approximation),
		cmocka_unit_test(test_all_alike),
		cmocka_unit_test(test_shift),
		cmocka_unit_test(test_coverage),
		cmocka_unit_test(test_holm),
		cmocka_unit_test(test_bootstrap),
	};

	return cmocka_run_group_tests_name("rank", tests, NULL, NULL);
}

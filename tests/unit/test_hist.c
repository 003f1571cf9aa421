// SPDX-License-Identifier: BSD-2-Clause
/* The log-linear histogram against exact samples: indexes, bounds, sums, percentiles. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include <math.h>

#include "run-file/hist.h"

#define LIMIT (1ULL << HIST_MAX_BITS)

static uint64_t random_state;

static uint64_t random_bits(void)
{
	/* xorshift64*: the same numbers on every machine */
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return random_state * 0x2545f4914f6cdd1dULL;
}

static double random_unit(void)
{
	return (random_bits() >> 11) * 0x1p-53;
}

static void test_every_bucket_contains_its_bounds(void **state)
{
	(void)state;
	assert_int_equal(hist_lower(0), 0);
	for (unsigned int i = 0; i < HIST_NR_BUCKETS; i++) {
		assert_int_equal(hist_index(hist_lower(i)), i);
		assert_int_equal(hist_index(hist_upper(i)), i);
		if (i)
			assert_true(hist_lower(i) == hist_upper(i - 1) + 1);
	}
	assert_true(hist_lower(HIST_NR_BUCKETS - 1) < LIMIT);
	assert_int_equal(hist_exact_index(LIMIT - 1), HIST_NR_BUCKETS - 1);
	assert_int_equal(hist_exact_index(LIMIT), HIST_NR_BUCKETS);
	assert_int_equal(hist_exact_index(UINT64_MAX), HIST_NR_BUCKETS);
	assert_int_equal(hist_index(LIMIT), HIST_NR_BUCKETS - 1);
	assert_int_equal(hist_index(UINT64_MAX), HIST_NR_BUCKETS - 1);
}

static void test_buckets_are_narrow(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < 2 * HIST_SUB_BUCKETS; i++)
		assert_true(hist_lower(i) == i && hist_upper(i) == i);
	for (unsigned int i = 2 * HIST_SUB_BUCKETS; i < HIST_NR_BUCKETS - 1; i++) {
		uint64_t width = hist_upper(i) - hist_lower(i) + 1;

		assert_true(width * HIST_SUB_BUCKETS <= hist_lower(i));
	}
}

static void test_random_values_fall_between_the_bounds(void **state)
{
	(void)state;
	random_state = 1;
	for (int i = 0; i < 1000000; i++) {
		uint64_t value = random_bits() >> (24 + random_bits() % 40);
		unsigned int index = hist_index(value);

		assert_true(index < HIST_NR_BUCKETS);
		assert_true(hist_lower(index) <= value && value <= hist_upper(index));
	}
}

static void test_rows_are_whole_buckets(void **state)
{
	(void)state;
	for (unsigned int bits = 0; bits <= HIST_SUB_BITS; bits++) {
		unsigned int row = 0;

		for (unsigned int i = 0; i < HIST_NR_BUCKETS; i++) {
			uint64_t lower = hist_lower(i);

			/* A new row begins just where hist_row_lower() says that it does. */
			if (lower == hist_row_lower(row + 1, bits))
				row++;
			assert_true(lower < hist_row_lower(row + 1, bits));
			assert_int_equal(hist_row(lower, bits), row);
			if (i < HIST_NR_BUCKETS - 1)
				assert_int_equal(hist_row(hist_upper(i), bits), row);
		}
		assert_int_equal(row, ((HIST_MAX_BITS - bits + 1) << bits) - 1);
	}
	/* A row an octave: 0, 1, 2 to 3, 4 to 7 */
	assert_true(hist_row(0, 0) == 0 && hist_row(1, 0) == 1 && hist_row(3, 0) == 2);
	assert_true(hist_row_lower(3, 0) == 4 && hist_row_lower(41, 0) == LIMIT);
}

static double normal(void)
{
	return sqrt(-2 * log(1 - random_unit())) * cos(2 * M_PI * random_unit());
}

static uint64_t below_limit(double value)
{
	return value < LIMIT - 1 ? value : LIMIT - 1;
}

static uint64_t uniform(void)
{
	return 20000 + random_bits() % 30000;
}

static uint64_t exponential(void)
{
	return below_limit(-log(1 - random_unit()) * 15000);
}

/* Half of it lies below 22026, and its tail reaches far. */
static uint64_t lognormal(void)
{
	return below_limit(exp(10 + 1.25 * normal()));
}

static uint64_t two_modes(void)
{
	return random_bits() % 100 < 97 ? 2400 + random_bits() % 40
					: 900000 + random_bits() % 90000;
}

static uint64_t constant(void)
{
	return 28731;
}

/* Around the edges of octaves, where an index is easily one off. */
static uint64_t near_powers_of_two(void)
{
	uint64_t value = (1ULL << random_bits() % (HIST_MAX_BITS + 1)) + random_bits() % 3;

	return value <= LIMIT ? value - 1 : LIMIT - 1;
}

static uint64_t heavy_tail(void)
{
	return below_limit(1000 / pow(1 - random_unit(), 1.5));
}

static uint64_t all_octaves(void)
{
	return exp2(random_unit() * HIST_MAX_BITS);
}

static int compare(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;

	return (x > y) - (x < y);
}

/* Sums are exact, and a percentile is in the bucket of the sample that it stands for. */
static void test_percentiles_against_exact_samples(void **state)
{
	static const struct {
		const char *name;
		uint64_t (*draw)(void);
	} distributions[] = {
		{"uniform", uniform},	    {"exponential", exponential},
		{"lognormal", lognormal},   {"two modes", two_modes},
		{"constant", constant},	    {"near powers of two", near_powers_of_two},
		{"heavy tail", heavy_tail}, {"all octaves", all_octaves},
	};
	static const double quantiles[] = {0,	0.001, 0.01, 0.1,   0.25,   0.5,     0.75,
					   0.9, 0.95,  0.99, 0.999, 0.9999, 0.99999, 1};
	enum { N = 100000 };
	uint64_t *samples = malloc(N * sizeof(*samples)), largest = 0;

	(void)state;
	assert_non_null(samples);
	for (size_t d = 0; d < sizeof(distributions) / sizeof(distributions[0]); d++) {
		struct hist h = {};
		uint64_t sum = 0;

		random_state = 42 + d;
		for (int i = 0; i < N; i++) {
			samples[i] = distributions[d].draw();
			sum += samples[i];
			hist_add(&h, samples[i]);
		}
		qsort(samples, N, sizeof(*samples), compare);
		assert_true(h.sum == sum && h.count == N);
		assert_true(h.min == samples[0] && h.max == samples[N - 1]);
		assert_true(hist_consistent(&h));
		assert_true(hist_mean(&h) == (double)sum / N);
		for (size_t q = 0; q < sizeof(quantiles) / sizeof(quantiles[0]); q++) {
			int rank = ceil(quantiles[q] * N);
			uint64_t exact = samples[rank ? rank - 1 : 0];
			double got = hist_quantile(&h, quantiles[q]);

			if (got < hist_lower(hist_index(exact)) ||
			    got > hist_upper(hist_index(exact)) || fabs(got - exact) > exact / 64.0)
				fail_msg("%s, quantile %g: %g instead of %llu",
					 distributions[d].name, quantiles[q], got,
					 (unsigned long long)exact);
		}
		if (h.max > largest)
			largest = h.max;
	}
	assert_true(largest == LIMIT - 1);
	free(samples);
}

static void test_merge_is_the_whole(void **state)
{
	struct hist whole = {}, merged = {}, parts[3] = {};
	struct kvmi_lat_hist cpu = {};

	(void)state;
	random_state = 7;
	for (int i = 0; i < 30000; i++) {
		uint64_t value = exponential();

		hist_add(&whole, value);
		hist_add(&parts[i % 2], value);
	}
	/* parts[2] stays empty: it must not pull the minimum down to 0 */
	for (int i = 2; i >= 0; i--)
		hist_merge(&merged, &parts[i]);
	assert_memory_equal(&merged, &whole, sizeof(whole));

	memset(&merged, 0, sizeof(merged));
	hist_merge_cpu(&merged, &cpu);
	cpu.sum = 300;
	cpu.count = 2;
	cpu.min = 100;
	cpu.span = 100;
	cpu.buckets[hist_index(100)]++;
	cpu.buckets[hist_index(200)]++;
	hist_merge_cpu(&merged, &cpu);
	assert_true(merged.min == 100 && merged.max == 200 && merged.count == 2);
	assert_true(hist_consistent(&merged));
	merged.buckets[5]++;
	assert_false(hist_consistent(&merged));
}

static void test_empty(void **state)
{
	struct hist h = {};

	(void)state;
	assert_true(hist_mean(&h) == 0);
	assert_true(hist_quantile(&h, 0.5) == 0);
	assert_true(hist_consistent(&h));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_every_bucket_contains_its_bounds),
		cmocka_unit_test(test_buckets_are_narrow),
		cmocka_unit_test(test_random_values_fall_between_the_bounds),
		cmocka_unit_test(test_rows_are_whole_buckets),
		cmocka_unit_test(test_percentiles_against_exact_samples),
		cmocka_unit_test(test_merge_is_the_whole),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests_name("hist", tests, NULL, NULL);
}

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

#include "hist.h"

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

static void test_log2(void **state)
{
	(void)state;
	assert_int_equal(hist_log2(0), 0);
	for (unsigned int bit = 0; bit < 64; bit++) {
		assert_int_equal(hist_log2(1ULL << bit), bit);
		assert_int_equal(hist_log2((1ULL << bit) | ((1ULL << bit) - 1)), bit);
	}
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
	assert_int_equal(hist_index(LIMIT - 1), HIST_NR_BUCKETS - 1);
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

static uint64_t constant(void)
{
	return 28731;
}

static uint64_t uniform(void)
{
	return 20000 + random_bits() % 30000;
}

static uint64_t exponential(void)
{
	return -log(1 - random_unit()) * 15000;
}

static uint64_t two_modes(void)
{
	return random_bits() % 100 < 97 ? 2400 + random_bits() % 40
					: 900000 + random_bits() % 90000;
}

static uint64_t heavy_tail(void)
{
	double value = 1000 / pow(1 - random_unit(), 1.5);

	return value < LIMIT - 1 ? value : LIMIT - 1;
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

static void test_percentiles_against_exact_samples(void **state)
{
	static uint64_t (*const distributions[])(void) = {constant,  uniform,	 exponential,
							  two_modes, heavy_tail, all_octaves};
	static const double quantiles[] = {0,	 0.001, 0.01, 0.1,   0.25,   0.5,
					   0.75, 0.9,	0.99, 0.999, 0.9999, 1};
	enum { N = 100000 };
	uint64_t *samples = malloc(N * sizeof(*samples));

	(void)state;
	assert_non_null(samples);
	for (size_t d = 0; d < sizeof(distributions) / sizeof(distributions[0]); d++) {
		struct hist h = {};
		uint64_t sum = 0;

		random_state = 42 + d;
		for (int i = 0; i < N; i++) {
			samples[i] = distributions[d]();
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
			double exact = samples[rank ? rank - 1 : 0];
			double got = hist_quantile(&h, quantiles[q]);

			if (fabs(got - exact) > exact * 0.016)
				fail_msg("distribution %zu, quantile %g: %g instead of %g", d,
					 quantiles[q], got, exact);
		}
	}
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
	cpu.max = 200;
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
		cmocka_unit_test(test_log2),
		cmocka_unit_test(test_every_bucket_contains_its_bounds),
		cmocka_unit_test(test_buckets_are_narrow),
		cmocka_unit_test(test_random_values_fall_between_the_bounds),
		cmocka_unit_test(test_percentiles_against_exact_samples),
		cmocka_unit_test(test_merge_is_the_whole),
		cmocka_unit_test(test_empty),
	};

	return cmocka_run_group_tests_name("hist", tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-2-Clause
/* Unit tests of the benchmark's statistics. */
#include "../../bench/stats.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

static void test_empty(void **state)
{
	struct stats s = {0};
	uint64_t stamp = 7;

	(void)state;
	assert_int_equal(stats_add_stamps(&s, &stamp, 1), 0);
	assert_int_equal(stats_add_stamps(&s, NULL, 0), 0);
	stats_finish(&s);
	assert_int_equal(s.n, 0);
	assert_int_equal(stats_quantile(&s, 0.5), 0);
	assert_true(stats_mean(&s) == 0);
	stats_free(&s);
}

/* Two rounds: no sample is taken across the gap between them. */
static void test_differences(void **state)
{
	const uint64_t a[] = {100, 110, 130}, b[] = {5000, 5005};
	struct stats s = {0};

	(void)state;
	assert_int_equal(stats_add_stamps(&s, a, 3), 0);
	assert_int_equal(stats_add_stamps(&s, b, 2), 0);
	stats_finish(&s);
	assert_int_equal(s.n, 3);
	assert_int_equal(s.sum, 35);
	assert_int_equal(s.samples[0], 5);
	assert_int_equal(s.samples[1], 10);
	assert_int_equal(s.samples[2], 20);
	stats_free(&s);
}

/* Each from when it was due; what one that stalls holds up counts with its wait, and as late. */
static void test_due(void **state)
{
	const uint64_t stamps[] = {1000, 1110, 1205, 1650, 1660, 1670, 1710};
	const uint64_t expected[] = {5, 10, 110, 170, 260, 350};
	struct stats s = {0};
	uint64_t late = 7;

	(void)state;
	assert_int_equal(stats_add_due(&s, stamps, 1, 100, &late), 0);
	assert_int_equal(stats_add_due(&s, stamps, 7, 100, &late), 0);
	assert_int_equal(late, 7 + 3);
	stats_finish(&s);
	assert_int_equal(s.n, 6);
	assert_int_equal(s.sum, 905);
	assert_memory_equal(s.samples, expected, sizeof(expected));
	stats_free(&s);
}

/* 1000 samples 1..1000, given in another order: each quantile is known. */
static void test_quantiles(void **state)
{
	uint64_t stamps[1001] = {0};
	struct stats s = {0};

	(void)state;
	for (unsigned int i = 0; i < 1000; i++)
		stamps[i + 1] = stamps[i] + (i * 7 % 1000) + 1;
	assert_int_equal(stats_add_stamps(&s, stamps, 1001), 0);
	stats_finish(&s);
	assert_true(stats_mean(&s) == 500.5);
	assert_int_equal(stats_quantile(&s, 0), 1);
	assert_int_equal(stats_quantile(&s, 0.0001), 1);
	assert_int_equal(stats_quantile(&s, 0.001), 1);
	assert_int_equal(stats_quantile(&s, 0.0011), 2);
	assert_int_equal(stats_quantile(&s, 0.29),
			 290); /* 0.29 * 1000 is not quite 290 in binary */
	assert_int_equal(stats_quantile(&s, 0.5), 500);
	assert_int_equal(stats_quantile(&s, 0.57), 570); /* nor is 0.57 * 1000 */
	assert_int_equal(stats_quantile(&s, 0.99), 990);
	assert_int_equal(stats_quantile(&s, 0.999), 999);
	assert_int_equal(stats_quantile(&s, 0.9999), 1000);
	assert_int_equal(stats_quantile(&s, 1), 1000);
	stats_free(&s);
}

/* On both sides of what is counted and what is sorted, and of neither any, one or several. */
static void test_order(void **state)
{
	static const uint64_t values[] = {
		UINT64_C(1) << 40, 65536, 65535, 0, 1, 65537, 65535, 0, 70000, 65536,
	};
	const size_t max = sizeof(values) / sizeof(values[0]);

	(void)state;
	for (size_t first = 0; first < max; first++) {
		for (size_t n = 1; n <= max - first; n++) {
			uint64_t stamps[sizeof(values) / sizeof(values[0]) + 1] = {0};
			struct stats s = {0};

			for (size_t i = 0; i < n; i++)
				stamps[i + 1] = stamps[i] + values[first + i];
			assert_int_equal(stats_add_stamps(&s, stamps, n + 1), 0);
			stats_finish(&s);
			for (size_t i = 0; i < n; i++) {
				size_t below = 0, same = 0;

				for (size_t k = 0; k < n; k++) {
					below += values[first + k] < s.samples[i];
					same += values[first + k] == s.samples[i];
				}
				assert_true(below <= i && i < below + same);
			}
			stats_free(&s);
		}
	}
}

static void test_quantile_list(void **state)
{
	const double *q;
	size_t n;

	(void)state;
	q = stats_quantile_list(&n);
	assert_true(q[0] == 0 && q[n - 1] == 1);
	for (size_t i = 1; i < n; i++)
		assert_true(q[i] > q[i - 1]);
	/* The ones everybody asks for are there by their exact value. */
	for (const double *want = (double[]){0.5, 0.9, 0.99, 0.999, 0.9999, 0}; *want; want++) {
		size_t i = 0;

		while (i < n && q[i] != *want)
			i++;
		assert_true(i < n);
	}
	assert_ptr_equal(stats_quantile_list(&n), q);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_empty), cmocka_unit_test(test_differences),
		cmocka_unit_test(test_due),   cmocka_unit_test(test_quantiles),
		cmocka_unit_test(test_order), cmocka_unit_test(test_quantile_list),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-2-Clause
/* Unit test of the processor's counters, or of doing without them. */
#include "../../bench/kcounts.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <unistd.h>

#include <cmocka.h>

static void work(int calls)
{
	for (int i = 0; i < calls; i++)
		getppid();
}

static void test_counts(void **state)
{
	struct kcounts_values few, many;
	struct kcounts k;

	(void)state;
	if (kcounts_open(&k)) {
		/* As in most virtual machines: nothing to be had, and no harm done. */
		kcounts_start(&k);
		kcounts_stop(&k);
		assert_false(kcounts_read(&k, &few));
		kcounts_close(&k);
		return;
	}
	kcounts_start(&k);
	work(1000);
	kcounts_stop(&k);
	assert_true(kcounts_read(&k, &few));
	work(100000); /* not counted */
	kcounts_start(&k);
	work(9000);
	kcounts_stop(&k);
	assert_true(kcounts_read(&k, &many));
	assert_in_range(few.instructions, 10000, 10000000);
	assert_in_range(many.instructions, 5 * few.instructions, 20 * few.instructions);
	assert_true(many.cycles > few.cycles);
	kcounts_close(&k);
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(test_counts)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

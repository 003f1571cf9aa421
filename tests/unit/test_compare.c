// SPDX-License-Identifier: BSD-2-Clause
/* Comparing runs: what is called slower, faster, the same or unclear, and what may be compared. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/compare.h"
#include "run-file/class_names.h"
#include "stats/comparable.h"

#define TOTAL (CLASS_BREAKPOINT + NR_STAGES + STAGE_TOTAL) /* of a breakpoint answered RETRY */

static const struct comparison_options two_percent = {.threshold = 0.02, .seed = 1};

/* Runs around hit, the farthest of them off by spread (a fraction) up or down. */
static void add_runs(struct side *side, const char *name, unsigned int nr, double hit,
		     double spread)
{
	for (unsigned int i = 0; i < nr; i++) {
		double off = nr > 1 ? 2.0 * i / (nr - 1) - 1 : 0;
		struct run_figures figures = {
			.hit = hit * (1 + spread * off),
			.p99 = 2 * hit * (1 + spread * off),
			.p999 = NAN,
			.main_class = -1,
		};

		assert_int_equal(side_add(side, name, &figures), 0);
	}
	side->nr_runs = nr;
}

static struct comparison compare_one(unsigned int nr, double ratio, double spread)
{
	struct comparison comparison;
	struct side sides[2];

	for (int i = 0; i < 2; i++) {
		assert_int_equal(side_init(&sides[i], "side"), 0);
		add_runs(&sides[i], "case", nr, i ? 1000 * ratio : 1000, spread);
	}
	assert_int_equal(compare_sides(&comparison, &sides[0], &sides[1], 1, &two_percent), 0);
	side_free(&sides[0]);
	side_free(&sides[1]);
	return comparison;
}

static void test_verdicts(void **state)
{
	static const struct {
		unsigned int runs;
		double ratio, spread;
		enum verdict verdict;
		int status;
	} table[] = {
		{8, 1, 0.001, VERDICT_SAME, 0},
		{8, 1.015, 0.001, VERDICT_SAME, 0}, /* different, but not by what is worth it */
		{8, 1.025, 0.001, VERDICT_SLOWER, 1},
		{8, 0.975, 0.001, VERDICT_FASTER, 0},
		{8, 1.03, 0.01, VERDICT_SLOWER, 1},
		{8, 1.03, 0.1, VERDICT_UNCLEAR, 0},
		{8, 1, 0.1, VERDICT_UNCLEAR, 0},
		{40, 1.03, 0.02, VERDICT_SLOWER, 1}, /* more than are counted out exactly */
		{7, 1.5, 0.001, VERDICT_FEW, 2},
		{1, 1.5, 0, VERDICT_FEW, 2},
	};

	(void)state;
	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		struct comparison c = compare_one(table[i].runs, table[i].ratio, table[i].spread);
		const struct cell *cell = c.rows[0].cells;

		assert_int_equal(c.nr_rows, 1);
		assert_string_equal(verdict_names[cell->verdict], verdict_names[table[i].verdict]);
		assert_int_equal(comparison_status(&c), table[i].status);
		assert_true(fabs(cell->difference.value - (table[i].ratio - 1)) < 0.01);
		comparison_free(&c);
	}
}

static void test_figures(void **state)
{
	struct comparison c = compare_one(9, 1.1, 0.01);
	const struct row *row = &c.rows[0];
	const struct cell *cell = row->cells;

	(void)state;
	assert_int_equal(row->base.runs, 9);
	assert_true(row->base.median == 1000);
	/* The second and the second last of nine. */
	assert_true(fabs(row->base.interval.low - 992.5) < 1e-9);
	assert_true(fabs(row->base.interval.high - 1007.5) < 1e-9);
	assert_true(fabs(cell->difference.value - 0.1) < 1e-3);
	assert_true(cell->difference.interval.low < 0.1 && 0.1 < cell->difference.interval.high);
	assert_true(cell->slower < 0.001 && cell->faster > 0.99);
	assert_true(fabs(cell->p99.value - 0.1) < 1e-9);
	assert_true(cell->p99.interval.low <= 0.1 && 0.1 <= cell->p99.interval.high);
	assert_true(isnan(cell->p999.value) && isnan(cell->p999.interval.low));
	comparison_free(&c);
}

/* One run of the base that is above all the new ones: by itself it counts, in a table of many not. */
static void test_whole_table_is_one_family(void **state)
{
	const struct run_figures off = {.hit = 2000, .p99 = NAN, .p999 = NAN, .main_class = -1};

	(void)state;
	for (int cases = 1; cases <= 20; cases += 19) {
		struct comparison comparison;
		struct side sides[2];

		for (int i = 0; i < 2; i++) {
			assert_int_equal(side_init(&sides[i], "side"), 0);
			add_runs(&sides[i], "slower", i ? 8 : 7, i ? 1100 : 1000, 0.001);
			for (int j = 1; j < cases; j++) {
				char name[16];

				snprintf(name, sizeof(name), "case %d", j);
				add_runs(&sides[i], name, 8, 1000, 0.001);
			}
		}
		assert_int_equal(side_add(&sides[0], "slower", &off), 0);
		assert_int_equal(compare_sides(&comparison, &sides[0], &sides[1], 1, &two_percent),
				 0);
		assert_int_equal(comparison.nr_rows, cases);
		assert_int_equal(comparison.rows[0].cells->verdict,
				 cases == 1 ? VERDICT_SLOWER : VERDICT_UNCLEAR);
		comparison_free(&comparison);
		side_free(&sides[0]);
		side_free(&sides[1]);
	}
}

/* 8 runs a side cannot show anything in a table of 644 cases: 644 / C(16, 8) is above 5 %. */
static void test_table_too_large(void **state)
{
	(void)state;
	for (int cases = 643; cases <= 644; cases++) {
		struct comparison comparison;
		struct side sides[2];

		for (int i = 0; i < 2; i++) {
			assert_int_equal(side_init(&sides[i], "side"), 0);
			for (int j = 0; j < cases; j++) {
				char name[16];

				snprintf(name, sizeof(name), "case %d", j);
				add_runs(&sides[i], name, 8, i ? 1100 : 1000, 0.001);
			}
		}
		assert_int_equal(compare_sides(&comparison, &sides[0], &sides[1], 1, &two_percent),
				 0);
		assert_int_equal(comparison.counts[cases == 643 ? VERDICT_SLOWER : VERDICT_FEW],
				 cases);
		comparison_free(&comparison);
		side_free(&sides[0]);
		side_free(&sides[1]);
	}
}

static void test_several_versions(void **state)
{
	struct comparison_options options = two_percent;
	struct comparison c;
	struct side sides[3];

	(void)state;
	for (int i = 0; i < 3; i++) {
		assert_int_equal(side_init(&sides[i], "side"), 0);
		add_runs(&sides[i], "both", 8, 1000 + 100 * i, 0.001);
	}
	add_runs(&sides[0], "gone", 8, 1000, 0.001);
	add_runs(&sides[1], "gone", 8, 1000, 0.001);
	add_runs(&sides[2], "new", 8, 1000, 0.001);
	assert_int_equal(compare_sides(&c, &sides[0], &sides[1], 2, &options), 0);
	assert_int_equal(c.nr_rows, 3);
	assert_int_equal(c.nr_new, 2);
	assert_true(fabs(c.rows[0].cells[0].difference.value - 0.1) < 1e-3);
	assert_true(fabs(c.rows[0].cells[1].difference.value - 0.2) < 1e-3);
	assert_string_equal(c.rows[1].name, "gone");
	assert_int_equal(c.rows[1].cells[0].verdict, VERDICT_SAME);
	assert_int_equal(c.rows[1].cells[1].verdict, VERDICT_MISSING);
	assert_string_equal(c.rows[2].name, "new");
	assert_int_equal(c.rows[2].cells[1].verdict, VERDICT_MISSING);
	assert_int_equal(c.rows[2].base.runs, 0);
	assert_int_equal(c.rows[2].cells[1].hit.runs, 8);
	comparison_free(&c);

	/* What is gone leaves the question open; what is new does not. */
	options.only = "gone";
	assert_int_equal(compare_sides(&c, &sides[0], &sides[1], 2, &options), 0);
	assert_int_equal(c.nr_rows, 1);
	assert_int_equal(comparison_status(&c), 2);
	comparison_free(&c);
	options.only = "new";
	assert_int_equal(compare_sides(&c, &sides[0], &sides[1], 2, &options), 0);
	assert_int_equal(comparison_status(&c), 0);
	comparison_free(&c);
	options.only = "nothing";
	assert_int_equal(compare_sides(&c, &sides[0], &sides[1], 2, &options), -ENOENT);
	comparison_free(&c);
	for (int i = 0; i < 3; i++)
		side_free(&sides[i]);
}

/* A run of breakpoints whose guest says hit, and whose stage wake takes so much. */
static void fill_run(struct run *run, const char *observer, double hit, uint64_t wake)
{
	struct run_case *c;

	assert_int_equal(run_init(run), 0);
	json_array_append_new(run->entries,
			      json_pack("{s:s,s:s,s:i,s:f,s:[[f,f],[f,f]]}", "case", "int3",
					"observer", observer, "n", 10, "mean", hit, "quantiles",
					0.99, hit * 2, 0.999, hit * 3));
	c = run_case(run, "int3");
	assert_non_null(c);
	for (int stage = 0; stage < NR_STAGES; stage++)
		hist_add(&c->m->hists[TOTAL - STAGE_TOTAL + stage], stage == STAGE_TOTAL
									    ? 500 + wake
								    : stage == STAGE_WAKE ? wake
											  : 100);
}

static void test_runs(void **state)
{
	struct compared c = {.options = two_percent};
	struct side sides[2];
	json_t *once, *again;
	const struct cell *cell;
	char why[200];

	(void)state;
	for (int i = 0; i < 2; i++) {
		assert_int_equal(side_init(&sides[i], "side"), 0);
		for (int j = 0; j < 8; j++) {
			struct run run;

			fill_run(&run, i ? "none" : "detached", 1000 + j + 100 * i,
				 300 + j + 100 * i);
			/* Beside the one that counts. */
			json_array_append_new(run.entries, json_pack("{s:s,s:s,s:i,s:f}", "case",
								     "int3", "observer", "attached",
								     "n", 10, "mean", 9999.0));
			assert_int_equal(side_add_run(&sides[i], &run, why, sizeof(why)), 0);
			run_free(&run);
		}
		assert_int_equal(sides[i].nr_runs, 8);
	}
	c.base = &sides[0];
	c.new = &sides[1];
	assert_int_equal(compare_sides(&c.comparison, c.base, c.new, 1, &c.options), 0);
	cell = c.comparison.rows[0].cells;
	assert_true(c.comparison.rows[0].base.median == 1003.5);
	assert_true(cell->hit.median == 1103.5);
	assert_true(fabs(cell->p999.value - 1103.5 / 1003.5 + 1) < 1e-9);
	assert_int_equal(cell->verdict, VERDICT_SLOWER);
	assert_int_equal(cell->nr_stages, NR_STAGES - 1);
	assert_true(cell->most >= 0);
	assert_int_equal(cell->stages[cell->most].class, TOTAL - STAGE_TOTAL + STAGE_WAKE);
	assert_true(cell->stages[cell->most].shift == 100);
	once = compare_json(&c);
	comparison_free(&c.comparison);

	/* The same runs and the same seed: the same to the last digit. */
	assert_int_equal(compare_sides(&c.comparison, c.base, c.new, 1, &c.options), 0);
	again = compare_json(&c);
	assert_non_null(once);
	assert_true(json_equal(once, again));
	assert_string_equal(
		json_string_value(json_object_get(
			json_array_get(
				json_object_get(json_array_get(json_object_get(once, "cases"), 0),
						"against"),
				0),
			"moved_most")),
		"wake");
	json_decref(once);
	json_decref(again);
	comparison_free(&c.comparison);
	side_free(&sides[0]);
	side_free(&sides[1]);
}

static void test_runs_without_a_figure(void **state)
{
	struct side side;
	struct run run;
	char why[200];

	(void)state;
	assert_int_equal(side_init(&side, "side"), 0);
	fill_run(&run, "attached", 1000, 300);
	assert_int_equal(side_add_run(&side, &run, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "no guest's clock"));
	run_free(&run);
	fill_run(&run, "detached", 0, 300);
	assert_int_equal(side_add_run(&side, &run, why, sizeof(why)), -EINVAL);
	assert_non_null(strstr(why, "mean of 0 in case int3"));
	run_free(&run);
	assert_int_equal(side.nr_runs, 0);
	side_free(&side);
}

static json_t *fingerprint(void)
{
	return json_pack("{s:s,s:s,s:i,s:s,s:b,s:s,s:s,s:i,s:s,s:{s:s,s:s},s:b,s:{s:s,s:s}}",
			 "machine", "svm", "cpu", "a CPU", "cpus", 2, "backend", "host",
			 "virtualized", 0, "unit", "ns", "clocksource", "tsc", "tsc_khz", 2500000,
			 "kernel", "6.12", "kernel_build", "series", "abc", "compiler", "gcc",
			 "nrips", 1, "mitigations", "retbleed", "Vulnerable", "l1tf", "none");
}

/* What another value of the key makes of it, alone. */
static int unlike(int (*like)(const json_t *, const json_t *, char *, size_t), const char *key,
		  json_t *value)
{
	json_t *a = fingerprint(), *b = fingerprint();
	char what[200] = "";
	int one_way, other_way;

	if (value)
		json_object_set_new(b, key, value);
	else
		json_object_del(b, key);
	one_way = like(a, b, what, sizeof(what));
	if (one_way && !strstr(what, key))
		fail_msg("\"%s\" does not name %s", what, key);
	other_way = like(b, a, what, sizeof(what));
	assert_int_equal(one_way, other_way);
	json_decref(a);
	json_decref(b);
	return one_way;
}

static void test_likeness(void **state)
{
	char what[400];
	json_t *a = fingerprint(), *b = fingerprint();

	(void)state;
	assert_int_equal(unlike(like_machines, "machine", json_string("vmx")), -EINVAL);
	assert_int_equal(unlike(like_machines, "machine", json_null()), -EINVAL);
	assert_int_equal(unlike(like_machines, "machine", NULL), -EINVAL);
	assert_int_equal(unlike(like_machines, "cpu", json_string("another")), -EINVAL);
	assert_int_equal(unlike(like_machines, "cpus", json_integer(4)), -EINVAL);
	assert_int_equal(unlike(like_machines, "backend", json_string("bochs")), -EINVAL);
	assert_int_equal(unlike(like_machines, "virtualized", json_true()), -EINVAL);
	assert_int_equal(unlike(like_machines, "unit", json_string("instructions")), -EINVAL);
	assert_int_equal(unlike(like_machines, "clocksource", json_string("hpet")), -EINVAL);
	assert_int_equal(unlike(like_machines, "tsc_khz", json_integer(2510000)), -EINVAL);
	assert_int_equal(unlike(like_machines, "tsc_khz", json_null()), -EINVAL);
	assert_int_equal(unlike(like_machines, "tsc_khz", json_integer(2500900)), 0);
	assert_int_equal(unlike(like_machines, "kernel", json_string("6.1")), 0);
	assert_int_equal(unlike(like_runs, "kernel", json_string("6.1")), -EINVAL);
	assert_int_equal(unlike(like_runs, "kernel_build", json_null()), -EINVAL);
	assert_int_equal(unlike(like_runs, "machine", json_string("vmx")), -EINVAL);
	assert_int_equal(unlike(like_runs, "seed", json_integer(7)), 0);

	like_except(a, b, what, sizeof(what));
	assert_string_equal(what, "");
	json_object_set_new(json_object_get(b, "mitigations"), "retbleed", json_string("no"));
	json_object_set_new(json_object_get(b, "mitigations"), "vmscape", json_string("no"));
	json_object_set_new(json_object_get(b, "kernel_build"), "compiler", json_string("clang"));
	json_object_set_new(b, "nrips", json_false());
	like_except(a, b, what, sizeof(what));
	assert_string_equal(what, "nrips, compiler, mitigation of retbleed, mitigation of vmscape");
	json_decref(a);
	json_decref(b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_verdicts),
		cmocka_unit_test(test_figures),
		cmocka_unit_test(test_whole_table_is_one_family),
		cmocka_unit_test(test_table_too_large),
		cmocka_unit_test(test_several_versions),
		cmocka_unit_test(test_runs),
		cmocka_unit_test(test_runs_without_a_figure),
		cmocka_unit_test(test_likeness),
	};

	return cmocka_run_group_tests_name("compare", tests, NULL, NULL);
}

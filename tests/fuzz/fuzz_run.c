// SPDX-License-Identifier: BSD-2-Clause
/* Run files as hostile input: reads what libFuzzer makes up, then reports and compares it. */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "commands/compare.h"
#include "commands/report.h"
#include "stats/comparable.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What is reported goes nowhere; libFuzzer itself speaks on stderr. */
int LLVMFuzzerInitialize(int *argc, char ***argv)
{
	(void)argc;
	(void)argv;
	return freopen("/dev/null", "w", stdout) ? 0 : 1;
}

static void report(const struct run *run)
{
	struct report_options options = {};

	report_text(run, "run.json", &options);
	options.hist = true;
	report_text(run, "run.json", &options);
	json_decref(report_json(run, "run.json", &options.filter));
}

/* With itself: as often as it takes for a verdict. */
static void compare(const struct run *run)
{
	struct side sides[2] = {};
	struct compared c = {.base = &sides[0], .new = &sides[1], .options = {0.02, 1, NULL}};
	char why[400];
	int err = 0;

	for (int i = 0; i < 2; i++) {
		err |= side_init(&sides[i], "side");
		for (int j = 0; j < FEWEST_RUNS && !err; j++)
			err = side_add_run(&sides[i], run, why, sizeof(why));
	}
	if (!err && like_runs(run->fingerprint, run->fingerprint, why, sizeof(why)))
		abort();
	like_except(run->fingerprint, run->fingerprint, why, sizeof(why));
	if (!err && !compare_sides(&c.comparison, c.base, c.new, 1, &c.options)) {
		if (comparison_status(&c.comparison))
			abort();
		compare_text(&c);
		compare_markdown(&c);
		json_decref(compare_json(&c));
	}
	comparison_free(&c.comparison);
	side_free(&sides[0]);
	side_free(&sides[1]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct run run = {};
	char why[200];

	if (!run_parse(&run, (const char *)data, size, why, sizeof(why))) {
		report(&run);
		compare(&run);
	} else if (!*why || strpbrk(why, "\n\x1b\x7f")) {
		abort();
	}
	run_free(&run);
	return 0;
}

// SPDX-License-Identifier: BSD-2-Clause
/* Nothing is lost and totals are right: guest, tool, perf and BPF count and time the same hits. */
#include "hits.h"
#include "lab.h"
#include "recorded.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>

#define PERF_FILE "/tmp/counts.perf"

#define HITS_BATCHES 10

/*
 * Batches that differ in what the tool does with an event: so many commands before it answers. The
 * event's cost then differs several times over, and what is not part of it must not.
 */
#define HITS_COMMANDS(batch) ((batch) % 2)

static const char *batch_name(unsigned int batch)
{
	static char name[16];

	snprintf(name, sizeof(name), "batch %u", batch);
	return name;
}

static void test_record(void)
{
	record("hits", PERF_FILE);
}

/* -1 where the kernel does not count them: that is 5.10. */
static json_int_t recursion_misses(json_t *run)
{
	json_t *counters = json_object_get(run, "counters");
	struct utsname kernel;

	if (!json_is_null(json_object_get(counters, "recursion_misses")))
		return recorded_integer(counters, "recursion_misses");
	check_eq(uname(&kernel), 0);
	if (strncmp(kernel.release, "5.10.", 5))
		fail("recursion misses are unknown on %s, which counts them", kernel.release);
	return -1;
}

static json_t *entry(json_t *run, const char *name)
{
	json_t *e;
	size_t i;

	json_array_foreach(json_object_get(run, "entries"), i, e) {
		if (recorded_is(e, "case", name))
			return e;
	}
	fail("the run file has no entry of case %s", name);
}

static json_int_t counter_sum(json_t *run, const char *counter)
{
	json_int_t sum = 0;

	for (unsigned int i = 0; i < HITS_BATCHES; i++)
		sum += recorded_integer(
			json_object_get(json_object_get(run, "counters"), batch_name(i)), counter);
	return sum;
}

static long long perf_count(void)
{
	long long n;
	FILE *f = fopen(PERF_FILE, "re");

	if (!f || fscanf(f, "%lld", &n) != 1)
		fail("%s: no number", PERF_FILE);
	fclose(f);
	return n;
}

static void test_nothing_lost(void)
{
	long long guest = 0, tool = 0, samples = 0, perf = perf_count();
	long long hits = HITS_BATCHES * hits_of_batch();
	json_t *run = recorded();

	for (unsigned int i = 0; i < HITS_BATCHES; i++) {
		guest += recorded_integer(entry(run, batch_name(i)), "hits");
		tool += recorded_integer(entry(run, batch_name(i)), "events");
		samples += recorded_integer(recorded_stage(run, batch_name(i), "total"), "count");
	}
	note("%s: guest %lld, introspector %lld, kvmi_event_bp_send by perf %lld, by BPF %lld, BPF "
	     "totals %lld; unpaired %lld, dropped %lld, recursion misses %lld",
	     lab_is_svm() ? "svm" : "vmx", guest, tool, perf,
	     (long long)counter_sum(run, "bp_send"), samples,
	     (long long)counter_sum(run, "unpaired"), (long long)counter_sum(run, "dropped"),
	     (long long)recursion_misses(run));
	check_eq(guest, hits);
	check_eq(tool, hits);
	check_eq(perf, hits);
	check_eq(counter_sum(run, "bp_send"), hits);
	check_eq(samples, hits);
}

/* Every counter of things gone wrong, also those of no batch. */
static void test_nothing_wrong(void)
{
	static const char *const counters[] = {"unpaired", "dropped", "map_full", "out_of_order"};
	json_t *run = recorded(), *of_case;
	const char *name;

	check_eq(json_object_size(json_object_get(run, "counters")) > HITS_BATCHES, true);
	json_object_foreach(json_object_get(run, "counters"), name, of_case) {
		if (!json_is_object(of_case))
			continue;
		for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
			if (recorded_integer(of_case, counters[i]))
				fail("%s of case '%s': %lld", counters[i], name,
				     (long long)recorded_integer(of_case, counters[i]));
	}
	if (recursion_misses(run) > 0)
		fail("recursion misses: %lld", (long long)recursion_misses(run));
}

/* Kept apart, and the same to the nanosecond. */
static void test_sum_of_stages(void)
{
	static const char *const parts[] = {"dispatch", "build", "introspector",
					    "commands", "wake",	 "act"};
	json_t *run = recorded();

	for (unsigned int i = 0; i < HITS_BATCHES; i++) {
		json_t *total = recorded_stage(run, batch_name(i), "total");
		json_int_t sum = 0;

		for (size_t j = 0; j < sizeof(parts) / sizeof(parts[0]); j++) {
			json_t *part = recorded_stage(run, batch_name(i), parts[j]);

			check_eq(recorded_integer(part, "count"), recorded_integer(total, "count"));
			sum += recorded_integer(part, "sum");
		}
		if (sum != recorded_integer(total, "sum"))
			fail("%s: total %lld ns, sum of its stages %lld ns", batch_name(i),
			     (long long)recorded_integer(total, "sum"), (long long)sum);
	}
}

static double number(json_t *object, const char *key)
{
	json_t *value = json_object_get(object, key);

	if (!json_is_number(value))
		fail("the run file has no number %s where one is expected", key);
	return json_number_value(value);
}

static double guest_quantile(json_t *e, double q)
{
	json_t *pair;
	size_t i;

	json_array_foreach(json_object_get(e, "quantiles"), i, pair) {
		if (json_number_value(json_array_get(pair, 0)) == q)
			return json_number_value(json_array_get(pair, 1));
	}
	fail("an entry has no quantile %g", q);
}

/* The percentiles as kvmi-lat reports them, from buckets of at most 1.6 %. */
static json_t *reported(void)
{
	json_error_t err;
	json_t *report;
	FILE *p = popen("kvmi-lat report --json " RECORDED_FILE, "r");

	check(p != NULL);
	report = json_loadf(p, 0, &err);
	if (pclose(p) || !report)
		fail("kvmi-lat report --json: %s", report ? "failed" : err.text);
	return json_object_get(report, "cases");
}

static json_t *reported_total(json_t *cases, const char *name)
{
	json_t *c, *s;
	size_t i, j;

	json_array_foreach(cases, i, c) {
		if (!recorded_is(c, "case", name))
			continue;
		json_array_foreach(json_object_get(c, "stages"), j, s) {
			if (recorded_is(s, "event", "breakpoint") &&
			    recorded_is(s, "stage", "total"))
				return s;
		}
	}
	fail("the report has no total of case %s", name);
}

/*
 * By the guest's own clock: what a hit takes from stamp to stamp is what BPF says it was out of the
 * guest, and a rest that does not depend on what happened meanwhile.
 */
static void test_guest_clock(void)
{
	double rest[HITS_BATCHES], mean_rest = 0, mean_total = 0;
	json_t *run = recorded(), *cases = reported();

	for (unsigned int i = 0; i < HITS_BATCHES; i++) {
		json_t *percentiles = reported_total(cases, batch_name(i));
		json_t *total = recorded_stage(run, batch_name(i), "total");
		json_t *e = entry(run, batch_name(i));
		double bpf = number(total, "sum") / number(total, "count");

		rest[i] = number(e, "mean") - bpf;
		mean_rest += rest[i] / HITS_BATCHES;
		mean_total += bpf / HITS_BATCHES;
		note("%s, %u commands: guest mean %.1f, BPF mean %.1f, rest %.1f; rest of min %.0f, "
		     "p50 %.0f, p99 %.0f, max %.0f",
		     batch_name(i), HITS_COMMANDS(i), number(e, "mean"), bpf, rest[i],
		     number(e, "min") - number(total, "min"),
		     guest_quantile(e, 0.5) - number(percentiles, "p50"),
		     guest_quantile(e, 0.99) - number(percentiles, "p99"),
		     number(e, "max") - number(total, "max"));
	}
	note("%s: guest hit-to-hit less BPF total: %.1f of %.1f", lab_is_svm() ? "svm" : "vmx",
	     mean_rest, mean_total);
	for (unsigned int i = 0; i < HITS_BATCHES; i++)
		if (rest[i] < mean_rest - 0.01 * mean_total ||
		    rest[i] > mean_rest + 0.01 * mean_total)
			fail("%s: the rest is %.1f, more than 1 %% of %.1f away from %.1f",
			     batch_name(i), rest[i], mean_total, mean_rest);
}

static int do_hits(const char *path, unsigned int nr)
{
	struct hits_batch batches[HITS_BATCHES] = {};

	if (nr > HITS_BATCHES)
		nr = HITS_BATCHES;
	for (unsigned int i = 0; i < nr; i++) {
		batches[i].name = strdup(batch_name(i));
		batches[i].commands = HITS_COMMANDS(i);
	}
	return hits_main(path, batches, nr);
}

int main(int argc, char **argv)
{
	const struct tap_test tests[] = {
		{"kvmi-lat record of ten batches of hits", test_record},
		{"guest, introspector, perf and BPF count the same", test_nothing_lost},
		{"nothing unpaired, dropped or missed", test_nothing_wrong},
		{"total is the sum of the stages, to the nanosecond", test_sum_of_stages},
		{"guest's clock less BPF's total is one constant within 1 % of it",
		 test_guest_clock},
	};

	/* how many are in a batch */
	if (argc == 2 && !strcmp(argv[1], "batch"))
		return printf("%u\n", hits_of_batch()) < 0;
	/* "hits PATH [BATCHES]" */
	if (argc >= 3 && !strcmp(argv[1], "hits"))
		return do_hits(argv[2], argc > 3 ? atoi(argv[3]) : HITS_BATCHES);
	tap_limit_s = 120;
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

// SPDX-License-Identifier: BSD-2-Clause
/* Run files: written and read back, cut short, damaged; and the figures computed from them. */
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
#include <sys/stat.h>
#include <unistd.h>

#include "run-file/class_names.h"
#include "run-file/run_file.h"
#include "stats/summary.h"

#define TOTAL (CLASS_BREAKPOINT + NR_STAGES + STAGE_TOTAL) /* of a breakpoint answered RETRY */

static char dir[] = "/tmp/kvmi lat test.XXXXXX", path[64];

static int make_dir(void **state)
{
	(void)state;
	if (!mkdtemp(dir))
		return -1;
	snprintf(path, sizeof(path), "%s/run.json", dir);
	return 0;
}

static int remove_dir(void **state)
{
	(void)state;
	unlink(path);
	/* Fails if a temporary file was left behind. */
	return rmdir(dir);
}

static json_t *entry(const char *name, const char *observer, int repetition, double mean)
{
	return json_pack("{s:s,s:s,s:i,s:i,s:i,s:i,s:f,s:f,s:f,s:[[f,f],[f,f],[f,f]]}", "case",
			 name, "observer", observer, "repetition", repetition, "n", 1000, "hits",
			 1001, "events", 1001, "mean", mean, "min", mean - 100, "max", mean * 10,
			 "quantiles", 0.0, mean - 100, 0.5, mean - 1, 1.0, mean * 10);
}

static void add_vcpu(struct run_case *c, int id, pid_t thread, uint64_t times)
{
	struct vcpu v = {.pid = 10, .thread = thread, .id = id};
	struct vcpu_sum sums[NR_VCPU_SUMS];

	vcpu_sums(&v.sums, sums);
	for (unsigned int i = 0; i < NR_VCPU_SUMS; i++) {
		*sums[i].count = times;
		*sums[i].sum = times * (i + 1);
	}
	c->vcpus.list = reallocarray(c->vcpus.list, c->vcpus.nr + 1, sizeof(v));
	assert_non_null(c->vcpus.list);
	c->vcpus.list[c->vcpus.nr++] = v;
}

/* Breakpoints of 20000 to 20999, half of them dispatch, the other half introspector. */
static void fill(struct run *run)
{
	struct run_case *c;

	assert_int_equal(run_init(run), 0);
	json_object_set_new(run->fingerprint, "unit", json_string("ns"));
	json_array_append_new(run->command, json_string("kvmi-bench"));
	for (int i = 0; i < 3; i++) {
		json_array_append_new(run->entries, entry("int3", "detached", i, 20000 + i * i));
		json_array_append_new(run->entries, entry("int3", "attached", i, 21000 + i * i));
	}
	json_array_append_new(run->entries,
			      json_pack("{s:s,s:s}", "case", "vmcall", "skipped", "not here"));
	run->has_events = true;
	run->recursion_misses = 0;
	c = run_case(run, "int3");
	assert_non_null(c);
	for (uint64_t i = 0; i < 1000; i++) {
		for (int stage = 0; stage < NR_STAGES; stage++)
			hist_add(&c->m->hists[TOTAL - STAGE_TOTAL + stage],
				 stage == STAGE_TOTAL	       ? 20000 + i
				 : stage == STAGE_DISPATCH     ? 10000
				 : stage == STAGE_INTROSPECTOR ? 10000 + i
							       : 0);
	}
	c->m->exits = 1002;
	c->m->in_flight = 1;
	c->m->counters[CNT_BP_SEND] = 1001;
	c->m->counters[CNT_OUT_OF_ORDER] = 1;
	c->m->counters[CNT_UNPAIRED_ENTRY] = 3;
	assert_non_null(run_case(run, "another"));
	c = run_case(run, "int3");
	add_vcpu(c, 3, 11, 100);
	add_vcpu(c, -1, 12, 200);
	c->costs = (struct hook_costs){
		.list = {{"lat_kvm_exit", "kvm_exit", 1000, 123456},
			 {"lat_kvm_entry", "kvm_entry", 1001, 0}},
		.nr = 2,
	};
}

static void test_round_trip(void **state)
{
	struct run run, back;
	char why[200];

	(void)state;
	fill(&run);
	assert_int_equal(run_write(&run, path), 0);
	assert_int_equal(run_read(&back, path, why, sizeof(why)), 0);
	assert_true(json_equal(run.fingerprint, back.fingerprint));
	assert_true(json_equal(run.command, back.command));
	assert_true(json_equal(run.entries, back.entries));
	assert_true(back.has_events);
	assert_int_equal(back.recursion_misses, 0);
	assert_int_equal(back.nr_cases, 2);
	assert_string_equal(back.cases[0].name, "int3");
	assert_memory_equal(back.cases[0].m, run.cases[0].m, sizeof(*run.cases[0].m));
	assert_int_equal(back.cases[0].vcpus.nr, 2);
	assert_memory_equal(back.cases[0].vcpus.list, run.cases[0].vcpus.list,
			    2 * sizeof(struct vcpu));
	assert_memory_equal(&back.cases[0].costs, &run.cases[0].costs, sizeof(run.cases[0].costs));
	assert_int_equal(back.cases[1].costs.nr, 0);
	assert_int_equal(measurement_unpaired(back.cases[0].m), 3);
	assert_int_equal(measurement_dropped(back.cases[0].m), 1);
	assert_int_equal(measurement_unaccounted(back.cases[0].m), 0);
	run_free(&run);
	run_free(&back);
}

/* A file of before there were vCPUs, userspace's exits and what counts them. */
static void test_earlier_version(void **state)
{
	struct run run, back;
	char why[200];
	json_t *root, *counters;

	(void)state;
	fill(&run);
	assert_int_equal(run_write(&run, path), 0);
	root = json_load_file(path, 0, NULL);
	counters = json_object_get(json_object_get(root, "counters"), "int3");
	assert_int_equal(json_object_del(root, "vcpus"), 0);
	assert_int_equal(json_object_del(root, "hooks"), 0);
	assert_int_equal(json_object_del(counters, "left_kernel"), 0);
	assert_int_equal(json_object_del(counters, "vcpu_replaced"), 0);
	assert_int_equal(json_dump_file(root, path, 0), 0);
	json_decref(root);
	assert_int_equal(run_read(&back, path, why, sizeof(why)), 0);
	assert_int_equal(back.cases[0].vcpus.nr, 0);
	assert_memory_equal(back.cases[0].m, run.cases[0].m, sizeof(*run.cases[0].m));
	run_free(&run);
	run_free(&back);
}

static void test_bad_costs(void **state)
{
	struct hook_costs costs = {};
	json_t *object = json_pack("{s:s,s:s,s:i,s:i}", "program", "p", "tracepoint", "t", "runs",
				   2, "time", 9);

	(void)state;
	assert_int_equal(hook_costs_add_json(&costs, object), 0);
	/* twice */
	assert_int_equal(hook_costs_add_json(&costs, object), -EINVAL);
	json_object_set_new(object, "program", json_string("q"));
	json_object_set_new(object, "runs", json_integer(0));
	assert_int_equal(hook_costs_add_json(&costs, object), -EINVAL);
	json_object_set_new(object, "runs", json_integer(1));
	json_object_set_new(object, "time", json_integer(-1));
	assert_int_equal(hook_costs_add_json(&costs, object), -EINVAL);
	json_object_set_new(object, "time", json_integer(0));
	json_object_set_new(object, "tracepoint",
			    json_string("a_name_that_no_tracepoint_has_as_it_is_too_long"));
	assert_int_equal(hook_costs_add_json(&costs, object), -EINVAL);
	assert_int_equal(costs.list[0].runs, 2);
	json_object_set_new(object, "tracepoint", json_string("t"));
	/* More than there are programs. */
	for (int i = 0; i < HOOK_COSTS_MAX; i++) {
		char name[16];

		snprintf(name, sizeof(name), "p%d", i);
		json_object_set_new(object, "program", json_string(name));
		assert_int_equal(hook_costs_add_json(&costs, object),
				 i < HOOK_COSTS_MAX - 1 ? 0 : -EINVAL);
	}
	json_decref(object);
}

/* Begun and ended twice: the same vCPU is there once, with both times added. */
static void test_vcpus_add_up(void **state)
{
	struct vcpus v = {};
	json_t *object = json_pack("{s:i,s:i,s:i,s:i,s:[{s:s,s:s,s:i,s:i}]}", "pid", 10, "thread",
				   11, "vm", 0, "vcpu", 3, "sums", "event", "exit", "stage",
				   "total", "count", 2, "sum", 700);

	(void)state;
	assert_int_equal(vcpus_add_json(&v, object), 0);
	json_object_set_new(object, "thread", json_integer(12));
	assert_int_equal(vcpus_add_json(&v, object), 0);
	assert_int_equal(v.nr, 1);
	assert_int_equal(v.list[0].thread, 12);
	assert_int_equal(v.list[0].sums.exits, 4);
	assert_int_equal(v.list[0].sums.exit_time, 1400);
	json_object_set_new(object, "vm", json_integer(1));
	assert_int_equal(vcpus_add_json(&v, object), 0);
	assert_int_equal(v.nr, 2);
	json_object_set_new(object, "vcpu", json_string("x"));
	assert_int_equal(vcpus_add_json(&v, object), -EINVAL);
	json_decref(object);
	vcpus_free(&v);
}

static void test_class_names_are_unique(void **state)
{
	(void)state;
	for (unsigned int i = 0; i < NR_CLASSES; i++) {
		struct class_name name = class_name(i);

		assert_int_equal(class_find(name.event, name.action, name.stage), i);
	}
	assert_int_equal(class_find("exit", "none", "wake"), -ENOENT);
	for (int i = 0; i < NR_COUNTERS; i++)
		assert_true(counter_names[i].name && counter_names[i].meaning);
}

static char *slurp(size_t *size)
{
	FILE *file = fopen(path, "r");
	char *text = calloc(1, 1 << 20);

	assert_true(file && text);
	*size = fread(text, 1, (1 << 20) - 1, file);
	fclose(file);
	return text;
}

static void spit(const char *text, size_t size)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	assert_int_equal(fwrite(text, 1, size, file), size);
	fclose(file);
}

/* It must be refused, with a sentence which has these words in it. */
static void refused(const char *words)
{
	struct run run;
	char why[200] = "";

	assert_true(run_read(&run, path, why, sizeof(why)) < 0);
	assert_null(strpbrk(why, "\n\x1b"));
	if (!strstr(why, words))
		fail_msg("\"%s\" does not say \"%s\"", why, words);
	run_free(&run);
}

static void test_every_truncation(void **state)
{
	struct run run;
	size_t size;
	char *text;

	(void)state;
	fill(&run);
	assert_int_equal(run_write(&run, path), 0);
	run_free(&run);
	text = slurp(&size);
	assert_true(size > 1000);
	/* The last two are "}\n": without the newline it is still whole. */
	for (size_t length = 1; length < size - 1; length += length < 300 ? 1 : 97) {
		spit(text, length);
		refused("");
	}
	spit(text, size / 2);
	refused("ends too early");
	free(text);
}

static void test_garbage(void **state)
{
	(void)state;
	spit("", 0);
	refused("ends too early");
	spit("\x7f"
	     "ELF\x02\x01\x01",
	     7);
	refused("not a run file");
	spit("[1,2]", 5);
	refused("not a run file");
	spit("{\"a\":1}", 7);
	refused("not a run file");
	spit("{\"schema\":\"kvmi-lat-run/99\"}", 28);
	refused("kvmi-lat-run/99");
	spit("{\"schema\":\"\\u001b[2J\"}", 22);
	refused("its schema is ?[2J");
	spit("[\x1b[2J]", 6);
	refused("not a run file");
	unlink(path);
	refused("No such file");
	assert_int_equal(mkdir(path, 0700), 0);
	refused("Is a directory");
	assert_int_equal(rmdir(path), 0);
}

/* Of one byte, over and over, behind what comes first. */
static void spit_many(const char *first, char byte, size_t count)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(first, file);
	while (count--)
		putc(byte, file);
	fclose(file);
}

static void test_huge(void **state)
{
	(void)state;
	spit_many("", '[', 100000);
	refused("not a run file: line 1: maximum parsing depth reached");
	spit_many("{\"schema\":\"", 'x', 1 << 20);
	refused("ends too early");
	spit_many("{}", ' ', 17 << 20);
	refused("more than 16 MiB");
	spit_many("{\"entries\":1", '0', 400);
	refused("not a run file");
}

/* Writes the good run file with one piece of text replaced. */
static void damage(const char *from, const char *to)
{
	char *text, *at, *damaged;
	struct run run;
	size_t size;

	fill(&run);
	assert_int_equal(run_write(&run, path), 0);
	run_free(&run);
	text = slurp(&size);
	at = strstr(text, from);
	if (!at)
		fail_msg("no %s in the run file", from);
	assert_true(asprintf(&damaged, "%.*s%s%s", (int)(at - text), text, to, at + strlen(from)) >
		    0);
	spit(damaged, strlen(damaged));
	free(damaged);
	free(text);
}

static void test_damaged(void **state)
{
	(void)state;
	damage("\"fingerprint\"", "\"finger\"");
	refused("no fingerprint");
	damage("\"count\":1000", "\"count\":1001");
	refused("do not add up");
	damage("\"count\":1000", "\"count\":-1");
	refused("\"count\" is not a number");
	damage("\"sum\":", "\"sum\":\"x\",\"s\":");
	refused("\"sum\" is not a number");
	damage("[[0,1000]]", "[[2240,1000]]");
	refused("bucket");
	damage("[[0,1000]]", "[[-1,1000]]");
	refused("bucket");
	damage("[[0,1000]]", "7");
	refused("no buckets");
	damage("\"stage\":\"dispatch\"", "\"stage\":\"lunch\"");
	refused("no stage lunch");
	damage("\"stage\":\"build\"", "\"stage\":\"commands\"");
	refused("there twice");
	damage("\"bp_send\":1001,", "");
	refused("\"bp_send\"");
	damage("\"sub_buckets\":64", "\"sub_buckets\":32");
	refused("another width");
	damage("\"case\":\"vmcall\"", "\"box\":\"vmcall\"");
	refused("names no case");
}

/* Each by itself a number, but not together. */
static void test_contradictions(void **state)
{
	(void)state;
	damage("\"count\":1000", "\"count\":0");
	refused("count of 0");
	damage("\"count\":1000", "\"count\":9007199254740993");
	refused("\"count\" is not a number");
	damage("[[0,1000]]", "[[0,500],[0,500]]");
	refused("in order, each once");
	damage("[[0,1000]]", "[[1,500],[0,500]]");
	refused("in order, each once");
	/* Their sum is 1000, but for 2^64. */
	damage("[[0,1000]]", "[[0,9223372036854775807],[1,9223372036854775807],[2,1002]]");
	refused("a bucket that is none");
	damage("[[0,1000]]", "[[1,1000]]");
	refused("min and max");
	damage("\"min\":10000,\"max\":10000", "\"min\":10001,\"max\":10000");
	refused("min and max");
	damage("\"sum\":10000000", "\"sum\":10000001");
	refused("sum");
	damage("\"sum\":10000000", "\"sum\":9223372036854775807");
	refused("sum");
	damage("\"unpaired\":3", "\"unpaired\":4");
	refused("\"unpaired\" is not what the other counters make it: 3");
	damage("\"dropped\":1", "\"dropped\":0");
	refused("\"dropped\" is not what");
	damage("\"unaccounted\":0", "\"unaccounted\":-1");
	refused("\"unaccounted\" is not what");
	damage("\"recursion_misses\":0", "\"recursion_misses\":-1");
	refused("\"recursion_misses\"");
}

static void test_entries(void **state)
{
	(void)state;
	damage("\"observer\":\"detached\"", "\"observer\":\"nobody\"");
	refused("entry 0 has no observer");
	damage("\"mean\":20000.0", "\"mean\":\"20000\"");
	refused("entry 0 has a mean that is none");
	damage("\"mean\":20000.0", "\"mean\":1e300");
	refused("entry 0 has a mean that is none");
	damage("\"max\":200000.0", "\"max\":null");
	refused("entry 0 has a max that is none");
	damage("\"n\":1000", "\"n\":-1000");
	refused("\"n\" is no count");
	damage("\"hits\":1001", "\"hits\":0.5");
	refused("\"hits\" is no count");
	damage("[[0.0,", "[[0.75,");
	refused("quantiles that are none");
	damage("[[0.0,", "[[-1,");
	refused("quantiles that are none");
	damage("[[0.0,19900.0]", "[[0.0]");
	refused("quantiles that are none");
	damage("\"skipped\":\"not here\"", "\"skipped\":7");
	refused("skipped for no reason");
	/* What would clear a terminal, as one byte and as two. */
	damage("\"case\":\"vmcall\"", "\"case\":\"\\u001b[2J\"");
	refused("control characters");
	damage("\"case\":\"vmcall\"", "\"case\":\"\\u009b2J\"");
	refused("control characters");
	damage("\"unit\":\"ns\"", "\"unit\":\"ns\\u0007\"");
	refused("control characters");
}

static void test_too_many_cases(void **state)
{
	struct run run;

	(void)state;
	fill(&run);
	for (int i = 0; i < 1024; i++) {
		char name[16];

		snprintf(name, sizeof(name), "case %d", i);
		json_array_append_new(run.entries, json_pack("{s:s,s:s}", "case", name, "skipped",
							     "one of many"));
	}
	assert_int_equal(run_write(&run, path), 0);
	refused("more than 1024");
	json_array_clear(run.entries);
	for (int i = 0; i < 1024; i++) {
		char name[16];

		snprintf(name, sizeof(name), "case %d", i);
		assert_non_null(run_case(&run, name));
	}
	assert_int_equal(run_write(&run, path), 0);
	refused("more than 1024");
	run_free(&run);
}

static void test_writing_fails_cleanly(void **state)
{
	struct run run;

	(void)state;
	fill(&run);
	assert_int_equal(run_write(&run, "/nonexistent/run.json"), -ENOENT);
	run_free(&run);
}

static void test_summary(void **state)
{
	struct case_summary *cases;
	struct figures f;
	struct run run;
	unsigned int nr;

	(void)state;
	fill(&run);
	cases = summarize(&run, &nr);
	assert_non_null(cases);
	assert_int_equal(nr, 3);
	assert_string_equal(cases[0].name, "int3");
	assert_null(cases[0].skipped);
	assert_int_equal(cases[0].detached.repetitions, 3);
	assert_int_equal(cases[0].detached.f.n, 3000);
	assert_int_equal(cases[0].attached.hits, 3003);
	/* medians of 20000, 20001, 20004 and 21000, 21001, 21004 */
	assert_true(cases[0].detached.f.mean == 20001);
	assert_true(cases[0].detached.f.p50 == 20000);
	assert_true(fabs(cases[0].attached.f.p90 - (21000 + 0.8 * (210010 - 21000))) < 1e-6);
	assert_true(cases[0].has_cost && cases[0].cost == 1000);
	assert_int_equal(cases[0].main_class, TOTAL);
	assert_true(cases[0].has_remainder);
	/* the mean of 21000, 21001 and 21004: of the hits that BPF saw */
	assert_true(fabs(cases[0].remainder.at_mean - (63005 / 3.0 - 20499.5)) < 1e-6);
	assert_true(cases[0].remainder.at_min == 20900 - 20000);
	/* of all hits, not of the usual repetition */
	assert_true(cases[0].detached.f.min == 19900 && cases[0].detached.f.max == 200040);
	assert_string_equal(cases[1].name, "vmcall");
	assert_string_equal(cases[1].skipped, "not here");
	assert_string_equal(cases[2].name, "another");
	assert_int_equal(cases[2].main_class, -1);

	f = figures_of_hist(&run.cases[0].m->hists[TOTAL]);
	assert_true(f.mean == 20499.5 && f.min == 20000 && f.max == 20999);
	assert_true(fabs(f.p50 - 20499) < 0.016 * 20499);
	free(cases);
	run_free(&run);
}

static void add_entry(struct run *run, json_t *e)
{
	assert_int_equal(json_array_append_new(run->entries, e), 0);
}

static void test_summary_of_repetitions(void **state)
{
	struct case_summary *cases;
	struct run run;
	unsigned int nr;
	json_t *paced;

	(void)state;
	run_init(&run);
	for (int i = 0; i < 6; i++)
		add_entry(&run, entry("six", "detached", i, 1000 + (i * 5) % 6));
	for (int i = 0; i < 5; i++)
		add_entry(&run, entry("five", "none", i, 500));
	paced = entry("paced", "detached", 0, 400);
	json_object_set_new(paced, "late", json_integer(0));
	add_entry(&run, paced);
	cases = summarize(&run, &nr);
	assert_non_null(cases);
	assert_int_equal(nr, 3);
	/* six is the fewest: from the least of the means to the largest */
	assert_true(cases[0].detached.interval.low == 1000);
	assert_true(cases[0].detached.interval.high == 1005);
	assert_true(isnan(cases[1].none.interval.low));
	/* the loop has not been measured */
	assert_true(isnan(cases[0].detached.net));
	free(cases);

	add_entry(&run, entry("loop", "detached", 0, 8));
	cases = summarize(&run, &nr);
	assert_non_null(cases);
	assert_true(cases[0].detached.net == 1002.5 - 8);
	assert_true(cases[1].none.net == 492);
	assert_true(isnan(cases[2].detached.net)); /* paced: no hit follows another in a loop */
	assert_true(isnan(cases[3].detached.net)); /* the loop itself */
	free(cases);
	run_free(&run);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_round_trip),
		cmocka_unit_test(test_earlier_version),
		cmocka_unit_test(test_bad_costs),
		cmocka_unit_test(test_vcpus_add_up),
		cmocka_unit_test(test_class_names_are_unique),
		cmocka_unit_test(test_every_truncation),
		cmocka_unit_test(test_garbage),
		cmocka_unit_test(test_huge),
		cmocka_unit_test(test_damaged),
		cmocka_unit_test(test_contradictions),
		cmocka_unit_test(test_entries),
		cmocka_unit_test(test_too_many_cases),
		cmocka_unit_test(test_writing_fails_cleanly),
		cmocka_unit_test(test_summary),
		cmocka_unit_test(test_summary_of_repetitions),
	};

	return cmocka_run_group_tests_name("runfile", tests, make_dir, remove_dir);
}

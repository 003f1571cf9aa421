// SPDX-License-Identifier: BSD-2-Clause
/* What kvmi-lat top and threshold compute: differences of snapshots, and who had a CPU when. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "attach/snapshots.h"
#include "commands/slow_event.h"

/* --- snapshots --- */

static struct snapshot new_snapshot(uint64_t at)
{
	struct snapshot s = {.at = at, .m = calloc(1, sizeof(*s.m))};

	assert_non_null(s.m);
	return s;
}

static void add_vcpu(struct snapshot *s, pid_t pid, uint64_t kvm, int id, uint64_t events)
{
	struct vcpu v = {.pid = pid, .thread = pid + 1, .id = id, .kvm = kvm};
	struct vcpus one = {.list = &v, .nr = 1};

	v.sums.events = events;
	v.sums.event_time[STAGE_TOTAL] = 100 * events;
	assert_int_equal(vcpus_copy(&s->vcpus, &one), 0);
}

static void test_histograms(void **state)
{
	struct snapshot before = new_snapshot(1000), after = new_snapshot(3500);
	struct hist *was = &before.m->hists[CLASS_EXIT], *is = &after.m->hists[CLASS_EXIT];

	(void)state;
	hist_add(was, 5);
	hist_add(was, 1000000);
	hist_merge(is, was);
	hist_add(is, 1000);
	hist_add(is, 2000);
	before.m->counters[CNT_EVENTS] = 7;
	after.m->counters[CNT_EVENTS] = 9;
	before.m->exits = 2;
	after.m->exits = 4;
	snapshot_subtract(&after, &before);
	assert_int_equal(after.at, 2500);
	assert_int_equal(after.m->exits, 2);
	assert_int_equal(after.m->counters[CNT_EVENTS], 2);
	assert_int_equal(is->count, 2);
	assert_int_equal(is->sum, 3000);
	/* Neither 5 nor 1000000 belongs to it any more. */
	assert_in_range(is->min, 1000 - 16, 1000);
	assert_in_range(is->max, 2000, 2000 + 32);
	assert_true(hist_consistent(is));
	assert_int_equal(after.m->hists[CLASS_BREAKPOINT].count, 0);
	snapshot_free(&before);
	snapshot_free(&after);
}

/* Read between the programs' count and their bucket: it belongs to the interval that has the bucket. */
static void test_half_an_event(void **state)
{
	struct snapshot first = new_snapshot(0), second = new_snapshot(1), third = new_snapshot(2);
	struct hist *h = &first.m->hists[CLASS_EXIT];

	(void)state;
	hist_add(h, 100);
	*second.m = *third.m = *first.m;
	h = &third.m->hists[CLASS_EXIT];
	hist_add(h, 50);
	second.m->hists[CLASS_EXIT].count = h->count;
	second.m->hists[CLASS_EXIT].sum = h->sum;
	snapshot_subtract(&third, &second);
	assert_int_equal(h->count, 1);
	snapshot_subtract(&second, &first);
	assert_int_equal(second.m->hists[CLASS_EXIT].count, 0);
	assert_int_equal(second.m->hists[CLASS_EXIT].sum, 0);
	snapshot_free(&first);
	snapshot_free(&second);
	snapshot_free(&third);
}

static void test_vcpus(void **state)
{
	struct snapshot before = new_snapshot(0), after = new_snapshot(1);

	(void)state;
	add_vcpu(&before, 10, 0xa, 0, 5);
	add_vcpu(&before, 10, 0xb, 0, 50);
	add_vcpu(&after, 10, 0xb, 0, 51);
	add_vcpu(&after, 10, 0xa, 0, 9);
	add_vcpu(&after, 10, 0xa, 1, 3);
	snapshot_subtract(&after, &before);
	assert_int_equal(after.vcpus.nr, 3);
	assert_int_equal(after.vcpus.list[0].sums.events, 1);
	assert_int_equal(after.vcpus.list[0].sums.event_time[STAGE_TOTAL], 100);
	assert_int_equal(after.vcpus.list[1].sums.events, 4);
	assert_int_equal(after.vcpus.list[2].sums.events, 3);
	snapshot_free(&before);
	snapshot_free(&after);
}

/* Its sums began at nothing: what they say now is all new. */
static void test_replaced_vcpu(void **state)
{
	struct snapshot before = new_snapshot(0), after = new_snapshot(1);

	(void)state;
	add_vcpu(&before, 10, 0xa, 0, 100);
	add_vcpu(&after, 10, 0xa, 0, 4);
	snapshot_subtract(&after, &before);
	assert_int_equal(after.vcpus.list[0].sums.events, 4);
	assert_int_equal(after.vcpus.list[0].sums.event_time[STAGE_TOTAL], 400);
	snapshot_free(&before);
	snapshot_free(&after);
}

static bool is_ten(const struct vcpu *v)
{
	return v->pid == 10;
}

static void test_names(void **state)
{
	struct snapshot before = new_snapshot(0);
	struct vcpus names = {};

	(void)state;
	add_vcpu(&before, 10, 0xa, 0, 100);
	add_vcpu(&before, 11, 0xb, 2, 100);
	add_vcpu(&before, 10, 0xa, 1, 100);
	assert_int_equal(vcpus_copy_names(&names, &before.vcpus), 0);
	vcpus_remove(&names, is_ten);
	assert_int_equal(names.nr, 1);
	assert_int_equal(names.list[0].pid, 11);
	assert_int_equal(names.list[0].id, 2);
	assert_int_equal(names.list[0].sums.events, 0);
	vcpus_free(&names);
	snapshot_free(&before);
}

/* --- CPUs --- */

static void ran(struct kvmi_lat_cpu *c, uint64_t until, __u32 thread, const char *comm)
{
	struct kvmi_lat_ran *r = &c->ran[c->next++ % NR_RAN];

	r->until = until;
	r->who = 1ULL << 32 | thread;
	memset(r->comm, 0, sizeof(r->comm));
	strncpy(r->comm, comm, sizeof(r->comm));
}

static void expect_ran(const struct slow_event *s, unsigned int i, uint64_t from, uint64_t until,
		       pid_t thread, const char *comm)
{
	assert_true(i < s->nr_ran);
	assert_int_equal(s->ran[i].from, from);
	assert_int_equal(s->ran[i].until, until);
	assert_int_equal(s->ran[i].thread, thread);
	assert_string_equal(s->ran[i].comm, comm);
}

/* An event from 1000 to 2000, whose vCPU is thread 7 and ends on CPU 3. */
static struct slow_event an_event(void)
{
	struct slow_event s = {};

	s.event.t_exit = 1000;
	s.event.t_entry = 2000;
	s.event.tid = 7;
	s.event.tgid = 1;
	s.event.cpu_entry = 3;
	return s;
}

static void test_cpu(void **state)
{
	struct kvmi_lat_cpu *c = calloc(1, sizeof(*c));
	struct slow_event s = an_event();

	(void)state;
	assert_non_null(c);
	ran(c, 500, 5, "before");
	ran(c, 1200, 7, "vcpu");
	ran(c, 1900, 8, "a\nname");
	assert_int_equal(slow_add_cpu(&s, 3, c), 0);
	assert_int_equal(s.nr_ran, 3);
	expect_ran(&s, 0, 0, 200, 7, "vcpu");
	expect_ran(&s, 1, 200, 900, 8, "a?name");
	expect_ran(&s, 2, 900, 1000, 7, "(vCPU)");
	assert_false(s.overflow);
	slow_free(&s);
	free(c);
}

/* On another CPU the last one is not known, nor what came after the entry of interest. */
static void test_other_cpus(void **state)
{
	struct kvmi_lat_cpu *c = calloc(1, sizeof(*c));
	struct slow_event s = an_event();

	(void)state;
	assert_non_null(c);
	ran(c, 1500, 9, "tool");
	assert_int_equal(slow_add_cpu(&s, 2, c), 0);
	ran(c, 2500, 5, "later");
	ran(c, 2600, 6, "much later");
	assert_int_equal(slow_add_cpu(&s, 1, c), 0);
	assert_int_equal(s.nr_ran, 4);
	expect_ran(&s, 0, 0, 500, 9, "tool");
	expect_ran(&s, 1, 500, 1000, 0, "?");
	expect_ran(&s, 2, 0, 500, 9, "tool");
	expect_ran(&s, 3, 500, 1000, 5, "later");
	slow_free(&s);
	free(c);
}

static void test_overflow(void **state)
{
	struct kvmi_lat_cpu *c = calloc(1, sizeof(*c));
	struct slow_event s = an_event();

	(void)state;
	assert_non_null(c);
	for (int i = 0; i < NR_RAN + 10; i++)
		ran(c, 1001 + i, 100 + i, "many");
	assert_int_equal(slow_add_cpu(&s, 2, c), 0);
	assert_true(s.overflow);
	/* The oldest has an end, which is the next one's beginning, and no beginning. */
	assert_int_equal(s.nr_ran, NR_RAN);
	expect_ran(&s, 0, 11, 12, 111, "many");
	expect_ran(&s, NR_RAN - 1, NR_RAN + 10, 1000, 0, "?");
	slow_free(&s);
	free(c);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_histograms), cmocka_unit_test(test_half_an_event),
		cmocka_unit_test(test_vcpus),	   cmocka_unit_test(test_replaced_vcpu),
		cmocka_unit_test(test_names),	   cmocka_unit_test(test_cpu),
		cmocka_unit_test(test_other_cpus), cmocka_unit_test(test_overflow),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

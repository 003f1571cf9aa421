// SPDX-License-Identifier: BSD-2-Clause
/*
 * The BPF programs themselves, run by the kernel on made-up tracepoint arguments
 * (BPF_PROG_TEST_RUN): they load here, pair, add up and count. No KVM needed, but root.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "attach/maps.h"
#include "run-file/class_names.h"

/* Uses types of kvmi_lat.h. */
#include "kvmi_lat.skel.h"

#define BP    KVMI_LAT_EVENT_BREAKPOINT
#define RETRY 1
#define VCPU  0xffff888000001000ULL /* a kernel address, as far as the programs can see */

static struct kvmi_lat *skel;
static struct maps maps;

static int load(__u32 only_tgid)
{
	int err;

	skel = kvmi_lat__open();
	if (!skel)
		return -errno;
	skel->rodata->only_tgid = only_tgid;
	err = kvmi_lat__load(skel);
	if (err)
		return err;
	maps.vcpus = bpf_map__fd(skel->maps.bss);
	maps.histograms = bpf_map__fd(skel->maps.histograms);
	maps.counters = bpf_map__fd(skel->maps.counters);
	maps.data = bpf_map__fd(skel->maps.data);
	return 0;
}

static int setup(void **state)
{
	(void)state;
	return load(0);
}

static int teardown(void **state)
{
	(void)state;
	kvmi_lat__destroy(skel);
	skel = NULL;
	return 0;
}

static void fire(struct bpf_program *program, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
	uint64_t args[4] = {a, b, c, d};
	LIBBPF_OPTS(bpf_test_run_opts, opts, .ctx_in = args, .ctx_size_in = sizeof(args));

	assert_int_equal(bpf_prog_test_run_opts(bpf_program__fd(program), &opts), 0);
	assert_int_equal(opts.retval, 0);
}

#define FIRE(program, ...) fire(skel->progs.program, __VA_ARGS__)

static void breakpoint(uint64_t vcpu, uint32_t seq, int commands)
{
	FIRE(lat_kvm_exit, vcpu, 1, 0, 0);
	FIRE(lat_bp_send, vcpu, 0x1000, 0x2000, 0);
	/* The upper halves of narrow arguments must not matter. */
	FIRE(lat_event, vcpu, BP | 0x100, seq | 1ULL << 40, 0);
	for (int i = 0; i < commands; i++) {
		FIRE(lat_command, vcpu, 5, seq, 0);
		if (i == 1)
			FIRE(lat_reply, vcpu, BP, seq, RETRY);
		FIRE(lat_command_done, vcpu, 5, 0, seq);
	}
	if (commands < 2)
		FIRE(lat_reply, vcpu, BP, seq, RETRY);
	FIRE(lat_bp_recv, vcpu, RETRY, 0x2001, 0);
	FIRE(lat_kvm_entry, vcpu, 0, 0, 0);
}

static struct measurement *measure(void)
{
	struct measurement *m = calloc(1, sizeof(*m));

	assert_non_null(m);
	assert_int_equal(maps_read(&maps, m), 0);
	return m;
}

static void expect_counter(const struct measurement *m, int counter, uint64_t n)
{
	if (m->counters[counter] != n)
		fail_msg("%s is %llu instead of %llu", counter_names[counter].name,
			 (unsigned long long)m->counters[counter], (unsigned long long)n);
}

static void test_breakpoints_add_up(void **state)
{
	const int n = 3000;
	struct measurement *m;
	const struct hist *h;
	uint64_t sum = 0;

	(void)state;
	for (int i = 0; i < n; i++)
		breakpoint(VCPU + i % 3 * 64, i, i % 4);
	m = measure();
	h = &m->hists[CLASS_BREAKPOINT + RETRY * NR_STAGES];
	for (int i = 0; i < NR_STAGES; i++) {
		assert_int_equal(h[i].count, n);
		assert_true(hist_consistent(&h[i]));
		if (i != STAGE_TOTAL)
			sum += h[i].sum;
		if (i != STAGE_COMMANDS)
			assert_true(h[i].min > 0);
	}
	assert_int_equal(sum, h[STAGE_TOTAL].sum);
	assert_true(h[STAGE_TOTAL].max < 1000000000);
	assert_true(h[STAGE_COMMANDS].min == 0 && h[STAGE_COMMANDS].max > 0);
	assert_int_equal(m->exits, n);
	assert_int_equal(m->in_flight, 0);
	assert_int_equal(measurement_unaccounted(m), 0);
	expect_counter(m, CNT_BP_SEND, n);
	expect_counter(m, CNT_EVENTS, n);
	expect_counter(m, CNT_REPLIES, n);
	expect_counter(m, CNT_COMMANDS, n / 4 * 6);
	expect_counter(m, CNT_COMMANDS_OUTSIDE, 0);
	assert_int_equal(measurement_unpaired(m) + measurement_dropped(m), 0);
	assert_int_equal(m->hists[CLASS_EXIT].count, 0);
	free(m);
}

static void test_plain_exits_on_both_kernels(void **state)
{
	struct measurement *m;

	(void)state;
	FIRE(lat_kvm_entry, VCPU, 0, 0, 0);
	for (int i = 0; i < 10; i++) {
		/* 6.x: (vcpu, isa); 5.10: (exit_reason, vcpu, isa) */
		if (i % 2)
			FIRE(lat_kvm_exit, VCPU, 1, 0, 0);
		else
			FIRE(lat_kvm_exit, 0x43, VCPU, 2, 0);
		FIRE(lat_kvm_entry, VCPU, 0, 0, 0);
	}
	FIRE(lat_kvm_exit, VCPU, 1, 0, 0);
	m = measure();
	assert_int_equal(m->hists[CLASS_EXIT].count, 10);
	assert_int_equal(m->exits, 11);
	assert_int_equal(m->in_flight, 1);
	expect_counter(m, CNT_FIRST_ENTRY, 1);
	assert_int_equal(measurement_unaccounted(m), 0);
	free(m);

	/* Detached and attached again: the exit in flight stays known, and pairs with nothing. */
	assert_int_equal(maps_interrupted(&maps), 0);
	FIRE(lat_kvm_entry, VCPU, 0, 0, 0);
	m = measure();
	assert_int_equal(m->hists[CLASS_EXIT].count, 10);
	assert_int_equal(m->in_flight, 1);
	expect_counter(m, CNT_FIRST_ENTRY, 2);
	assert_int_equal(measurement_unaccounted(m), 0);
	free(m);

	assert_int_equal(maps_clear(&maps), 0);
	m = measure();
	assert_int_equal(m->hists[CLASS_EXIT].count, 0);
	assert_int_equal(m->exits + m->in_flight + m->counters[CNT_FIRST_ENTRY], 0);
	free(m);
}

static void test_problems_are_counted(void **state)
{
	struct measurement *m;

	(void)state;
	FIRE(lat_reply, VCPU, BP, 1, RETRY); /* no such vCPU yet */
	FIRE(lat_kvm_entry, VCPU, 0, 0, 0);
	FIRE(lat_kvm_entry, VCPU, 0, 0, 0);
	FIRE(lat_bp_send, VCPU, 0, 0, 0);
	FIRE(lat_kvm_exit, VCPU, 1, 0, 0);
	FIRE(lat_kvm_exit, VCPU, 1, 0, 0);
	FIRE(lat_bp_send, VCPU, 0, 0, 0);
	FIRE(lat_event, VCPU, BP, 9, 0);
	FIRE(lat_reply, VCPU, BP, 8, RETRY);
	FIRE(lat_bp_recv, VCPU, 0, 0, 0);
	FIRE(lat_kvm_entry, VCPU, 0, 0, 0);
	FIRE(lat_kvm_exit, VCPU, 1, 0, 0);
	FIRE(lat_event, VCPU, 1, 10, 0);
	FIRE(lat_reply, VCPU, 1, 10, 0);
	FIRE(lat_kvm_entry, VCPU, 0, 0, 0);
	m = measure();
	expect_counter(m, CNT_BEFORE_FIRST, 1);
	expect_counter(m, CNT_FIRST_ENTRY, 1);
	expect_counter(m, CNT_UNPAIRED_ENTRY, 1);
	expect_counter(m, CNT_UNPAIRED_BP_SEND, 1);
	expect_counter(m, CNT_OVERWRITTEN, 1);
	expect_counter(m, CNT_UNPAIRED_REPLY, 1);
	expect_counter(m, CNT_NO_REPLY, 1);
	expect_counter(m, CNT_DETACHING, 0);
	assert_int_equal(m->hists[class_find("pause_vcpu", "continue", "total")].count, 1);
	assert_int_equal(m->exits, 3);
	assert_int_equal(measurement_unaccounted(m), 0);
	free(m);

	assert_int_equal(maps_set_detaching(&maps, true), 0);
	FIRE(lat_kvm_entry, VCPU, 0, 0, 0);
	m = measure();
	expect_counter(m, CNT_UNPAIRED_ENTRY, 1);
	expect_counter(m, CNT_DETACHING, 1);
	free(m);
}

#define KVM_EXIT_DEBUG	  4
#define KVM_EXIT_SHUTDOWN 8

/* KVM_RUN on the calling thread: an exit that KVM handles, one that ends it. */
static void kvm_run(uint64_t vcpu, uint32_t reason)
{
	FIRE(lat_kvm_entry, vcpu, 0, 0, 0);
	FIRE(lat_kvm_exit, vcpu, 1, 0, 0);
	FIRE(lat_kvm_entry, vcpu, 0, 0, 0);
	FIRE(lat_kvm_exit, vcpu, 1, 0, 0);
	FIRE(lat_userspace, reason, 0, 0, 0);
}

static const struct hist *user_hist(const struct measurement *m, int user, int stage)
{
	return &m->hists[CLASS_USER + user * NR_USER_STAGES + stage];
}

/* One thread takes turns with two vCPUs: each gets what is its own. */
static void test_exits_to_userspace(void **state)
{
	struct measurement *m;
	struct vcpus vcpus = {};

	(void)state;
	FIRE(lat_userspace, KVM_EXIT_DEBUG, 0, 0, 0); /* of a vCPU never seen */
	for (int i = 0; i < 10; i++) {
		kvm_run(VCPU, KVM_EXIT_DEBUG);
		kvm_run(VCPU + 64, i < 3 ? KVM_EXIT_DEBUG : KVM_EXIT_SHUTDOWN);
	}
	m = measure();
	for (int i = 0; i < NR_USER_STAGES; i++) {
		assert_int_equal(user_hist(m, USER_DEBUG, i)->count, 9 + 3);
		assert_int_equal(user_hist(m, USER_OTHER, i)->count, 6);
	}
	for (int i = 0; i < NR_USERS; i++)
		assert_int_equal(user_hist(m, i, USER_KERNEL)->sum +
					 user_hist(m, i, USER_USERSPACE)->sum,
				 user_hist(m, i, USER_TOTAL)->sum);
	assert_int_equal(m->hists[CLASS_EXIT].count, 20);
	assert_int_equal(m->in_flight, 2);
	assert_int_equal(measurement_unaccounted(m), 0);
	for (int i = 0; i < NR_COUNTERS; i++)
		expect_counter(m, i, i == CNT_FIRST_ENTRY ? 2 : 0);

	assert_int_equal(maps_read_vcpus(&maps, &vcpus), 0);
	/* No type information has been given, and one thread runs both: they cannot be told apart. */
	assert_int_equal(vcpus.nr, 1);
	assert_int_equal(vcpus.list[0].pid, getpid());
	assert_int_equal(vcpus.list[0].sums.exits, 20);
	assert_int_equal(vcpus.list[0].sums.exit_time, m->hists[CLASS_EXIT].sum);
	assert_int_equal(vcpus.list[0].sums.users[USER_DEBUG], 12);
	for (int i = 0; i < NR_USER_STAGES; i++)
		assert_int_equal(vcpus.list[0].sums.user_time[USER_OTHER][i],
				 user_hist(m, USER_OTHER, i)->sum);
	vcpus_free(&vcpus);
	free(m);
}

static void *enter(void *unused)
{
	(void)unused;
	FIRE(lat_kvm_entry, VCPU, 0, 0, 0);
	FIRE(lat_kvm_exit, VCPU, 1, 0, 0);
	FIRE(lat_kvm_entry, VCPU, 0, 0, 0);
	return NULL;
}

/* Another thread comes with the address after a stay in userspace: that is another vCPU. */
static void test_another_vcpu_at_the_address(void **state)
{
	struct measurement *m;
	pthread_t thread;

	(void)state;
	FIRE(lat_kvm_exit, VCPU, 1, 0, 0);
	FIRE(lat_userspace, KVM_EXIT_SHUTDOWN, 0, 0, 0);
	assert_int_equal(pthread_create(&thread, NULL, enter, NULL), 0);
	pthread_join(thread, NULL);
	m = measure();
	assert_int_equal(user_hist(m, USER_OTHER, USER_TOTAL)->count, 0);
	assert_int_equal(m->hists[CLASS_EXIT].count, 1);
	assert_int_equal(m->exits, 2);
	assert_int_equal(m->in_flight, 1);
	expect_counter(m, CNT_FIRST_ENTRY, 1);
	assert_int_equal(measurement_unaccounted(m), 0);
	free(m);
}

/* Some 4096 bytes apart, as from a slab; a few with the same home. None gets another one's slot. */
static void test_many_vcpus(void **state)
{
	const unsigned int n = NR_VCPUS / 2;
	struct measurement *m;

	(void)state;
	for (int round = 0; round < 2; round++) {
		for (unsigned int i = 0; i < n; i++)
			FIRE(lat_kvm_exit, VCPU + i * 0x2b80ULL, 1, 0, 0);
		for (unsigned int i = 0; i < n; i++)
			FIRE(lat_kvm_entry, VCPU + i * 0x2b80ULL, 0, 0, 0);
	}
	m = measure();
	assert_int_equal(m->exits, 2 * n);
	assert_int_equal(m->hists[CLASS_EXIT].count, 2 * n);
	assert_int_equal(m->in_flight, 0);
	for (int i = 0; i < NR_COUNTERS; i++)
		expect_counter(m, i, 0);
	free(m);
}

static void test_more_vcpus_than_slots(void **state)
{
	const unsigned int n = NR_VCPUS + 10;
	struct measurement *m;

	(void)state;
	for (unsigned int i = 0; i < n; i++)
		FIRE(lat_kvm_exit, VCPU + i * 0x2b80ULL, 1, 0, 0);
	m = measure();
	assert_true(m->exits > NR_VCPUS * 3 / 4 && m->exits <= NR_VCPUS);
	assert_int_equal(m->in_flight, m->exits);
	expect_counter(m, CNT_MAP_FULL, n - m->exits);
	assert_int_equal(measurement_unaccounted(m), 0);
	free(m);
}

static void test_only_one_process(void **state)
{
	struct measurement *m;

	teardown(state);
	/* Not this process: nothing at all. */
	assert_int_equal(load(1), 0);
	breakpoint(VCPU, 1, 1);
	m = measure();
	assert_int_equal(m->exits, 0);
	for (int i = 0; i < NR_COUNTERS; i++)
		expect_counter(m, i, 0);
	free(m);
	teardown(state);

	assert_int_equal(load(getpid()), 0);
	breakpoint(VCPU, 1, 1);
	m = measure();
	assert_int_equal(m->exits, 1);
	expect_counter(m, CNT_BP_SEND, 1);
	free(m);
}

static int silent(enum libbpf_print_level level, const char *format, va_list args)
{
	(void)level;
	(void)format;
	(void)args;
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(test_breakpoints_add_up, setup, teardown),
		cmocka_unit_test_setup_teardown(test_plain_exits_on_both_kernels, setup, teardown),
		cmocka_unit_test_setup_teardown(test_problems_are_counted, setup, teardown),
		cmocka_unit_test_setup_teardown(test_exits_to_userspace, setup, teardown),
		cmocka_unit_test_setup_teardown(test_another_vcpu_at_the_address, setup, teardown),
		cmocka_unit_test_setup_teardown(test_many_vcpus, setup, teardown),
		cmocka_unit_test_setup_teardown(test_more_vcpus_than_slots, setup, teardown),
		cmocka_unit_test_setup_teardown(test_only_one_process, setup, teardown),
	};
	int err;

	libbpf_set_print(silent);
	err = load(0);
	kvmi_lat__destroy(skel);
	if (err == -EPERM || err == -EACCES || err == -ENOSYS) {
		printf("bpf: SKIP: not allowed to load BPF programs here (%s)\n", strerror(-err));
		return 77;
	}
	return cmocka_run_group_tests_name("bpf", tests, NULL, NULL);
}

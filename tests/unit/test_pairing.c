// SPDX-License-Identifier: BSD-2-Clause
/*
 * The pairing logic of the BPF programs, fed with event sequences: stages add up, none is
 * negative, and what cannot be paired is counted.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#include "pairing.bpf.h"

#define BP    KVMI_LAT_EVENT_BREAKPOINT
#define PAUSE 1
#define RETRY 1

/* What the BPF programs do around the pairing logic: count, and keep the samples. */
struct world {
	struct kvmi_lat_vcpu v;
	uint64_t counters[NR_COUNTERS];
	uint64_t stages[NR_STAGES]; /* of the last sample */
	uint64_t sums[NR_STAGES];
	unsigned int exits, events, others, users;
	unsigned int seen; /* kvm_exit */
};

static struct world w;

static int setup(void **state)
{
	(void)state;
	memset(&w, 0, sizeof(w));
	return 0;
}

static void counted(int why)
{
	if (why >= 0)
		w.counters[why]++;
}

static void vm_exit(uint64_t t)
{
	w.seen++;
	counted(pair_exit(&w.v, t));
}

static void bp_send(uint64_t t)
{
	counted(pair_bp_send(&w.v, t));
}

static void userspace(uint32_t user, uint64_t t)
{
	counted(pair_userspace(&w.v, user, t));
}

static void event(uint32_t id, uint32_t seq, uint64_t t)
{
	counted(pair_event(&w.v, id, seq, t));
}

static void reply(uint32_t id, uint32_t seq, uint32_t action, uint64_t t)
{
	counted(pair_reply(&w.v, id, seq, action, t));
}

static void command(uint64_t t)
{
	counted(pair_command(&w.v, t));
}

static void command_done(uint64_t t)
{
	counted(pair_command_done(&w.v, t));
}

static void bp_recv(uint32_t action, uint64_t t)
{
	counted(pair_bp_recv(&w.v, action, t));
}

static void entry(uint64_t t)
{
	uint64_t sum = 0;
	int what;

	if (pair_moves_reply(&w.v))
		w.counters[CNT_REPLY_MOVED]++;
	memset(w.stages, 0xff, sizeof(w.stages));
	what = pair_entry(&w.v, t, (__u64 *)w.stages);
	counted(what);
	switch (what) {
	case PAIR_EXIT:
		w.exits++;
		break;
	case PAIR_OTHER:
		w.others++;
		break;
	case PAIR_USER:
		w.users++;
		assert_true(w.stages[USER_KERNEL] <= w.stages[USER_TOTAL]);
		assert_true(w.stages[USER_KERNEL] + w.stages[USER_USERSPACE] ==
			    w.stages[USER_TOTAL]);
		break;
	case PAIR_EVENT:
		w.events++;
		for (int i = 0; i < STAGE_TOTAL; i++) {
			/* a negative one would be huge */
			assert_true(w.stages[i] <= w.stages[STAGE_TOTAL]);
			sum += w.stages[i];
		}
		assert_true(sum == w.stages[STAGE_TOTAL]);
		for (int i = 0; i < NR_STAGES; i++)
			w.sums[i] += w.stages[i];
		break;
	}
}

static void assert_stages(uint64_t dispatch, uint64_t build, uint64_t introspector,
			  uint64_t commands, uint64_t wake, uint64_t act)
{
	const uint64_t expected[] = {dispatch, build, introspector, commands, wake, act};

	for (int i = 0; i < STAGE_TOTAL; i++)
		assert_int_equal(w.stages[i], expected[i]);
}

/* Each exit seen is in one place: in a histogram, dropped for one reason, or in flight. */
static void assert_all_accounted(void)
{
	uint64_t known = w.exits + w.events + w.others + w.users + w.v.cut;

	for (int i = CNT_DROPPED_FIRST; i <= CNT_DROPPED_LAST; i++)
		known += w.counters[i];
	known += w.v.state >= VCPU_EXITED && w.v.state != VCPU_BROKEN;
	assert_int_equal(known, w.seen);
	assert_int_equal(w.v.exits, w.seen);
}

static void assert_only_counter(int counter, uint64_t n)
{
	for (int i = 0; i < NR_COUNTERS; i++)
		assert_int_equal(w.counters[i], i == counter ? n : 0);
	assert_all_accounted();
}

static void assert_no_counter(void)
{
	assert_only_counter(-1, 0);
}

static void test_normal(void **state)
{
	(void)state;
	vm_exit(1000);
	bp_send(1100);
	event(BP, 7, 1250);
	reply(BP, 7, RETRY, 5000);
	bp_recv(RETRY, 5600);
	entry(6000);
	assert_stages(100, 150, 3750, 0, 600, 400);
	assert_int_equal(w.stages[STAGE_TOTAL], 5000);
	assert_int_equal(w.v.action, RETRY);
	assert_int_equal(w.events, 1);
	assert_no_counter();
}

static void test_plain_exit(void **state)
{
	(void)state;
	entry(500);
	assert_only_counter(CNT_FIRST_ENTRY, 1);
	vm_exit(1000);
	entry(1300);
	assert_int_equal(w.stages[STAGE_TOTAL], 300);
	assert_int_equal(w.exits, 1);
	assert_only_counter(CNT_FIRST_ENTRY, 1);
}

static void test_command_before_reply(void **state)
{
	(void)state;
	vm_exit(1000);
	bp_send(1100);
	event(BP, 1, 1200);
	command(2000);
	command_done(2300);
	reply(BP, 1, RETRY, 4000);
	bp_recv(RETRY, 4100);
	entry(4200);
	assert_stages(100, 100, 2800 - 300, 300, 100, 100);
	assert_no_counter();
}

static void test_command_after_reply(void **state)
{
	(void)state;
	vm_exit(1000);
	bp_send(1100);
	event(BP, 1, 1200);
	reply(BP, 1, RETRY, 2000);
	command(2500);
	command_done(2700);
	bp_recv(RETRY, 3000);
	entry(3100);
	assert_stages(100, 100, 800, 200, 1000 - 200, 100);
	assert_no_counter();
}

static void test_command_across_reply(void **state)
{
	(void)state;
	vm_exit(1000);
	bp_send(1100);
	event(BP, 1, 1200);
	command(1900);
	reply(BP, 1, RETRY, 2000);
	command_done(2500);
	bp_recv(RETRY, 3000);
	entry(3100);
	/* 100 of the command lie before the reply, 500 after it */
	assert_stages(100, 100, 800 - 100, 600, 1000 - 500, 100);
	assert_no_counter();
}

static void test_several_commands(void **state)
{
	(void)state;
	vm_exit(1000);
	bp_send(1000);
	event(BP, 1, 1000);
	for (uint64_t t = 1100; t < 1500; t += 100) {
		command(t);
		command_done(t + 10);
	}
	command(1900);
	reply(BP, 1, RETRY, 1920);
	command_done(1950);
	command(1960);
	command_done(1970);
	bp_recv(RETRY, 2000);
	entry(2000);
	assert_stages(0, 0, 920 - 40 - 20, 40 + 50 + 10, 80 - 30 - 10, 0);
	assert_no_counter();
}

static void test_reply_stored_late(void **state)
{
	(void)state;
	vm_exit(1000);
	bp_send(1100);
	event(BP, 1, 1200);
	command(1900);
	command_done(2500);
	/* the receiver read its clock at 2000, but it was not to be seen at 2500 */
	reply(BP, 1, RETRY, 2000);
	bp_recv(RETRY, 3000);
	entry(3100);
	assert_stages(100, 100, 2500 - 1200 - 600, 600, 500, 100);
	assert_only_counter(CNT_REPLY_MOVED, 1);
}

static void test_reply_clock_ahead(void **state)
{
	(void)state;
	vm_exit(1000);
	bp_send(1100);
	event(BP, 1, 1200);
	command(1900);
	/* the vCPU's clock, read before, says 2500 a moment later */
	reply(BP, 1, RETRY, 2510);
	command_done(2500);
	bp_recv(RETRY, 3000);
	entry(3100);
	assert_stages(100, 100, 1310 - 600, 600, 490, 100);
	assert_no_counter();
}

static void test_command_without_its_end(void **state)
{
	(void)state;
	vm_exit(1000);
	bp_send(1100);
	event(BP, 1, 1200);
	command(1300);
	command(1400);
	command_done(1450);
	command(1500);
	reply(BP, 1, RETRY, 2000);
	bp_recv(RETRY, 2100);
	entry(2200);
	assert_stages(100, 100, 800 - 50, 50, 100, 100);
	assert_only_counter(CNT_UNPAIRED_COMMAND, 2);
}

static void test_command_outside_an_event(void **state)
{
	(void)state;
	command(10);
	command_done(20);
	vm_exit(1000);
	command(1010);
	command_done(1020);
	entry(1100);
	assert_int_equal(w.exits, 1);
	assert_only_counter(CNT_COMMANDS_OUTSIDE, 2);
}

static void test_lost_exit(void **state)
{
	(void)state;
	entry(100);
	bp_send(1100);
	event(BP, 1, 1200);
	reply(BP, 1, RETRY, 2000);
	bp_recv(RETRY, 2100);
	entry(2200);
	assert_int_equal(w.events + w.exits + w.others, 0);
	assert_int_equal(w.counters[CNT_UNPAIRED_BP_SEND], 1);
	assert_int_equal(w.counters[CNT_UNPAIRED_EVENT], 1);
	assert_int_equal(w.counters[CNT_UNPAIRED_REPLY], 1);
	assert_int_equal(w.counters[CNT_UNPAIRED_BP_RECV], 1);
	assert_int_equal(w.counters[CNT_UNPAIRED_ENTRY], 1);
	assert_all_accounted();
}

static void test_lost_entry(void **state)
{
	(void)state;
	vm_exit(1000);
	vm_exit(2000);
	entry(2100);
	assert_int_equal(w.exits, 1);
	assert_int_equal(w.stages[STAGE_TOTAL], 100);
	assert_only_counter(CNT_OVERWRITTEN, 1);
}

static void test_attached_in_the_middle(void **state)
{
	(void)state;
	event(BP, 1, 100);
	reply(BP, 1, RETRY, 200);
	bp_recv(RETRY, 300);
	assert_only_counter(CNT_BEFORE_FIRST, 3);
	entry(400);
	vm_exit(500);
	entry(600);
	assert_int_equal(w.exits, 1);
	assert_int_equal(w.counters[CNT_FIRST_ENTRY], 1);
}

static void test_lost_bp_send(void **state)
{
	(void)state;
	vm_exit(1000);
	event(BP, 1, 1200);
	reply(BP, 1, RETRY, 2000);
	bp_recv(RETRY, 2100);
	entry(2200);
	assert_int_equal(w.events + w.exits, 0);
	assert_int_equal(w.counters[CNT_INCOMPLETE], 1);
	assert_all_accounted();
}

static void test_lost_event_or_pick_up(void **state)
{
	(void)state;
	vm_exit(1000);
	bp_send(1100);
	bp_recv(RETRY, 2100);
	entry(2200);
	vm_exit(3000);
	bp_send(3100);
	event(BP, 2, 3200);
	reply(BP, 2, RETRY, 3300);
	entry(3400);
	assert_int_equal(w.events + w.exits, 0);
	assert_only_counter(CNT_INCOMPLETE, 2);
}

static void test_reply_before_send(void **state)
{
	(void)state;
	vm_exit(1000);
	bp_send(1100);
	reply(BP, 1, RETRY, 1150);
	event(BP, 1, 1200);
	bp_recv(RETRY, 2100);
	entry(2200);
	assert_int_equal(w.events, 0);
	assert_int_equal(w.counters[CNT_UNPAIRED_REPLY], 1);
	assert_int_equal(w.counters[CNT_NO_REPLY], 1);
	assert_all_accounted();
}

static void test_reply_to_another(void **state)
{
	(void)state;
	vm_exit(1000);
	bp_send(1100);
	event(BP, 5, 1200);
	reply(BP, 4, RETRY, 1300);
	reply(PAUSE, 5, RETRY, 1400);
	reply(BP, 5, RETRY, 1500);
	bp_recv(RETRY, 1600);
	entry(1700);
	assert_stages(100, 100, 300, 0, 100, 100);
	assert_only_counter(CNT_UNPAIRED_REPLY, 2);
}

static void test_duplicate_reply(void **state)
{
	(void)state;
	vm_exit(1000);
	bp_send(1100);
	event(BP, 5, 1200);
	reply(BP, 5, RETRY, 1300);
	reply(BP, 5, RETRY, 1400);
	bp_recv(RETRY, 1600);
	entry(1700);
	assert_stages(100, 100, 100, 0, 300, 100);
	assert_only_counter(CNT_DUPLICATE_REPLY, 1);
}

static void test_same_seq_twice(void **state)
{
	(void)state;
	for (uint64_t t = 1000; t < 3000; t += 1000) {
		vm_exit(t);
		bp_send(t + 100);
		event(BP, 5, t + 200);
		/* the second one stays unanswered: the first one's reply must not do */
		if (t == 1000)
			reply(BP, 5, RETRY, t + 300);
		bp_recv(RETRY, t + 400);
		entry(t + 500);
	}
	assert_int_equal(w.events, 1);
	assert_only_counter(CNT_NO_REPLY, 1);
}

static void test_clock_going_back(void **state)
{
	static const int backwards_at[] = {1, 2, 3, 4, 5};

	(void)state;
	for (size_t i = 0; i < sizeof(backwards_at) / sizeof(backwards_at[0]); i++) {
		uint64_t t[6];

		for (int j = 0; j < 6; j++)
			t[j] = 10000 * (i + 1) + 100 * j - (j >= backwards_at[i] ? 1000 : 0);
		vm_exit(t[0]);
		bp_send(t[1]);
		event(BP, i, t[2]);
		reply(BP, i, RETRY, t[3]);
		bp_recv(RETRY, t[4]);
		entry(t[5]);
	}
	assert_int_equal(w.events, 0);
	vm_exit(900);
	entry(800);
	assert_int_equal(w.exits, 0);
	assert_only_counter(CNT_OUT_OF_ORDER, 6);
}

static void test_clock_going_back_in_a_command(void **state)
{
	(void)state;
	vm_exit(1000);
	bp_send(1100);
	event(BP, 5, 1200);
	command(1300);
	command_done(1250);
	reply(BP, 5, RETRY, 1400);
	bp_recv(RETRY, 1600);
	entry(1700);
	assert_int_equal(w.events, 0);
	assert_int_equal(w.counters[CNT_OUT_OF_ORDER], 1);
	assert_all_accounted();
}

static void test_disconnect_without_reply(void **state)
{
	(void)state;
	vm_exit(1000);
	bp_send(1100);
	event(BP, 1, 1200);
	bp_recv(0, 2000);
	entry(2100);
	assert_int_equal(w.events + w.exits, 0);
	assert_only_counter(CNT_NO_REPLY, 1);
	/* and the next exit is none the worse for it */
	vm_exit(3000);
	entry(3100);
	assert_int_equal(w.exits, 1);
	assert_only_counter(CNT_NO_REPLY, 1);
}

static void test_crash_stays_in_flight(void **state)
{
	(void)state;
	vm_exit(1000);
	bp_send(1100);
	event(BP, 1, 1200);
	reply(BP, 1, 2, 1300);
	bp_recv(2, 2000);
	assert_no_counter();
}

static void test_other_event(void **state)
{
	(void)state;
	vm_exit(1000);
	event(PAUSE, 1, 1200);
	reply(PAUSE, 1, 0, 1300);
	entry(1500);
	assert_int_equal(w.others, 1);
	assert_int_equal(w.stages[STAGE_TOTAL], 500);
	assert_int_equal(w.v.event, PAUSE);
	vm_exit(2000);
	event(PAUSE, 2, 2200);
	entry(2500);
	assert_only_counter(CNT_NO_REPLY, 1);
	vm_exit(3000);
	event(17, 3, 3200);
	entry(3500);
	assert_int_equal(w.counters[CNT_UNKNOWN_EVENT], 1);
	assert_all_accounted();
}

static void test_two_events_in_one_exit(void **state)
{
	(void)state;
	vm_exit(1000);
	bp_send(1100);
	event(BP, 1, 1200);
	reply(BP, 1, RETRY, 1300);
	bp_recv(RETRY, 1400);
	event(PAUSE, 2, 1500);
	reply(PAUSE, 2, 0, 1600);
	entry(1700);
	assert_int_equal(w.events + w.others + w.exits, 0);
	assert_int_equal(w.counters[CNT_MIXED], 1);
	assert_all_accounted();
}

static void test_bad_action(void **state)
{
	(void)state;
	vm_exit(1000);
	bp_send(1100);
	event(BP, 1, 1200);
	reply(BP, 1, 9, 1300);
	bp_recv(9, 1400);
	entry(1700);
	assert_only_counter(CNT_BAD_ACTION, 1);
}

static void test_userspace(void **state)
{
	(void)state;
	vm_exit(1000);
	userspace(USER_DEBUG, 1300);
	entry(2000);
	assert_int_equal(w.users, 1);
	assert_int_equal(w.v.user, USER_DEBUG);
	assert_int_equal(w.stages[USER_KERNEL], 300);
	assert_int_equal(w.stages[USER_USERSPACE], 700);
	assert_int_equal(w.stages[USER_TOTAL], 1000);
	/* twice before the entry: the first says what it was and when */
	vm_exit(3000);
	userspace(USER_OTHER, 3100);
	userspace(USER_DEBUG, 3500);
	entry(4000);
	assert_int_equal(w.users, 2);
	assert_int_equal(w.v.user, USER_OTHER);
	assert_int_equal(w.stages[USER_KERNEL], 100);
	/* and the next exit is one that KVM handles, none the worse for it */
	vm_exit(5000);
	entry(5200);
	assert_int_equal(w.exits, 1);
	assert_int_equal(w.stages[STAGE_TOTAL], 200);
	assert_no_counter();
}

static void test_userspace_before_the_first_exit(void **state)
{
	(void)state;
	userspace(USER_OTHER, 100);
	entry(200);
	userspace(USER_OTHER, 300);
	vm_exit(400);
	entry(500);
	assert_int_equal(w.exits, 1);
	assert_int_equal(w.users, 0);
	assert_only_counter(CNT_FIRST_ENTRY, 1);
}

static void test_userspace_clock_going_back(void **state)
{
	(void)state;
	vm_exit(1000);
	userspace(USER_DEBUG, 900);
	entry(2000);
	vm_exit(3000);
	userspace(USER_DEBUG, 3100);
	entry(3050);
	assert_int_equal(w.users, 0);
	assert_only_counter(CNT_OUT_OF_ORDER, 2);
}

static void test_userspace_in_an_event(void **state)
{
	(void)state;
	vm_exit(1000);
	bp_send(1100);
	event(BP, 1, 1200);
	reply(BP, 1, RETRY, 1300);
	bp_recv(RETRY, 1400);
	userspace(USER_OTHER, 1500);
	userspace(USER_OTHER, 1600);
	entry(2000);
	assert_stages(100, 100, 100, 0, 100, 600);
	assert_only_counter(CNT_LEFT_KERNEL, 1);
	/* KVM_RUN begins with an event */
	vm_exit(3000);
	userspace(USER_OTHER, 3100);
	event(PAUSE, 2, 3300);
	reply(PAUSE, 2, 0, 3400);
	entry(3500);
	assert_int_equal(w.others, 1);
	assert_int_equal(w.stages[STAGE_TOTAL], 500);
	assert_only_counter(CNT_LEFT_KERNEL, 2);
}

/* The VM is destroyed and another vCPU gets the address: nothing of the one pairs with the other. */
static void test_replaced(void **state)
{
	(void)state;
	for (int at = 1; at < 6; at++) {
		uint64_t t = at * 10000;

		vm_exit(t);
		if (at > 1)
			bp_send(t + 100);
		if (at > 2)
			event(BP, at, t + 200);
		if (at > 3)
			reply(BP, at, RETRY, t + 300);
		if (at > 4)
			bp_recv(RETRY, t + 400);
		assert_false(pair_was_away(&w.v));
		userspace(USER_OTHER, t + 500);
		assert_true(pair_was_away(&w.v));
		pair_replaced(&w.v);
		assert_false(pair_was_away(&w.v));
		entry(t + 600);
		vm_exit(t + 700);
		entry(t + 800);
		assert_int_equal(w.stages[STAGE_TOTAL], 100);
		assert_int_equal(w.exits, at);
		assert_int_equal(w.v.cut, at);
	}
	assert_int_equal(w.users + w.events, 0);
	assert_int_equal(w.counters[CNT_FIRST_ENTRY], 5);
	assert_int_equal(w.counters[CNT_LEFT_KERNEL], 4);
	assert_all_accounted();
	/* one that was counted as dropped is not in flight as well */
	vm_exit(90000);
	bp_send(90100);
	bp_send(90200);
	userspace(USER_OTHER, 90300);
	pair_replaced(&w.v);
	assert_int_equal(w.v.cut, 5);
	assert_all_accounted();
}

/* Of the introspector's stage, from 1200 to 5000 with a command of 300 in it. */
static void assert_split(uint64_t in, uint64_t waking, uint64_t wake, uint64_t own,
			 uint64_t reply_part)
{
	uint64_t split[NR_TOOL_STAGES];

	setup(NULL);
	vm_exit(1000);
	bp_send(1100);
	event(BP, 1, 1200);
	command(2000);
	command_done(2300);
	reply(BP, 1, RETRY, 5000);
	bp_recv(RETRY, 5100);
	entry(5200);
	w.v.tool_in = in;
	w.v.tool_waking = waking;
	assert_false(pair_split(&w.v, (__u64 *)w.stages, (__u64 *)split));
	w.v.tool_known = 1;
	assert_true(pair_split(&w.v, (__u64 *)w.stages, (__u64 *)split));
	assert_int_equal(split[TOOL_WAKE], wake);
	assert_int_equal(split[TOOL_OWN], own);
	assert_int_equal(split[TOOL_REPLY], reply_part);
	assert_int_equal(wake + own + reply_part, w.stages[STAGE_INTROSPECTOR]);
}

static void test_split(void **state)
{
	uint64_t split[NR_TOOL_STAGES];

	(void)state;
	assert_split(1700, 4600, 500, 2600, 400);
	/* what it did for the event before, or had not done yet: it ran, or the receiver was awake */
	assert_split(900, 4600, 0, 3100, 400);
	assert_split(1700, 1150, 500, 3000, 0);
	assert_split(5050, 5001, 0, 3500, 0);
	/* woken for the command, before the tool is said to have run: not for this reply */
	assert_split(1700, 1600, 500, 3000, 0);
	assert_split(0, 0, 0, 3500, 0);
	/* the command was served while the reply was on its way */
	w.v.tool_in = 1300;
	w.v.tool_waking = 1400;
	assert_false(pair_split(&w.v, (__u64 *)w.stages, (__u64 *)split));
}

static uint64_t random_state = 88172645463325252ULL;

static uint32_t random_below(uint32_t n)
{
	random_state ^= random_state << 13;
	random_state ^= random_state >> 7;
	random_state ^= random_state << 17;
	return random_state % n;
}

/* Whatever comes in whatever order: entry() checks every sample, and no exit gets lost. */
static void test_random_sequences(void **state)
{
	uint64_t t = 1000000;
	uint32_t seq = 0;

	(void)state;
	for (int i = 0; i < 2000000; i++) {
		uint32_t id = random_below(8) ? BP : random_below(6);
		/* mostly what is due next, so that many events get to their end */
		uint32_t step = random_below(10) ? w.v.state : 100 + random_below(9);

		t += random_below(1000);
		if (!random_below(200))
			t -= random_below(3000);
		switch (step) {
		case VCPU_NEW:
		case VCPU_GUEST:
		case 100:
			vm_exit(t);
			break;
		case VCPU_EXITED:
		case 101:
			if (!random_below(8))
				userspace(random_below(NR_USERS), t);
			else if (random_below(4))
				bp_send(t);
			else if (random_below(4))
				entry(t);
			else
				event(id == BP ? PAUSE : id, ++seq, t);
			break;
		case VCPU_BUILD:
		case 102:
			event(id, ++seq, t);
			break;
		case VCPU_WAIT:
		case VCPU_OTHER:
		case 103:
			switch (random_below(4)) {
			case 0:
				w.v.t_command ? command_done(t) : command(t);
				break;
			case 1:
				/* as another CPU would: a time read a while ago */
				reply(w.v.event, w.v.seq, random_below(9) ? RETRY : 5,
				      t - random_below(300));
				break;
			case 2:
				bp_recv(random_below(9) ? RETRY : 7, t);
				break;
			default:
				if (w.v.state == VCPU_OTHER)
					entry(t);
			}
			break;
		case 104:
			command_done(t);
			break;
		case 105:
			bp_recv(RETRY, t);
			break;
		case VCPU_USER:
		case 108:
			if (!random_below(4))
				userspace(random_below(NR_USERS), t);
			else if (!random_below(16) && pair_was_away(&w.v))
				pair_replaced(&w.v);
			else if (!random_below(8))
				event(PAUSE, ++seq, t);
			else
				entry(t);
			break;
		default:
			entry(t);
		}
	}
	assert_all_accounted();
	/* The generator does reach everything. */
	assert_true(w.events > 10000 && w.exits > 10000 && w.others > 100 && w.users > 10000);
	assert_true(w.v.cut > 100 && w.counters[CNT_LEFT_KERNEL] > 100);
	for (int i = CNT_UNPAIRED_FIRST; i < CNT_MAP_FULL; i++)
		assert_true(w.counters[i] > 0);
	assert_true(w.counters[CNT_REPLY_MOVED] > 0);
	for (int i = 0; i < STAGE_TOTAL; i++)
		w.sums[STAGE_TOTAL] -= w.sums[i];
	assert_int_equal(w.sums[STAGE_TOTAL], 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(test_normal, setup),
		cmocka_unit_test_setup(test_plain_exit, setup),
		cmocka_unit_test_setup(test_command_before_reply, setup),
		cmocka_unit_test_setup(test_command_after_reply, setup),
		cmocka_unit_test_setup(test_command_across_reply, setup),
		cmocka_unit_test_setup(test_several_commands, setup),
		cmocka_unit_test_setup(test_reply_stored_late, setup),
		cmocka_unit_test_setup(test_reply_clock_ahead, setup),
		cmocka_unit_test_setup(test_command_without_its_end, setup),
		cmocka_unit_test_setup(test_command_outside_an_event, setup),
		cmocka_unit_test_setup(test_lost_exit, setup),
		cmocka_unit_test_setup(test_lost_entry, setup),
		cmocka_unit_test_setup(test_attached_in_the_middle, setup),
		cmocka_unit_test_setup(test_lost_bp_send, setup),
		cmocka_unit_test_setup(test_lost_event_or_pick_up, setup),
		cmocka_unit_test_setup(test_reply_before_send, setup),
		cmocka_unit_test_setup(test_reply_to_another, setup),
		cmocka_unit_test_setup(test_duplicate_reply, setup),
		cmocka_unit_test_setup(test_same_seq_twice, setup),
		cmocka_unit_test_setup(test_clock_going_back, setup),
		cmocka_unit_test_setup(test_clock_going_back_in_a_command, setup),
		cmocka_unit_test_setup(test_disconnect_without_reply, setup),
		cmocka_unit_test_setup(test_crash_stays_in_flight, setup),
		cmocka_unit_test_setup(test_other_event, setup),
		cmocka_unit_test_setup(test_two_events_in_one_exit, setup),
		cmocka_unit_test_setup(test_bad_action, setup),
		cmocka_unit_test_setup(test_userspace, setup),
		cmocka_unit_test_setup(test_userspace_before_the_first_exit, setup),
		cmocka_unit_test_setup(test_userspace_clock_going_back, setup),
		cmocka_unit_test_setup(test_userspace_in_an_event, setup),
		cmocka_unit_test_setup(test_replaced, setup),
		cmocka_unit_test_setup(test_split, setup),
		cmocka_unit_test_setup(test_random_sequences, setup),
	};

	return cmocka_run_group_tests_name("pairing", tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-2-Clause
/* Sequences of tracepoints, made up and damaged, with what is true of them: for tests of pairing. */
#include <assert.h>
#include <stdlib.h>

#include "sequences.h"

const char *const tracepoint_names[] = {
	"kvm_exit",	     "kvmi_event_bp_send", "kvmi_event",	 "kvmi_event_reply",
	"kvmi_vcpu_command", "kvmi_vcpu_reply",	   "kvmi_event_bp_recv", "kvm_entry"};

struct sequence sequence;

static uint64_t random_state;

static uint32_t below(uint32_t n)
{
	random_state ^= random_state >> 12;
	random_state ^= random_state << 25;
	random_state ^= random_state >> 27;
	return (random_state * 0x2545f4914f6cdd1dULL >> 32) % n;
}

static bool fault(enum fault which, uint32_t one_in)
{
	return sequence.faults & which && !below(one_in);
}

/* Even, so that a reply at an odd time comes at the same time as nothing else. */
static uint64_t gap(void)
{
	return 2 * (1 + below(below(10) ? 3000 : 3000000));
}

static struct record *record(enum tracepoint what, unsigned int vcpu, int exit, uint64_t at)
{
	struct record *r = &sequence.records[sequence.nr_records++];

	assert(sequence.nr_records <= MAX_RECORDS);
	*r = (struct record){.what = what, .vcpu = vcpu, .stamp = at, .seen = at, .exit = exit};
	if (exit != NO_EXIT)
		sequence.exits[exit].end = sequence.nr_records;
	return r;
}

static struct record *reply(unsigned int vcpu, int exit, uint32_t event, uint64_t at)
{
	struct record *r = record(REPLY, vcpu, exit, at);

	r->event = event;
	r->seq = sequence.seq;
	r->action = sequence.exits[exit].action;
	return r;
}

/* At a time that lies between, and is odd. */
static uint64_t between(uint64_t from, uint64_t to)
{
	return from + 1 + 2 * below((to - from) / 2);
}

/*
 * The answer to the event at from, which the vCPU picks up at to. Its time is taken before other
 * CPUs can see it.
 */
static void make_replies(unsigned int vcpu, int exit, uint32_t event, uint64_t from, uint64_t to)
{
	struct record *r;
	uint64_t at = between(from, to);

	if (fault(STRAY_REPLY, 4)) {
		r = reply(vcpu, exit, event, between(from, to));
		r->seq += 1 + below(3);
		r->stray = true;
	}
	r = reply(vcpu, exit, event, at);
	if (!below(3))
		r->seen = between(at - 1, to);
	if (fault(REPLY_FIRST, 4)) {
		/* The tool had answered before kvmi_event was seen. */
		r->seen = r->stamp = from - 1;
		sequence.exits[exit].hopeless = sequence.exits[exit].kind != TWO_EVENTS;
	} else if (r->seen + 1 < to && fault(REPLY_TWICE, 4)) {
		reply(vcpu, exit, event, between(r->seen + 1, to))->stray = true;
	}
}

/* kvmi_event, what the tool asks for meanwhile, the answer: up to where the vCPU goes on. */
static uint64_t make_event(unsigned int vcpu, int exit, uint32_t event, uint64_t t, bool commands)
{
	struct record *r = record(EVENT, vcpu, exit, t);
	uint64_t from = t;

	sequence.seq += !fault(SAME_SEQ, 2);
	r->event = event;
	r->seq = sequence.seq;
	for (unsigned int i = commands ? below(4) : 0; i; i--) {
		record(COMMAND, vcpu, exit, t += gap());
		record(COMMAND_DONE, vcpu, exit, t += gap());
	}
	t += gap();
	make_replies(vcpu, exit, event, from, t);
	return t;
}

static uint64_t make_breakpoint(unsigned int vcpu, int exit, uint64_t t)
{
	record(BP_SEND, vcpu, exit, t += gap());
	t = make_event(vcpu, exit, KVMI_LAT_EVENT_BREAKPOINT, t + gap(), true);
	record(BP_RECV, vcpu, exit, t)->action = sequence.exits[exit].action;
	if (sequence.exits[exit].kind == TWO_EVENTS)
		t = make_event(vcpu, exit, 1, t + gap(), false);
	return t;
}

/*
 * A VM that is destroyed while the tool has its event leaves the slot as it is then, to be found by
 * the vCPU that gets the same address. Where there is no event under way, nothing in the
 * tracepoints tells the one's exit and the other's first entry from a pair.
 */
static void cut(struct vm_exit *e)
{
	unsigned int at = e->first + 2 + below(e->end - e->first - 2);
	bool gone = false;

	for (unsigned int i = e->first + 2; i < e->end; i++) {
		gone |= i >= at || sequence.records[i].what == BP_RECV;
		sequence.records[i].lost |= gone;
	}
	e->cut = true;
	e->hopeless = true;
}

static uint64_t make_exit(unsigned int vcpu, uint64_t t, bool destroyed)
{
	int exit = sequence.nr_exits++;
	struct vm_exit *e = &sequence.exits[exit];
	uint32_t dice = below(10);

	assert(sequence.nr_exits <= MAX_EXITS);
	*e = (struct vm_exit){.first = sequence.nr_records, .action = below(KVMI_LAT_NR_ACTIONS)};
	e->kind = dice < 4 && !destroyed ? PLAIN : dice < 6 && !destroyed ? OTHER : BREAKPOINT;
	if (e->kind == BREAKPOINT && fault(SECOND_EVENT, 6))
		e->kind = TWO_EVENTS;
	if (e->kind != PLAIN && fault(BAD_ARGUMENT, 8)) {
		e->action = KVMI_LAT_NR_ACTIONS + below(5);
		e->hopeless = true;
	}
	record(EXIT, vcpu, exit, t += gap());
	if (e->kind == OTHER && fault(BAD_ARGUMENT, 8)) {
		t = make_event(vcpu, exit, KVMI_LAT_NR_EVENTS + below(9), t + gap(), false);
		e->hopeless = true;
	} else if (e->kind == OTHER) {
		t = make_event(vcpu, exit, below(KVMI_LAT_EVENT_BREAKPOINT), t + gap(), false);
	} else if (e->kind != PLAIN) {
		t = make_breakpoint(vcpu, exit, t);
	}
	record(ENTRY, vcpu, exit, t += gap());
	if (destroyed)
		cut(e);
	return t;
}

/* One after the other, the vCPUs that have the same address. */
static void make_vcpus(unsigned int vcpu)
{
	unsigned int lives = sequence.faults & DESTROYED ? 1 + below(3) : 1;
	uint64_t t = gap();

	for (unsigned int life = 0; life < lives; life++) {
		unsigned int exits = 1 + below(10);

		/* The first vCPU may have been there before anybody looked. */
		if (life || below(2))
			record(ENTRY, vcpu, NO_EXIT, t += gap());
		while (exits--) {
			t = make_exit(vcpu, t, life < lives - 1 && !exits);
			if (!below(20)) {
				record(COMMAND, vcpu, NO_EXIT, t += 2);
				record(COMMAND_DONE, vcpu, NO_EXIT, t += 2);
			}
		}
	}
}

/* --- damage --- */

/* Where nothing could tell what is left from a whole pair, there can be no right answer. */
static bool must_stay(unsigned int i)
{
	const struct record *r = &sequence.records[i];

	/* An exit whose entry is lost, and an entry whose exit is lost. */
	while (r->what == EXIT && i--) {
		if (sequence.records[i].what == ENTRY && sequence.records[i].vcpu == r->vcpu)
			return sequence.records[i].lost;
	}
	/* See cut(). */
	return r->what == BP_SEND && sequence.exits[r->exit].cut;
}

static void lose(void)
{
	for (unsigned int i = 0; i < sequence.nr_records; i++)
		sequence.records[i].lost |= !below(12) && !must_stay(i);
}

/* Threads move from CPU to CPU, whose clocks are not quite the same; or all clocks are set back. */
static void set_clocks(void)
{
	uint64_t when = sequence.records[below(sequence.nr_records)].stamp;
	int64_t back = sequence.faults & CLOCK_BACK ? 1 + below(50000) : 0, apart = 0;

	for (unsigned int i = 0; i < sequence.nr_records; i++) {
		struct record *r = &sequence.records[i];

		if (sequence.faults & CLOCKS_APART && !below(8))
			apart = below(2000);
		r->clock = apart - (r->stamp >= when ? back : 0);
		/* Far enough from 0. */
		r->stamp += r->clock + (1 << 20);
	}
}

static int by_turn(const void *a, const void *b)
{
	const struct record *x = *(const struct record *const *)a;
	const struct record *y = *(const struct record *const *)b;

	return (x->seen > y->seen) - (x->seen < y->seen);
}

void sequence_make(unsigned int number)
{
	random_state = 0x9e3779b97f4a7c15ULL * (number + 1);
	sequence.number = number;
	/* No fault, one, several. */
	sequence.faults = number % 4 == 0   ? 0
			  : number % 4 == 1 ? 1U << below(NR_FAULTS)
					    : below(1 << NR_FAULTS);
	sequence.nr_vcpus = 1 + below(MAX_VCPUS);
	sequence.nr_records = sequence.nr_exits = sequence.seq = 0;
	for (unsigned int i = 0; i < sequence.nr_vcpus; i++) {
		/* VMs number their events each for itself. */
		if (below(2))
			sequence.seq = 0;
		make_vcpus(i);
	}
	if (sequence.faults & LOSS)
		lose();
	set_clocks();
	for (unsigned int i = 0; i < sequence.nr_records; i++)
		sequence.turns[i] = &sequence.records[i];
	qsort(sequence.turns, sequence.nr_records, sizeof(sequence.turns[0]), by_turn);
}

// SPDX-License-Identifier: BSD-2-Clause
/*
 * The pairing logic of the BPF programs against an oracle: sequences of tracepoints are made up from
 * exits that are known whole, are damaged in the ways in which the real ones can be, and what comes
 * out is held against what is known.
 *
 * - A sample's exit and entry, and all between them, belong to one exit: its figures are that exit's.
 * - No stage is negative; the stages add up to the total.
 * - An exit with nothing wrong about it becomes a sample, whatever happened before it.
 *   A tool's command of which one end is missing does not cost the sample.
 * - Exits seen = samples + dropped + in flight.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "pairing.bpf.h"
#include "sequences.h"

#define NR_SEQUENCES 30000
enum sample { NO_SAMPLE, SAMPLE_EXIT, SAMPLE_EVENT, SAMPLE_OTHER, NR_SAMPLES };

/* What came of a sequence, and of all of them. */
struct outcome {
	uint64_t counters[NR_COUNTERS];
	uint64_t seen; /* kvm_exit */
	uint64_t samples[NR_SAMPLES];
	uint64_t exact;
};

/* --- the pairing logic, as the BPF programs call it: nothing else here does --- */

static struct kvmi_lat_vcpu slots[MAX_VCPUS];

static enum sample feed(const struct record *r, struct outcome *out, uint64_t stages[NR_STAGES],
			uint32_t *action)
{
	struct kvmi_lat_vcpu *v = &slots[r->vcpu];
	int result = PAIR_OK;

	switch (r->what) {
	case EXIT:
		result = pair_exit(v, r->stamp);
		break;
	case BP_SEND:
		result = pair_bp_send(v, r->stamp);
		break;
	case EVENT:
		result = pair_event(v, r->event, r->seq, r->stamp);
		break;
	case REPLY:
		result = pair_reply(v, r->event, r->seq, r->action, r->stamp);
		break;
	case COMMAND:
		result = pair_command(v, r->stamp);
		break;
	case COMMAND_DONE:
		result = pair_command_done(v, r->stamp);
		break;
	case BP_RECV:
		result = pair_bp_recv(v, r->action, r->stamp);
		break;
	case ENTRY:
		result = pair_entry(v, r->stamp, (__u64 *)stages);
		break;
	}
	*action = v->action;
	if (result >= 0)
		out->counters[result]++;
	return result == PAIR_EXIT    ? SAMPLE_EXIT
	       : result == PAIR_EVENT ? SAMPLE_EVENT
	       : result == PAIR_OTHER ? SAMPLE_OTHER
				      : NO_SAMPLE;
}

static unsigned int in_flight(const struct kvmi_lat_vcpu *v)
{
	return v->state >= VCPU_EXITED && v->state != VCPU_BROKEN;
}

/* --- what has to come out --- */

static const struct record *find(const struct vm_exit *e, enum tracepoint what)
{
	for (unsigned int i = e->first; i < e->end; i++) {
		const struct record *r = &sequence.records[i];

		if (r->what == what && !r->lost && !r->stray)
			return r;
	}
	return NULL;
}

static int64_t overlap(uint64_t from, uint64_t to, uint64_t start, uint64_t end)
{
	uint64_t first = from > start ? from : start, last = to < end ? to : end;

	return last > first ? last - first : 0;
}

/* From what an event's stages are said to be, not as the state machine goes about it. */
static void expect_stages(struct vm_exit *e)
{
	const struct record *event = find(e, EVENT), *answer = find(e, REPLY);
	const struct record *recv = find(e, BP_RECV), *start = NULL;
	uint64_t cut = answer->stamp;
	int64_t before = 0, after = 0;

	/* The vCPU cannot have had the answer before it had looked for it in vain. */
	for (unsigned int i = e->first; i < e->end; i++) {
		const struct record *r = &sequence.records[i];

		if (r->what == COMMAND_DONE && r->seen < answer->seen && r->stamp > cut)
			cut = r->stamp;
	}
	for (unsigned int i = e->first; i < e->end; i++) {
		const struct record *r = &sequence.records[i];

		if (r->what == COMMAND)
			start = r;
		if (r->what != COMMAND_DONE)
			continue;
		before += overlap(start->stamp, r->stamp, event->stamp, cut);
		after += overlap(start->stamp, r->stamp, cut, recv->stamp);
	}
	e->stages[STAGE_INTROSPECTOR] = cut - event->stamp - before;
	e->stages[STAGE_COMMANDS] = before + after;
	e->stages[STAGE_WAKE] = recv->stamp - cut - after;
}

static void expect(struct vm_exit *e)
{
	const struct record *exit = find(e, EXIT), *entry = find(e, ENTRY);
	const struct record *send = find(e, BP_SEND), *event = find(e, EVENT);
	const struct record *recv = find(e, BP_RECV);

	e->whole = !e->hopeless && e->kind != TWO_EVENTS;
	e->exact = e->whole;
	for (unsigned int i = e->first; i < e->end; i++) {
		const struct record *r = &sequence.records[i];
		bool command = r->what == COMMAND || r->what == COMMAND_DONE;

		if ((r->lost && !command) || r->clock != sequence.records[e->first].clock)
			e->whole = false;
		if (r->lost || !e->whole)
			e->exact = false;
	}
	if (!exit || !entry)
		return;
	e->stages[STAGE_TOTAL] = entry->stamp - exit->stamp;
	if (!send || !event || !recv)
		return;
	e->stages[STAGE_DISPATCH] = send->stamp - exit->stamp;
	e->stages[STAGE_BUILD] = event->stamp - send->stamp;
	e->stages[STAGE_ACT] = entry->stamp - recv->stamp;
	if (e->exact)
		expect_stages(e);
}

/* --- holding it against what comes out --- */

__attribute__((format(printf, 2, 3), noreturn)) static void wrong(int exit, const char *format, ...)
{
	char why[200];
	va_list args;

	va_start(args, format);
	vsnprintf(why, sizeof(why), format, args);
	va_end(args);
	for (unsigned int i = 0; i < sequence.nr_records; i++) {
		const struct record *r = sequence.turns[i];

		if (exit != NO_EXIT && r->vcpu != sequence.records[sequence.exits[exit].first].vcpu)
			continue;
		fprintf(stderr, "%10llu vcpu %u exit %d %s event %u seq %u action %u%s%s\n",
			(unsigned long long)r->stamp, r->vcpu, r->exit, tracepoint_names[r->what],
			r->event, r->seq, r->action, r->lost ? " lost" : "",
			r->stray ? " stray" : "");
	}
	fail_msg("sequence %u, faults %#x, exit %d: %s", sequence.number, sequence.faults, exit,
		 why);
	abort();
}

static void check_sum(int exit, const uint64_t stages[NR_STAGES])
{
	uint64_t sum = 0;

	for (int i = 0; i < STAGE_TOTAL; i++) {
		if (stages[i] > stages[STAGE_TOTAL])
			wrong(exit, "stage %d is larger than the total, or negative", i);
		sum += stages[i];
	}
	if (sum != stages[STAGE_TOTAL])
		wrong(exit, "the stages do not add up to the total");
}

static void check_sample(const struct record *entry, enum sample what,
			 const uint64_t stages[NR_STAGES], uint32_t action)
{
	static const int outline[] = {STAGE_DISPATCH, STAGE_BUILD, STAGE_ACT};
	static const enum sample of_kind[] = {SAMPLE_EXIT, SAMPLE_EVENT, SAMPLE_OTHER};
	struct vm_exit *e = &sequence.exits[entry->exit];

	if (entry->exit == NO_EXIT)
		wrong(NO_EXIT, "a sample at an entry without exit");
	if (e->sampled)
		wrong(entry->exit, "two samples");
	e->sampled = true;
	if (!find(e, EXIT))
		wrong(entry->exit, "a sample of an exit that was not seen");
	if (e->hopeless && what != SAMPLE_EXIT)
		wrong(entry->exit, "an event became a sample that cannot be paired");
	if (stages[STAGE_TOTAL] != (uint64_t)e->stages[STAGE_TOTAL] || e->stages[STAGE_TOTAL] < 0)
		wrong(entry->exit, "the total is %lld instead of %lld: a wrong pair",
		      (long long)stages[STAGE_TOTAL], (long long)e->stages[STAGE_TOTAL]);
	if (what == SAMPLE_EVENT) {
		check_sum(entry->exit, stages);
		for (size_t i = 0; i < sizeof(outline) / sizeof(outline[0]); i++) {
			if (stages[outline[i]] != (uint64_t)e->stages[outline[i]])
				wrong(entry->exit, "stage %d is another exit's", outline[i]);
		}
	}
	if (what != SAMPLE_EXIT && action != e->action)
		wrong(entry->exit, "the action is another exit's");
	if (e->whole && what != of_kind[e->kind])
		wrong(entry->exit, "a sample of another kind");
	for (int i = 0; e->exact && what == SAMPLE_EVENT && i < NR_STAGES; i++) {
		if (stages[i] != (uint64_t)e->stages[i])
			wrong(entry->exit, "stage %d is %llu instead of %lld", i,
			      (unsigned long long)stages[i], (long long)e->stages[i]);
	}
}

static void check_counts(const struct outcome *out)
{
	uint64_t known = 0;

	for (int i = SAMPLE_EXIT; i < NR_SAMPLES; i++)
		known += out->samples[i];
	for (int i = CNT_DROPPED_FIRST; i <= CNT_DROPPED_LAST; i++)
		known += out->counters[i];
	for (unsigned int i = 0; i < sequence.nr_vcpus; i++)
		known += in_flight(&slots[i]);
	if (known != out->seen)
		wrong(NO_EXIT, "%llu exits were seen, %llu are accounted for",
		      (unsigned long long)out->seen, (unsigned long long)known);
	for (unsigned int i = 0; i < sequence.nr_exits; i++) {
		if (sequence.exits[i].whole && !sequence.exits[i].sampled)
			wrong(i, "nothing was wrong about it, but it is no sample");
	}
	for (int i = 0; i < NR_COUNTERS && !sequence.faults; i++) {
		if (out->counters[i] && i != CNT_FIRST_ENTRY && i != CNT_COMMANDS_OUTSIDE)
			wrong(NO_EXIT, "nothing was wrong, but counter %d is not 0", i);
	}
}

static void run_sequence(struct outcome *out)
{
	for (unsigned int i = 0; i < sequence.nr_exits; i++)
		expect(&sequence.exits[i]);
	memset(slots, 0, sizeof(slots));
	for (unsigned int i = 0; i < sequence.nr_records; i++) {
		const struct record *r = sequence.turns[i];
		uint64_t stages[NR_STAGES];
		enum sample what;
		uint32_t action;

		if (r->lost)
			continue;
		out->seen += r->what == EXIT;
		memset(stages, 0xff, sizeof(stages));
		what = feed(r, out, stages, &action);
		out->samples[what]++;
		if (what)
			check_sample(r, what, stages, action);
	}
	check_counts(out);
}

static void add(struct outcome *all, const struct outcome *out)
{
	for (int i = 0; i < NR_COUNTERS; i++)
		all->counters[i] += out->counters[i];
	for (int i = 0; i < NR_SAMPLES; i++)
		all->samples[i] += out->samples[i];
	for (unsigned int i = 0; i < sequence.nr_exits; i++)
		all->exact += sequence.exits[i].exact;
}

static void test_generated_sequences(void **state)
{
	/* What the damage must have led to, or it was none. */
	static const int reached[] = {
		CNT_FIRST_ENTRY,     CNT_BEFORE_FIRST,	   CNT_COMMANDS_OUTSIDE,
		CNT_UNPAIRED_ENTRY,  CNT_UNPAIRED_EVENT,   CNT_UNPAIRED_BP_SEND,
		CNT_UNPAIRED_REPLY,  CNT_UNPAIRED_BP_RECV, CNT_UNPAIRED_COMMAND,
		CNT_DUPLICATE_REPLY, CNT_OVERWRITTEN,	   CNT_OUT_OF_ORDER,
		CNT_NO_REPLY,	     CNT_INCOMPLETE,	   CNT_MIXED,
		CNT_BAD_ACTION,	     CNT_UNKNOWN_EVENT};
	struct outcome all = {};

	(void)state;
	for (unsigned int i = 0; i < NR_SEQUENCES; i++) {
		struct outcome out = {};

		sequence_make(i);
		run_sequence(&out);
		add(&all, &out);
	}
	for (size_t i = 0; i < sizeof(reached) / sizeof(reached[0]); i++) {
		if (all.counters[reached[i]] < 100)
			fail_msg("counter %d was reached %llu times", reached[i],
				 (unsigned long long)all.counters[reached[i]]);
	}
	for (int i = SAMPLE_EXIT; i < NR_SAMPLES; i++)
		assert_true(all.samples[i] > NR_SEQUENCES);
	assert_true(all.exact > 3 * NR_SEQUENCES);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(test_generated_sequences),
	};

	return cmocka_run_group_tests_name("pairing, property", tests, NULL, NULL);
}

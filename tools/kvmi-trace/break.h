/* SPDX-License-Identifier: BSD-2-Clause */
/* kvmi-trace break: breakpoints in guest memory, events put off, stepping over. */
#ifndef KVMI_TRACE_BREAK_H
#define KVMI_TRACE_BREAK_H

#include "kvmi_trace.h"
#include "kvmi_walk.h"

#define TRACE_MAX_VCPUS 4096

/**
 * struct breakpoint - an int3 in guest memory, or where one was
 * @gva: linear address
 * @gpa: what the guest translated it to when it was planted; hits are known by that
 * @original: the byte in its place
 * @planted: the int3 is in guest memory
 * @own: the guest has an int3 of its own there: nothing is planted
 * @asked: by the user; else it is there for the length of a step
 * @hits: how often it was reported
 */
struct breakpoint {
	uint64_t gva;
	uint64_t gpa;
	uint8_t original;
	bool planted;
	bool own;
	bool asked;
	uint64_t hits;
};

/* Each step adds two at most, and reuses what former ones have left. */
#define MAX_PLACES (TRACE_MAX_BREAKPOINTS + 4096)

/**
 * struct unfinished - a step that was given up: the vCPU has gone elsewhere, an interrupt's handler, say
 * @gpa: of the breakpoint, 0 unused. Whoever hits it with these registers has not executed the
 *	 instruction yet, and the hit was reported already.
 */
struct unfinished {
	uint64_t gpa;
	uint64_t cr3;
	struct kvm_regs regs;
};

#define MAX_UNFINISHED 64

/**
 * struct tracer - kvmi-trace break at work
 * @vcpus: how many there are, as far as known
 * @enabled: their BREAKPOINT event is on
 * @places: breakpoints, and places of former ones: a hit may still be on its way from there
 * @put_off: events that came while a step was under way, oldest first; @n_put_off of them
 */
struct tracer {
	struct kvmi_client *c;
	const struct break_options *o;
	unsigned int vcpus;
	bool enabled[TRACE_MAX_VCPUS];
	struct breakpoint places[MAX_PLACES];
	unsigned int n_places;
	struct unfinished unfinished[MAX_UNFINISHED];
	unsigned int next_unfinished;
	struct kvmi_event_msg *put_off;
	unsigned int n_put_off;
	unsigned int room;
};

/* --- plant.c --- */

/* The place at @gpa, or NULL. */
struct breakpoint *place_find(struct tracer *t, uint64_t gpa);

/* Put an int3 at @gpa, if there is none yet. *@bp: its place. KVM's or the channel's error. */
int place_plant(struct tracer *t, uint64_t gva, uint64_t gpa, struct breakpoint **bp);

/* Put the int3 of a place back in, or the original byte. */
int place_arm(struct tracer *t, struct breakpoint *bp);
int place_lift(struct tracer *t, struct breakpoint *bp);

/* Lift them all, unless the guest has written there meanwhile. False: one is left; said so. */
bool places_lift_all(struct tracer *t);

/*
 * What to answer a hit of a place that has no int3 of ours: it may have been on its way when that was
 * lifted, and RETRY does what is there now; or it is an int3 that the guest has.
 */
int place_answer_stray(struct tracer *t, const struct breakpoint *bp,
		       const struct kvmi_event_msg *ev);

/* In @bytes, read from @gpa on, put what the guest has there in place of our int3s. */
void places_hide(const struct tracer *t, uint64_t gpa, uint8_t *bytes, size_t n);

/* --- step.c --- */

/*
 * Let the vCPU go on behind the breakpoint it waits at. 0, a KVM or channel error, or -EOPNOTSUPP: this
 * instruction cannot be stepped over (*@why), nothing was done.
 */
int step_over(struct tracer *t, struct breakpoint *bp, const struct kvmi_event_msg *ev,
	      const char **why);

/* Is this hit one of a step that was given up? Then it is one no more. */
bool step_was_unfinished(struct tracer *t, const struct kvmi_event_msg *ev);

/* --- queue.c --- */

/* Keep an event for the main loop: behind the others, or before them. */
int put_off(struct tracer *t, const struct kvmi_event_msg *ev, bool first);

/* The first of them. False: there is none. */
bool take_put_off(struct tracer *t, struct kvmi_event_msg *ev);

#endif /* KVMI_TRACE_BREAK_H */

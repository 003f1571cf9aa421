/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/*
 * How tracepoints become stages: the state machine of one vCPU, without any BPF in it, so that
 * unit tests can feed it what a kernel hardly ever produces.
 *
 * Each function takes the vCPU's slot and the time, and returns PAIR_OK or the counter that says
 * what was wrong. An exit which went wrong is VCPU_BROKEN until its entry: it is counted once, by
 * a counter between CNT_DROPPED_FIRST and CNT_DROPPED_LAST, and no part of it gets into a
 * histogram. So exits seen = exits in histograms + dropped + still in flight.
 */
#ifndef PAIRING_BPF_H
#define PAIRING_BPF_H

#include "kvmi_lat.h"

#define PAIR_OK	   (-1)
#define PAIR_EXIT  (-2) /* pair_entry: an exit that was no event */
#define PAIR_EVENT (-3) /* pair_entry: a breakpoint, all stages */
#define PAIR_OTHER (-4) /* pair_entry: another event, the total only */
#define PAIR_NONE  (-5) /* pair_entry: nothing to record, already counted */
#define PAIR_FIRST (-6) /* pair_exit: the first of this vCPU, or the first again */
#define PAIR_USER  (-7) /* pair_entry: an exit that userspace handled */

#define PAIR_FN	       static inline __attribute__((always_inline))
#define PAIR_LIKELY(x) __builtin_expect(!!(x), 1)
#define PAIR_BARRIER() __asm__ __volatile__("" ::: "memory")

PAIR_FN int pair_break(struct kvmi_lat_vcpu *v, int why)
{
	v->state = VCPU_BROKEN;
	return why;
}

PAIR_FN int pair_exit(struct kvmi_lat_vcpu *v, __u64 now)
{
	__u32 from = v->state;

	v->exits++;
	v->t_exit = now;
	v->state = VCPU_EXITED;
	if (PAIR_LIKELY(from == VCPU_GUEST))
		return PAIR_OK;
	v->t_user = 0;
	if (from == VCPU_NEW)
		return PAIR_FIRST;
	/* A broken one has been counted already. */
	return from >= VCPU_EXITED && from != VCPU_BROKEN ? CNT_OVERWRITTEN : PAIR_OK;
}

PAIR_FN int pair_bp_send(struct kvmi_lat_vcpu *v, __u64 now)
{
	if (v->state != VCPU_EXITED) {
		if (v->state == VCPU_NEW)
			return CNT_BEFORE_FIRST;
		if (v->state == VCPU_BROKEN || v->state == VCPU_GUEST)
			return CNT_UNPAIRED_BP_SEND;
		return pair_break(v, CNT_MIXED);
	}
	v->t_bp_send = now;
	v->state = VCPU_BUILD;
	return PAIR_OK;
}

PAIR_FN int pair_event(struct kvmi_lat_vcpu *v, __u32 event, __u32 seq, __u64 now)
{
	__u32 from = VCPU_EXITED, to = VCPU_OTHER, was = v->state;

	if (event == KVMI_LAT_EVENT_BREAKPOINT) {
		from = VCPU_BUILD;
		to = VCPU_WAIT;
	}
	/* KVM_RUN may begin with an event: the exit before it is then the event's. */
	if (was != from && !(to == VCPU_OTHER && was == VCPU_USER)) {
		/* Events other than a breakpoint can be sent while the vCPU has not exited. */
		if (to == VCPU_OTHER && (v->state == VCPU_NEW || v->state == VCPU_GUEST))
			return PAIR_OK;
		if (v->state == VCPU_NEW)
			return CNT_BEFORE_FIRST;
		if (v->state == VCPU_BROKEN || v->state == VCPU_GUEST)
			return CNT_UNPAIRED_EVENT;
		if (v->state == VCPU_EXITED)
			return pair_break(v, CNT_INCOMPLETE);
		return pair_break(v, CNT_MIXED);
	}
	if (event >= KVMI_LAT_NR_EVENTS)
		return pair_break(v, CNT_UNKNOWN_EVENT);
	v->t_event = now;
	v->t_command = 0;
	v->cmd_before = 0;
	v->cmd_after = 0;
	v->cmd_until = 0;
	v->event = event;
	v->seq = seq;
	v->reply_key = 0;
	/* The receiver looks at state first: seq and reply_key have to be there by then. */
	PAIR_BARRIER();
	v->state = to;
	return was == VCPU_USER ? CNT_LEFT_KERNEL : PAIR_OK;
}

/*
 * On the receiver's thread, while the vCPU waits: touches the reply_ fields only. Is told the
 * event's seq, and the vCPU believes it only if that is its own.
 */
PAIR_FN int pair_reply(struct kvmi_lat_vcpu *v, __u32 event, __u32 seq, __u32 action, __u64 now)
{
	if (v->state == VCPU_NEW)
		return CNT_BEFORE_FIRST;
	if ((v->state != VCPU_WAIT && v->state != VCPU_OTHER) || v->seq != seq || v->event != event)
		return CNT_UNPAIRED_REPLY;
	if (v->reply_key == REPLY_KEY(seq))
		return CNT_DUPLICATE_REPLY;
	v->reply_time = now;
	v->reply_action = action;
	PAIR_BARRIER();
	v->reply_key = REPLY_KEY(seq);
	return PAIR_OK;
}

PAIR_FN int pair_command(struct kvmi_lat_vcpu *v, __u64 now)
{
	int again = v->t_command != 0;

	if (v->state != VCPU_WAIT)
		return CNT_COMMANDS_OUTSIDE;
	v->t_command = now;
	return again ? CNT_UNPAIRED_COMMAND : PAIR_OK;
}

/*
 * A command's time is cut out of the stage it fell into. The reply may arrive while the command
 * is being served: then its time is divided between the two.
 */
PAIR_FN int pair_command_done(struct kvmi_lat_vcpu *v, __u64 now)
{
	__u64 start = v->t_command, reply;

	if (v->state != VCPU_WAIT)
		return PAIR_OK; /* its beginning was counted as outside */
	if (!start)
		return CNT_UNPAIRED_COMMAND;
	v->t_command = 0;
	if (now < start || start < v->t_event)
		return pair_break(v, CNT_OUT_OF_ORDER);
	if (v->reply_key != REPLY_KEY(v->seq)) {
		v->cmd_before += now - start;
		v->cmd_until = now;
		return PAIR_OK;
	}
	PAIR_BARRIER();
	reply = v->reply_time;
	if (reply >= now) {
		v->cmd_before += now - start;
	} else if (reply <= start) {
		v->cmd_after += now - start;
	} else {
		v->cmd_before += reply - start;
		v->cmd_after += now - reply;
	}
	return PAIR_OK;
}

PAIR_FN int pair_bp_recv(struct kvmi_lat_vcpu *v, __u32 action, __u64 now)
{
	if (v->state != VCPU_WAIT) {
		if (v->state == VCPU_NEW)
			return CNT_BEFORE_FIRST;
		if (v->state == VCPU_BROKEN || v->state == VCPU_GUEST)
			return CNT_UNPAIRED_BP_RECV;
		return pair_break(v, CNT_INCOMPLETE);
	}
	/* The tool went away, or was cut off: the kernel has chosen the action itself. */
	if (v->reply_key != REPLY_KEY(v->seq))
		return pair_break(v, CNT_NO_REPLY);
	if (action >= KVMI_LAT_NR_ACTIONS)
		return pair_break(v, CNT_BAD_ACTION);
	v->t_bp_recv = now;
	v->action = action;
	v->state = VCPU_ACT;
	/* One that never ended stays in the stage it fell into. */
	return v->t_command ? CNT_UNPAIRED_COMMAND : PAIR_OK;
}

/*
 * The reply's time was read before a command ended which did not see the reply yet: another CPU
 * took a moment to store it. The cut goes to the end of that command.
 */
PAIR_FN int pair_moves_reply(const struct kvmi_lat_vcpu *v)
{
	return v->state == VCPU_ACT && v->reply_time < v->cmd_until;
}

/* Splits a finished breakpoint: false if the times contradict each other. */
PAIR_FN int pair_stages(const struct kvmi_lat_vcpu *v, __u64 now, __u64 stages[NR_STAGES])
{
	__u64 reply = v->reply_time < v->cmd_until ? v->cmd_until : v->reply_time;

	if (v->t_bp_send < v->t_exit || v->t_event < v->t_bp_send || reply < v->t_event ||
	    v->t_bp_recv < reply || now < v->t_bp_recv)
		return 0;
	if (v->cmd_before > reply - v->t_event || v->cmd_after > v->t_bp_recv - reply)
		return 0;
	stages[STAGE_DISPATCH] = v->t_bp_send - v->t_exit;
	stages[STAGE_BUILD] = v->t_event - v->t_bp_send;
	stages[STAGE_INTROSPECTOR] = reply - v->t_event - v->cmd_before;
	stages[STAGE_COMMANDS] = v->cmd_before + v->cmd_after;
	stages[STAGE_WAKE] = v->t_bp_recv - reply - v->cmd_after;
	stages[STAGE_ACT] = now - v->t_bp_recv;
	stages[STAGE_TOTAL] = now - v->t_exit;
	return 1;
}

/*
 * KVM_RUN returns to userspace. It may do so more than once before the vCPU is entered: the first
 * time says why. An event keeps what it is, whether it is complete or not: its last stage then has
 * the time in userspace in it.
 */
PAIR_FN int pair_userspace(struct kvmi_lat_vcpu *v, __u32 user, __u64 now)
{
	if (v->state < VCPU_EXITED || v->state == VCPU_USER)
		return PAIR_OK;
	if (v->state != VCPU_EXITED) {
		int again = v->t_user != 0;

		v->t_user = now;
		return again || v->state == VCPU_BROKEN ? PAIR_OK : CNT_LEFT_KERNEL;
	}
	v->t_user = now;
	v->user = user;
	v->state = VCPU_USER;
	return PAIR_OK;
}

/* Whether the vCPU has been in userspace since its exit: only there another can take its place. */
PAIR_FN int pair_was_away(const struct kvmi_lat_vcpu *v)
{
	return v->state >= VCPU_EXITED && v->t_user;
}

/* Another vCPU is at this address now. What the former one was at stays in flight for ever. */
PAIR_FN void pair_replaced(struct kvmi_lat_vcpu *v)
{
	if (v->state >= VCPU_EXITED && v->state != VCPU_BROKEN)
		v->cut++;
	v->state = VCPU_NEW;
	v->t_user = 0;
}

/*
 * By far the most frequent entry, that of an exit which KVM handled by itself: true, with its time.
 * Otherwise nothing has been done, and it is for pair_entry().
 */
PAIR_FN int pair_plain_entry(struct kvmi_lat_vcpu *v, __u64 now, __u64 *total)
{
	if (v->state != VCPU_EXITED || now < v->t_exit)
		return 0;
	v->state = VCPU_GUEST;
	*total = now - v->t_exit;
	return 1;
}

/*
 * Splits the introspector's part of a finished breakpoint: false if it is not known what the tool did,
 * or if the times contradict each other, as they may when it sends reply and commands in one go.
 */
PAIR_FN int pair_split(const struct kvmi_lat_vcpu *v, const __u64 stages[NR_STAGES],
		       __u64 split[NR_TOOL_STAGES])
{
	__u64 reply = v->reply_time < v->cmd_until ? v->cmd_until : v->reply_time;
	__u64 from = v->t_event;

	if (!v->tool_known)
		return 0;
	split[TOOL_WAKE] = 0;
	split[TOOL_REPLY] = 0;
	if (v->tool_in > from && v->tool_in <= reply) {
		split[TOOL_WAKE] = v->tool_in - from;
		from = v->tool_in;
	}
	if (v->tool_waking >= from && v->tool_waking <= reply)
		split[TOOL_REPLY] = reply - v->tool_waking;
	if (split[TOOL_WAKE] + split[TOOL_REPLY] > stages[STAGE_INTROSPECTOR])
		return 0;
	split[TOOL_OWN] = stages[STAGE_INTROSPECTOR] - split[TOOL_WAKE] - split[TOOL_REPLY];
	return 1;
}

/*
 * PAIR_EXIT, PAIR_OTHER: stages[STAGE_TOTAL] is set. PAIR_EVENT: all of stages. PAIR_USER: its first
 * ones, which are those of enum kvmi_lat_user_stage. Otherwise nothing is, and the result is PAIR_NONE
 * or the counter.
 */
PAIR_FN int pair_entry(struct kvmi_lat_vcpu *v, __u64 now, __u64 stages[NR_STAGES])
{
	__u32 state = v->state;
	__u64 left = v->t_user;

	if (pair_plain_entry(v, now, &stages[STAGE_TOTAL]))
		return PAIR_EXIT;
	v->state = VCPU_GUEST;
	v->t_user = 0;
	switch (state) {
	case VCPU_EXITED:
		return CNT_OUT_OF_ORDER;
	case VCPU_ACT:
		return pair_stages(v, now, stages) ? PAIR_EVENT : CNT_OUT_OF_ORDER;
	case VCPU_OTHER:
		if (v->reply_key != REPLY_KEY(v->seq))
			return CNT_NO_REPLY;
		if (v->reply_action >= KVMI_LAT_NR_ACTIONS)
			return CNT_BAD_ACTION;
		if (now < v->t_exit)
			return CNT_OUT_OF_ORDER;
		v->action = v->reply_action;
		stages[STAGE_TOTAL] = now - v->t_exit;
		return PAIR_OTHER;
	case VCPU_USER:
		if (left < v->t_exit || now < left)
			return CNT_OUT_OF_ORDER;
		stages[USER_KERNEL] = left - v->t_exit;
		stages[USER_USERSPACE] = now - left;
		stages[USER_TOTAL] = now - v->t_exit;
		return PAIR_USER;
	case VCPU_NEW:
		return CNT_FIRST_ENTRY;
	case VCPU_GUEST:
		return CNT_UNPAIRED_ENTRY;
	case VCPU_BROKEN:
		return PAIR_NONE;
	default: /* VCPU_BUILD, VCPU_WAIT: the event began and never came back */
		return CNT_INCOMPLETE;
	}
}

#endif /* PAIRING_BPF_H */

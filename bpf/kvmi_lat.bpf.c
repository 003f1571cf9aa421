// SPDX-License-Identifier: GPL-2.0-only
/*
 * Times what an introspected vCPU goes through between VM exit and VM entry: sums and histograms
 * in the kernel, no record per event.
 *
 * Raw tracepoints only: they load on kernels that lack the tracepoint (attaching says so), and
 * they hand over plain scalars, so one object serves patched and stock kernels and needs no
 * kernel type information. The logic is in pairing.bpf.h, the histogram's in hist.bpf.h, where a
 * vCPU's slot is, in vcpus.bpf.h; slow.bpf.h catches single events.
 *
 * Whoever attaches these attaches kvm_exit last and detaches it first: a vCPU's slot does nothing
 * before its first kvm_exit, so no exit is ever seen with half of its tracepoints.
 */
#include <stdbool.h>

#include <linux/bpf.h>
#include <linux/kvm.h>
#include <bpf/bpf_helpers.h>

#include "count.bpf.h"
#include "hist.bpf.h"
#include "pairing.bpf.h"
#include "slow.bpf.h"
#include "vcpus.bpf.h"

/* To be set before loading. As it stands: the VMs of all processes. */
const volatile __u32 only_tgid = 0;

/* The introspector's process, to be set before loading; 0: its part is one stage. */
const volatile __u32 tool_tgid = 0;

/* Threads of the tool, and those that receive what it writes. Nothing is in it without tool_tgid. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1024);
	__type(key, __u64); /* struct task_struct * */
	__type(value, struct kvmi_lat_task);
} tasks SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NR_CLASSES);
	__type(key, __u32);
	__type(value, struct kvmi_lat_hist);
} histograms SEC(".maps");

static __always_inline void widen(struct kvmi_lat_hist *h, __u64 value)
{
	if (!h->count) {
		h->min = value;
		h->span = 0;
	} else if (value < h->min) {
		h->span += h->min - value;
		h->min = value;
	} else {
		h->span = value - h->min;
	}
}

/* Only at kvm_entry, where KVM has switched interrupts off: nothing comes between on this CPU. */
static __always_inline void add_sample(__u32 class, __u64 value)
{
	struct kvmi_lat_hist *h;
	__u32 i;

	h = bpf_map_lookup_elem(&histograms, &class);
	if (!h)
		return;
	/* One comparison for both ends. */
	if (value - h->min > h->span)
		widen(h, value);
	h->count++;
	h->sum += value;
	i = hist_exact_index(value);
	if (i >= HIST_NR_BUCKETS) {
		i = HIST_NR_BUCKETS - 1;
		count(CNT_CLAMPED);
	}
	h->buckets[i]++;
}

/* Kept apart, like all that hardly ever runs, to leave the registers to what does. */
static __noinline int is_other_process(void)
{
	return bpf_get_current_pid_tgid() >> 32 != only_tgid;
}

static __always_inline bool not_ours(void)
{
	return only_tgid && is_other_process();
}

/*
 * kvm_exit: 6.x (vcpu, isa), 5.10 (exit_reason, vcpu, isa): the vCPU is the one that is a kernel
 * address. A third argument must not be touched: 6.x would refuse to attach.
 */
SEC("raw_tp/kvm_exit")
int lat_kvm_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct kvmi_lat_vcpu *v;
	__u64 vcpu = ctx->args[0];
	int why;

	if (not_ours())
		return 0;
	if ((__s64)vcpu >= 0)
		vcpu = ctx->args[1];
	v = find_or_add_vcpu(vcpu);
	if (!v)
		return count(CNT_MAP_FULL);
	/* The clock comes last here and first on entry: the look-up is not part of the total. */
	why = pair_exit(v, bpf_ktime_get_ns());
	if (PAIR_LIKELY(why == PAIR_OK))
		return 0;
	return why == PAIR_FIRST ? identify(v) : count(why);
}

static __noinline int add_split(struct kvmi_lat_vcpu *v, __u64 stages[NR_STAGES])
{
	__u64 split[NR_TOOL_STAGES];

	if (!pair_split(v, stages, split))
		return count(CNT_NOT_SPLIT);
#pragma clang loop unroll(full)
	for (__u32 i = 0; i < NR_TOOL_STAGES; i++)
		add_sample(CLASS_TOOL + v->action * NR_TOOL_STAGES + i, split[i]);
	return 0;
}

/* Apart from the plain exits' path, to leave that the registers. */
static __noinline int enter(struct kvmi_lat_vcpu *v, __u64 now)
{
	__u64 stages[NR_STAGES];
	__u32 class, user, i;
	int what;

	if (pair_was_away(v))
		come_back(v);
	if (pair_moves_reply(v))
		count(CNT_REPLY_MOVED);
	what = pair_entry(v, now, stages);
	switch (what) {
	case PAIR_EXIT:
		add_sample(CLASS_EXIT, stages[STAGE_TOTAL]);
		return 0;
	case PAIR_EVENT:
		class = CLASS_BREAKPOINT + v->action * NR_STAGES;
		v->sums.events++;
		/* The verifiers of 5.10 and 6.1 refuse a loop that a call falls into. */
#pragma clang loop unroll(full)
		for (i = 0; i < NR_STAGES; i++) {
			v->sums.event_time[i] += stages[i];
			add_sample(class + i, stages[i]);
		}
		if (slow_over)
			catch_slow(v, stages, now);
		return tool_tgid ? add_split(v, stages) : 0;
	case PAIR_OTHER:
		class = CLASS_OTHER + v->event * KVMI_LAT_NR_ACTIONS + v->action;
		v->sums.others++;
		v->sums.other_time += stages[STAGE_TOTAL];
		add_sample(class, stages[STAGE_TOTAL]);
		return 0;
	case PAIR_USER:
		user = v->user == USER_DEBUG ? USER_DEBUG : USER_OTHER;
		class = CLASS_USER + user * NR_USER_STAGES;
		v->sums.users[user]++;
#pragma clang loop unroll(full)
		for (i = 0; i < NR_USER_STAGES; i++) {
			v->sums.user_time[user][i] += stages[i];
			add_sample(class + i, stages[i]);
		}
		return 0;
	case CNT_FIRST_ENTRY:
		identify(v);
		return count(what);
	default:
		return count(what);
	}
}

SEC("raw_tp/kvm_entry")
int lat_kvm_entry(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 now = bpf_ktime_get_ns(), total;
	struct kvmi_lat_vcpu *v;

	if (not_ours())
		return 0;
	v = find_or_add_vcpu(ctx->args[0]);
	if (!v)
		return count(CNT_MAP_FULL);
	if (!pair_plain_entry(v, now, &total))
		return enter(v, now);
	v->sums.exits++;
	v->sums.exit_time += total;
	add_sample(CLASS_EXIT, total);
	return 0;
}

/* (reason, errno), on the vCPU's thread */
SEC("raw_tp/kvm_userspace_exit")
int lat_userspace(struct bpf_raw_tracepoint_args *ctx)
{
	__u32 tid = bpf_get_current_pid_tgid(), user = USER_OTHER;
	__u64 now = bpf_ktime_get_ns();
	struct kvmi_lat_vcpu *v;
	int at, why;

	at = find_thread(tid);
	if (at < 0)
		return 0;
	v = &vcpus[at % NR_VCPUS];
	/* What was known before the slots were cleared, or of a thread that had this number. */
	if (v->tid != tid)
		return 0;
	if ((__u32)ctx->args[0] == KVM_EXIT_DEBUG)
		user = USER_DEBUG;
	why = pair_userspace(v, user, now);
	return why == PAIR_OK ? 0 : count(why);
}

/* (vcpu, gpa, old_rip) */
SEC("raw_tp/kvmi_event_bp_send")
int lat_bp_send(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 now = bpf_ktime_get_ns();
	struct kvmi_lat_vcpu *v;
	int why;

	if (not_ours())
		return 0;
	v = find_vcpu(ctx->args[0]);
	if (!v)
		return count(CNT_BP_SEND), count(CNT_BEFORE_FIRST);
	v->bp_sends++;
	if (slow_over) {
		v->where.gpa = ctx->args[1];
		v->where.rip = ctx->args[2];
		v->where.cpu_send = bpf_get_smp_processor_id();
	}
	why = pair_bp_send(v, now);
	return why == PAIR_OK ? 0 : count(why);
}

static __always_inline struct kvmi_lat_task *find_task(__u64 task)
{
	struct kvmi_lat_task new = {}, *t = bpf_map_lookup_elem(&tasks, &task);

	if (t)
		return t;
	/* If there is no room, events stay unsplit, and that is counted. */
	bpf_map_update_elem(&tasks, &task, &new, BPF_NOEXIST);
	return bpf_map_lookup_elem(&tasks, &task);
}

/* From now on the time at which the tool gets to run counts; who that is, the event before told. */
static __noinline int arm_tool(struct kvmi_lat_vcpu *v)
{
	__u64 receiver = v->receiver, tool;
	struct kvmi_lat_task *t;

	v->tool_known = 0;
	t = bpf_map_lookup_elem(&tasks, &receiver);
	if (!t)
		return 0;
	tool = t->tool;
	t = bpf_map_lookup_elem(&tasks, &tool);
	if (!t)
		return 0;
	t->armed = 1;
	v->tool_known = 1;
	return 0;
}

/* On the receiver's thread. */
static __noinline int note_tool(struct kvmi_lat_vcpu *v)
{
	__u64 receiver = bpf_get_current_task(), tool;
	struct kvmi_lat_task *t;

	v->receiver = receiver;
	v->tool_in = 0;
	t = find_task(receiver);
	if (!t)
		return 0;
	v->tool_waking = t->waking;
	tool = t->tool;
	t = bpf_map_lookup_elem(&tasks, &tool);
	if (t)
		v->tool_in = t->in;
	return 0;
}

/* (task): something wakes it up. If that is the tool, and what it wakes is a receiver, it has written. */
SEC("raw_tp/sched_waking")
int lat_waking(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 now = bpf_ktime_get_ns(), task = ctx->args[0], self;
	struct kvmi_lat_task *t;

	if (bpf_get_current_pid_tgid() >> 32 != tool_tgid)
		return 0;
	t = bpf_map_lookup_elem(&tasks, &task);
	if (!t)
		return 0;
	self = bpf_get_current_task();
	t->waking = now;
	t->tool = self;
	find_task(self);
	return 0;
}

/* (preempt, previous, next) */
SEC("raw_tp/sched_switch")
int lat_switch(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 next = ctx->args[2];
	struct kvmi_lat_task *t;

	t = bpf_map_lookup_elem(&tasks, &next);
	if (t && t->armed) {
		t->armed = 0;
		t->in = bpf_ktime_get_ns();
	}
	return 0;
}

/* (preempt, previous, next) */
SEC("raw_tp/sched_switch")
int lat_cpu(struct bpf_raw_tracepoint_args *ctx)
{
	(void)ctx;
	note_switch();
	return 0;
}

/* (vcpu, event, seq) */
SEC("raw_tp/kvmi_event")
int lat_event(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 now = bpf_ktime_get_ns();
	struct kvmi_lat_vcpu *v;
	int why;

	if (not_ours())
		return 0;
	v = find_vcpu(ctx->args[0]);
	if (!v)
		return count(CNT_EVENTS), count(CNT_BEFORE_FIRST);
	v->kvmi_events++;
	if (tool_tgid)
		arm_tool(v);
	why = pair_event(v, (__u8)ctx->args[1], (__u32)ctx->args[2], now);
	return why == PAIR_OK ? 0 : count(why);
}

/* (vcpu, event, seq, action), on the receiver's thread, which only_tgid cannot know */
SEC("raw_tp/kvmi_event_reply")
int lat_reply(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 now = bpf_ktime_get_ns();
	struct kvmi_lat_vcpu *v;
	int why;

	v = find_vcpu(ctx->args[0]);
	if (!v)
		return only_tgid ? 0 : (count(CNT_REPLIES), count(CNT_BEFORE_FIRST));
	v->replies++;
	if (tool_tgid)
		note_tool(v);
	if (slow_over)
		v->where.cpu_reply = bpf_get_smp_processor_id();
	why = pair_reply(v, (__u8)ctx->args[1], (__u32)ctx->args[2], (__u32)ctx->args[3], now);
	return why == PAIR_OK ? 0 : count(why);
}

/* (vcpu, action, new_rip) */
SEC("raw_tp/kvmi_event_bp_recv")
int lat_bp_recv(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 now = bpf_ktime_get_ns();
	struct kvmi_lat_vcpu *v;
	int why;

	if (not_ours())
		return 0;
	v = find_vcpu(ctx->args[0]);
	if (v && slow_over)
		v->where.new_rip = ctx->args[2];
	why = v ? pair_bp_recv(v, (__u32)ctx->args[1], now) : CNT_BEFORE_FIRST;
	return why == PAIR_OK ? 0 : count(why);
}

/* (vcpu, id, seq) */
SEC("raw_tp/kvmi_vcpu_command")
int lat_command(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 now = bpf_ktime_get_ns();
	struct kvmi_lat_vcpu *v;
	int why;

	if (not_ours())
		return 0;
	v = find_vcpu(ctx->args[0]);
	why = v ? pair_command(v, now) : CNT_COMMANDS_OUTSIDE;
	if (v && why != CNT_COMMANDS_OUTSIDE)
		v->commands++;
	return why == PAIR_OK ? 0 : count(why);
}

/* (vcpu, id, err, seq) */
SEC("raw_tp/kvmi_vcpu_reply")
int lat_command_done(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 now = bpf_ktime_get_ns();
	struct kvmi_lat_vcpu *v;
	int why;

	if (not_ours())
		return 0;
	v = find_vcpu(ctx->args[0]);
	why = v ? pair_command_done(v, now) : PAIR_OK;
	return why == PAIR_OK ? 0 : count(why);
}

char LICENSE[] SEC("license") = "GPL";

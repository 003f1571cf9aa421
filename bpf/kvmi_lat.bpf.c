// SPDX-License-Identifier: GPL-2.0-only
/*
 * Times what an introspected vCPU goes through between VM exit and VM entry: sums and histograms
 * in the kernel, no record per event.
 *
 * Raw tracepoints only: they load on kernels that lack the tracepoint (attaching says so), and
 * they hand over plain scalars, so one object serves patched and stock kernels and needs no
 * kernel type information. The logic is in pairing.bpf.h, the histogram's in hist.bpf.h.
 *
 * Whoever attaches these attaches kvm_exit last and detaches it first: a vCPU's slot does nothing
 * before its first kvm_exit, so no exit is ever seen with half of its tracepoints.
 */
#include <stdbool.h>

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "hist.bpf.h"
#include "pairing.bpf.h"

#define MAX_VCPUS 4096

/* To be set before loading. As it stands: the VMs of all processes. */
const volatile __u32 only_tgid = 0;

/* Set by the tool before it detaches: what comes unpaired from then on is its own doing. */
volatile __u32 detaching = 0;

struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, MAX_VCPUS);
	__type(key, __u64); /* struct kvm_vcpu * */
	__type(value, struct kvmi_lat_vcpu);
} vcpus SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, NR_CLASSES);
	__type(key, __u32);
	__type(value, struct kvmi_lat_hist);
} histograms SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kvmi_lat_counters);
} counters SEC(".maps");

static __always_inline void count(__u32 counter)
{
	struct kvmi_lat_counters *c;
	__u32 zero = 0;

	c = bpf_map_lookup_elem(&counters, &zero);
	if (c && counter < NR_COUNTERS)
		c->value[counter]++;
}

/* The way out of everything that did not pair: off the hot path, so one copy will do. */
static __noinline int count_problem(int why)
{
	if (why < 0 || why >= NR_COUNTERS)
		return 0;
	if (detaching && why >= CNT_UNPAIRED_FIRST && why <= CNT_DROPPED_LAST)
		why = CNT_DETACHING;
	count(why);
	return 0;
}

static __always_inline void add_sample(__u32 class, __u64 value)
{
	struct kvmi_lat_hist *h;
	__u32 i;

	h = bpf_map_lookup_elem(&histograms, &class);
	if (!h)
		return;
	if (!h->count || value < h->min)
		h->min = value;
	if (value > h->max)
		h->max = value;
	h->count++;
	h->sum += value;
	i = hist_index(value);
	if (i < HIST_NR_BUCKETS)
		h->buckets[i]++;
	if (value >> HIST_MAX_BITS)
		count(CNT_CLAMPED);
}

static __always_inline bool not_ours(void)
{
	return only_tgid && bpf_get_current_pid_tgid() >> 32 != only_tgid;
}

static __always_inline struct kvmi_lat_vcpu *find_vcpu(__u64 vcpu)
{
	return bpf_map_lookup_elem(&vcpus, &vcpu);
}

/* Only on a vCPU's first exit or entry. */
static __noinline int add_vcpu(__u64 vcpu)
{
	struct kvmi_lat_vcpu new = {};

	return bpf_map_update_elem(&vcpus, &vcpu, &new, BPF_NOEXIST);
}

static __always_inline struct kvmi_lat_vcpu *find_or_add_vcpu(__u64 vcpu)
{
	struct kvmi_lat_vcpu *v = find_vcpu(vcpu);

	if (v || add_vcpu(vcpu))
		return v;
	return find_vcpu(vcpu);
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
		return count_problem(CNT_MAP_FULL);
	/* The clock comes last here and first on entry: the look-up is not part of the total. */
	why = pair_exit(v, bpf_ktime_get_ns());
	return why == PAIR_OK ? 0 : count_problem(why);
}

SEC("raw_tp/kvm_entry")
int lat_kvm_entry(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 now = bpf_ktime_get_ns();
	__u64 stages[NR_STAGES];
	struct kvmi_lat_vcpu *v;
	__u32 class, i;
	int what;

	if (not_ours())
		return 0;
	v = find_or_add_vcpu(ctx->args[0]);
	if (!v)
		return count_problem(CNT_MAP_FULL);
	if (pair_moves_reply(v))
		count_problem(CNT_REPLY_MOVED);
	what = pair_entry(v, now, stages);
	switch (what) {
	case PAIR_EXIT:
		add_sample(CLASS_EXIT, stages[STAGE_TOTAL]);
		return 0;
	case PAIR_EVENT:
		class = CLASS_BREAKPOINT + v->action * NR_STAGES;
		/* The verifiers of 5.10 and 6.1 refuse a loop that a call falls into. */
#pragma clang loop unroll(full)
		for (i = 0; i < NR_STAGES; i++)
			add_sample(class + i, stages[i]);
		return 0;
	case PAIR_OTHER:
		class = CLASS_OTHER + v->event * KVMI_LAT_NR_ACTIONS + v->action;
		add_sample(class, stages[STAGE_TOTAL]);
		return 0;
	default:
		return count_problem(what);
	}
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
	count(CNT_BP_SEND);
	v = find_vcpu(ctx->args[0]);
	why = v ? pair_bp_send(v, now) : CNT_BEFORE_FIRST;
	return why == PAIR_OK ? 0 : count_problem(why);
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
	count(CNT_EVENTS);
	v = find_vcpu(ctx->args[0]);
	why = v ? pair_event(v, (__u8)ctx->args[1], (__u32)ctx->args[2], now) : CNT_BEFORE_FIRST;
	return why == PAIR_OK ? 0 : count_problem(why);
}

/* (vcpu, event, seq, action), on the receiver's thread, which only_tgid cannot know */
SEC("raw_tp/kvmi_event_reply")
int lat_reply(struct bpf_raw_tracepoint_args *ctx)
{
	__u64 now = bpf_ktime_get_ns();
	struct kvmi_lat_vcpu *v;
	int why;

	v = find_vcpu(ctx->args[0]);
	if (!v && only_tgid)
		return 0;
	count(CNT_REPLIES);
	why = v ? pair_reply(v, (__u8)ctx->args[1], (__u32)ctx->args[2], (__u32)ctx->args[3], now)
		: CNT_BEFORE_FIRST;
	return why == PAIR_OK ? 0 : count_problem(why);
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
	why = v ? pair_bp_recv(v, (__u32)ctx->args[1], now) : CNT_BEFORE_FIRST;
	return why == PAIR_OK ? 0 : count_problem(why);
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
	if (why != CNT_COMMANDS_OUTSIDE)
		count(CNT_COMMANDS);
	return why == PAIR_OK ? 0 : count_problem(why);
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
	return why == PAIR_OK ? 0 : count_problem(why);
}

char LICENSE[] SEC("license") = "GPL";

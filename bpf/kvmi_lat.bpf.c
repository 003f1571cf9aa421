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

/* To be set before loading. As it stands: the VMs of all processes. */
const volatile __u32 only_tgid = 0;

/* Set by the tool before it detaches: what comes unpaired from then on is its own doing. */
volatile __u32 detaching SEC(".data") = 0;

/*
 * Hashed by address, the next free one on a collision. Memory the programs address directly: a
 * look-up in a BPF hash would cost more than all the rest that a hook does here.
 */
struct kvmi_lat_vcpu vcpus[NR_VCPUS];

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

/*
 * The way out of everything that did not pair: off the hot path, so one copy will do. The addition
 * is atomic since another program can come between on this CPU where tracepoints do not keep it out.
 */
static __noinline int count(int counter)
{
	struct kvmi_lat_counters *c;
	__u32 zero = 0;

	if (counter < 0 || counter >= NR_COUNTERS)
		return 0;
	if (detaching && counter >= CNT_UNPAIRED_FIRST && counter <= CNT_DROPPED_LAST)
		counter = CNT_DETACHING;
	c = bpf_map_lookup_elem(&counters, &zero);
	if (c)
		__sync_fetch_and_add(&c->value[counter], 1);
	return 0;
}

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

/* Fibonacci hashing: what slab addresses differ in is anywhere but in their lowest bits. */
static __always_inline __u32 home_of(__u64 vcpu)
{
	return vcpu * 0x9e3779b97f4a7c15ULL >> (64 - VCPU_BITS);
}

/* The slot of a vCPU that is not at home, -1: it has none. */
static __noinline int look_further(__u64 vcpu)
{
	__u32 at = home_of(vcpu);

	for (int i = 1; i < VCPU_PROBES; i++) {
		at = (at + 1) % NR_VCPUS;
		if (vcpus[at].vcpu == vcpu)
			return at;
		/* One that two asked for at a time stays empty: what they took instead lies behind. */
		if (!vcpus[at].claims)
			return -1;
	}
	return -1;
}

/*
 * Gives a vCPU a slot, on its first exit or entry: nobody else does that for the same vCPU, but for
 * others that want the same slot. Who finds the number of claims at 1 after having added his own
 * has it; two that find 2 leave it to nobody. That needs no more than 5.10 has.
 */
static __noinline int add_vcpu(__u64 vcpu)
{
	__u32 at = home_of(vcpu);

	for (int i = 0; i < VCPU_PROBES; i++) {
		struct kvmi_lat_vcpu *v = &vcpus[at];

		if (!v->claims) {
			__sync_fetch_and_add(&v->claims, 1);
			if (*(volatile __u64 *)&v->claims == 1) {
				v->vcpu = vcpu;
				return at;
			}
		}
		at = (at + 1) % NR_VCPUS;
	}
	return -1;
}

static __noinline int look_further_or_add(__u64 vcpu)
{
	int at = look_further(vcpu);

	return at < 0 ? add_vcpu(vcpu) : at;
}

static __always_inline struct kvmi_lat_vcpu *find_vcpu(__u64 vcpu)
{
	struct kvmi_lat_vcpu *v = &vcpus[home_of(vcpu)];
	int at;

	if (v->vcpu == vcpu)
		return v;
	at = look_further(vcpu);
	return at < 0 ? NULL : &vcpus[at % NR_VCPUS];
}

static __always_inline struct kvmi_lat_vcpu *find_or_add_vcpu(__u64 vcpu)
{
	struct kvmi_lat_vcpu *v = &vcpus[home_of(vcpu)];
	int at;

	if (v->vcpu == vcpu)
		return v;
	at = look_further_or_add(vcpu);
	return at < 0 ? NULL : &vcpus[at % NR_VCPUS];
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
	return why == PAIR_OK ? 0 : count(why);
}

/* Apart from the plain exits' path, to leave that the registers. */
static __noinline int enter(struct kvmi_lat_vcpu *v, __u64 now)
{
	__u64 stages[NR_STAGES];
	__u32 class, i;
	int what;

	if (pair_moves_reply(v))
		count(CNT_REPLY_MOVED);
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
	add_sample(CLASS_EXIT, total);
	return 0;
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
	return why == PAIR_OK ? 0 : count(why);
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
	if (!v && only_tgid)
		return 0;
	count(CNT_REPLIES);
	why = v ? pair_reply(v, (__u8)ctx->args[1], (__u32)ctx->args[2], (__u32)ctx->args[3], now)
		: CNT_BEFORE_FIRST;
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
	if (why != CNT_COMMANDS_OUTSIDE)
		count(CNT_COMMANDS);
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

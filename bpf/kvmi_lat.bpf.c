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
#include <linux/kvm.h>
#include <bpf/bpf_helpers.h>

#include "hist.bpf.h"
#include "pairing.bpf.h"

/* To be set before loading. As it stands: the VMs of all processes. */
const volatile __u32 only_tgid = 0;

/* The introspector's process, to be set before loading; 0: its part is one stage. */
const volatile __u32 tool_tgid = 0;

/*
 * Where these are in struct kvm_vcpu; the tool looks that up in the kernel's type information and
 * sets it before loading. -1: not known. Then a vCPU is known by its thread alone.
 */
const volatile __s32 offset_of_kvm = -1;
const volatile __s32 offset_of_id = -1;
const volatile __s32 offset_of_exits = -1; /* its statistics' exits: 0 before its first one */

/* Set by the tool before it detaches: what comes unpaired from then on is its own doing. */
volatile __u32 detaching SEC(".data") = 0;

/*
 * Hashed by address, the next free one on a collision. Memory the programs address directly: a
 * look-up in a BPF hash would cost more than all the rest that a hook does here.
 */
struct kvmi_lat_vcpu vcpus[NR_VCPUS];

/* Which vCPU a thread runs: kvm_userspace_exit does not say. Touched on the way to userspace only. */
struct {
	__uint(type, BPF_MAP_TYPE_LRU_HASH);
	__uint(max_entries, 2 * NR_VCPUS);
	__type(key, __u32);   /* thread id */
	__type(value, __u32); /* slot */
} threads SEC(".maps");

/*
 * What is in there, thread and slot in a word that is written as a whole: most look-ups end here. Two
 * threads that share a word only have to go to the map.
 */
__u64 known_threads[NR_VCPUS] SEC(".data.threads") = {0};

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
				v->index = at;
				v->id = -1;
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

static __always_inline bool read_vcpu(__u64 vcpu, __s32 offset, void *to, __u32 size)
{
	return offset >= 0 && !bpf_probe_read_kernel(to, size, (void *)(vcpu + offset));
}

/* That this thread runs this vCPU; a thread may take turns with several. */
static __noinline int note_thread(struct kvmi_lat_vcpu *v, __u32 tid)
{
	__u32 index = v->index, before = v->tid, *have;
	__u64 is = (__u64)tid << 32 | index;

	if (known_threads[tid % NR_VCPUS] == is && before == tid)
		return 0;
	have = bpf_map_lookup_elem(&threads, &tid);
	if (!have || *have != index)
		if (bpf_map_update_elem(&threads, &tid, &index, BPF_ANY))
			count(CNT_MAP_FULL);
	if (before && before != tid) {
		have = bpf_map_lookup_elem(&threads, &before);
		if (have && *have == index)
			bpf_map_delete_elem(&threads, &before);
	}
	v->tid = tid;
	known_threads[tid % NR_VCPUS] = is;
	return 0;
}

/* The slot of the vCPU that this thread runs, -1: it has run none. */
static __always_inline int find_thread(__u32 tid)
{
	__u64 known = known_threads[tid % NR_VCPUS];
	__u32 *index;

	if (known >> 32 == tid)
		return (__u32)known % NR_VCPUS;
	index = bpf_map_lookup_elem(&threads, &tid);
	return index ? *index % NR_VCPUS : -1;
}

/* Who this vCPU is: on its first exit or entry, and when another is found in its place. */
static __noinline int identify(struct kvmi_lat_vcpu *v)
{
	__u64 who = bpf_get_current_pid_tgid();
	struct kvmi_lat_sums none = {};
	__u64 vm = 0;
	__s32 id = -1;

	read_vcpu(v->vcpu, offset_of_kvm, &vm, sizeof(vm));
	read_vcpu(v->vcpu, offset_of_id, &id, sizeof(id));
	if (v->tgid && (v->tgid != who >> 32 || v->vm != vm || v->id != id)) {
		v->sums = none;
		count(CNT_VCPU_REPLACED);
	}
	v->tgid = who >> 32;
	v->vm = vm;
	v->id = id;
	return note_thread(v, who);
}

/*
 * Back from userspace: a VM may have been destroyed there, and another have got the address. That one
 * has not exited yet. Without its statistics, another thread is all there is to tell it by.
 */
static __noinline int come_back(struct kvmi_lat_vcpu *v)
{
	__u32 tid = bpf_get_current_pid_tgid();
	__u64 exits;
	bool other;

	if (read_vcpu(v->vcpu, offset_of_exits, &exits, sizeof(exits)))
		other = !exits;
	else
		other = v->tid != tid;
	if (other)
		pair_replaced(v);
	else
		note_thread(v, tid);
	return 0;
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

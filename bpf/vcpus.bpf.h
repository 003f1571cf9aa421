/* SPDX-License-Identifier: GPL-2.0-only */
/* The slots of vCPUs: finding them by address and by thread, and who a vCPU is. */
#ifndef VCPUS_BPF_H
#define VCPUS_BPF_H

#include <stdbool.h>

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "count.bpf.h"
#include "kvmi_lat.h"
#include "pairing.bpf.h"

/*
 * Where these are in struct kvm_vcpu; the tool looks that up in the kernel's type information and
 * sets it before loading. -1: not known. Then a vCPU is known by its thread alone.
 */
const volatile __s32 offset_of_kvm = -1;
const volatile __s32 offset_of_id = -1;
const volatile __s32 offset_of_exits = -1; /* its statistics' exits: 0 before its first one */

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

#endif /* VCPUS_BPF_H */

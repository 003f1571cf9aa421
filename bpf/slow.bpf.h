/* SPDX-License-Identifier: GPL-2.0-only */
/* Catches a breakpoint event that took too long: its stages, where it was, and who had the CPUs meanwhile. */
#ifndef SLOW_BPF_H
#define SLOW_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "kvmi_lat.h"

/* To be set before loading: what of an event is too long, in ns. 0: nobody waits for one. */
const volatile __u64 slow_over = 0;
const volatile __u32 slow_stage = STAGE_TOTAL;

/* Set by the one that is caught, which stops the record of CPUs; cleared by the tool. */
volatile __u32 caught SEC(".data.caught") = 0;

/* There are two at a time at most, by vCPUs that do not see each other's caught yet. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} slow SEC(".maps");

/* Nothing is in it without slow_over. */
struct {
	__uint(type, BPF_MAP_TYPE_PERCPU_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct kvmi_lat_cpu);
} cpus SEC(".maps");

static __noinline int catch_slow(struct kvmi_lat_vcpu *v, __u64 stages[NR_STAGES], __u64 now)
{
	struct kvmi_lat_slow *s;

	if (caught || slow_stage >= NR_STAGES || stages[slow_stage] <= slow_over)
		return 0;
	s = bpf_ringbuf_reserve(&slow, sizeof(*s), 0);
	if (!s)
		return 0;
	caught = 1;
	for (int i = 0; i < NR_STAGES; i++)
		s->stages[i] = stages[i];
	s->t_exit = v->t_exit;
	s->t_entry = now;
	s->where = v->where;
	s->tgid = v->tgid;
	s->tid = v->tid;
	s->id = v->id;
	s->seq = v->seq;
	s->action = v->action;
	s->cpu_entry = bpf_get_smp_processor_id();
	bpf_ringbuf_submit(s, 0);
	return 0;
}

/* On sched_switch: who has had this CPU until now. That is still the one that runs this. */
static __always_inline void note_switch(void)
{
	struct kvmi_lat_cpu *c;
	struct kvmi_lat_ran *r;
	__u32 zero = 0;

	if (caught)
		return;
	c = bpf_map_lookup_elem(&cpus, &zero);
	if (!c)
		return;
	r = &c->ran[c->next % NR_RAN];
	r->until = bpf_ktime_get_ns();
	r->who = bpf_get_current_pid_tgid();
	bpf_get_current_comm(r->comm, sizeof(r->comm));
	c->next++;
}

#endif /* SLOW_BPF_H */

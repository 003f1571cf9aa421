/* SPDX-License-Identifier: GPL-2.0-only */
/* Counts what could not become a sample, and other rare things. */
#ifndef COUNT_BPF_H
#define COUNT_BPF_H

#include <linux/bpf.h>
#include <bpf/bpf_helpers.h>

#include "kvmi_lat.h"

/* Set by the tool before it detaches: what comes unpaired from then on is its own doing. */
volatile __u32 detaching SEC(".data") = 0;

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

#endif /* COUNT_BPF_H */

// SPDX-License-Identifier: GPL-2.0-only
/* For experiments/cost/run: programs on kvm_exit and kvm_entry that do nothing, or only read the clock. */
#include <linux/bpf.h>

#include <bpf/bpf_helpers.h>

SEC("raw_tp/kvm_exit")
int empty_exit(void *ctx)
{
	(void)ctx;
	return 0;
}

SEC("raw_tp/kvm_entry")
int empty_entry(void *ctx)
{
	(void)ctx;
	return 0;
}

SEC("raw_tp/kvm_exit")
int clock_exit(void *ctx)
{
	(void)ctx;
	bpf_ktime_get_ns();
	return 0;
}

SEC("raw_tp/kvm_entry")
int clock_entry(void *ctx)
{
	(void)ctx;
	bpf_ktime_get_ns();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

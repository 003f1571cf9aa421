// SPDX-License-Identifier: GPL-2.0-only
/* For the tests: a delay of known length in the receiver of replies, and in a vCPU's reply path. */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_helpers.h>

/* The verifier wants an end, and no more than 8192 ways out: still far beyond what is asked for. */
#define MOST_ROUNDS 4000
#define LOOKS	    4

const volatile __u64 delay_ns = 0;

/* What has been spent, as the delayed themselves measure it. One thread at a time is delayed. */
__u64 spent = 0;
__u64 times = 0;

static __always_inline void spend(void)
{
	__u64 from = bpf_ktime_get_ns(), now = from;

	for (int i = 0; i < MOST_ROUNDS && now - from < delay_ns; i++) {
#pragma clang loop unroll(full)
		for (int look = 0; look < LOOKS; look++)
			now = bpf_ktime_get_ns();
	}
	spent += now - from;
	times++;
}

SEC("raw_tp/kvmi_event_reply")
int delay_receiver(void *ctx)
{
	(void)ctx;
	spend();
	return 0;
}

SEC("raw_tp/kvmi_event_bp_recv")
int delay_vcpu(void *ctx)
{
	(void)ctx;
	spend();
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

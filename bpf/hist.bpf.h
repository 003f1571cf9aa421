/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which histogram bucket a value falls into: the same code in the kernel, the tools and the tests. */
#ifndef HIST_BPF_H
#define HIST_BPF_H

#include "kvmi_lat.h"

/* log2, rounded down; 0 for 0. BPF (cpu v3) has no instruction for it. */
static inline __attribute__((always_inline)) __u32 hist_log2(__u64 v)
{
	__u32 r = 0;

	if (v >> 32) {
		v >>= 32;
		r = 32;
	}
	if (v >> 16) {
		v >>= 16;
		r += 16;
	}
	if (v >> 8) {
		v >>= 8;
		r += 8;
	}
	if (v >> 4) {
		v >>= 4;
		r += 4;
	}
	if (v >> 2) {
		v >>= 2;
		r += 2;
	}
	return r + (v >> 1);
}

/* The bucket of v. The last one for what is too large: compare with HIST_MAX_BITS for that. */
static inline __attribute__((always_inline)) __u32 hist_index(__u64 v)
{
	__u32 shift, index;

	if (v < HIST_SUB_BUCKETS)
		return v;
	shift = hist_log2(v) - HIST_SUB_BITS;
	index = shift * HIST_SUB_BUCKETS + (__u32)(v >> shift);
	return index < HIST_NR_BUCKETS ? index : HIST_NR_BUCKETS - 1;
}

#endif /* HIST_BPF_H */

/* SPDX-License-Identifier: GPL-2.0-only OR BSD-2-Clause */
/* Which histogram bucket a value falls into: the same code in the kernel, the tools and the tests. */
#ifndef HIST_BPF_H
#define HIST_BPF_H

#include "kvmi_lat.h"

/* log2 of a byte, rounded down; 0 for 0. BPF (cpu v3) has no instruction for it. */
#define HIST_2(n)  n, n
#define HIST_4(n)  HIST_2(n), HIST_2(n)
#define HIST_8(n)  HIST_4(n), HIST_4(n)
#define HIST_16(n) HIST_8(n), HIST_8(n)
#define HIST_32(n) HIST_16(n), HIST_16(n)
#define HIST_64(n) HIST_32(n), HIST_32(n)
static const __u8 hist_byte_log2[256] = {
	HIST_2(0),  HIST_2(1),	HIST_4(2),  HIST_8(3),	HIST_16(4),
	HIST_32(5), HIST_64(6), HIST_64(7), HIST_64(7),
};

/* The bucket of v; HIST_NR_BUCKETS, which there is not, from 2^HIST_MAX_BITS on. */
static inline __attribute__((always_inline)) __u32 hist_exact_index(__u64 v)
{
	__u32 shift;

	/* The shift that leaves the HIST_SUB_BITS + 1 uppermost bits; 0 if there are no more. */
	if (v < 1ULL << (HIST_SUB_BITS + 8))
		shift = hist_byte_log2[v >> HIST_SUB_BITS];
	else if (v < 1ULL << (HIST_SUB_BITS + 16))
		shift = hist_byte_log2[v >> (HIST_SUB_BITS + 8)] + 8;
	else if (v < 1ULL << (HIST_SUB_BITS + 24))
		shift = hist_byte_log2[v >> (HIST_SUB_BITS + 16)] + 16;
	else if (v < 1ULL << (HIST_SUB_BITS + 32))
		shift = hist_byte_log2[v >> (HIST_SUB_BITS + 24)] + 24;
	else if (v < 1ULL << HIST_MAX_BITS)
		shift = hist_byte_log2[v >> (HIST_SUB_BITS + 32)] + 32;
	else
		return HIST_NR_BUCKETS;
	return shift * HIST_SUB_BUCKETS + (__u32)(v >> shift);
}

/* The same, but the last one for what is too large. */
static inline __attribute__((always_inline)) __u32 hist_index(__u64 v)
{
	__u32 index = hist_exact_index(v);

	return index < HIST_NR_BUCKETS ? index : HIST_NR_BUCKETS - 1;
}

#endif /* HIST_BPF_H */

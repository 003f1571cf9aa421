/* SPDX-License-Identifier: BSD-2-Clause */
/* The stress test's accounts of kernel memory: what a cycle leaves behind. */
#ifndef STRESS_MEMORY_H
#define STRESS_MEMORY_H

#include <stdbool.h>

/* The kinds, as rows of /proc/meminfo. */
enum { MEMORY_SLAB, MEMORY_STACKS, MEMORY_PERCPU, MEMORY_PAGES, MEMORY_KINDS };

extern const char *const memory_kinds[MEMORY_KINDS];

/**
 * struct memory_sample - kernel memory in use after so many cycles, in bytes
 * @used: by kind; MEMORY_PAGES is all that is not free
 */
struct memory_sample {
	double cycles;
	double used[MEMORY_KINDS];
};

/* When nothing of it is in use for longer than it takes to free it: empties what caches it. */
void memory_take(struct memory_sample *s, double cycles);

/* Growth of a kind in bytes per cycle: the slope of the straight line closest to the samples. */
double memory_slope(const struct memory_sample *s, unsigned int n, int kind);

/* kmemleak, where the kernel has it. Forget what there is; fail the test if there is anything. */
bool memory_have_kmemleak(void);
void memory_kmemleak_clear(void);
void memory_kmemleak_check(void);

#endif /* STRESS_MEMORY_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/* How much of its CPU's time a guest loses that does nothing which would exit. */
#ifndef NOISE_H
#define NOISE_H

#include "cases.h"

#include <stdint.h>

/* Beyond this share of the time a machine is called noisy. */
#define NOISE_LIMIT 0.01

/**
 * struct noise - what interrupted it
 * @seconds: so long it was watched, by its TSC
 * @share: of that, what it lost; 0..1
 * @interruptions: how often
 * @longest_us: the longest, in microseconds
 */
struct noise {
	double seconds;
	double share;
	uint64_t interruptions;
	double longest_us;
};

/*
 * Run the case "loop" on the vCPU's CPU for a fraction of a second. An interruption is a round of the loop
 * that takes more than ten times the shortest one. Negative errno; case_error() has a sentence.
 */
int noise_measure(const struct case_setup *setup, struct noise *noise);

#endif /* NOISE_H */

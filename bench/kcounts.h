/* SPDX-License-Identifier: BSD-2-Clause */
/* What a thread executes in the host's kernel, by the processor's counters: instructions and cycles. */
#ifndef KCOUNTS_H
#define KCOUNTS_H

#include <stdbool.h>

/**
 * struct kcounts - counters of the calling thread
 * @fd: of the group's leader and of its other one, -1 none
 */
struct kcounts {
	int fd[2];
};

/**
 * struct kcounts_values - what they have counted
 * @instructions: instructions:k of perf, without the guest's
 * @cycles: cycles:k
 */
struct kcounts_values {
	double instructions;
	double cycles;
};

/*
 * Make counters for the calling thread, not counting yet. Negative errno where there are none: emulated
 * machines, most virtual ones, perf_event_paranoid above 1 for who is not root.
 */
int kcounts_open(struct kcounts *k);
void kcounts_close(struct kcounts *k);

/* Without counters these do nothing. */
void kcounts_start(const struct kcounts *k);
void kcounts_stop(const struct kcounts *k);

/*
 * All that was counted between starts and stops; where the counters had to be shared with others,
 * extrapolated from the time they had. False: there is nothing.
 */
bool kcounts_read(const struct kcounts *k, struct kcounts_values *values);

#endif /* KCOUNTS_H */

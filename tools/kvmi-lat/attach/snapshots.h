/* SPDX-License-Identifier: BSD-2-Clause */
/* What happened between two moments while the programs run: snapshots of the maps, and their difference. */
#ifndef KVMI_LAT_INTERVAL_H
#define KVMI_LAT_INTERVAL_H

#include "maps.h"

/*
 * Taken while programs write to it, a snapshot may have half of an event: a count without its sum. What
 * one interval lacks the next one has.
 */
struct snapshot {
	uint64_t at; /* CLOCK_MONOTONIC, ns */
	struct measurement *m;
	struct vcpus vcpus;
};

/*
 * vCPUs keep the numbers of VMs that they have in before, which may be NULL. 0 or a negative errno;
 * snapshot_free() works on what it leaves.
 */
int snapshot_take(struct snapshot *s, const struct maps *maps, const struct snapshot *before);
int snapshot_copy(struct snapshot *s, const struct snapshot *from);
void snapshot_free(struct snapshot *s);

/*
 * Turns a snapshot into what is new in it since before. Minimum and maximum are then those of the
 * buckets: 1.6 % off at most. vCPUs of processes that have ended are left out if they have nothing new.
 */
void snapshot_subtract(struct snapshot *s, const struct snapshot *before);

#endif

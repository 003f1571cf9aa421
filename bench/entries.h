/* SPDX-License-Identifier: BSD-2-Clause */
/* The benchmark's own results as `kvmi-lat record` takes them into the run file. */
#ifndef ENTRIES_H
#define ENTRIES_H

#include "kcounts.h"
#include "stats.h"

#include <stdbool.h>
#include <stdint.h>

/**
 * struct entry - the result of one case, observed in one way, once
 * @observer: "none", "detached", "attached"
 * @stats: hit-to-hit times in TSC ticks (or from when a hit was due), finished
 * @hits: counted by the guest
 * @events: received by the introspector, -1 not an event case
 * @late: hits that were due before the one before had ended, -1 hits do not fall due
 * @kcounts: for a hit, if @have_kcounts
 * @introspector_cpu: -1 none
 * @vcpus, @vms: so many at once; vCPUs of all VMs
 * @sched: "fifo" or "other", of vCPU, introspector and KVM's receiver
 */
struct entry {
	const char *name;
	const char *observer;
	unsigned int repetition;
	const struct stats *stats;
	uint64_t hits;
	int64_t events;
	int64_t late;
	struct kcounts_values kcounts;
	bool have_kcounts;
	unsigned int vcpus;
	unsigned int vms;
	long tsc_khz;
	int cpu;
	int introspector_cpu;
	const char *sched;
};

/* Are they wanted? That is, is there KVMI_LAT_ENTRIES=PATH in the environment? */
bool entries_wanted(void);

/* Open that path, before anything is measured. Negative errno, said on stderr. */
int entries_open(void);

/*
 * These do nothing where entries are not wanted. -ENOMEM. The cases are written in the order in which they were added,
 * whatever the order of their entries; one that was not is by its first entry.
 */
int entries_add_case(const char *name);
int entries_add(const struct entry *e);
int entries_add_skipped(const char *name, const char *reason);

/* Write {"entries": [...]} to what entries_open() has opened, and close it. Negative errno, said on stderr. */
int entries_write(void);

#endif /* ENTRIES_H */

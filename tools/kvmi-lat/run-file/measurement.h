/* SPDX-License-Identifier: BSD-2-Clause */
/* What was measured over one interval: the contents of the BPF maps, CPUs merged. */
#ifndef KVMI_LAT_MEASUREMENT_H
#define KVMI_LAT_MEASUREMENT_H

#include "hist.h"

struct measurement {
	struct hist hists[NR_CLASSES];
	uint64_t counters[NR_COUNTERS];
	uint64_t exits;	    /* kvm_exit seen */
	uint64_t in_flight; /* exits and events still under way when it was read */
};

uint64_t measurement_unpaired(const struct measurement *m);
uint64_t measurement_dropped(const struct measurement *m);

/*
 * Exits seen, less those in a histogram, dropped or in flight: 0 unless something was lost. Only
 * for what was read while nothing was attached.
 */
int64_t measurement_unaccounted(const struct measurement *m);

/* File descriptors of the programs' maps. */
struct maps {
	int vcpus; /* .bss */
	int histograms;
	int counters;
	int data; /* .data: detaching */
};

/* Adds what the maps hold to m. 0 or a negative errno. */
int maps_read(const struct maps *maps, struct measurement *m);

/* Forgets everything measured. Only while nothing is attached. */
int maps_clear(const struct maps *maps);

/*
 * Between detaching and attaching, vCPUs run unseen: makes them wait for an exit again. Exits in
 * flight stay accounted for. Only while nothing is attached.
 */
int maps_interrupted(const struct maps *maps);

/* Tells the programs that they are going to be detached (or not any more). */
int maps_set_detaching(const struct maps *maps, bool detaching);

#endif

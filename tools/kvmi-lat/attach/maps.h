/* SPDX-License-Identifier: BSD-2-Clause */
/* The maps of the BPF programs: what was measured, taken out and cleared. */
#ifndef KVMI_LAT_MAPS_H
#define KVMI_LAT_MAPS_H

#include <stdbool.h>

#include "run-file/measurement.h"
#include "run-file/vcpu_sums.h"

/* File descriptors of the programs' maps. */
struct maps {
	int vcpus; /* .bss */
	int histograms;
	int counters;
	int data; /* .data: detaching */
};

/* Adds what the maps hold to m. 0 or a negative errno. */
int maps_read(const struct maps *maps, struct measurement *m);

/* Adds each vCPU's sums to what is there of it. 0 or a negative errno. */
int maps_read_vcpus(const struct maps *maps, struct vcpus *vcpus);

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

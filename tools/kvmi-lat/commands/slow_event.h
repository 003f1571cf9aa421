/* SPDX-License-Identifier: BSD-2-Clause */
/* A breakpoint event that took too long, with what had its CPUs meanwhile: as text and as JSON. */
#ifndef KVMI_LAT_SLOW_H
#define KVMI_LAT_SLOW_H

#include <jansson.h>

#include "kvmi_lat.h"

/* Somebody had a CPU while the event lasted, or a part of that time. */
struct slow_ran {
	int cpu;
	uint64_t from, until; /* since the exit */
	pid_t pid, thread;    /* 0: not known, or the idle task */
	char comm[16];
};

struct slow_event {
	struct kvmi_lat_slow event;
	const char *unit;
	const char *stage; /* which one was too long */
	uint64_t over;
	struct slow_ran *ran; /* by CPU, then by time */
	unsigned int nr_ran;
	bool overflow; /* there were more before these */
};

/*
 * Adds those whom the map's CPUs have seen while the event lasted: the ones that the vCPU was on, and
 * the one of the receiver. 0 or a negative errno; slow_free() works on what it leaves.
 */
int slow_add_cpus(struct slow_event *s, int cpus_map);

/* The same for one of them. */
int slow_add_cpu(struct slow_event *s, int cpu, const struct kvmi_lat_cpu *c);
void slow_free(struct slow_event *s);

void slow_text(const struct slow_event *s);
json_t *slow_json(const struct slow_event *s);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* The BPF programs embedded in kvmi-lat, loaded: switched on and off, and accounted by case. */
#ifndef KVMI_LAT_OBSERVER_H
#define KVMI_LAT_OBSERVER_H

#include <sys/types.h>

#include "run-file/run_file.h"
#include "tracepoint_programs.h"

struct observer {
	struct kvmi_lat *skel;
	struct hook_fds hooks;
	struct maps maps;
	bool attached;
	bool has_events;
	struct run *run;
	struct run_case *open_case; /* between begin and end */
	bool cases_seen;
	struct run_case *cost_case; /* between cost and cost_end */
	struct hook_costs cost_before;
	int stats; /* BPF statistics are on as long as it is open */
};

/* What to observe. Nothing set: the VMs of all processes. */
struct observer_options {
	pid_t pid;	    /* watch only the VMs of that process */
	pid_t tool;	    /* split what this introspector's process does into stages of its own */
	uint64_t slow_over; /* catch events of which a stage takes more ns: see observer_slow() */
	enum kvmi_lat_stage slow_stage;
};

/*
 * Loads the programs, without attaching them. A negative errno after having said what is wrong;
 * observer_close() then still has to be called.
 */
int observer_open(struct observer *o, struct run *run, const struct observer_options *options);
void observer_close(struct observer *o);

int observer_attach(struct observer *o);
void observer_detach(struct observer *o);

/*
 * With slow_over set: the ring buffer of slow events (struct kvmi_lat_slow), and the map of who has had
 * the CPUs, which stands still once one is caught until it is armed again.
 */
int observer_slow(const struct observer *o);
int observer_cpus(const struct observer *o);
void observer_rearm(struct observer *o);

/*
 * One line of the control protocol: "attach", "detach", "begin NAME" or "end"; "cost NAME" or "cost_end",
 * between which the kernel counts what the programs take. 0, or a negative
 * errno with a sentence for the other side in why.
 */
int observer_control(struct observer *o, const char *line, char *why, size_t size);

/* Detaches, and accounts what no "end" has accounted. */
int observer_finish(struct observer *o);

#endif

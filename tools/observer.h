/* SPDX-License-Identifier: BSD-2-Clause */
/* The BPF programs embedded in kvmi-lat, loaded: switched on and off, and accounted by case. */
#ifndef KVMI_LAT_OBSERVER_H
#define KVMI_LAT_OBSERVER_H

#include <sys/types.h>

#include "hooks.h"
#include "runfile.h"

struct observer {
	struct kvmi_lat *skel;
	struct hook_fds hooks;
	struct maps maps;
	bool attached;
	bool has_events;
	struct run *run;
	struct run_case *open_case; /* between begin and end */
	bool cases_seen;
};

/*
 * Loads the programs, without attaching them. pid: watch only the VMs of that process, 0 for all.
 * A negative errno after having said what is wrong; observer_close() then still has to be called.
 */
int observer_open(struct observer *o, struct run *run, pid_t pid);

/* The same; splits what the introspector's process tool does into stages of its own, if it is not 0. */
int observer_open_split(struct observer *o, struct run *run, pid_t pid, pid_t tool);
void observer_close(struct observer *o);

int observer_attach(struct observer *o);
void observer_detach(struct observer *o);

/*
 * One line of the control protocol: "attach", "detach", "begin NAME" or "end". 0, or a negative
 * errno with a sentence for the other side in why.
 */
int observer_control(struct observer *o, const char *line, char *why, size_t size);

/* Detaches, and accounts what no "end" has accounted. */
int observer_finish(struct observer *o);

#endif

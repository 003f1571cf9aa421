/* SPDX-License-Identifier: BSD-2-Clause */
/* What kvmi-lat top shows of one interval. */
#ifndef KVMI_LAT_TOP_H
#define KVMI_LAT_TOP_H

#include <jansson.h>

#include "attach/snapshots.h"

/* What the table of vCPUs is sorted by; its key is the first letter. */
enum top_sort {
	TOP_BREAKPOINTS,
	TOP_EXITS,
	TOP_USERSPACE,
	TOP_TIME, /* outside of the guest */
	TOP_PID,
	NR_TOP_SORTS,
};

extern const char *const top_sort_names[NR_TOP_SORTS];

struct top_view {
	const char *kernel;
	const char *unit;
	bool has_events;
	enum top_sort sort;
	const char *stage; /* only this one; NULL: all */
	long vm, vcpu;	   /* only these; -1: all */
	int rows, columns; /* of the screen, 0: no end */
	bool keys;	   /* there is somebody to press them */
};

/* What is left after snapshot_subtract(); *all has the counters since the beginning. Sorts the vCPUs. */
void top_text(const struct top_view *view, struct snapshot *interval,
	      const struct measurement *all);

/* The same as an object. */
json_t *top_json(const struct top_view *view, struct snapshot *interval,
		 const struct measurement *all);

#endif

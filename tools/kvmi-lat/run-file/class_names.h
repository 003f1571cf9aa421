/* SPDX-License-Identifier: BSD-2-Clause */
/* What classes and counters are called in run files, reports and documentation. */
#ifndef KVMI_LAT_NAMES_H
#define KVMI_LAT_NAMES_H

#include <stdbool.h>

#include "kvmi_lat.h"

struct class_name {
	const char *event;
	const char *action;
	const char *stage;
};

/* class < NR_CLASSES */
struct class_name class_name(unsigned int class);

/* The class with these names, or -ENOENT. */
int class_find(const char *event, const char *action, const char *stage);

extern const char *const stage_names[NR_STAGES];
extern const char *const action_names[KVMI_LAT_NR_ACTIONS];

struct counter_name {
	const char *name;
	const char *meaning;
	bool later; /* run files need not have it: it came later */
};

extern const struct counter_name counter_names[NR_COUNTERS];

#endif

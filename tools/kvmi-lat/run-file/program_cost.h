/* SPDX-License-Identifier: BSD-2-Clause */
/* What the BPF programs themselves take, by the kernel's own count: of a pass in which nothing else is measured. */
#ifndef KVMI_LAT_HOOK_COST_H
#define KVMI_LAT_HOOK_COST_H

#include <jansson.h>
#include <stdint.h>

struct hook_cost {
	char program[32];
	char tracepoint[32];
	uint64_t runs;
	uint64_t
		time; /* sum over the runs, in the run's unit; a look at the clock is part of each */
};

/* More programs than there are. */
#define HOOK_COSTS_MAX 16

struct hook_costs {
	struct hook_cost list[HOOK_COSTS_MAX];
	unsigned int nr;
};

/* Adds what has been added from one reading of the same programs to the other; programs that did not run have no entry. */
void hook_costs_add(struct hook_costs *costs, const struct hook_costs *before,
		    const struct hook_costs *after);

/* Appends an object for each to array. */
void hook_costs_to_json(const struct hook_costs *costs, const char *case_name, json_t *array);

/* Takes one of these objects. -EINVAL if it is none. */
int hook_costs_add_json(struct hook_costs *costs, const json_t *object);

#endif

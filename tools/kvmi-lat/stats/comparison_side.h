/* SPDX-License-Identifier: BSD-2-Clause */
/* One side of a comparison: runs of the same thing, and what they say of each case. */
#ifndef KVMI_LAT_COMPARISON_SIDE_H
#define KVMI_LAT_COMPARISON_SIDE_H

#include "run-file/run_file.h"

/* What one run says of one case; NAN: nothing. */
struct run_figures {
	double hit; /* the guest's mean from hit to hit, without the observer */
	double p99, p999;
	int main_class;		  /* total of what the case is about, -1 if there is none */
	double means[NR_CLASSES]; /* what BPF timed, with the observer */
};

struct side_case {
	char *name;
	struct run_figures *runs; /* those runs of the side that measured it */
	unsigned int nr_runs;
};

/* Runs of the same thing. */
struct side {
	char *name;
	json_t *fingerprint; /* of its first run */
	struct side_case *cases;
	unsigned int nr_cases;
	unsigned int nr_runs;
};

/* 0 or -ENOMEM. side_free() works on whatever they have left. */
int side_init(struct side *side, const char *name);
int side_add(struct side *side, const char *name, const struct run_figures *figures);
void side_free(struct side *side);

/* Takes the figures of a run in. 0, or a negative errno with the reason in why. */
int side_add_run(struct side *side, const struct run *run, char *why, size_t size);

const struct side_case *side_find(const struct side *side, const char *name);

#endif

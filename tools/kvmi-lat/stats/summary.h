/* SPDX-License-Identifier: BSD-2-Clause */
/* The figures a report shows, computed from a run: no formatting here. */
#ifndef KVMI_LAT_SUMMARY_H
#define KVMI_LAT_SUMMARY_H

#include "rank_tests.h"
#include "run-file/run_file.h"

/* One distribution. */
struct figures {
	uint64_t n;
	double mean, min, p50, p90, p99, p999, max;
};

/*
 * What the guest's own clock said, one case under one observer: medians over the repetitions, but for n, and for min and max,
 * which are those of all hits.
 */
struct guest_figures {
	unsigned int repetitions;
	struct figures f;	  /* n: of all repetitions together */
	double mean_of_all;	  /* of all hits: what means by BPF are of */
	struct interval interval; /* 95 % of the mean's median; NAN: too few repetitions */
	double net;	 /* mean less what the guest's loop takes by itself; NAN: not known */
	bool paced;	 /* not from hit to hit, but from when one was due */
	uint64_t hits;	 /* the guest's own counter, of all repetitions together */
	uint64_t events; /* what the introspector received */
	bool has_events;
};

/* Hit to hit by the guest's clock, less exit to entry by BPF: what no tracepoint covers. */
struct remainder {
	double at_mean;
	double at_min;
	double spread; /* their distance, as a fraction of the total's mean */
};

struct case_summary {
	const char *name;
	const char *skipped;			       /* why it did not run, NULL if it did */
	struct guest_figures none, detached, attached; /* repetitions 0: not there */
	bool has_cost;
	double cost; /* attached less detached, at the mean */
	double cost_share;
	const struct measurement *m; /* NULL: BPF saw nothing of it */
	const struct vcpus *vcpus;   /* the same by vCPU */
	const struct hook_costs *costs;
	int main_class; /* total of what the case is about, -1 if there is none */
	bool has_remainder;
	struct remainder remainder;
};

struct figures figures_of_hist(const struct hist *h);

/* The cases of a run, in the order of its entries; *nr of them. NULL if memory is short. */
struct case_summary *summarize(const struct run *run, unsigned int *nr);

#endif

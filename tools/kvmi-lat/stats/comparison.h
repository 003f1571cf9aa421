/* SPDX-License-Identifier: BSD-2-Clause */
/* Compares the runs of several sides: figures and verdicts, no files and no formatting here. */
#ifndef KVMI_LAT_COMPARISON_H
#define KVMI_LAT_COMPARISON_H

#include "rank_tests.h"
#include "run-file/run_file.h"

/* With fewer runs on either side there is no verdict. */
#define FEWEST_RUNS 8

/* How likely a table in which nothing is slower may have a case that is called slower. */
#define ALPHA 0.05

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

enum verdict {
	VERDICT_SLOWER,
	VERDICT_FASTER,
	VERDICT_SAME,	 /* all of the difference's interval lies within the threshold */
	VERDICT_UNCLEAR, /* neither shown to differ nor to be the same */
	VERDICT_FEW,	 /* too few runs for any of these */
	VERDICT_MISSING, /* only one of the sides has it */
	NR_VERDICTS,
};

extern const char *const verdict_names[NR_VERDICTS];

/* A figure over the runs of a side. */
struct spread {
	unsigned int runs; /* 0: the side does not have it */
	double median;
	struct interval interval;
};

/* How far a figure of the new side is from that of the base, as a fraction: 0.02 is 2 % more. */
struct difference {
	double value;
	struct interval interval;
};

/* A stage's mean, the new side's less the base's, in the unit of the runs. */
struct moved {
	unsigned int class;
	double shift;
	struct interval interval;
};

/* One case of one new side, against the base. */
struct cell {
	struct spread hit;
	struct difference difference;
	double slower, faster; /* corrected p of either; NAN without a verdict */
	enum verdict verdict;
	struct difference p99, p999;
	struct moved stages[NR_STAGES];
	unsigned int nr_stages;
	int most; /* the one of stages that moved farthest the way the case did, or -1 */
};

struct row {
	const char *name; /* of the case */
	struct spread base;
	struct cell *cells; /* one per new side */
};

struct comparison {
	struct row *rows;
	unsigned int nr_rows, nr_new;
	unsigned int counts[NR_VERDICTS];
};

struct comparison_options {
	double threshold; /* as a fraction */
	uint64_t seed;	  /* of what is drawn to find intervals */
	const char *only; /* this case; NULL: all */
};

/* 0, -ENOMEM, or -ENOENT if there is no case to compare. */
int compare_sides(struct comparison *comparison, const struct side *base, const struct side *new,
		  unsigned int nr_new, const struct comparison_options *options);
void comparison_free(struct comparison *comparison);

/* Exit status: 0 nothing slower, 1 something is, 2 there is no verdict on some case of the base. */
int comparison_status(const struct comparison *comparison);

#endif

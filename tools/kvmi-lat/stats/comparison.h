/* SPDX-License-Identifier: BSD-2-Clause */
/* Compares the runs of several sides: figures and verdicts, no files and no formatting here. */
#ifndef KVMI_LAT_COMPARISON_H
#define KVMI_LAT_COMPARISON_H

#include "comparison_side.h"
#include "rank_tests.h"

/* With fewer runs on either side there is no verdict. */
#define FEWEST_RUNS 8

/* How likely a table in which nothing is slower may have a case that is called slower. */
#define ALPHA 0.05

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

// SPDX-License-Identifier: BSD-2-Clause
/* How often kvmi-lat compare calls something slower, by how much slower it is: simulated runs. */
#include <errno.h>
#include <getopt.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "number.h"
#include "stats/comparison.h"

#define CASES 12

static const char power_help[] =
	"Usage: power [--tables N] [--runs N] [--seed N]\n"
	"\n"
	"Simulates tables of 12 cases, base and new, and has them compared as kvmi-lat compare does,\n"
	"with its default threshold. The new side is slower by 0 to 3 times the threshold, in one case\n"
	"of the table or in all. Prints how many of the tables have a case that is called slower, and\n"
	"how many of the planted slowdowns are found, by how the runs vary.\n"
	"\n"
	"Exit status: 1 if of tables with nothing planted, or half the threshold, more than 5 % have a\n"
	"case that is called slower, or if less than 95 % of 1.5 times the threshold and more is found,\n"
	"unless runs vary wildly.\n";

/*
 * How runs of one kernel differ from one another, in units of the threshold: normally distributed
 * around their mode, of which there may be two; and now and then one is off by far.
 */
static const struct noise {
	const char *name;
	double deviation;
	double mode, in_mode; /* how much slower the second mode is, and how many runs are in it */
	double far_off;	      /* how many runs are off by 5 thresholds */
	unsigned int runs;    /* how many it takes a side, at least; 0: no number will do */
} noises[] = {
	{"steady", 0.02, 0, 0, 0, 8},
	{"noisy", 0.25, 0, 0, 0, 8},
	{"two modes", 0.10, 0.5, 0.3, 0, 8},
	{"two modes, even", 0.10, 0.5, 0.5, 0, 8},
	/* Fewer do not outweigh the one of the base that lies above all new ones. */
	{"far-off runs", 0.15, 0, 0, 0.03, 12},
	{"wild", 2, 0, 0, 0, 0},
};

#define NR_NOISES (sizeof(noises) / sizeof(noises[0]))

static const double planted[] = {0, 0.25, 0.5, 0.75, 1, 1.25, 1.5, 2, 3};

#define NR_PLANTED (sizeof(planted) / sizeof(planted[0]))

struct setting {
	unsigned int tables, runs;
	double threshold;
	uint64_t random;
};

static double uniform(uint64_t *random)
{
	return ((rank_random(random) >> 11) + 0.5) * 0x1p-53;
}

static double normal(uint64_t *random)
{
	double radius = sqrt(-2 * log(uniform(random)));

	return radius * cos(2 * M_PI * uniform(random));
}

/* What a run of a case that takes 1 comes to. */
static double draw(struct setting *s, const struct noise *noise)
{
	double off = noise->deviation * normal(&s->random);

	if (uniform(&s->random) < noise->in_mode)
		off += noise->mode;
	if (uniform(&s->random) < noise->far_off)
		off += 5;
	return exp(off * s->threshold);
}

/* slower: by how much, as a fraction, in the first nr_slower cases. */
static int fill_side(struct setting *s, struct side *side, const struct noise *noise, double slower,
		     int nr_slower)
{
	unsigned int runs = s->runs > noise->runs ? s->runs : noise->runs;
	struct run_figures figures = {.p99 = NAN, .p999 = NAN, .main_class = -1};
	int err = side_init(side, "simulated");

	for (int i = 0; i < CASES && !err; i++) {
		char name[16];

		snprintf(name, sizeof(name), "case %d", i);
		for (unsigned int run = 0; run < runs && !err; run++) {
			figures.hit = 1000 * (i + 1) * draw(s, noise);
			if (i < nr_slower)
				figures.hit *= 1 + slower;
			err = side_add(side, name, &figures);
		}
	}
	return err;
}

struct tally {
	unsigned int tables; /* those that have a case that is called slower */
	unsigned int found;  /* planted slowdowns that are */
};

static int try_table(struct setting *s, const struct noise *noise, double slower, int nr_slower,
		     struct tally *tally)
{
	const struct comparison_options options = {.threshold = s->threshold, .seed = 1};
	struct comparison comparison = {};
	struct side sides[2] = {};
	int err;

	err = fill_side(s, &sides[0], noise, 0, 0);
	if (!err)
		err = fill_side(s, &sides[1], noise, slower, nr_slower);
	if (!err)
		err = compare_sides(&comparison, &sides[0], &sides[1], 1, &options);
	if (!err) {
		tally->tables += comparison_status(&comparison) == 1;
		for (int i = 0; i < nr_slower; i++)
			tally->found += comparison.rows[i].cells->verdict == VERDICT_SLOWER;
	}
	comparison_free(&comparison);
	side_free(&sides[0]);
	side_free(&sides[1]);
	return err;
}

/* A row of the curve: whether it is as it has to be, in *good. */
static int try_planted(struct setting *s, const struct noise *noise, double times, int nr_slower,
		       bool *good)
{
	double tables, found;
	struct tally tally = {};

	for (unsigned int i = 0; i < s->tables; i++) {
		int err = try_table(s, noise, times * s->threshold, nr_slower, &tally);

		if (err)
			return err;
	}
	tables = (double)tally.tables / s->tables;
	found = (double)tally.found / s->tables / nr_slower;
	*good = times <= 0.5 ? tables <= 0.05 : times < 1.5 || !noise->runs || found >= 0.95;
	if (times > 0)
		printf("  %6.1f %% %6.1f %%", 100 * tables, 100 * found);
	else
		printf("  %6.1f %% %8s", 100 * tables, "");
	printf("%s", *good ? " " : "!");
	return 0;
}

static int try_noise(struct setting *s, const struct noise *noise, unsigned int *bad)
{
	printf("\n%s, %u runs a side: deviation %g", noise->name,
	       s->runs > noise->runs ? s->runs : noise->runs, noise->deviation);
	if (noise->in_mode > 0)
		printf(", %g %% of runs slower by %g", 100 * noise->in_mode, noise->mode);
	if (noise->far_off > 0)
		printf(", %g %% by 5", 100 * noise->far_off);
	printf(" (unit: the threshold)\n%8s  %19s %20s\n%8s  %8s %8s   %8s %8s\n", "planted",
	       "in one case", "in all", "", "tables", "found", "tables", "found");
	for (size_t i = 0; i < NR_PLANTED; i++) {
		printf("%8g", planted[i]);
		for (int all = 0; all < 2; all++) {
			bool good;
			int err = try_planted(s, noise, planted[i], all ? CASES : 1, &good);

			if (err)
				return err;
			*bad += !good;
		}
		putchar('\n');
		fflush(stdout);
	}
	return 0;
}

static unsigned int number(const char *text, unsigned int least)
{
	uint64_t value;

	if (number_parse(text, 1000000, &value) && value >= least)
		return value;
	fprintf(stderr, "power: '%s' is no number from %u to 1000000\n", text, least);
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{"tables", required_argument, NULL, 't'},
		{"runs", required_argument, NULL, 'r'},
		{"seed", required_argument, NULL, 's'},
		{"help", no_argument, NULL, 'h'},
		{},
	};
	struct setting s = {.tables = 250, .runs = FEWEST_RUNS, .threshold = 0.02, .random = 1};
	unsigned int bad = 0;
	int option;

	while ((option = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (option) {
		case 't':
			s.tables = number(optarg, 1);
			break;
		case 'r':
			s.runs = number(optarg, FEWEST_RUNS);
			break;
		case 's':
			s.random = number(optarg, 0);
			break;
		case 'h':
			fputs(power_help, stdout);
			return 0;
		default:
			return 2;
		}
	}
	printf("%u tables of %d cases each, threshold %g %%\n", s.tables, CASES, 100 * s.threshold);
	for (size_t i = 0; i < NR_NOISES; i++) {
		if (try_noise(&s, &noises[i], &bad)) {
			fprintf(stderr, "power: out of memory\n");
			return 2;
		}
	}
	if (bad)
		printf("\n%u figures marked ! are not what they have to be\n", bad);
	else
		printf("\nall as it has to be: with up to 0.5 planted at most 5 %% of tables, from 1.5 on at "
		       "least 95 %% found\n");
	return bad ? 1 : 0;
}

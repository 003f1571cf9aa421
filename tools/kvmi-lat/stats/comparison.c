// SPDX-License-Identifier: BSD-2-Clause
/* Compares the runs of several sides: figures and verdicts. */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "comparison.h"
#include "run-file/class_names.h"

const char *const verdict_names[NR_VERDICTS] = {
	[VERDICT_SLOWER] = "slower",   [VERDICT_FASTER] = "faster", [VERDICT_SAME] = "same",
	[VERDICT_UNCLEAR] = "unclear", [VERDICT_FEW] = "few runs",  [VERDICT_MISSING] = "missing",
};

typedef double (*figure_of)(const struct run_figures *run, unsigned int class);

static double hit_of(const struct run_figures *run, unsigned int class)
{
	(void)class;
	return run->hit;
}

static double p99_of(const struct run_figures *run, unsigned int class)
{
	(void)class;
	return run->p99;
}

static double p999_of(const struct run_figures *run, unsigned int class)
{
	(void)class;
	return run->p999;
}

static double mean_of(const struct run_figures *run, unsigned int class)
{
	return run->means[class];
}

/* One figure of every run that has it, sorted. */
struct sample {
	double *values;
	unsigned int n;
};

static int take(struct sample *sample, const struct side_case *c, figure_of figure,
		unsigned int class)
{
	*sample = (struct sample){calloc(c->nr_runs + 1, sizeof(*sample->values)), 0};
	if (!sample->values)
		return -ENOMEM;
	for (unsigned int i = 0; i < c->nr_runs; i++) {
		double value = figure(&c->runs[i], class);

		if (!isnan(value))
			sample->values[sample->n++] = value;
	}
	rank_sort(sample->values, sample->n);
	return 0;
}

static struct spread spread_of(const struct sample *sample)
{
	return (struct spread){
		.runs = sample->n,
		.median = rank_median(sample->values, sample->n),
		.interval = rank_median_interval(sample->values, sample->n),
	};
}

/*
 * How likely it is by chance that the new runs lie so far above (or below) the base's, if all that
 * is different is a factor. Of a factor nearer to 1 it is less likely still.
 */
static int test_factor(const struct sample *base, const struct sample *new, double factor,
		       struct rank_test *test)
{
	double *moved = calloc(base->n + 1, sizeof(*moved));
	int err;

	if (!moved)
		return -ENOMEM;
	for (unsigned int i = 0; i < base->n; i++)
		moved[i] = base->values[i] * factor;
	err = rank_test(new->values, new->n, moved, base->n, test);
	free(moved);
	return err;
}

/*
 * The hypothesis that has to fall is a change of half the threshold, not of none. So a change of half
 * the threshold or less is called slower in 5 % of tables at most, however much the runs vary;
 * of all hypotheses with that property it leaves the most power for larger changes.
 */
static int compare_hits(struct cell *cell, const struct sample *base, const struct sample *new,
			double threshold)
{
	struct rank_test above, below;
	int err;

	err = rank_shift(new->values, new->n, base->values, base->n, RANK_RATIO,
			 &cell->difference.value, &cell->difference.interval);
	if (!err)
		err = test_factor(base, new, 1 + threshold / 2, &above);
	if (!err)
		err = test_factor(base, new, 1 - threshold / 2, &below);
	if (err)
		return err;
	cell->difference.value -= 1;
	cell->difference.interval.low -= 1;
	cell->difference.interval.high -= 1;
	if (base->n < FEWEST_RUNS || new->n < FEWEST_RUNS) {
		cell->verdict = VERDICT_FEW;
		return 0;
	}
	cell->slower = above.above;
	cell->faster = below.below;
	cell->verdict = VERDICT_UNCLEAR;
	return 0;
}

static int compare_tail(struct difference *to, const struct side_case *base,
			const struct side_case *new, figure_of figure, uint64_t seed)
{
	struct sample of_base = {}, of_new = {};
	int err;

	err = take(&of_base, base, figure, 0);
	if (!err)
		err = take(&of_new, new, figure, 0);
	if (!err && of_base.n && of_new.n) {
		to->value = rank_median(of_new.values, of_new.n) /
				    rank_median(of_base.values, of_base.n) -
			    1;
		if (of_base.n >= FEWEST_RUNS && of_new.n >= FEWEST_RUNS) {
			err = rank_bootstrap(of_new.values, of_new.n, of_base.values, of_base.n,
					     seed, &to->interval);
			to->interval.low -= 1;
			to->interval.high -= 1;
		}
	}
	free(of_base.values);
	free(of_new.values);
	return err;
}

static int compare_stage(struct cell *cell, const struct side_case *base,
			 const struct side_case *new, unsigned int class)
{
	struct sample of_base = {}, of_new = {};
	struct moved *moved = &cell->stages[cell->nr_stages];
	int err;

	err = take(&of_base, base, mean_of, class);
	if (!err)
		err = take(&of_new, new, mean_of, class);
	if (!err && of_base.n && of_new.n) {
		moved->class = class;
		err = rank_shift(of_new.values, of_new.n, of_base.values, of_base.n,
				 RANK_DIFFERENCE, &moved->shift, &moved->interval);
		cell->nr_stages++;
	}
	free(of_base.values);
	free(of_new.values);
	return err;
}

/* The stages of what the case is about. They explain; nothing is concluded from them. */
static int compare_stages(struct cell *cell, const struct side_case *base,
			  const struct side_case *new)
{
	int main_class = base->nr_runs ? base->runs[0].main_class : -1, err = 0;
	double farthest = 0;
	struct class_name whole;

	if (main_class < 0)
		return 0;
	whole = class_name(main_class);
	for (int class = 0; class < NR_CLASSES && !err; class ++) {
		struct class_name name = class_name(class);

		if (class != main_class && !strcmp(name.event, whole.event) &&
		    !strcmp(name.action, whole.action) && cell->nr_stages < NR_STAGES)
			err = compare_stage(cell, base, new, class);
	}
	for (unsigned int i = 0; i < cell->nr_stages; i++) {
		double way = cell->stages[i].shift * (cell->difference.value < 0 ? -1 : 1);

		if (way > farthest) {
			farthest = way;
			cell->most = i;
		}
	}
	return err;
}

/* What is drawn for a case does not depend on which others there are. */
static uint64_t seed_of(uint64_t seed, const char *name, unsigned int new)
{
	for (; *name; name++)
		seed = (seed ^ (unsigned char)*name) * 0x100000001b3;
	return seed + new;
}

static int compare_case(struct cell *cell, const struct side_case *base,
			const struct side_case *new, const struct comparison_options *options,
			uint64_t seed)
{
	struct sample of_base = {}, of_new = {};
	int err;

	err = take(&of_base, base, hit_of, 0);
	if (!err)
		err = take(&of_new, new, hit_of, 0);
	if (!err && of_new.n) {
		cell->hit = spread_of(&of_new);
		if (of_base.n)
			err = compare_hits(cell, &of_base, &of_new, options->threshold);
	}
	if (!err)
		err = compare_tail(&cell->p99, base, new, p99_of, seed);
	if (!err)
		err = compare_tail(&cell->p999, base, new, p999_of, seed);
	if (!err)
		err = compare_stages(cell, base, new);
	free(of_base.values);
	free(of_new.values);
	return err;
}

static int fill_row(struct row *row, const struct side *base, const struct side *new,
		    unsigned int nr_new, const struct comparison_options *options)
{
	static const struct side_case none;
	const struct side_case *of_base = side_find(base, row->name), *of_new;
	struct sample sample;
	int err;

	of_base = of_base ? of_base : &none;
	err = take(&sample, of_base, hit_of, 0);
	if (err)
		return err;
	row->base = spread_of(&sample);
	free(sample.values);
	row->cells = calloc(nr_new, sizeof(*row->cells));
	if (!row->cells)
		return -ENOMEM;
	for (unsigned int i = 0; i < nr_new && !err; i++) {
		static const struct difference unknown = {NAN, {NAN, NAN}};

		row->cells[i] = (struct cell){
			.hit = {0, NAN, {NAN, NAN}},
			.difference = unknown,
			.slower = NAN,
			.faster = NAN,
			.verdict = VERDICT_MISSING,
			.p99 = unknown,
			.p999 = unknown,
			.most = -1,
		};
		of_new = side_find(&new[i], row->name);
		err = compare_case(&row->cells[i], of_base, of_new ? of_new : &none, options,
				   seed_of(options->seed, row->name, i));
	}
	return err;
}

/* The next cell that has been tested, of all rows in order; NULL behind the last. */
static struct cell *next_tested(const struct comparison *c, unsigned int *at)
{
	while (*at < c->nr_rows * c->nr_new) {
		struct cell *cell = &c->rows[*at / c->nr_new].cells[*at % c->nr_new];

		(*at)++;
		if (!isnan(cell->slower))
			return cell;
	}
	return NULL;
}

static bool within(const struct difference *d, double threshold)
{
	return d->interval.low > -threshold && d->interval.high < threshold;
}

/* No p can be less: that of runs which do not overlap. */
static double least_p(unsigned int a, unsigned int b)
{
	return exp(lgamma(a + 1.0) + lgamma(b + 1.0) - lgamma(a + b + 1.0));
}

/* The whole table is one family: its cases, and its versions if there are several. */
static int decide(struct comparison *c, double threshold)
{
	unsigned int at, n = 0, most = c->nr_rows * c->nr_new;
	double *slower = calloc(most + 1, sizeof(*slower));
	double *faster = calloc(most + 1, sizeof(*faster));
	struct cell *cell;
	int err = slower && faster ? 0 : -ENOMEM;

	for (at = 0; !err && (cell = next_tested(c, &at)); n++) {
		slower[n] = cell->slower;
		faster[n] = cell->faster;
	}
	if (!err)
		err = rank_holm(slower, n);
	if (!err)
		err = rank_holm(faster, n);
	most = n;
	n = 0;
	for (at = 0; !err && (cell = next_tested(c, &at)); n++) {
		const struct difference *d = &cell->difference;
		const struct row *row = &c->rows[(at - 1) / c->nr_new];

		cell->slower = slower[n];
		cell->faster = faster[n];
		if (least_p(row->base.runs, cell->hit.runs) * most >= ALPHA)
			cell->verdict = VERDICT_FEW;
		else if (cell->slower < ALPHA && d->value > threshold)
			cell->verdict = VERDICT_SLOWER;
		else if (cell->faster < ALPHA && d->value < -threshold)
			cell->verdict = VERDICT_FASTER;
		else if (within(d, threshold))
			cell->verdict = VERDICT_SAME;
	}
	free(slower);
	free(faster);
	return err;
}

static void add_rows(struct comparison *c, const struct side *side, const char *only)
{
	for (unsigned int i = 0; i < side->nr_cases; i++) {
		const char *name = side->cases[i].name;
		bool known = only && strcmp(only, name);

		for (unsigned int j = 0; j < c->nr_rows && !known; j++)
			known = !strcmp(c->rows[j].name, name);
		if (!known)
			c->rows[c->nr_rows++].name = name;
	}
}

int compare_sides(struct comparison *c, const struct side *base, const struct side *new,
		  unsigned int nr_new, const struct comparison_options *options)
{
	unsigned int most = base->nr_cases;
	int err = 0;

	*c = (struct comparison){.nr_new = nr_new};
	for (unsigned int i = 0; i < nr_new; i++)
		most += new[i].nr_cases;
	c->rows = calloc(most + 1, sizeof(*c->rows));
	if (!c->rows)
		return -ENOMEM;
	add_rows(c, base, options->only);
	for (unsigned int i = 0; i < nr_new; i++)
		add_rows(c, &new[i], options->only);
	if (!c->nr_rows)
		return -ENOENT;
	for (unsigned int i = 0; i < c->nr_rows && !err; i++)
		err = fill_row(&c->rows[i], base, new, nr_new, options);
	if (!err)
		err = decide(c, options->threshold);
	for (unsigned int i = 0; i < c->nr_rows * nr_new && !err; i++)
		c->counts[c->rows[i / nr_new].cells[i % nr_new].verdict]++;
	return err;
}

void comparison_free(struct comparison *c)
{
	for (unsigned int i = 0; i < c->nr_rows; i++)
		free(c->rows[i].cells);
	free(c->rows);
	memset(c, 0, sizeof(*c));
}

int comparison_status(const struct comparison *c)
{
	if (c->counts[VERDICT_SLOWER])
		return 1;
	if (c->counts[VERDICT_FEW])
		return 2;
	/* What is new cannot have become slower; what is gone may hide that it has. */
	for (unsigned int i = 0; i < c->nr_rows * c->nr_new; i++) {
		const struct row *row = &c->rows[i / c->nr_new];

		if (row->base.runs && !row->cells[i % c->nr_new].hit.runs)
			return 2;
	}
	return 0;
}

// SPDX-License-Identifier: BSD-2-Clause
/* Gathers what the runs of a side say of each case. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comparison_side.h"
#include "summary.h"

int side_init(struct side *side, const char *name)
{
	*side = (struct side){.name = strdup(name)};
	return side->name ? 0 : -ENOMEM;
}

void side_free(struct side *side)
{
	for (unsigned int i = 0; i < side->nr_cases; i++) {
		free(side->cases[i].name);
		free(side->cases[i].runs);
	}
	free(side->cases);
	free(side->name);
	json_decref(side->fingerprint);
	memset(side, 0, sizeof(*side));
}

const struct side_case *side_find(const struct side *side, const char *name)
{
	for (unsigned int i = 0; i < side->nr_cases; i++) {
		if (!strcmp(side->cases[i].name, name))
			return &side->cases[i];
	}
	return NULL;
}

static struct side_case *side_case(struct side *side, const char *name)
{
	struct side_case *c = (struct side_case *)side_find(side, name);

	if (c)
		return c;
	c = reallocarray(side->cases, side->nr_cases + 1, sizeof(*c));
	if (!c)
		return NULL;
	side->cases = c;
	c += side->nr_cases;
	*c = (struct side_case){.name = strdup(name)};
	if (!c->name)
		return NULL;
	side->nr_cases++;
	return c;
}

int side_add(struct side *side, const char *name, const struct run_figures *figures)
{
	struct side_case *c = side_case(side, name);
	struct run_figures *runs;

	if (!c)
		return -ENOMEM;
	runs = reallocarray(c->runs, c->nr_runs + 1, sizeof(*runs));
	if (!runs)
		return -ENOMEM;
	c->runs = runs;
	runs[c->nr_runs++] = *figures;
	return 0;
}

static struct run_figures figures_of(const struct case_summary *c, const struct figures *guest)
{
	struct run_figures figures = {
		.hit = guest->mean,
		.p99 = guest->p99,
		.p999 = guest->p999,
		.main_class = c->main_class,
	};

	for (int class = 0; class < NR_CLASSES; class ++)
		figures.means[class] =
			c->m && c->m->hists[class].count ? hist_mean(&c->m->hists[class]) : NAN;
	return figures;
}

int side_add_run(struct side *side, const struct run *run, char *why, size_t size)
{
	struct case_summary *cases;
	unsigned int nr, taken = 0;
	int err = 0;

	snprintf(why, size, "out of memory");
	cases = summarize(run, &nr);
	if (!cases)
		return -ENOMEM;
	for (unsigned int i = 0; i < nr && !err; i++) {
		const struct case_summary *c = &cases[i];
		const struct guest_figures *g = c->detached.repetitions ? &c->detached : &c->none;
		struct run_figures figures;

		if (!g->repetitions)
			continue;
		if (!(g->f.mean > 0)) {
			snprintf(why, size, "from hit to hit it has a mean of 0 in case %s",
				 c->name);
			err = -EINVAL;
			break;
		}
		figures = figures_of(c, &g->f);
		err = side_add(side, c->name, &figures);
		taken++;
	}
	if (!err && !taken) {
		snprintf(why, size,
			 "no guest's clock is in it, which is what is compared; kvmi-lat record -- "
			 "kvmi-bench makes runs that have it");
		err = -EINVAL;
	}
	if (!err && !side->nr_runs++)
		side->fingerprint = json_incref(run->fingerprint);
	free(cases);
	return err;
}

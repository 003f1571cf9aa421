// SPDX-License-Identifier: BSD-2-Clause
/* Computes the figures a report shows. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "summary.h"

struct figures figures_of_hist(const struct hist *h)
{
	return (struct figures){
		.n = h->count,
		.mean = hist_mean(h),
		.min = h->count ? h->min : 0,
		.p50 = hist_quantile(h, 0.5),
		.p90 = hist_quantile(h, 0.9),
		.p99 = hist_quantile(h, 0.99),
		.p999 = hist_quantile(h, 0.999),
		.max = h->max,
	};
}

/* The value at q of [[q, value], ...], interpolated: NAN if there is nothing to go by. */
static double entry_quantile(const json_t *entry, double q)
{
	double q0 = NAN, v0 = NAN;
	json_t *pair;
	size_t i;

	json_array_foreach(json_object_get(entry, "quantiles"), i, pair) {
		double q1 = json_number_value(json_array_get(pair, 0));
		double v1 = json_number_value(json_array_get(pair, 1));

		if (q1 == q)
			return v1;
		if (q1 > q)
			return i ? v0 + (v1 - v0) * (q - q0) / (q1 - q0) : NAN;
		q0 = q1;
		v0 = v1;
	}
	return NAN;
}

static int compare_doubles(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;

	return (x > y) - (x < y);
}

static double median(double *values, unsigned int n)
{
	qsort(values, n, sizeof(*values), compare_doubles);
	return n % 2 ? values[n / 2] : (values[n / 2 - 1] + values[n / 2]) / 2;
}

static bool matches(const json_t *entry, const char *key, const char *value)
{
	const char *is = json_string_value(json_object_get(entry, key));

	return is && !strcmp(is, value);
}

enum { MEAN, MIN, P50, P90, P99, P999, MAX, NR_FIGURES };

static double entry_figure(const json_t *entry, int which)
{
	static const double quantiles[] = {[P50] = 0.5, [P90] = 0.9, [P99] = 0.99, [P999] = 0.999};

	switch (which) {
	case MEAN:
		return json_number_value(json_object_get(entry, "mean"));
	case MIN:
		return json_number_value(json_object_get(entry, "min"));
	case MAX:
		return json_number_value(json_object_get(entry, "max"));
	default:
		return entry_quantile(entry, quantiles[which]);
	}
}

static struct guest_figures guest_figures(const struct run *run, const char *name,
					  const char *observer)
{
	size_t total = json_array_size(run->entries), i;
	struct guest_figures g = {};
	double medians[NR_FIGURES] = {};
	double *values;
	json_t *entry;

	values = calloc(total + 1, sizeof(*values));
	if (!values)
		return g;
	json_array_foreach(run->entries, i, entry) {
		const json_t *events = json_object_get(entry, "events");

		if (!matches(entry, "case", name) || !matches(entry, "observer", observer))
			continue;
		g.repetitions++;
		g.f.n += json_integer_value(json_object_get(entry, "n"));
		g.hits += json_integer_value(json_object_get(entry, "hits"));
		g.has_events |= json_is_integer(events);
		g.events += json_integer_value(events);
	}
	for (int which = 0; which < NR_FIGURES && g.repetitions; which++) {
		unsigned int n = 0;

		json_array_foreach(run->entries, i, entry) {
			if (matches(entry, "case", name) && matches(entry, "observer", observer))
				values[n++] = entry_figure(entry, which);
		}
		medians[which] = median(values, n);
	}
	free(values);
	g.f.mean = medians[MEAN];
	g.f.min = medians[MIN];
	g.f.p50 = medians[P50];
	g.f.p90 = medians[P90];
	g.f.p99 = medians[P99];
	g.f.p999 = medians[P999];
	g.f.max = medians[MAX];
	return g;
}

static const char *skip_reason(const struct run *run, const char *name)
{
	json_t *entry;
	size_t i;

	json_array_foreach(run->entries, i, entry) {
		const char *reason = json_string_value(json_object_get(entry, "skipped"));

		if (reason && matches(entry, "case", name))
			return reason;
	}
	return NULL;
}

/* The breakpoint action seen most, else all exits. */
static int find_main_class(const struct measurement *m)
{
	int best = m->hists[CLASS_EXIT].count ? CLASS_EXIT : -1;
	uint64_t most = 0;

	for (int action = 0; action < KVMI_LAT_NR_ACTIONS; action++) {
		int class = CLASS_BREAKPOINT + action * NR_STAGES + STAGE_TOTAL;

		if (m->hists[class].count > most) {
			most = m->hists[class].count;
			best = class;
		}
	}
	return best;
}

static void summarize_remainder(struct case_summary *c)
{
	const struct hist *total = &c->m->hists[c->main_class];
	struct remainder *r = &c->remainder;

	c->has_remainder = true;
	r->at_mean = c->attached.f.mean - hist_mean(total);
	r->at_min = c->attached.f.min - total->min;
	r->spread = fabs(r->at_mean - r->at_min) / hist_mean(total);
}

static void summarize_case(const struct run *run, struct case_summary *c)
{
	c->skipped = skip_reason(run, c->name);
	c->none = guest_figures(run, c->name, "none");
	c->detached = guest_figures(run, c->name, "detached");
	c->attached = guest_figures(run, c->name, "attached");
	if (c->attached.repetitions && c->detached.repetitions && c->detached.f.mean > 0) {
		c->has_cost = true;
		c->cost = c->attached.f.mean - c->detached.f.mean;
		c->cost_share = c->cost / c->detached.f.mean;
	}
	c->main_class = -1;
	for (unsigned int i = 0; i < run->nr_cases; i++) {
		if (!strcmp(run->cases[i].name, c->name))
			c->m = run->cases[i].m;
	}
	if (!c->m)
		return;
	c->main_class = find_main_class(c->m);
	if (c->attached.repetitions && c->main_class >= 0)
		summarize_remainder(c);
}

static void add_case(struct case_summary *cases, unsigned int *nr, const char *name)
{
	for (unsigned int i = 0; i < *nr; i++) {
		if (!strcmp(cases[i].name, name))
			return;
	}
	cases[(*nr)++].name = name;
}

struct case_summary *summarize(const struct run *run, unsigned int *nr)
{
	size_t most = json_array_size(run->entries) + run->nr_cases, i;
	struct case_summary *cases = calloc(most + 1, sizeof(*cases));
	json_t *entry;

	*nr = 0;
	if (!cases)
		return NULL;
	/* Those that did not run come last. */
	for (int skipped = 0; skipped < 2; skipped++) {
		json_array_foreach(run->entries, i, entry) {
			if (!json_object_get(entry, "skipped") == !skipped)
				add_case(cases, nr,
					 json_string_value(json_object_get(entry, "case")));
		}
	}
	for (i = 0; i < run->nr_cases; i++)
		add_case(cases, nr, run->cases[i].name);
	for (i = 0; i < *nr; i++)
		summarize_case(run, &cases[i]);
	return cases;
}

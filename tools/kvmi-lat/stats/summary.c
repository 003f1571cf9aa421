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

static bool matches(const json_t *entry, const char *key, const char *value)
{
	const char *is = json_string_value(json_object_get(entry, key));

	return is && !strcmp(is, value);
}

enum { MEAN, MIN, P50, P90, P99, P999, MAX, NR_FIGURES };

static double figure(const json_t *entry, const char *key)
{
	const json_t *value = json_object_get(entry, key);

	return value ? json_number_value(value) : NAN;
}

static double entry_figure(const json_t *entry, int which)
{
	static const double quantiles[] = {[P50] = 0.5, [P90] = 0.9, [P99] = 0.99, [P999] = 0.999};

	switch (which) {
	case MEAN:
		return figure(entry, "mean");
	case MIN:
		return figure(entry, "min");
	case MAX:
		return figure(entry, "max");
	default:
		return entry_quantile(entry, quantiles[which]);
	}
}

static double mean_of_all(const json_t *entries, const char *observer, uint64_t n)
{
	double sum = 0;
	json_t *entry;
	size_t i;

	json_array_foreach(entries, i, entry) {
		if (matches(entry, "observer", observer))
			sum += figure(entry, "mean") *
			       json_integer_value(json_object_get(entry, "n"));
	}
	return n ? sum / n : NAN;
}

/* entries: those of the case. */
static struct guest_figures guest_figures(const json_t *entries, const char *observer)
{
	size_t total = json_array_size(entries), i;
	struct guest_figures g = {.net = NAN};
	double of_all[NR_FIGURES] = {};
	double *values;
	json_t *entry;

	values = calloc(total + 1, sizeof(*values));
	if (!values)
		return g;
	json_array_foreach(entries, i, entry) {
		const json_t *events = json_object_get(entry, "events");

		if (!matches(entry, "observer", observer))
			continue;
		g.repetitions++;
		g.f.n += json_integer_value(json_object_get(entry, "n"));
		g.hits += json_integer_value(json_object_get(entry, "hits"));
		g.paced |= json_is_integer(json_object_get(entry, "late"));
		g.has_events |= json_is_integer(events);
		g.events += json_integer_value(events);
	}
	for (int which = 0; which < NR_FIGURES && g.repetitions; which++) {
		unsigned int n = 0;

		json_array_foreach(entries, i, entry) {
			if (matches(entry, "observer", observer))
				values[n++] = entry_figure(entry, which);
		}
		rank_sort(values, n);
		/* The least and the most of all hits are no matter of what is usual. */
		if (which == MIN)
			of_all[which] = values[0];
		else if (which == MAX)
			of_all[which] = values[n - 1];
		else
			of_all[which] = rank_median(values, n);
		if (which == MEAN) {
			g.mean_of_all = mean_of_all(entries, observer, g.f.n);
			g.interval = rank_median_interval(values, n);
		}
	}
	free(values);
	g.f.mean = of_all[MEAN];
	g.f.min = of_all[MIN];
	g.f.p50 = of_all[P50];
	g.f.p90 = of_all[P90];
	g.f.p99 = of_all[P99];
	g.f.p999 = of_all[P999];
	g.f.max = of_all[MAX];
	return g;
}

static const char *skip_reason(const json_t *entries)
{
	json_t *entry;
	size_t i;

	json_array_foreach(entries, i, entry) {
		const char *reason = json_string_value(json_object_get(entry, "skipped"));

		if (reason)
			return reason;
	}
	return NULL;
}

/* The breakpoint action seen most, else the exits that most are of. */
static int find_main_class(const struct measurement *m)
{
	int best = m->hists[CLASS_EXIT].count ? CLASS_EXIT : -1;
	uint64_t most = m->hists[CLASS_EXIT].count;

	for (int user = 0; user < NR_USERS; user++) {
		int class = CLASS_USER + user * NR_USER_STAGES + USER_TOTAL;

		if (m->hists[class].count > most) {
			most = m->hists[class].count;
			best = class;
		}
	}
	for (int class = CLASS_OTHER; class < CLASS_USER; class ++) {
		if (m->hists[class].count > most) {
			most = m->hists[class].count;
			best = class;
		}
	}
	most = 0;

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
	r->at_mean = c->attached.mean_of_all - hist_mean(total);
	r->at_min = c->attached.f.min - total->min;
	r->spread = fabs(r->at_mean - r->at_min) / hist_mean(total);
}

static void summarize_case(const struct run *run, const json_t *entries, struct case_summary *c)
{
	c->skipped = skip_reason(entries);
	c->none = guest_figures(entries, "none");
	c->detached = guest_figures(entries, "detached");
	c->attached = guest_figures(entries, "attached");
	if (c->attached.repetitions && c->detached.repetitions && c->detached.f.mean > 0) {
		c->has_cost = true;
		c->cost = c->attached.f.mean - c->detached.f.mean;
		c->cost_share = c->cost / c->detached.f.mean;
	}
	c->main_class = -1;
	for (unsigned int i = 0; i < run->nr_cases; i++) {
		if (!strcmp(run->cases[i].name, c->name)) {
			c->m = run->cases[i].m;
			c->vcpus = &run->cases[i].vcpus;
			c->costs = &run->cases[i].costs;
		}
	}
	if (!c->m)
		return;
	c->main_class = find_main_class(c->m);
	/* A case whose hits are no exits has only a timer's, of which its mean is not made. */
	if (c->attached.repetitions && c->main_class >= 0 && c->m->hists[c->main_class].sum &&
	    10 * c->m->hists[c->main_class].count >= c->attached.f.n)
		summarize_remainder(c);
}

/* The entries of each case, an array of them by its name, in the order in which they come. */
static json_t *entries_by_case(const struct run *run)
{
	json_t *by_case = json_object(), *entry, *list;
	size_t i;

	json_array_foreach(run->entries, i, entry) {
		const char *name = json_string_value(json_object_get(entry, "case"));

		list = json_object_get(by_case, name);
		if (!list) {
			list = json_array();
			json_object_set_new(by_case, name, list);
		}
		json_array_append(list, entry);
	}
	return by_case;
}

static bool all_skipped(const json_t *entries)
{
	json_t *entry;
	size_t i;

	json_array_foreach(entries, i, entry) {
		if (!json_object_get(entry, "skipped"))
			return false;
	}
	return true;
}

/* Every case's guest has around its hit what the case "loop" has around nothing. */
static void subtract_loop(struct case_summary *cases, unsigned int nr)
{
	const struct guest_figures *loop = NULL;

	for (unsigned int i = 0; i < nr; i++) {
		if (!strcmp(cases[i].name, "loop"))
			loop = cases[i].detached.repetitions ? &cases[i].detached : &cases[i].none;
	}
	if (!loop || !loop->repetitions)
		return;
	for (unsigned int i = 0; i < nr; i++) {
		struct guest_figures *const all[] = {&cases[i].none, &cases[i].detached,
						     &cases[i].attached};

		for (size_t k = 0; k < sizeof(all) / sizeof(all[0]); k++) {
			if (all[k]->repetitions && !all[k]->paced && strcmp(cases[i].name, "loop"))
				all[k]->net = all[k]->f.mean - loop->f.mean;
		}
	}
}

struct case_summary *summarize(const struct run *run, unsigned int *nr)
{
	json_t *by_case = entries_by_case(run), *entries;
	size_t most = json_object_size(by_case) + run->nr_cases;
	struct case_summary *cases = calloc(most + 1, sizeof(*cases));
	const char *name;

	*nr = 0;
	/* Those that did not run come last. */
	for (int skipped = 0; cases && skipped < 2; skipped++) {
		json_object_foreach(by_case, name, entries) {
			const json_t *first = json_array_get(entries, 0);

			/* The run's own string, which outlives by_case. */
			if (all_skipped(entries) == skipped)
				cases[(*nr)++].name =
					json_string_value(json_object_get(first, "case"));
		}
	}
	for (unsigned int i = 0; cases && i < run->nr_cases; i++) {
		if (!json_object_get(by_case, run->cases[i].name))
			cases[(*nr)++].name = run->cases[i].name;
	}
	for (unsigned int i = 0; i < *nr; i++)
		summarize_case(run, json_object_get(by_case, cases[i].name), &cases[i]);
	if (cases)
		subtract_loop(cases, *nr);
	json_decref(by_case);
	return cases;
}

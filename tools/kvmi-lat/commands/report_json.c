// SPDX-License-Identifier: BSD-2-Clause
/* Shows a run as JSON: the figures of the table, all counters. results/summary-schema.json. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "report.h"
#include "run-file/class_names.h"
#include "stats/summary.h"

static json_t *number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static void set_figures(json_t *object, const struct figures *f)
{
	json_object_set_new(object, "n", json_integer(f->n));
	json_object_set_new(object, "mean", number(f->mean));
	json_object_set_new(object, "min", number(f->min));
	json_object_set_new(object, "p50", number(f->p50));
	json_object_set_new(object, "p90", number(f->p90));
	json_object_set_new(object, "p99", number(f->p99));
	json_object_set_new(object, "p99.9", number(f->p999));
	json_object_set_new(object, "max", number(f->max));
}

static void set_guest(json_t *guest, const char *observer, const struct guest_figures *g)
{
	json_t *object;

	if (!g->repetitions)
		return;
	object = json_object();
	json_object_set_new(object, "repetitions", json_integer(g->repetitions));
	set_figures(object, &g->f);
	if (isfinite(g->interval.low))
		json_object_set_new(object, "interval",
				    json_pack("[f, f]", g->interval.low, g->interval.high));
	if (isfinite(g->net))
		json_object_set_new(object, "net", json_real(g->net));
	json_object_set_new(object, "hits", json_integer(g->hits));
	if (g->has_events)
		json_object_set_new(object, "events", json_integer(g->events));
	json_object_set_new(guest, observer, object);
}

/* The total that this stage is a part of. */
static unsigned int class_total(unsigned int class)
{
	if (class >= CLASS_TOOL)
		return CLASS_BREAKPOINT + (class - CLASS_TOOL) / NR_TOOL_STAGES * NR_STAGES +
		       STAGE_TOTAL;
	if (class >= CLASS_USER)
		return class - (class - CLASS_USER) % NR_USER_STAGES + USER_TOTAL;
	return class - (class - CLASS_BREAKPOINT) % NR_STAGES + STAGE_TOTAL;
}

static json_t *stages_json(const struct measurement *m, const struct filter *filter)
{
	json_t *stages = json_array();

	for (unsigned int id = 0; id < NR_CLASSES; id++) {
		const struct hist *h = &m->hists[id];
		struct class_name name = class_name(id);
		struct figures f = figures_of_hist(h);
		json_t *stage;

		if (!h->count || !filter_has_class(filter, id))
			continue;
		stage = json_pack("{s:s,s:s,s:s}", "event", name.event, "action", name.action,
				  "stage", name.stage);
		set_figures(stage, &f);
		json_object_set_new(stage, "min", json_integer(h->min));
		json_object_set_new(stage, "max", json_integer(h->max));
		json_object_set_new(stage, "sum", json_integer(h->sum));
		if (id >= CLASS_USER || (id >= CLASS_BREAKPOINT && id < CLASS_OTHER)) {
			unsigned int total = class_total(id);

			json_object_set_new(stage, "share",
					    number((double)h->sum / m->hists[total].sum));
		}
		json_array_append_new(stages, stage);
	}
	return stages;
}

static json_t *counters_json(const struct measurement *m)
{
	json_t *counters = json_pack("{s:I,s:I,s:I,s:I,s:I}", "exits", (json_int_t)m->exits,
				     "in_flight", (json_int_t)m->in_flight, "unaccounted",
				     (json_int_t)measurement_unaccounted(m), "unpaired",
				     (json_int_t)measurement_unpaired(m), "dropped",
				     (json_int_t)measurement_dropped(m));

	for (int i = 0; i < NR_COUNTERS; i++)
		json_object_set_new(counters, counter_names[i].name, json_integer(m->counters[i]));
	return counters;
}

static json_t *case_json(const struct case_summary *c, const struct filter *filter)
{
	json_t *object = json_object(), *guest = json_object();

	json_object_set_new(object, "case", json_string(c->name));
	if (c->skipped)
		json_object_set_new(object, "skipped", json_string(c->skipped));
	set_guest(guest, "none", &c->none);
	set_guest(guest, "detached", &c->detached);
	set_guest(guest, "attached", &c->attached);
	json_object_set_new(object, "guest", guest);
	if (c->has_cost)
		json_object_set_new(object, "observer_cost",
				    json_pack("{s:o,s:o}", "mean", number(c->cost), "share",
					      number(c->cost_share)));
	if (c->has_remainder)
		json_object_set_new(object, "remainder",
				    json_pack("{s:o,s:o,s:o}", "at_mean",
					      number(c->remainder.at_mean), "at_min",
					      number(c->remainder.at_min), "spread",
					      number(c->remainder.spread)));
	if (c->m) {
		json_t *vcpus = json_array(), *costs = json_array();

		json_object_set_new(object, "stages", stages_json(c->m, filter));
		vcpus_to_json(c->vcpus, c->name, vcpus);
		json_object_set_new(object, "vcpus", vcpus);
		hook_costs_to_json(c->costs, c->name, costs);
		json_object_set_new(object, "hooks", costs);
		json_object_set_new(object, "counters", counters_json(c->m));
	}
	return object;
}

json_t *report_json(const struct run *run, const char *title, const struct filter *filter)
{
	struct case_summary *cases;
	json_t *list = json_array();
	unsigned int nr;

	cases = summarize(run, &nr);
	if (!cases) {
		json_decref(list);
		return NULL;
	}
	for (unsigned int i = 0; i < nr; i++) {
		if (filter_has_case(filter, cases[i].name))
			json_array_append_new(list, case_json(&cases[i], filter));
	}
	free(cases);
	if (filter->only_case && !json_array_size(list)) {
		json_decref(list);
		return NULL;
	}
	return json_pack("{s:s,s:s,s:O,s:b,s:o?,s:o}", "schema", SUMMARY_SCHEMA, "run", title,
			 "fingerprint", run->fingerprint, "kvmi_tracepoints", run->has_events,
			 "recursion_misses",
			 run->recursion_misses < 0 ? NULL : json_integer(run->recursion_misses),
			 "cases", list);
}

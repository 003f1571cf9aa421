// SPDX-License-Identifier: BSD-2-Clause
/* Shows a comparison as JSON. */
#include <math.h>

#include "compare.h"
#include "run-file/class_names.h"

static json_t *number(double value)
{
	return isfinite(value) ? json_real(value) : json_null();
}

static json_t *interval(const struct interval *i)
{
	return isnan(i->low) ? json_null() : json_pack("[o,o]", number(i->low), number(i->high));
}

static json_t *side_json(const struct side *side)
{
	return json_pack("{s:s,s:i,s:O}", "name", side->name, "runs", (int)side->nr_runs,
			 "fingerprint", side->fingerprint);
}

static json_t *spread_json(const struct spread *s)
{
	return json_pack("{s:i,s:o,s:o}", "runs", (int)s->runs, "median", number(s->median),
			 "interval", interval(&s->interval));
}

static json_t *difference_json(const struct difference *d)
{
	return json_pack("{s:o,s:o}", "value", number(d->value), "interval",
			 interval(&d->interval));
}

static json_t *stages_json(const struct cell *cell)
{
	json_t *stages = json_array();

	for (unsigned int i = 0; i < cell->nr_stages; i++) {
		const struct moved *moved = &cell->stages[i];

		json_array_append_new(stages, json_pack("{s:s,s:o,s:o}", "stage",
							class_name(moved->class).stage, "shift",
							number(moved->shift), "interval",
							interval(&moved->interval)));
	}
	return stages;
}

static json_t *cell_json(const struct side *new, const struct cell *cell)
{
	const char *most = cell->most < 0 ? NULL : class_name(cell->stages[cell->most].class).stage;

	return json_pack("{s:s,s:s,s:o,s:o,s:o,s:o,s:o,s:o,s:o,s:s?}", "new", new->name, "verdict",
			 verdict_names[cell->verdict], "hit_to_hit", spread_json(&cell->hit),
			 "difference", difference_json(&cell->difference), "p_slower",
			 number(cell->slower), "p_faster", number(cell->faster), "p99",
			 difference_json(&cell->p99), "p99.9", difference_json(&cell->p999),
			 "stages", stages_json(cell), "moved_most", most);
}

json_t *compare_json(const struct compared *c)
{
	json_t *new = json_array(), *rows = json_array();

	for (unsigned int i = 0; i < c->comparison.nr_new; i++)
		json_array_append_new(new, side_json(&c->new[i]));
	for (unsigned int i = 0; i < c->comparison.nr_rows; i++) {
		const struct row *row = &c->comparison.rows[i];
		json_t *cells = json_array();

		for (unsigned int j = 0; j < c->comparison.nr_new; j++)
			json_array_append_new(cells, cell_json(&c->new[j], &row->cells[j]));
		json_array_append_new(rows, json_pack("{s:s,s:o,s:o}", "case", row->name, "base",
						      spread_json(&row->base), "against", cells));
	}
	return json_pack("{s:f,s:f,s:I,s:o,s:o,s:o}", "threshold", c->options.threshold, "alpha",
			 ALPHA, "seed", (json_int_t)c->options.seed, "base", side_json(c->base),
			 "new", new, "cases", rows);
}

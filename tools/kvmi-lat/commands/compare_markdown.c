// SPDX-License-Identifier: BSD-2-Clause
/* Shows a comparison as a table in Markdown, for a commit message or an issue. */
#include <math.h>
#include <stdio.h>

#include "compare.h"

/* What would end a cell is escaped. */
static void print_escaped(const char *text)
{
	for (; *text; text++) {
		if (*text == '|' || *text == '\\' || *text == '`')
			putchar('\\');
		putchar(*text);
	}
}

static void print_spread(const struct spread *s)
{
	if (!s->runs)
		printf(" - |");
	else if (isnan(s->interval.low))
		printf(" %.1f |", s->median);
	else
		printf(" %.1f [%.1f, %.1f] |", s->median, s->interval.low, s->interval.high);
}

static void print_difference(const struct difference *d)
{
	if (isnan(d->value))
		printf(" - |");
	else if (isnan(d->interval.low))
		printf(" %+.2f %% |", 100 * d->value);
	else
		printf(" %+.2f %% [%+.2f, %+.2f] |", 100 * d->value, 100 * d->interval.low,
		       100 * d->interval.high);
}

static void print_row(const struct compared *c, const struct row *row)
{
	for (unsigned int i = 0; i < c->comparison.nr_new; i++) {
		const struct cell *cell = &row->cells[i];

		printf("| ");
		print_escaped(row->name);
		printf(" | ");
		print_escaped(c->new[i].name);
		printf(" |");
		print_spread(&row->base);
		print_spread(&cell->hit);
		print_difference(&cell->difference);
		if (isnan(cell_p(cell)))
			printf(" - |");
		else
			printf(" %.4f |", cell_p(cell));
		print_difference(&cell->p99);
		print_difference(&cell->p999);
		printf(cell->verdict == VERDICT_SLOWER ? " **%s** |\n" : " %s |\n",
		       verdict_names[cell->verdict]);
	}
}

void compare_markdown(const struct compared *c)
{
	printf("Hit to hit by the guest's own clock, %s, on ", fingerprint_text(c->base, "unit"));
	print_escaped(fingerprint_text(c->base, "machine"));
	printf(" (");
	print_escaped(fingerprint_text(c->base, "cpu"));
	printf(", %s). Base: ", fingerprint_text(c->base, "backend"));
	print_escaped(c->base->name);
	printf(", %u runs. Medians with 95 %% intervals; threshold %g %%.\n\n", c->base->nr_runs,
	       100 * c->options.threshold);
	printf("| case | new | base | new | difference | p | p99 | p99.9 | verdict |\n"
	       "|---|---|---:|---:|---:|---:|---:|---:|---|\n");
	for (unsigned int i = 0; i < c->comparison.nr_rows; i++)
		print_row(c, &c->comparison.rows[i]);
}

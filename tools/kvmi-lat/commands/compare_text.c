// SPDX-License-Identifier: BSD-2-Clause
/* Shows a comparison as the table a person reads. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "compare.h"
#include "run-file/class_names.h"

#define WIDTH 100

const char *fingerprint_text(const struct side *side, const char *key)
{
	const char *text = json_string_value(json_object_get(side->fingerprint, key));

	return text ? text : "unknown";
}

double cell_p(const struct cell *cell)
{
	return cell->difference.value < 0 ? cell->faster : cell->slower;
}

static void print_side(const char *role, const struct side *side)
{
	const json_t *build = json_object_get(side->fingerprint, "kernel_build");
	const char *series = json_string_value(json_object_get(build, "series"));

	printf("  %-8s %-16s %4u run%s Linux %s", role, side->name, side->nr_runs,
	       side->nr_runs == 1 ? ", " : "s,", fingerprint_text(side, "kernel"));
	if (series)
		printf(", series %.12s", series);
	putchar('\n');
}

static void print_header(const struct compared *c)
{
	const struct side *base = c->base;
	bool instructions = !strcmp(fingerprint_text(base, "unit"), "instructions");

	printf("  machine  %s: %s, %lld CPU(s), backend %s\n", fingerprint_text(base, "machine"),
	       fingerprint_text(base, "cpu"),
	       (long long)json_integer_value(json_object_get(base->fingerprint, "cpus")),
	       fingerprint_text(base, "backend"));
	print_side("base", base);
	for (unsigned int i = 0; i < c->comparison.nr_new; i++)
		print_side(i ? "" : "new", &c->new[i]);
	printf("  unit     %s\n", instructions ? "instructions: path length on an emulated "
						 "machine, never nanoseconds"
					       : "ns");
}

/* One digit after the point while that says something. */
static void print_value(double value)
{
	if (isnan(value))
		printf("%10s", "-");
	else
		printf("%10.*f", fabs(value) < 1e6 ? 1 : 0, value);
}

static void print_spread(const char *name, const struct spread *s)
{
	printf("  %-16.16s %4u ", name, s->runs);
	print_value(s->median);
	printf(" [");
	print_value(s->interval.low);
	putchar(',');
	print_value(s->interval.high);
	putchar(']');
}

static void print_percent(const char *before, double fraction, const char *behind)
{
	if (isnan(fraction))
		printf("%s%7s%s", before, "-", behind);
	else
		printf("%s%+7.2f%s", before, 100 * fraction, behind);
}

static void print_difference(const struct difference *d)
{
	print_percent(" ", d->value, " %");
	print_percent(" [", d->interval.low, ",");
	print_percent("", d->interval.high, "]");
}

/* Appends to a line of the screen, and begins the next one when it is full. */
struct line {
	unsigned int column;
	unsigned int indent;
};

__attribute__((format(printf, 2, 3))) static void append(struct line *line, const char *format, ...)
{
	char text[WIDTH];
	va_list args;
	unsigned int length;

	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	length = strlen(text);
	if (line->column + length > WIDTH) {
		printf("\n%*s", line->indent, "");
		line->column = line->indent;
	}
	fputs(text, stdout);
	line->column += length;
}

static void print_stages(const struct cell *cell)
{
	struct line line = {0, 12};

	if (!cell->nr_stages)
		return;
	append(&line, "    stages ");
	for (unsigned int i = 0; i < cell->nr_stages; i++) {
		const struct moved *moved = &cell->stages[i];

		append(&line, " %s %+.1f%s", class_name(moved->class).stage, moved->shift,
		       (int)i == cell->most ? " (most)" : "");
	}
	putchar('\n');
}

static void print_tail(const struct cell *cell)
{
	if (isnan(cell->p99.value))
		return;
	printf("    p99    ");
	print_difference(&cell->p99);
	printf("   p99.9");
	print_difference(&cell->p999);
	putchar('\n');
}

static void print_row(const struct compared *c, const struct row *row)
{
	printf("\n%s\n", row->name);
	print_spread(c->base->name, &row->base);
	putchar('\n');
	for (unsigned int i = 0; i < c->comparison.nr_new; i++) {
		const struct cell *cell = &row->cells[i];

		print_spread(c->new[i].name, &cell->hit);
		print_difference(&cell->difference);
		if (isnan(cell_p(cell)))
			printf(" %7s", "-");
		else
			printf(" %7.4f", cell_p(cell));
		printf(" %s\n", verdict_names[cell->verdict]);
		print_tail(cell);
		print_stages(cell);
	}
}

static void print_matrix(const struct compared *c)
{
	printf("\nDifference to %s, %%\n%-24s", c->base->name, "case");
	for (unsigned int i = 0; i < c->comparison.nr_new; i++)
		printf(" %16.16s", c->new[i].name);
	putchar('\n');
	for (unsigned int i = 0; i < c->comparison.nr_rows; i++) {
		const struct row *row = &c->comparison.rows[i];

		printf("%-24s", row->name);
		for (unsigned int j = 0; j < c->comparison.nr_new; j++) {
			print_percent(" ", row->cells[j].difference.value, "");
			printf(" %-8s", verdict_names[row->cells[j].verdict]);
		}
		putchar('\n');
	}
}

static void print_end(const struct compared *c)
{
	const struct comparison *comparison = &c->comparison;
	const char *separator = "";

	putchar('\n');
	for (int i = 0; i < NR_VERDICTS; i++) {
		if (!comparison->counts[i])
			continue;
		printf("%s%u %s", separator, comparison->counts[i], verdict_names[i]);
		separator = ", ";
	}
	printf("; threshold %g %%\n", 100 * c->options.threshold);
}

void compare_text(const struct compared *c)
{
	print_header(c);
	if (c->comparison.nr_new > 1)
		print_matrix(c);
	printf("\nGuest's own clock, hit to hit, mean of a run\n  %-16s %4s %10s %-24s%9s %-18s %7s "
	       "verdict\n",
	       "", "runs", "median", " 95 % interval", "diff.", " 95 % interval", "p");
	for (unsigned int i = 0; i < c->comparison.nr_rows; i++)
		print_row(c, &c->comparison.rows[i]);
	print_end(c);
}

// SPDX-License-Identifier: BSD-2-Clause
/* Shows a histogram as text: a row for each range of values, with how many and a bar. */
#include <stdio.h>
#include <string.h>

#include "report.h"
#include "run-file/class_names.h"
#include "stats/summary.h"

#define WIDTH	 98 /* of a line */
#define MAX_ROWS 20 /* with something in them; more only where an octave each makes more */
#define MAX_GAP	 2  /* as many empty rows are still shown */

/* Buckets counted together in rows. */
struct rows {
	unsigned int bits;
	unsigned int first, last;
	unsigned int filled; /* those that are not empty */
	uint64_t most;
	uint64_t counts[HIST_NR_BUCKETS];
};

static void count_rows(struct rows *r, const struct hist *h, unsigned int bits)
{
	memset(r, 0, sizeof(*r));
	r->bits = bits;
	for (unsigned int i = 0; i < HIST_NR_BUCKETS; i++) {
		unsigned int row = hist_row(hist_lower(i), bits);
		uint64_t *n = &r->counts[row];

		if (!h->buckets[i])
			continue;
		if (!r->filled)
			r->first = row;
		r->filled += !*n;
		r->last = row;
		*n += h->buckets[i];
		if (*n > r->most)
			r->most = *n;
	}
}

static int digits(uint64_t value)
{
	return snprintf(NULL, 0, "%llu", (unsigned long long)value);
}

static void print_bar(uint64_t n, uint64_t most, int width)
{
	int length = (double)n / most * width + 0.5;

	putchar('|');
	for (int i = 0; i < length; i++)
		putchar('@');
	printf("%*s|\n", width - length, "");
}

/* How many rows from this one on are empty. */
static unsigned int gap_at(const struct rows *r, unsigned int row)
{
	unsigned int end = row;

	while (!r->counts[end])
		end++;
	return end - row;
}

static void print_rows(const struct rows *r, const struct hist *h)
{
	int from = digits(hist_row_lower(r->last, r->bits));
	int to = digits(hist_row_lower(r->last + 1, r->bits) - 1);
	int count = digits(r->most);

	for (unsigned int row = r->first; row <= r->last; row++) {
		uint64_t n = r->counts[row], end = hist_row_lower(row + 1, r->bits) - 1;
		unsigned int gap = gap_at(r, row);

		if (gap > MAX_GAP) {
			printf("  %*s\n", from, "...");
			row += gap - 1;
			continue;
		}
		printf("  %*llu to ", from, (unsigned long long)hist_row_lower(row, r->bits));
		/* What is too large for all others is in the last bucket. */
		if (row == r->last && h->max > end)
			printf("%*s", to, "...");
		else
			printf("%*llu", to, (unsigned long long)end);
		printf("  %*llu %5.1f %% ", count, (unsigned long long)n, 100.0 * n / h->count);
		print_bar(n, r->most, WIDTH - from - to - count - 19);
	}
}

void report_hist(const char *name, unsigned int class, const struct hist *h, const char *unit)
{
	struct class_name names = class_name(class);
	struct figures f = figures_of_hist(h);
	struct rows rows;

	/* The finest rows of which there are few enough. */
	for (unsigned int bits = HIST_SUB_BITS + 1; bits--;) {
		count_rows(&rows, h, bits);
		if (rows.filled <= MAX_ROWS)
			break;
	}
	printf("\n%s%s", name, *name ? ": " : "");
	if (class == CLASS_EXIT)
		printf("exits that are no event");
	else
		printf("%s event answered %s: %s", names.event, names.action, names.stage);
	printf(", %s\n  n %llu, mean %.1f, p50 %.1f, p99 %.1f, max %llu\n", unit,
	       (unsigned long long)f.n, f.mean, f.p50, f.p99, (unsigned long long)h->max);
	print_rows(&rows, h);
}

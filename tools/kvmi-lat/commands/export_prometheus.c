// SPDX-License-Identifier: BSD-2-Clause
/* Writes a run in Prometheus' text format: histograms of the stages, and every counter. */
#include <string.h>

#include "export.h"
#include "run-file/class_names.h"

/*
 * Upper bounds of the buckets: two an octave, from 255 to 2^34 - 1 (17 s). They are the same for
 * every histogram and run, because only then can series be added up and compared.
 */
#define ROW_BITS   1
#define FIRST_BITS 8
#define LAST_BITS  34

/* Label values: three characters have to be escaped. */
static void put_label(FILE *file, const char *name, const char *value)
{
	fprintf(file, "%s=\"", name);
	for (; value && *value; value++) {
		if (*value == '\n')
			fputs("\\n", file);
		else if (*value == '"' || *value == '\\')
			fprintf(file, "\\%c", *value);
		else
			fputc(*value, file);
	}
	fputc('"', file);
}

static void put_head(FILE *file, const char *name, const char *suffix, const char *type,
		     const char *help)
{
	fprintf(file, "# HELP %s%s %s\n# TYPE %s%s %s\n", name, suffix, help, name, suffix, type);
}

static bool in_ns(const struct run *run)
{
	return !strcmp(run_unit(run), "ns");
}

/* Nanoseconds as seconds, to the last digit: a double could not hold them all. */
static void put_value(FILE *file, uint64_t value, bool ns)
{
	char fraction[10];
	size_t length;

	if (!ns) {
		fprintf(file, "%llu", (unsigned long long)value);
		return;
	}
	snprintf(fraction, sizeof(fraction), "%09u", (unsigned int)(value % 1000000000));
	for (length = 9; length && fraction[length - 1] == '0'; length--)
		fraction[length - 1] = 0;
	fprintf(file, "%llu%s%s", (unsigned long long)(value / 1000000000), length ? "." : "",
		fraction);
}

struct series {
	FILE *file;
	bool ns;
	const char *metric;
	const char *name; /* of the case */
	struct class_name names;
};

static void put_series(const struct series *s, const char *suffix)
{
	fprintf(s->file, "%s%s{", s->metric, suffix);
	put_label(s->file, "case", s->name);
	fprintf(s->file, ",event=\"%s\",action=\"%s\",stage=\"%s\"", s->names.event,
		s->names.action, s->names.stage);
}

/* Rows begin where buckets do, so that what is counted up to a bound is exact. */
static void put_hist(const struct series *s, const struct hist *h)
{
	unsigned int bucket = 0, last = hist_row(1ULL << LAST_BITS, ROW_BITS) - 1;
	uint64_t below = 0;

	for (unsigned int row = hist_row(1ULL << FIRST_BITS, ROW_BITS) - 1; row <= last; row++) {
		uint64_t end = hist_row_lower(row + 1, ROW_BITS);

		for (; hist_lower(bucket) < end; bucket++)
			below += h->buckets[bucket];
		put_series(s, "_bucket");
		fputs(",le=\"", s->file);
		put_value(s->file, end - 1, s->ns);
		fprintf(s->file, "\"} %llu\n", (unsigned long long)below);
	}
	put_series(s, "_bucket");
	fprintf(s->file, ",le=\"+Inf\"} %llu\n", (unsigned long long)h->count);
	put_series(s, "_sum");
	fputs("} ", s->file);
	put_value(s->file, h->sum, s->ns);
	fputc('\n', s->file);
	put_series(s, "_count");
	fprintf(s->file, "} %llu\n", (unsigned long long)h->count);
}

static void put_hists(FILE *file, const struct export *e)
{
	struct series s = {.file = file, .ns = in_ns(e->run)};

	s.metric = s.ns ? "kvmi_lat_stage_seconds" : "kvmi_lat_stage_instructions";
	put_head(file, s.metric, "", "histogram",
		 s.ns ? "Time from VM exit to VM entry, by stage."
		      : "Instructions from VM exit to VM entry on an emulated machine, by stage.");
	for (unsigned int i = 0; i < e->run->nr_cases; i++) {
		const struct run_case *c = &e->run->cases[i];

		if (!filter_has_case(&e->filter, c->name))
			continue;
		s.name = c->name;
		for (unsigned int class = 0; class < NR_CLASSES; class ++) {
			if (!c->m->hists[class].count || !filter_has_class(&e->filter, class))
				continue;
			s.names = class_name(class);
			put_hist(&s, &c->m->hists[class]);
		}
	}
}

static void put_count(FILE *file, const char *name, const char *suffix, const char *of, int64_t n)
{
	fprintf(file, "kvmi_lat_%s%s{", name, suffix);
	put_label(file, "case", of);
	fprintf(file, "} %lld\n", (long long)n);
}

/* get(): one figure of a case */
static void put_counts(FILE *file, const struct export *e, const char *name, const char *type,
		       const char *help, int64_t (*get)(const struct measurement *m, int i), int n)
{
	const char *suffix = !strcmp(type, "counter") ? "_total" : "";

	fprintf(file, "# HELP kvmi_lat_%s%s %s.\n# TYPE kvmi_lat_%s%s %s\n", name, suffix, help,
		name, suffix, type);
	for (unsigned int i = 0; i < e->run->nr_cases; i++) {
		const struct run_case *c = &e->run->cases[i];

		if (filter_has_case(&e->filter, c->name))
			put_count(file, name, suffix, c->name, get(c->m, n));
	}
}

static int64_t get_exits(const struct measurement *m, int i)
{
	(void)i;
	return m->exits;
}

static int64_t get_in_flight(const struct measurement *m, int i)
{
	(void)i;
	return m->in_flight;
}

static int64_t get_counter(const struct measurement *m, int i)
{
	return m->counters[i];
}

static void put_counters(FILE *file, const struct export *e)
{
	put_counts(file, e, "exits", "counter", "VM exits seen", get_exits, 0);
	put_counts(file, e, "in_flight", "gauge", "exits and events under way", get_in_flight, 0);
	for (int i = 0; i < NR_COUNTERS; i++)
		put_counts(file, e, counter_names[i].name, "counter", counter_names[i].meaning,
			   get_counter, i);
	if (e->run->recursion_misses < 0)
		return;
	put_head(file, "kvmi_lat_recursion_misses", "_total", "counter",
		 "program runs that the kernel left out.");
	fprintf(file, "kvmi_lat_recursion_misses_total %lld\n", e->run->recursion_misses);
}

static void put_info(FILE *file, const struct export *e)
{
	static const char *const keys[] = {"kernel", "machine", "backend", "cpu"};

	put_head(file, "kvmi_lat", "_info", "gauge", "What was measured.");
	fputs("kvmi_lat_info{", file);
	put_label(file, "version",
		  json_string_value(json_object_get(e->run->fingerprint, "kvmi_lat")));
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		fputc(',', file);
		put_label(file, keys[i],
			  json_string_value(json_object_get(e->run->fingerprint, keys[i])));
	}
	fputs("} 1\n", file);
}

int export_prometheus(FILE *file, const void *what)
{
	const struct export *e = what;

	put_info(file, e);
	put_hists(file, e);
	put_counters(file, e);
	return 0;
}

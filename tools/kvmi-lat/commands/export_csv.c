// SPDX-License-Identifier: BSD-2-Clause
/* Writes a run as CSV (RFC 4180): a line for each histogram, and the machine in each line. */
#include <string.h>

#include "export.h"
#include "run-file/class_names.h"

static const struct {
	const char *name;
	double q;
} percentiles[] = {
	{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"p99.99", 0.9999},
};

#define NR_PERCENTILES (sizeof(percentiles) / sizeof(percentiles[0]))

static void put_text(FILE *file, const char *text)
{
	if (!text)
		text = "";
	if (!strpbrk(text, ",\"\r\n")) {
		fputs(text, file);
		return;
	}
	fputc('"', file);
	for (; *text; text++) {
		if (*text == '"')
			fputc('"', file);
		fputc(*text, file);
	}
	fputc('"', file);
}

static void put_machine(FILE *file, const struct export *e)
{
	static const char *const keys[] = {"kernel", "machine", "backend", "cpu"};
	const json_t *seed = json_object_get(e->run->fingerprint, "seed");

	put_text(file, e->title);
	for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++) {
		fputc(',', file);
		put_text(file, json_string_value(json_object_get(e->run->fingerprint, keys[i])));
	}
	fputc(',', file);
	if (json_is_integer(seed))
		fprintf(file, "%" JSON_INTEGER_FORMAT, json_integer_value(seed));
	else
		put_text(file, json_string_value(seed));
}

static void put_hist(FILE *file, const struct export *e, const char *name, unsigned int class,
		     const struct hist *h)
{
	struct class_name names = class_name(class);

	put_machine(file, e);
	fputc(',', file);
	put_text(file, name);
	fprintf(file, ",%s,%s,%s,%s,%llu,%llu,%.12g,%llu", names.event, names.action, names.stage,
		run_unit(e->run), (unsigned long long)h->count, (unsigned long long)h->sum,
		hist_mean(h), (unsigned long long)h->min);
	for (size_t i = 0; i < NR_PERCENTILES; i++)
		fprintf(file, ",%.12g", hist_quantile(h, percentiles[i].q));
	fprintf(file, ",%llu\r\n", (unsigned long long)h->max);
}

int export_csv(FILE *file, const void *what)
{
	const struct export *e = what;

	fputs("run,kernel,machine,backend,cpu,seed,case,event,action,stage,unit,n,sum,mean,min",
	      file);
	for (size_t i = 0; i < NR_PERCENTILES; i++)
		fprintf(file, ",%s", percentiles[i].name);
	fputs(",max\r\n", file);
	for (unsigned int i = 0; i < e->run->nr_cases; i++) {
		const struct run_case *c = &e->run->cases[i];

		if (!filter_has_case(&e->filter, c->name))
			continue;
		for (unsigned int class = 0; class < NR_CLASSES; class ++) {
			if (c->m->hists[class].count && filter_has_class(&e->filter, class))
				put_hist(file, e, c->name, class, &c->m->hists[class]);
		}
	}
	return 0;
}

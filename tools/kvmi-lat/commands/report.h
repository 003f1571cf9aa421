/* SPDX-License-Identifier: BSD-2-Clause */
/* Shows a run: as the table a person reads, or as JSON. */
#ifndef KVMI_LAT_REPORT_H
#define KVMI_LAT_REPORT_H

#include "histogram_filter.h"
#include "run-file/run_file.h"

struct report_options {
	bool json;
	bool hist; /* text: histograms instead of tables */
	bool wide; /* text: all columns, though they need more than 100 characters */
	struct filter filter;
};

#define SUMMARY_SCHEMA "kvmi-lat-summary/1"

/* title: where the run comes from. 0 or a negative errno, -ENOENT if there is no such case. */
int report_text(const struct run *run, const char *title, const struct report_options *options);

/* Of one histogram: its values in rows, each with a bar. */
void report_hist(const char *name, unsigned int class, const struct hist *h, const char *unit);

/* A new object, described by results/summary-schema.json. NULL as report_text() fails. */
json_t *report_json(const struct run *run, const char *title, const struct filter *filter);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Shows a run: as the table a person reads, or as JSON. */
#ifndef KVMI_LAT_REPORT_H
#define KVMI_LAT_REPORT_H

#include "runfile.h"

struct report_options {
	bool json;
	const char *only_case; /* NULL: all */
};

/* title: where the run comes from. 0 or a negative errno, -ENOENT if there is no such case. */
int report_text(const struct run *run, const char *title, const struct report_options *options);

/* A new object, NULL as report_text() fails. */
json_t *report_json(const struct run *run, const char *title, const struct report_options *options);

#endif

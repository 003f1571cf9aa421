/* SPDX-License-Identifier: BSD-2-Clause */
/* Writes a run for other programs: a function for each format. */
#ifndef KVMI_LAT_EXPORT_H
#define KVMI_LAT_EXPORT_H

#include <stdio.h>

#include "histogram_filter.h"
#include "run-file/run_file.h"

struct export
{
	const struct run *run;
	const char *title; /* where the run comes from */
	struct filter filter;
};

/* what: a struct export. 0 or a negative errno; whether the file took it all is the caller's. */
int export_csv(FILE *file, const void *what);
int export_hgrm(FILE *file, const void *what);
int export_json(FILE *file, const void *what);
int export_prometheus(FILE *file, const void *what);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether runs may be compared at all: what their fingerprints say of machine and clock. */
#ifndef KVMI_LAT_LIKENESS_H
#define KVMI_LAT_LIKENESS_H

#include <jansson.h>
#include <stddef.h>

/* Unlike machines, vendors or clocks: -EINVAL, and in what the first thing in which they differ. */
int like_machines(const json_t *a, const json_t *b, char *what, size_t size);

/* The same for runs of one side, which are of one kernel, too. */
int like_runs(const json_t *a, const json_t *b, char *what, size_t size);

/* Names all else that may explain a difference, separated by commas; "": nothing. */
void like_except(const json_t *a, const json_t *b, char *what, size_t size);

#endif

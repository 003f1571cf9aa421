/* SPDX-License-Identifier: BSD-2-Clause */
/* What run files may hold: of entries, of text, and how much of it. */
#ifndef KVMI_LAT_RUNFILE_CHECK_H
#define KVMI_LAT_RUNFILE_CHECK_H

#include <jansson.h>

#include "hist.h"

/* Far more than any run has, so that a file cannot ask for more memory than there is. */
#define RUN_MOST_CASES 1024
#define RUN_MOST_BYTES (16 << 20)

/* Beyond, not every reader of JSON would see the same number. */
#define RUN_MOST (1LL << 53)

/* The key in a run file's counters that is no case. */
#define RUN_MISSES_KEY "recursion_misses"

/* Each of these: 0, or -EINVAL with the reason in why. */

/* An array of what a command measured by itself. */
int check_entries(const json_t *entries, char *why, size_t size);

/* Can a case have this name, which somebody asks for? */
int check_case_name(const char *name, char *why, size_t size);

/* No control characters in any string, which would get at the terminal. */
int check_strings(const json_t *value, char *why, size_t size);

/* That sum, count, min, max and buckets can be those of the same values. */
int check_hist(const struct hist *h, char *why, size_t size);

#endif

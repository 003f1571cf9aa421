/* SPDX-License-Identifier: BSD-2-Clause */
/* A test that runs itself under `kvmi-lat record`, and looks at the run file. */
#ifndef RECORDED_H
#define RECORDED_H

#include <jansson.h>
#include <stdbool.h>

#define RECORDED_FILE "/tmp/recorded.json"

/* Runs this program with these arguments, @second may be NULL, recorded; fails if that does. */
void record(const char *first, const char *second);

/* What was recorded. */
json_t *recorded(void);

/* The record of a stage of the answered breakpoints of a case. */
json_t *recorded_stage(json_t *run, const char *name, const char *stage);

/* Fail if it is not there. */
json_int_t recorded_integer(json_t *object, const char *key);

bool recorded_is(json_t *object, const char *key, const char *want);

#endif /* RECORDED_H */

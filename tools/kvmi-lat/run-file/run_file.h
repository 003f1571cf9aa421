/* SPDX-License-Identifier: BSD-2-Clause */
/* Run files: one JSON document per run, described by results/run-schema.json. */
#ifndef KVMI_LAT_RUNFILE_H
#define KVMI_LAT_RUNFILE_H

#include <jansson.h>

#include "measurement.h"
#include "program_cost.h"
#include "vcpu_sums.h"

#define RUN_SCHEMA "kvmi-lat-run/1"

struct run_case {
	char *name; /* "": the whole command */
	struct measurement *m;
	struct vcpus vcpus;
	struct hook_costs costs; /* of a pass of its own */
};

struct run {
	json_t *fingerprint;	    /* object */
	json_t *command;	    /* array of strings */
	json_t *entries;	    /* array: what the command itself measured */
	bool has_events;	    /* the kernel has kvmi tracepoints */
	long long recursion_misses; /* -1: unknown */
	struct run_case *cases;
	unsigned int nr_cases;
};

/* A run without cases. run_free() works on whatever this and the others have left. */
int run_init(struct run *run);
void run_free(struct run *run);

/* The case of that name, which is added if there is none: NULL if memory is short. */
struct run_case *run_case(struct run *run, const char *name);

/* "ns" or "instructions": what one nanosecond of the machine's clock stands for. */
const char *run_unit(const struct run *run);

/* Writes it beside the file and renames it there: the file is whole or not there at all. */
int run_write(const struct run *run, const char *path);

/*
 * All that is in a file, which may be a pipe, of a run file's size at most, with a NUL behind it: NULL with
 * the reason in why. The caller frees it.
 */
char *run_slurp(const char *path, size_t *length, char *why, size_t size);

/* 0, or a negative errno with the reason in why, without the file's name. */
int run_read(struct run *run, const char *path, char *why, size_t size);
int run_parse(struct run *run, const char *text, size_t length, char *why, size_t size);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Google Benchmark for C: as much of it as this project needs. */
#ifndef GBENCH_H
#define GBENCH_H

#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

struct gbench_state; /* benchmark::State */

typedef void (*gbench_fn)(struct gbench_state *st, void *arg);

/*
 * Register a case, to be timed by what it reports with gbench_set_time(). @name is copied. @iterations:
 * so many, in one call per repetition; 0: Google Benchmark finds a number that takes long enough,
 * calling @fn several times.
 */
void gbench_register(const char *name, gbench_fn fn, void *arg, uint64_t iterations);

/* How many iterations this call of the case is to do. */
uint64_t gbench_iterations(const struct gbench_state *st);

/* To be called before each batch of @n iterations, until it returns false. */
bool gbench_keep_running_batch(struct gbench_state *st, uint64_t n);

/* The time the latest batch took, in seconds. */
void gbench_set_time(struct gbench_state *st, double seconds);

/* A column of the report. */
void gbench_counter(struct gbench_state *st, const char *name, double value);
void gbench_label(struct gbench_state *st, const char *label);

/* The case gives no result; @why is reported in its place. Return from it afterwards. */
void gbench_skip(struct gbench_state *st, const char *why);

/* A line in the head of the report. */
void gbench_context(const char *key, const char *value);

/*
 * Take Google Benchmark's own flags (--benchmark_*) out of the arguments. Exits when one is malformed.
 * Then run what was registered and is selected; returns how many cases that was.
 */
void gbench_init(int *argc, char **argv);
unsigned long gbench_run(void);

#ifdef __cplusplus
}
#endif

#endif /* GBENCH_H */

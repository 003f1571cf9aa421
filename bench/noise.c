// SPDX-License-Identifier: BSD-2-Clause
/* Measures what interrupts a guest that does nothing which would exit. */
#include "noise.h"

#include "session.h"

#include <string.h>

#define ROUNDS 10

static const struct bench_case *loop_case(void)
{
	size_t n;
	const struct bench_case *c = cases(&n);

	while (strcmp(c->name, "loop"))
		c++;
	return c;
}

/* Adds what was lost in a round of so many loops; returns the ticks. */
static uint64_t lost(const struct stats *s, struct noise *noise, uint64_t *longest)
{
	uint64_t shortest = UINT64_MAX, ticks = 0;

	for (size_t i = 0; i < s->n; i++) {
		if (s->samples[i] < shortest)
			shortest = s->samples[i];
		if (s->samples[i] > *longest)
			*longest = s->samples[i];
	}
	for (size_t i = 0; i < s->n; i++) {
		if (s->samples[i] <= 10 * shortest)
			continue;
		ticks += s->samples[i] - shortest;
		noise->interruptions++;
	}
	return ticks;
}

int noise_measure(const struct case_setup *setup, struct noise *noise)
{
	const struct bench_case *c = loop_case();
	uint64_t hits = case_max_round(c), all = 0, ticks = 0, longest = 0;
	struct case_session *cs;
	int ret = case_open(&cs, c, setup, hits);

	*noise = (struct noise){0};
	if (ret)
		return ret;
	for (int i = 0; !ret && i < ROUNDS; i++) {
		struct stats s = {0};

		ret = case_round(cs, hits, &s, false);
		all += s.sum;
		ticks += lost(&s, noise, &longest);
		stats_free(&s);
	}
	if (!ret) {
		noise->seconds = all / (case_tsc_khz(cs) * 1e3);
		noise->share = (double)ticks / all;
		noise->longest_us = longest * 1e3 / case_tsc_khz(cs);
	}
	case_close(cs);
	return ret;
}

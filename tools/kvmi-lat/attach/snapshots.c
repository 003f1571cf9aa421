// SPDX-License-Identifier: BSD-2-Clause
/* What happened between two moments while the programs run: snapshots of the maps, and their difference. */
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <time.h>

#include "lib/pid_namespace.h"
#include "snapshots.h"

static uint64_t now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ULL + t.tv_nsec;
}

static bool has_ended(const struct vcpu *v)
{
	return pid_namespace_is_initial() && kill(v->pid, 0) && errno == ESRCH;
}

/* What it did before it ended is still to be shown, once. */
static bool is_over(const struct vcpu *v)
{
	const uint64_t *sums = (const uint64_t *)&v->sums;

	for (size_t i = 0; i < sizeof(v->sums) / sizeof(*sums); i++) {
		if (sums[i])
			return false;
	}
	return has_ended(v);
}

int snapshot_take(struct snapshot *s, const struct maps *maps, const struct snapshot *before)
{
	int err;

	*s = (struct snapshot){.m = calloc(1, sizeof(*s->m))};
	if (!s->m)
		return -ENOMEM;
	err = before ? vcpus_copy_names(&s->vcpus, &before->vcpus) : 0;
	vcpus_remove(&s->vcpus, has_ended);
	s->at = now();
	if (!err)
		err = maps_read(maps, s->m);
	if (!err)
		err = maps_read_vcpus(maps, &s->vcpus);
	return err;
}

int snapshot_copy(struct snapshot *s, const struct snapshot *from)
{
	*s = (struct snapshot){.at = from->at, .m = malloc(sizeof(*s->m))};
	if (!s->m)
		return -ENOMEM;
	*s->m = *from->m;
	return vcpus_copy(&s->vcpus, &from->vcpus);
}

void snapshot_free(struct snapshot *s)
{
	free(s->m);
	vcpus_free(&s->vcpus);
	*s = (struct snapshot){};
}

static uint64_t less(uint64_t value, uint64_t before)
{
	return value > before ? value - before : 0;
}

/* Values are counted by their buckets, which the programs write last: then each is in one interval. */
static void subtract_hist(struct hist *h, const struct hist *before)
{
	unsigned int lowest = HIST_NR_BUCKETS, highest = 0;

	h->count = 0;
	for (unsigned int i = 0; i < HIST_NR_BUCKETS; i++) {
		h->buckets[i] = less(h->buckets[i], before->buckets[i]);
		h->count += h->buckets[i];
		if (!h->buckets[i])
			continue;
		if (lowest > i)
			lowest = i;
		highest = i;
	}
	h->sum = h->count ? less(h->sum, before->sum) : 0;
	if (!h->count)
		return;
	/* The smallest and the largest ever may be in here. */
	if (h->min < hist_lower(lowest))
		h->min = hist_lower(lowest);
	if (h->max > hist_upper(highest))
		h->max = hist_upper(highest);
}

void snapshot_subtract(struct snapshot *s, const struct snapshot *before)
{
	for (unsigned int i = 0; i < NR_CLASSES; i++)
		subtract_hist(&s->m->hists[i], &before->m->hists[i]);
	for (unsigned int i = 0; i < NR_COUNTERS; i++)
		s->m->counters[i] = less(s->m->counters[i], before->m->counters[i]);
	s->m->exits = less(s->m->exits, before->m->exits);
	vcpus_subtract(&s->vcpus, &before->vcpus);
	vcpus_remove(&s->vcpus, is_over);
	s->at = less(s->at, before->at);
}

// SPDX-License-Identifier: BSD-2-Clause
/* kvmi-trace break: int3s into guest memory and out again. */
#include "break.h"

#include <errno.h>

#define INT3 0xcc

struct breakpoint *place_find(struct tracer *t, uint64_t gpa)
{
	for (unsigned int i = 0; i < t->n_places; i++)
		if (t->places[i].gpa == gpa)
			return &t->places[i];
	return NULL;
}

int place_arm(struct tracer *t, struct breakpoint *bp)
{
	const uint8_t int3 = INT3;
	int ret;

	if (bp->own || bp->planted)
		return 0;
	ret = kvmi_write_physical(t->c, bp->gpa, &int3, 1);
	if (!ret)
		bp->planted = true;
	return ret;
}

int place_lift(struct tracer *t, struct breakpoint *bp)
{
	int ret;

	if (!bp->planted)
		return 0;
	ret = kvmi_write_physical(t->c, bp->gpa, &bp->original, 1);
	if (!ret)
		bp->planted = false;
	return ret;
}

int place_plant(struct tracer *t, uint64_t gva, uint64_t gpa, struct breakpoint **out)
{
	struct breakpoint *bp = place_find(t, gpa);
	int ret;

	if (!bp) {
		if (t->n_places == MAX_PLACES)
			return -ENOSPC;
		bp = &t->places[t->n_places];
		*bp = (struct breakpoint){.gva = gva, .gpa = gpa};
	}
	*out = bp;
	if (bp->planted)
		return 0;

	ret = kvmi_read_physical(t->c, gpa, &bp->original, 1);
	if (ret)
		return ret;
	bp->own = bp->original == INT3;
	ret = place_arm(t, bp);
	if (!ret && bp == &t->places[t->n_places])
		t->n_places++;
	return ret;
}

bool places_lift_all(struct tracer *t)
{
	bool all = true;

	for (unsigned int i = 0; i < t->n_places; i++) {
		struct breakpoint *bp = &t->places[i];
		uint8_t now = 0;
		int ret;

		if (!bp->planted)
			continue;
		ret = kvmi_read_physical(t->c, bp->gpa, &now, 1);
		if (!ret && now != INT3) {
			trace_error(
				"the guest has overwritten the breakpoint at 0x%llx; left as is",
				(unsigned long long)bp->gva);
			bp->planted = false;
			continue;
		}
		if (!ret)
			ret = place_lift(t, bp);
		if (ret) {
			trace_error("the breakpoint at 0x%llx could not be removed: %s",
				    (unsigned long long)bp->gva, kvmi_strerror(ret));
			all = false;
		}
	}
	return all;
}

void places_hide(const struct tracer *t, uint64_t gpa, uint8_t *bytes, size_t n)
{
	for (unsigned int i = 0; i < t->n_places; i++) {
		const struct breakpoint *bp = &t->places[i];

		if (bp->planted && bp->gpa >= gpa && bp->gpa - gpa < n)
			bytes[bp->gpa - gpa] = bp->original;
	}
}

int place_answer_stray(struct tracer *t, const struct breakpoint *bp,
		       const struct kvmi_event_msg *ev)
{
	uint8_t now;
	int ret = kvmi_read_physical(t->c, bp->gpa, &now, 1);

	if (ret)
		return ret;
	return kvmi_reply_event(t->c, ev,
				now == INT3 ? KVMI_EVENT_ACTION_CONTINUE : KVMI_EVENT_ACTION_RETRY);
}

// SPDX-License-Identifier: BSD-2-Clause
/* What was measured over one interval: what its counters add up to. */
#include "measurement.h"

static uint64_t sum_counters(const struct measurement *m, int first, int last)
{
	uint64_t sum = 0;

	for (int i = first; i <= last; i++)
		sum += m->counters[i];
	return sum;
}

uint64_t measurement_unpaired(const struct measurement *m)
{
	return sum_counters(m, CNT_UNPAIRED_FIRST, CNT_UNPAIRED_LAST);
}

uint64_t measurement_dropped(const struct measurement *m)
{
	return sum_counters(m, CNT_DROPPED_FIRST, CNT_DROPPED_LAST);
}

int64_t measurement_unaccounted(const struct measurement *m)
{
	uint64_t known = measurement_dropped(m) - m->counters[CNT_MAP_FULL] + m->in_flight;

	known += m->hists[CLASS_EXIT].count;
	for (int i = 0; i < KVMI_LAT_NR_ACTIONS; i++)
		known += m->hists[CLASS_BREAKPOINT + i * NR_STAGES + STAGE_TOTAL].count;
	for (int i = CLASS_OTHER; i < CLASS_USER; i++)
		known += m->hists[i].count;
	for (int i = 0; i < NR_USERS; i++)
		known += m->hists[CLASS_USER + i * NR_USER_STAGES + USER_TOTAL].count;
	return m->exits - known;
}

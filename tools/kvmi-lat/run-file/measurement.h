/* SPDX-License-Identifier: BSD-2-Clause */
/* What was measured over one interval: the contents of the BPF maps, CPUs merged. */
#ifndef KVMI_LAT_MEASUREMENT_H
#define KVMI_LAT_MEASUREMENT_H

#include "hist.h"

struct measurement {
	struct hist hists[NR_CLASSES];
	uint64_t counters[NR_COUNTERS];
	uint64_t exits;	    /* kvm_exit seen */
	uint64_t in_flight; /* exits and events still under way when it was read */
};

uint64_t measurement_unpaired(const struct measurement *m);
uint64_t measurement_dropped(const struct measurement *m);

/*
 * Exits seen, less those in a histogram, dropped or in flight: 0 unless something was lost. Only
 * for what was read while nothing was attached.
 */
int64_t measurement_unaccounted(const struct measurement *m);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* What kvmi-bench tells of a machine instead of measuring, or before. */
#ifndef PROBES_H
#define PROBES_H

#include "cases.h"

/* Each prints what it finds, and returns kvmi-bench's exit status. */
int list_cases(const struct case_setup *setup);
int probe_int3(void);
int probe_kvmi(void);
int probe_noise(const struct case_setup *setup);

/*
 * Before measuring where time is time: what interrupts a guest now will be in the figures. In the head of
 * the report; on stderr, too, if it is much. A machine without guests is left to the cases to tell of.
 */
void warn_of_noise(const struct case_setup *setup);

#endif /* PROBES_H */

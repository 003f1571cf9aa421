/* SPDX-License-Identifier: BSD-2-Clause */
/* Whether there is anything to watch: checks of the processes that -p and -t name. */
#ifndef KVMI_LAT_WATCH_H
#define KVMI_LAT_WATCH_H

#include "observer.h"

/*
 * Are options->pid and options->tool processes? -EINVAL, after a message, if they are not. A process
 * without a VM is only mentioned: it may yet make one.
 */
int watch_check(const struct observer_options *options);

/* Says so if nothing was seen of what was to be watched. */
void watch_report_unseen(const struct observer_options *options, const struct run *run);

#endif

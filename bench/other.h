/* SPDX-License-Identifier: BSD-2-Clause */
/* Another VM, hooked, in another process: what introspection of one costs the others. */
#ifndef OTHER_H
#define OTHER_H

#include "session.h"

/*
 * Start the process; the VM is hooked and its breakpoint event has come and gone some times by the time
 * this returns. From then on it sleeps. Negative errno, said on stderr.
 */
int other_start(const struct case_setup *setup);

/* End it. Negative errno, said on stderr, if it has not lasted until now. */
int other_stop(void);

#endif /* OTHER_H */

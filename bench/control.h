/* SPDX-License-Identifier: BSD-2-Clause */
/* Talks to `kvmi-lat record`, if it started us: attach, detach, begin, end. */
#ifndef CONTROL_H
#define CONTROL_H

#include <stdbool.h>

/*
 * The environment variable KVMI_LAT_CONTROL=fd:CTL,ACK names two file descriptors: a line written to CTL
 * is done once "ack" has come back over ACK ("error TEXT" if it could not be done).
 */

/* Look at the environment. 0, or -EINVAL when the variable makes no sense (said on stderr). */
int control_open(void);

/* Is anybody there? */
bool control_present(void);

/*
 * Send one command and wait until it is done. Does nothing when nobody is there. Negative errno if it was
 * refused or not answered; control_error() then says why.
 */
int control(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
const char *control_error(void);

#endif /* CONTROL_H */

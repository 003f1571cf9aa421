/* SPDX-License-Identifier: BSD-2-Clause */
/* Signals as something to be polled for. */
#ifndef KVMI_LAT_SIGNALS_H
#define KVMI_LAT_SIGNALS_H

#include <signal.h>
#include <stddef.h>

/*
 * Blocks all signals that would end the process (ending_signals()) and nr others, but for those that are
 * ignored. Gives a file descriptor (struct signalfd_siginfo) to read them from. What was blocked before
 * goes to *old, for children. A negative errno, after a message.
 */
int signals_open(const int *others, size_t nr, sigset_t *old);

#endif

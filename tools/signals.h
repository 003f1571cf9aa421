/* SPDX-License-Identifier: BSD-2-Clause */
/* Signals as something to be polled for. */
#ifndef KVMI_LAT_SIGNALS_H
#define KVMI_LAT_SIGNALS_H

#include <signal.h>
#include <stddef.h>

/*
 * Blocks these signals, and gives a file descriptor (struct signalfd_siginfo) that has those that come.
 * What was blocked before goes to *old, for children. A negative errno, after having said so.
 */
int signals_open(const int *list, size_t nr, sigset_t *old);

#endif

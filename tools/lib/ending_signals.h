/* SPDX-License-Identifier: BSD-2-Clause */
/* The signals that would end a process, for programs that have to clean up first. */
#ifndef ENDING_SIGNALS_H
#define ENDING_SIGNALS_H

#include <signal.h>

/**
 * ending_signals() - the signals that end this process unless they are handled
 * @set: is set to every signal whose default action ends a process and that can be blocked,
 *	 real-time signals included
 *
 * Left out are signals that this process ignores (nohup), which stay ignored, and SIGPIPE: it is the
 * answer to a write, and the caller decides about it.
 *
 * Blocked and read from a signalfd they end nothing. A fault of the process's own (SIGSEGV, SIGBUS ...)
 * ends it all the same: the kernel does not let it be blocked.
 */
void ending_signals(sigset_t *set);

#endif /* ENDING_SIGNALS_H */

// SPDX-License-Identifier: BSD-2-Clause
/* The signals that would end a process, for programs that have to clean up first. */
#include "ending_signals.h"

#include <stdbool.h>
#include <stddef.h>

/* The default action is to stop, to continue or to do nothing; or there is no other. */
static bool does_not_end(int signal)
{
	static const int others[] = {SIGKILL, SIGSTOP, SIGTSTP, SIGTTIN, SIGTTOU,
				     SIGCONT, SIGCHLD, SIGURG,	SIGWINCH};

	for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
		if (signal == others[i])
			return true;
	return false;
}

void ending_signals(sigset_t *set)
{
	struct sigaction action;

	sigemptyset(set);
	/* The C library keeps two real-time signals for itself: sigaction() fails for them. */
	for (int signal = 1; signal <= SIGRTMAX; signal++)
		if (signal != SIGPIPE && !does_not_end(signal) &&
		    !sigaction(signal, NULL, &action) && action.sa_handler != SIG_IGN)
			sigaddset(set, signal);
}

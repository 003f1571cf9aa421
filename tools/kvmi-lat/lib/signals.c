// SPDX-License-Identifier: BSD-2-Clause
/* Signals as something to be polled for. */
#include <errno.h>
#include <stdbool.h>
#include <string.h>
#include <sys/signalfd.h>

#include "ending_signals.h"
#include "log.h"
#include "signals.h"

static bool is_ignored(int signal)
{
	struct sigaction action;

	return !sigaction(signal, NULL, &action) && action.sa_handler == SIG_IGN;
}

int signals_open(const int *others, size_t nr, sigset_t *old)
{
	sigset_t mask;
	int fd;

	ending_signals(&mask);
	for (size_t i = 0; i < nr; i++) {
		if (!is_ignored(others[i]))
			sigaddset(&mask, others[i]);
	}
	sigprocmask(SIG_BLOCK, &mask, old);
	fd = signalfd(-1, &mask, SFD_CLOEXEC);
	if (fd >= 0)
		return fd;
	fd = -errno;
	log_error("cannot wait for signals: %s", strerror(-fd));
	return fd;
}

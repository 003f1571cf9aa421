// SPDX-License-Identifier: BSD-2-Clause
/* Signals as something to be polled for. */
#include <errno.h>
#include <string.h>
#include <sys/signalfd.h>

#include "log.h"
#include "signals.h"

int signals_open(const int *list, size_t nr, sigset_t *old)
{
	sigset_t mask;
	int fd;

	sigemptyset(&mask);
	for (size_t i = 0; i < nr; i++)
		sigaddset(&mask, list[i]);
	sigprocmask(SIG_BLOCK, &mask, old);
	fd = signalfd(-1, &mask, SFD_CLOEXEC);
	if (fd >= 0)
		return fd;
	fd = -errno;
	log_error("cannot wait for signals: %s", strerror(-fd));
	return fd;
}

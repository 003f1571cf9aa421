/* SPDX-License-Identifier: BSD-2-Clause */
/* The introspector of the event cases: a process, or a thread, that answers events. */
#ifndef INTROSPECTOR_H
#define INTROSPECTOR_H

#include "answers.h"

#include <stdbool.h>
#include <stdint.h>

struct introspector;

/**
 * struct introspector_config - what kind of one
 * @answer: to what event, and how; must stay where it is
 * @vcpus: of the VM: for vCPUs 0 to @vcpus - 1 the event is switched on
 * @cpu: the CPU to bind it to
 * @thread: of this process; else it is a process of its own
 * @polls: it does not sleep while it waits
 * @limit_s: a process ends by itself after so many seconds; a thread does not
 */
struct introspector_config {
	const struct answer *answer;
	unsigned int vcpus;
	int cpu;
	bool thread;
	bool polls;
	unsigned int limit_s;
};

/**
 * introspector_start() - start it, waiting to be told that the VM is hooked
 * @out: free it with introspector_stop()
 * @config: copied
 * @sock: out: the end of the socket for the VM, to be closed by the caller once it is hooked
 *
 * A process must be started before the VM is created, so that it holds no part of it, and while this one
 * has one thread. Negative errno; introspector_error(NULL) then says more.
 */
int introspector_start(struct introspector **out, const struct introspector_config *config,
		       int *sock);

/* The VM is hooked: it may switch the event on. */
int introspector_go(struct introspector *in);

/*
 * Has it done so? 1 yes, 0 not within @timeout_ms (all vCPUs must be run meanwhile), negative errno: it
 * failed.
 */
int introspector_ready(struct introspector *in, int timeout_ms);

/* Events received so far; each is counted before it is answered. */
uint64_t introspector_events(const struct introspector *in);

/*
 * Wait for its end, after the VM is unhooked; end it if that takes more than some seconds. Frees it.
 * 0 if all went well; negative errno else, introspector_error() before says why.
 */
int introspector_stop(struct introspector *in);

/* What went wrong in there; "" nothing. @in may be NULL: what went wrong in the latest start or stop. */
const char *introspector_error(const struct introspector *in);

#endif /* INTROSPECTOR_H */

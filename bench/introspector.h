/* SPDX-License-Identifier: BSD-2-Clause */
/* The introspector of the event cases: a process of its own that answers events. */
#ifndef INTROSPECTOR_H
#define INTROSPECTOR_H

#include "answers.h"

#include <stdint.h>
#include <sys/types.h>

struct introspector;

/**
 * introspector_start() - fork it, waiting to be told that the VM is hooked
 * @out: free it with introspector_stop()
 * @answer: to what event, and how; must stay where it is
 * @cpu: the CPU to bind it to
 * @sock: out: the end of the socket for the VM, to be closed by the caller once it is hooked
 * @limit_s: it ends by itself after so many seconds; nothing else can free a vCPU from waiting for it
 *
 * Must be called before the VM is created, so that the child holds no part of it, and while the process
 * has one thread. Negative errno; introspector_error(NULL) then says more.
 */
int introspector_start(struct introspector **out, const struct answer *answer, int cpu, int *sock,
		       unsigned int limit_s);

/* The VM is hooked: it may switch the event on for vCPU 0. */
int introspector_go(struct introspector *in);

/*
 * Has it done so? 1 yes, 0 not within @timeout_ms (vCPU 0 must be run meanwhile), negative errno: it
 * failed.
 */
int introspector_ready(struct introspector *in, int timeout_ms);

/* Events received so far; each is counted before it is answered. */
uint64_t introspector_events(const struct introspector *in);

/*
 * Wait for its end, after the VM is unhooked; kill it if that takes more than some seconds. Frees it.
 * 0 if all went well; negative errno else, introspector_error() before says why.
 */
int introspector_stop(struct introspector *in);

/* What went wrong in there; "" nothing. @in may be NULL: what went wrong in the latest start or stop. */
const char *introspector_error(const struct introspector *in);

#endif /* INTROSPECTOR_H */

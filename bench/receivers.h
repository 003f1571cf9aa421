/* SPDX-License-Identifier: BSD-2-Clause */
/* KVM's threads that read what introspectors say: how they are scheduled. */
#ifndef RECEIVERS_H
#define RECEIVERS_H

/*
 * Gives those that have begun since this process did its own scheduling policy: KVM starts one for each VM
 * that is hooked, with the default one. Next to a vCPU and an introspector under SCHED_FIFO that would be
 * the one thread of the three that the scheduler prefers from time to time, so that it does not starve, and
 * the path of an event another one while it does. 0, -ESRCH if there is none, or another negative errno.
 */
int receivers_follow(void);

#endif /* RECEIVERS_H */

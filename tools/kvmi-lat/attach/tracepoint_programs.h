/* SPDX-License-Identifier: BSD-2-Clause */
/* Which program belongs on which tracepoint, and attaching them in an order that loses nothing. */
#ifndef KVMI_LAT_HOOKS_H
#define KVMI_LAT_HOOKS_H

#include <stdbool.h>

#include "maps.h"
#include "run-file/program_cost.h"

enum hook_group {
	HOOK_EVENT,   /* all of them or none: without one no event can be put together */
	HOOK_COMMAND, /* both or none */
	HOOK_KVM,     /* cannot do without */
	HOOK_TOOL,    /* only where the introspector's process was named */
	HOOK_CPU,     /* only where a slow event is waited for */
};

struct hook {
	const char *program;
	const char *tracepoint;
	enum hook_group group;
};

#define NR_HOOKS 12

/* In the order of attaching: kvm_exit last, since a vCPU's slot does nothing before its exit. */
extern const struct hook hooks[NR_HOOKS];

struct hook_fds {
	int programs[NR_HOOKS];
	int links[NR_HOOKS]; /* -1: not attached */
	bool split_tool;     /* attach HOOK_TOOL as well */
	bool watch_cpus;     /* and HOOK_CPU */
};

void hooks_init(struct hook_fds *fds);

/*
 * Attaches what this kernel has tracepoints for. A negative errno, after having said why, if
 * kvm_exit or kvm_entry cannot be had; then nothing is attached.
 */
int hooks_attach(struct hook_fds *fds, const struct maps *maps);

/* When it returns, no program runs any more. */
void hooks_detach(struct hook_fds *fds, const struct maps *maps);

/* Waits until programs which ran when it was called have ended. */
void hooks_wait_for_programs(void);

/* True if breakpoint events are timed, not only exits. */
bool hooks_have_events(const struct hook_fds *fds);

/* Runs the kernel left out because the same program was running on that CPU; -1: it can't say. */
long long hooks_recursion_misses(const struct hook_fds *fds);

/* What the programs have run and taken so far: all of them. 0 or a negative errno. */
int hooks_read_costs(const struct hook_fds *fds, struct hook_costs *costs);

#endif

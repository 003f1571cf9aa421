/* SPDX-License-Identifier: BSD-2-Clause */
/* The cases of the benchmark: the table of them, and which can run here. */
#ifndef CASES_H
#define CASES_H

#include "answers.h"
#include "vmm/vmm.h"

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>

/**
 * struct bench_case - one way in which a guest can cost an exit
 * @name: as in reports and run files
 * @what: one line for --list
 * @lab_hits: hits of a measurement in the lab, where counts are fixed: 50 ms and more
 * @extra: measured only if all cases are asked for, or some by a filter
 * @pages: the guest touches one page per hit, of so many, which are not mapped then; 0 it does not
 * @needs_bp: #BP exits must arrive on this machine
 * @guest_debug: KVM_GUESTDBG_* the VMM sets, 0 none
 * @bp_handler: label of what takes the guest's #BP; NULL: nobody expects one
 * @answer: an introspector is hooked to each VM and answers events so; NULL: there is none
 * @thread: it is a thread of the VMM's process instead of a process
 * @polls: it does not sleep while it waits for events
 * @same_cpu: it shares the CPU of the (first) vCPU
 * @vcpus, @vms: so many of each VM, and so many of these; 0 is 1
 * @paced: hits fall due at a rate, and count from then on; what is late does not move what follows
 * @ops: how the VMM handles the exits
 */
struct bench_case {
	const char *name;
	const char *what;
	uint64_t lab_hits;
	struct vmm_guest guest;
	bool extra;
	size_t pages;
	bool needs_bp;
	uint32_t guest_debug;
	const char *bp_handler;
	const struct answer *answer;
	bool thread;
	bool polls;
	bool same_cpu;
	unsigned int vcpus;
	unsigned int vms;
	bool paced;
	struct vmm_ops ops;
};

/**
 * struct case_setup - what a user chooses besides the case
 * @allowed: the CPUs there are to choose from
 * @cpu: the (first) vCPU's; others take the allowed ones behind it in turn, but for the introspector's
 * @introspector_cpu: all introspectors'
 * @rate: of a paced case, in hits per second
 */
struct case_setup {
	cpu_set_t allowed;
	int cpu;
	int introspector_cpu;
	unsigned int rate;
};

/* The table; *@n of them. */
const struct bench_case *cases(size_t *n);

/* Why it cannot be run here so: a sentence that says what to do; NULL it can. Static memory. */
const char *case_skip_reason(const struct bench_case *c, const struct case_setup *setup);

/* Can breakpoint events be had here? *@why: one sentence either way. */
bool case_have_kvmi(const char **why);

/* Its VMs, each with as many vCPUs; and the vCPUs of them all. */
unsigned int case_vms(const struct bench_case *c);
unsigned int case_vcpus(const struct bench_case *c);

/* Where its introspectors run; -1: it has none. */
int case_introspector_cpu(const struct bench_case *c, const struct case_setup *setup);

/* Hits of one round at most: their stamps stay in guest memory until it is over. */
uint64_t case_max_round(const struct bench_case *c);

#endif /* CASES_H */

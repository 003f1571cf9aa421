/* SPDX-License-Identifier: BSD-2-Clause */
/* Fault injection by the kernel: failslab, fail_page_alloc, fail_usercopy. */
#ifndef FUZZ_KVMI_FAULTS_H
#define FUZZ_KVMI_FAULTS_H

#include "fuzz.h"

/* Sets up what the kernel has of it; gives how many kinds there are. */
unsigned int faults_init(void);

/* Faults for this process from now on (threads to come included), or no more. */
void faults_self(bool on);

/* In a round with faults: for the receivers of all hooks as well. */
void faults_receivers(const struct fuzz_plan *plan);

/* How many faults have been left to inject is not known; this ends all of it. */
void faults_off(void);

#endif /* FUZZ_KVMI_FAULTS_H */

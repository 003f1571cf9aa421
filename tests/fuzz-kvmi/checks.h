/* SPDX-License-Identifier: BSD-2-Clause */
/* What must hold after each round, and at the end. */
#ifndef FUZZ_KVMI_CHECKS_H
#define FUZZ_KVMI_CHECKS_H

#include "fuzz.h"

/* Lines that the kernel logs from here on; each round is named there, and on the console. */
void checks_init(void);
void checks_begin_round(unsigned int round);

/* Each tells by fuzz_found(). */
void check_log(void);
/* No receiver and no VM is left. */
void check_leftovers(void);
/* A VM made now, hooked, gets its hypercall and breakpoint to the introspector and back. */
void check_fresh_vm(void);

/* What its threads are at, as notes. */
void checks_dump(pid_t pid, const char *what);

/* Memory: a sample now; and in the end whether it grows, and what has been found. False: it does. */
void checks_sample(unsigned int rounds);
bool checks_memory_flat(char *text, size_t size);

#endif /* FUZZ_KVMI_CHECKS_H */

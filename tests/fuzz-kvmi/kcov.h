/* SPDX-License-Identifier: BSD-2-Clause */
/* Coverage of the kernel by KCOV, collected over threads, processes and rounds. */
#ifndef FUZZ_KVMI_KCOV_H
#define FUZZ_KVMI_KCOV_H

#include <stdbool.h>

/* Before any process is started; false: the kernel has none. */
bool kcov_init(void);

/* The calling thread is traced from now on. Without kcov_init() these do nothing. */
void kcov_start(void);
/* Not itself, but the receivers of the hooks it makes. */
void kcov_start_remote(unsigned int id);
/* What was traced goes to the set of all. */
void kcov_collect(void);
void kcov_stop(void);

/* Writes the set, one address a line, sorted; gives how many, or a negative errno. */
long kcov_write(const char *path);

#endif /* FUZZ_KVMI_KCOV_H */

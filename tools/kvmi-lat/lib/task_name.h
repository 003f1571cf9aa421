/* SPDX-License-Identifier: BSD-2-Clause */
/* Names of tasks, which anybody may have given them: fit for a terminal, and for JSON. */
#ifndef KVMI_LAT_TASK_NAME_H
#define KVMI_LAT_TASK_NAME_H

#include <sys/types.h>

/* As long as the kernel lets them be, and the end. */
#define TASK_NAME_SIZE 16

/* Copies a name that need not have an end; whatever is not printable ASCII becomes a question mark. */
void task_name_copy(char to[TASK_NAME_SIZE], const char from[TASK_NAME_SIZE]);

/* That of a process, "?" if it has gone. */
void task_name_of(char to[TASK_NAME_SIZE], pid_t pid);

#endif

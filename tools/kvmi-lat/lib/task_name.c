// SPDX-License-Identifier: BSD-2-Clause
/* Names of tasks, which anybody may have given them: fit for a terminal, and for JSON. */
#include <stdio.h>
#include <string.h>

#include "pid_namespace.h"
#include "task_name.h"

void task_name_copy(char to[TASK_NAME_SIZE], const char from[TASK_NAME_SIZE])
{
	memmove(to, from, TASK_NAME_SIZE);
	to[TASK_NAME_SIZE - 1] = '\0';
	for (char *c = to; *c; c++) {
		if (*c < ' ' || *c > '~')
			*c = '?';
	}
}

void task_name_of(char to[TASK_NAME_SIZE], pid_t pid)
{
	char path[64], name[TASK_NAME_SIZE + 1] = "?";
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/comm", pid);
	f = pid_namespace_is_initial() ? fopen(path, "re") : NULL;
	if (f && fgets(name, sizeof(name), f))
		name[strcspn(name, "\n")] = '\0';
	if (f)
		fclose(f);
	task_name_copy(to, name);
}

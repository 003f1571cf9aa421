// SPDX-License-Identifier: BSD-2-Clause
/* The PID namespace: BPF programs see PIDs of the initial one. */
#include <sys/stat.h>

#include "pid_namespace.h"

/* PROC_PID_INIT_INO of the kernel; the same since 3.8. */
#define INITIAL_INODE 0xEFFFFFFC

bool pid_namespace_is_initial(void)
{
	struct stat st;

	/* Without /proc it is not known. */
	return stat("/proc/self/ns/pid", &st) || st.st_ino == INITIAL_INODE;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* The PID namespace: BPF programs see PIDs of the initial one. */
#ifndef KVMI_LAT_PID_NAMESPACE_H
#define KVMI_LAT_PID_NAMESPACE_H

#include <stdbool.h>

/* False: PIDs that BPF programs have seen mean nothing in this process, and the other way round. */
bool pid_namespace_is_initial(void);

#endif

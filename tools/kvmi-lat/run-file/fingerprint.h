/* SPDX-License-Identifier: BSD-2-Clause */
/* What a result depends on besides the code that was measured: the machine and its kernel. */
#ifndef KVMI_LAT_FINGERPRINT_H
#define KVMI_LAT_FINGERPRINT_H

#include <jansson.h>

/* A new object, NULL if memory is short. What cannot be found out is null in it. */
json_t *fingerprint_collect(void);

#endif

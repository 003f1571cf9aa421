/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs and maps that somebody loaded with bpftool and pinned in a directory. */
#ifndef KVMI_LAT_PINNED_H
#define KVMI_LAT_PINNED_H

#include "run-file/run_file.h"

/* Makes a run of what they have collected, with the one case "". Says itself what is wrong. */
int pinned_read(const char *dir, struct run *run);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Programs and maps that somebody loaded with bpftool and pinned in a directory. */
#ifndef KVMI_LAT_PINNED_H
#define KVMI_LAT_PINNED_H

#include <stdbool.h>

#include "run-file/run_file.h"

/* Attaches them and pins the links beside them, so that they stay. A negative errno after having said what is wrong. */
int pinned_attach(const char *dir);

/* Takes the links away; with unload the programs, maps and the directory, too. Likewise. */
int pinned_detach(const char *dir, bool unload);

/* Makes a run of what they have collected, with the one case "". Says itself what is wrong. */
int pinned_read(const char *dir, struct run *run);

#endif

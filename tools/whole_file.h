/* SPDX-License-Identifier: BSD-2-Clause */
/* Files that are written whole or not at all. */
#ifndef KVMI_LAT_WHOLE_FILE_H
#define KVMI_LAT_WHOLE_FILE_H

#include <stdio.h>

/*
 * Has write() fill a file beside path, which is renamed to path once it is whole. A path that is a
 * device or a pipe is written to as it is. 0 or a negative errno, also write()'s.
 */
int whole_file_write(const char *path, int (*write)(FILE *file, const void *what),
		     const void *what);

#endif

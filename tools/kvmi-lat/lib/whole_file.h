/* SPDX-License-Identifier: BSD-2-Clause */
/* Output files: regular files are written whole or not at all, everything else is written as it is. */
#ifndef KVMI_LAT_WHOLE_FILE_H
#define KVMI_LAT_WHOLE_FILE_H

#include <stdio.h>

/*
 * Can an output be written to path? Leaves no trace. To be called before a measurement, so that its
 * result is not lost. 0, or a negative errno: -EISDIR, -ENOENT (no such directory), -EACCES ...
 */
int whole_file_check(const char *path);

/*
 * Has write() write to path. 0, or a negative errno, also write()'s.
 *
 * A regular file: write() fills a temporary file in the same directory, which is renamed once it is
 * complete. Symbolic links are followed, so that the link stays and its target is replaced; the target
 * need not exist. Mode and owner of an existing file are kept.
 *
 * A device, a FIFO or a file descriptor (/dev/stdout, /dev/fd/N, /proc/self/fd/N): write()
 * writes to it directly, from its present position on.
 */
int whole_file_write(const char *path, int (*write)(FILE *file, const void *what),
		     const void *what);

#endif

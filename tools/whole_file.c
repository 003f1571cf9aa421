// SPDX-License-Identifier: BSD-2-Clause
/* Files that are written whole or not at all. */
#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "whole_file.h"

/* What write() did, or why it did not get out. */
static int write_and_close(FILE *file, bool sync, int (*write)(FILE *file, const void *what),
			   const void *what)
{
	int err;

	errno = 0;
	err = write(file, what);
	if (!err && ferror(file))
		err = -EIO;
	if (!err && (fflush(file) || (sync && fsync(fileno(file)))))
		err = -errno;
	if (err == -EIO && errno)
		err = -errno;
	if (fclose(file) && !err)
		err = -errno;
	return err;
}

static FILE *open_temporary(char *temp)
{
	FILE *file;
	mode_t mask;
	int fd;

	fd = mkstemp(temp);
	if (fd < 0)
		return NULL;
	mask = umask(0);
	umask(mask);
	fchmod(fd, 0666 & ~mask);
	file = fdopen(fd, "w");
	if (!file) {
		int err = errno;

		close(fd);
		unlink(temp);
		errno = err;
	}
	return file;
}

int whole_file_write(const char *path, int (*write)(FILE *file, const void *what), const void *what)
{
	struct stat st;
	FILE *file;
	char *temp;
	int err;

	/* Nothing but a file can be replaced by another. */
	if (!stat(path, &st) && !S_ISREG(st.st_mode)) {
		file = fopen(path, "w");
		return file ? write_and_close(file, false, write, what) : -errno;
	}
	if (asprintf(&temp, "%s.XXXXXX", path) < 0)
		return -ENOMEM;
	file = open_temporary(temp);
	if (!file) {
		err = -errno;
		free(temp);
		return err;
	}
	err = write_and_close(file, true, write, what);
	if (!err && rename(temp, path))
		err = -errno;
	if (err)
		unlink(temp);
	free(temp);
	return err;
}

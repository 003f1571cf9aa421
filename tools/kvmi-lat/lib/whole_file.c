// SPDX-License-Identifier: BSD-2-Clause
/* Output files: regular files are written whole or not at all, everything else is written as it is. */
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <signal.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "ending_signals.h"
#include "whole_file.h"

/* As many as the kernel follows. */
#define MAX_LINKS 40

/**
 * struct target - what a path leads to
 * @path: without symbolic links
 * @dir: length of the directory's part of @path, without the slash
 * @fd: number of a file descriptor of this process that @path stands for, or -1
 * @direct: has to be written to as it is: not a regular file, or a link of procfs
 * @exists: there is something at @path, described by @st
 */
struct target {
	char path[PATH_MAX];
	size_t dir;
	int fd;
	bool direct;
	bool exists;
	struct stat st;
};

/* Replaces path by the same with all links in its directory's part followed. */
static int resolve_directory(struct target *t)
{
	char *slash = strrchr(t->path, '/'), *name = slash ? slash + 1 : t->path;
	char last[NAME_MAX + 1], *dir;

	if (!*name || !strcmp(name, ".") || !strcmp(name, ".."))
		return *t->path ? -EISDIR : -ENOENT;
	if (strlen(name) > NAME_MAX)
		return -ENAMETOOLONG;
	strcpy(last, name);
	*name = '\0';
	dir = realpath(*t->path ? t->path : ".", NULL);
	if (!dir)
		return -errno;
	t->dir = strcmp(dir, "/") ? strlen(dir) : 0;
	if (t->dir + 1 + strlen(last) >= sizeof(t->path)) {
		free(dir);
		return -ENAMETOOLONG;
	}
	snprintf(t->path, sizeof(t->path), "%.*s/%s", (int)t->dir, dir, last);
	free(dir);
	return 0;
}

/* The number if path is an entry of this process's or thread's own directory of file descriptors. */
static int own_descriptor(const struct target *t)
{
	static const char *const dirs[] = {"/proc/self/fd", "/proc/thread-self/fd"};

	for (size_t i = 0; i < sizeof(dirs) / sizeof(dirs[0]); i++) {
		char *own = realpath(dirs[i], NULL);
		bool same = own && strlen(own) == t->dir && !strncmp(own, t->path, t->dir);

		free(own);
		if (same)
			return atoi(t->path + t->dir + 1);
	}
	return -1;
}

/* A link in procfs need not lead to what its text says: a pipe, a deleted file, an offset. */
static bool in_procfs(const char *path)
{
	char dir[PATH_MAX];
	struct statfs fs;

	snprintf(dir, sizeof(dir), "%s", path);
	*strrchr(dir, '/') = '\0';
	return !statfs(*dir ? dir : "/", &fs) && fs.f_type == PROC_SUPER_MAGIC;
}

/* Replaces path by what its last link says. */
static int follow(struct target *t)
{
	char link[PATH_MAX], path[PATH_MAX];
	ssize_t length = readlink(t->path, link, sizeof(link) - 1);
	int n;

	if (length < 0)
		return -errno;
	link[length] = '\0';
	n = snprintf(path, sizeof(path), "%.*s%s%s", *link == '/' ? 0 : (int)t->dir, t->path,
		     *link == '/' ? "" : "/", link);
	if (n >= (int)sizeof(path))
		return -ENAMETOOLONG;
	strcpy(t->path, path);
	return 0;
}

static int find_target(struct target *t, const char *path)
{
	int err = 0;

	memset(t, 0, sizeof(*t));
	t->fd = -1;
	if (strlen(path) >= sizeof(t->path))
		return -ENAMETOOLONG;
	strcpy(t->path, path);
	for (int links = 0; links <= MAX_LINKS && !err; links++) {
		err = resolve_directory(t);
		if (err)
			return err;
		if (lstat(t->path, &t->st))
			return errno == ENOENT ? 0 : -errno;
		t->exists = true;
		if (S_ISDIR(t->st.st_mode))
			return -EISDIR;
		t->direct =
			in_procfs(t->path) || (!S_ISREG(t->st.st_mode) && !S_ISLNK(t->st.st_mode));
		if (t->direct) {
			t->fd = own_descriptor(t);
			return 0;
		}
		if (!S_ISLNK(t->st.st_mode))
			return 0;
		t->exists = false;
		err = follow(t);
	}
	return err ? err : -ELOOP;
}

/*
 * Makes a temporary file beside the target, under a name of its own: the target's may be as long as names
 * get. A file descriptor or a negative errno.
 */
static int make_temporary(const struct target *t, char temp[PATH_MAX])
{
	int n = snprintf(temp, PATH_MAX, "%.*s/.kvmi-lat.XXXXXX", (int)t->dir, t->path), fd;

	if (n >= PATH_MAX)
		return -ENAMETOOLONG;
	/* To replace a file needs no permission to write to it, but who has removed that has a reason. */
	if (t->exists && faccessat(AT_FDCWD, t->path, W_OK, AT_EACCESS))
		return -errno;
	fd = mkostemp(temp, O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

static int check_direct(const struct target *t)
{
	struct stat st;
	int flags;

	if (t->fd < 0) {
		if (stat(t->path, &st) || faccessat(AT_FDCWD, t->path, W_OK, AT_EACCESS))
			return -errno;
		/* A socket can be connected to, but not opened. */
		return S_ISDIR(st.st_mode) ? -EISDIR : S_ISSOCK(st.st_mode) ? -ENXIO : 0;
	}
	flags = fcntl(t->fd, F_GETFL);
	if (flags < 0)
		return -errno;
	return (flags & O_ACCMODE) == O_RDONLY ? -EBADF : 0;
}

int whole_file_check(const char *path)
{
	struct target t;
	char temp[PATH_MAX];
	int err, fd;

	err = find_target(&t, path);
	if (err)
		return err;
	if (t.direct)
		return check_direct(&t);
	/* What is sure to work is what has just worked. */
	fd = make_temporary(&t, temp);
	if (fd < 0)
		return fd;
	close(fd);
	unlink(temp);
	return 0;
}

/* What write() did, or why its output is not complete. */
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

static int write_to(int fd, bool sync, int (*write)(FILE *file, const void *what), const void *what)
{
	FILE *file = fd < 0 ? NULL : fdopen(fd, "w");
	int err = file ? 0 : -errno;

	if (file)
		return write_and_close(file, sync, write, what);
	if (fd >= 0)
		close(fd);
	return err;
}

static int write_direct(const struct target *t, int (*write)(FILE *file, const void *what),
			const void *what)
{
	int fd;

	/* A duplicate shares the position, so that what others have written to it stays. */
	if (t->fd >= 0)
		fd = fcntl(t->fd, F_DUPFD_CLOEXEC, 0);
	else
		fd = open(t->path, O_WRONLY | O_TRUNC | O_CLOEXEC | O_NOCTTY);
	return write_to(fd, false, write, what);
}

/* What the old file had, or what a new one gets. */
static void set_mode(int fd, const struct target *t)
{
	mode_t mask;

	if (!t->exists) {
		mask = umask(0);
		umask(mask);
		fchmod(fd, 0666 & ~mask);
		return;
	}
	/* Not everybody may give files away. The owner first: a change of it may clear bits of the mode. */
	if (fchown(fd, t->st.st_uid, t->st.st_gid) && fchown(fd, -1, t->st.st_gid))
		errno = 0;
	fchmod(fd, t->st.st_mode & 07777);
}

static int replace(const struct target *t, int (*write)(FILE *file, const void *what),
		   const void *what)
{
	char temp[PATH_MAX];
	int err, fd;

	fd = make_temporary(t, temp);
	if (fd < 0)
		return fd;
	set_mode(fd, t);
	err = write_to(fd, true, write, what);
	if (!err && rename(temp, t->path))
		err = -errno;
	if (err)
		unlink(temp);
	return err;
}

/* Signals that end the process have to wait meanwhile: they would leave the temporary file. */
static int write_beside(const struct target *t, int (*write)(FILE *file, const void *what),
			const void *what)
{
	sigset_t ending, before;
	int err;

	ending_signals(&ending);
	sigprocmask(SIG_BLOCK, &ending, &before);
	err = replace(t, write, what);
	sigprocmask(SIG_SETMASK, &before, NULL);
	return err;
}

/* What rename() says of a mount point, and in a sticky directory of a file that is somebody else's. */
static bool cannot_be_replaced(const struct target *t, int err)
{
	return t->exists && (err == -EBUSY || err == -EPERM || err == -EACCES);
}

int whole_file_write(const char *path, int (*write)(FILE *file, const void *what), const void *what)
{
	struct sigaction ignore = {.sa_handler = SIG_IGN}, before;
	struct target t;
	int err;

	err = find_target(&t, path);
	if (err)
		return err;
	/* A file that may not become so large is an error with a message, not the end of the process. */
	sigaction(SIGXFSZ, &ignore, &before);
	if (!t.direct) {
		err = write_beside(&t, write, what);
		t.direct = cannot_be_replaced(&t, err);
	}
	if (t.direct)
		err = write_direct(&t, write, what);
	sigaction(SIGXFSZ, &before, NULL);
	return err;
}

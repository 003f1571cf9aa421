// SPDX-License-Identifier: BSD-2-Clause
/* Tests of output files: what is replaced, what is written as it is, what is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "lib/whole_file.h"

/* The tests work in a directory of their own. */
static char directory[] = "/tmp/test_whole_file.XXXXXX";

static int set_up(void **state)
{
	(void)state;
	umask(022);
	return mkdtemp(directory) && !chdir(directory) ? 0 : -1;
}

static int tear_down(void **state)
{
	char command[100];

	(void)state;
	snprintf(command, sizeof(command), "rm -rf %s", directory);
	return chdir("/") || system(command);
}

static int put(FILE *file, const void *what)
{
	return fputs(what, file) < 0 ? -EIO : 0;
}

static int give_up(FILE *file, const void *what)
{
	fputs(what, file);
	return -EDOM;
}

static void make(const char *path, const char *text, mode_t mode)
{
	FILE *file = fopen(path, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	assert_int_equal(chmod(path, mode), 0);
}

static void has(const char *path, const char *text)
{
	char got[100] = "";
	FILE *file = fopen(path, "r");

	assert_non_null(file);
	got[fread(got, 1, sizeof(got) - 1, file)] = '\0';
	fclose(file);
	assert_string_equal(got, text);
}

static mode_t mode_of(const char *path)
{
	struct stat st;

	assert_int_equal(lstat(path, &st), 0);
	return st.st_mode;
}

/* Both refuse it, and the check leaves nothing behind. */
static void refused(const char *path, int err)
{
	assert_int_equal(whole_file_check(path), err);
	assert_int_equal(whole_file_write(path, put, "x"), err);
}

static void written(const char *path, const char *text)
{
	assert_int_equal(whole_file_check(path), 0);
	assert_int_equal(whole_file_write(path, put, text), 0);
}

static void is_new(void **state)
{
	(void)state;
	assert_int_equal(whole_file_check("new"), 0);
	assert_int_equal(access("new", F_OK), -1);
	written("new", "one");
	has("new", "one");
	assert_int_equal(mode_of("new"), S_IFREG | 0644);
	umask(077);
	written("private", "one");
	umask(022);
	assert_int_equal(mode_of("private"), S_IFREG | 0600);
}

static void keeps_mode(void **state)
{
	(void)state;
	make("secret", "old", 0600);
	written("secret", "new");
	has("secret", "new");
	assert_int_equal(mode_of("secret"), S_IFREG | 0600);
	if (geteuid())
		return;
	assert_int_equal(chown("secret", 65534, 65534), 0);
	assert_int_equal(chmod("secret", 02750), 0);
	written("secret", "newer");
	assert_int_equal(mode_of("secret"), S_IFREG | 02750);
	struct stat st;

	assert_int_equal(stat("secret", &st), 0);
	assert_int_equal(st.st_uid, 65534);
	assert_int_equal(st.st_gid, 65534);
}

static void follows_links(void **state)
{
	(void)state;
	assert_int_equal(mkdir("dir", 0755), 0);
	make("dir/target", "old", 0640);
	assert_int_equal(symlink("dir/target", "link"), 0);
	assert_int_equal(symlink("link", "link2"), 0);
	written("link2", "new");
	has("dir/target", "new");
	assert_int_equal(mode_of("dir/target"), S_IFREG | 0640);
	assert_true(S_ISLNK(mode_of("link")) && S_ISLNK(mode_of("link2")));

	assert_int_equal(symlink("dir/none", "dangling"), 0);
	written("dangling", "made");
	has("dir/none", "made");
	assert_true(S_ISLNK(mode_of("dangling")));

	assert_int_equal(symlink("nowhere/none", "lost"), 0);
	refused("lost", -ENOENT);
	assert_int_equal(symlink("loop", "loop"), 0);
	refused("loop", -ELOOP);
	assert_int_equal(symlink("dir", "to_dir"), 0);
	refused("to_dir", -EISDIR);
	written("to_dir/inside", "here");
	has("dir/inside", "here");
}

static void refuses(void **state)
{
	struct sockaddr_un addr = {.sun_family = AF_UNIX, .sun_path = "socket"};
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	char name[300];

	(void)state;
	refused(".", -EISDIR);
	refused("/", -EISDIR);
	refused("", -ENOENT);
	refused("none/", -EISDIR);
	refused("none/x", -ENOENT);
	make("file", "", 0644);
	refused("file/x", -ENOTDIR);
	assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
	refused("socket", -ENXIO);
	close(fd);
	memset(name, 'n', sizeof(name));
	name[256] = '\0';
	refused(name, -ENAMETOOLONG);
	name[255] = '\0';
	written(name, "as long as can be");
	has(name, "as long as can be");
}

static void refuses_others(void **state)
{
	(void)state;
	if (geteuid())
		skip();
	assert_int_equal(mkdir("closed", 0755), 0);
	make("read_only", "kept", 0444);
	assert_int_equal(seteuid(65534), 0);
	refused("closed/x", -EACCES);
	refused("read_only", -EACCES);
	assert_int_equal(seteuid(0), 0);
	has("read_only", "kept");
}

static void device(void **state)
{
	struct stat before, after;

	(void)state;
	assert_int_equal(stat("/dev/null", &before), 0);
	written("/dev/null", "x");
	assert_int_equal(stat("/dev/null", &after), 0);
	assert_int_equal(before.st_ino, after.st_ino);
	assert_int_equal(whole_file_write("/dev/full", put, "x"), -ENOSPC);
}

static void fifo(void **state)
{
	char got[10] = "";
	int fd;

	(void)state;
	assert_int_equal(mkfifo("fifo", 0600), 0);
	assert_int_equal(whole_file_check("fifo"), 0);
	fd = open("fifo", O_RDONLY | O_NONBLOCK);
	written("fifo", "through");
	assert_int_equal(read(fd, got, sizeof(got)), 7);
	assert_string_equal(got, "through");
	close(fd);
	assert_true(S_ISFIFO(mode_of("fifo")));
}

/* What is in the file before and behind stays: the position is the descriptor's. */
static void descriptors(void **state)
{
	static const char *const paths[] = {"/dev/fd/%d", "/proc/self/fd/%d",
					    "/proc/thread-self/fd/%d"};
	char path[60], link[70];
	int fd, pipes[2];
	char got[10] = "";

	(void)state;
	for (size_t i = 0; i < sizeof(paths) / sizeof(paths[0]); i++) {
		fd = open("shared", O_WRONLY | O_CREAT | O_TRUNC, 0600);
		assert_int_equal(write(fd, "a,", 2), 2);
		snprintf(path, sizeof(path), paths[i], fd);
		snprintf(link, sizeof(link), "link_to_fd%zu", i);
		assert_int_equal(symlink(path, link), 0);
		written(path, "b,");
		written(link, "c,");
		assert_int_equal(write(fd, "d", 1), 1);
		close(fd);
		has("shared", "a,b,c,d");
		refused(path, -ENOENT);
	}
	assert_int_equal(pipe(pipes), 0);
	snprintf(path, sizeof(path), "/dev/fd/%d", pipes[1]);
	written(path, "piped");
	assert_int_equal(read(pipes[0], got, sizeof(got)), 5);
	snprintf(path, sizeof(path), "/dev/fd/%d", pipes[0]);
	assert_int_equal(whole_file_check(path), -EBADF);
	close(pipes[0]);
	close(pipes[1]);
}

static void failure_leaves_old(void **state)
{
	struct rlimit before, limit;

	(void)state;
	make("kept", "old", 0644);
	assert_int_equal(whole_file_write("kept", give_up, "new"), -EDOM);
	has("kept", "old");
	/* SIGXFSZ would end the process. */
	assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
	limit = (struct rlimit){.rlim_cur = 1, .rlim_max = before.rlim_max};
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
	assert_int_equal(whole_file_write("kept", put, "too long"), -EFBIG);
	assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
	has("kept", "old");
}

static int end_process(FILE *file, const void *what)
{
	raise(SIGTERM);
	raise(SIGUSR1);
	return put(file, what);
}

/* A signal in the middle of it ends the process afterwards. */
static void signal_waits(void **state)
{
	pid_t child = fork();
	int status;

	(void)state;
	if (!child) {
		whole_file_write("interrupted", end_process, "whole");
		_exit(0);
	}
	assert_int_equal(waitpid(child, &status, 0), child);
	assert_true(WIFSIGNALED(status));
	has("interrupted", "whole");
}

static void nothing_left(void **state)
{
	(void)state;
	assert_int_not_equal(system("ls -A . dir | grep -F .kvmi-lat."), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(is_new),
		cmocka_unit_test(keeps_mode),
		cmocka_unit_test(follows_links),
		cmocka_unit_test(refuses),
		cmocka_unit_test(refuses_others),
		cmocka_unit_test(device),
		cmocka_unit_test(fifo),
		cmocka_unit_test(descriptors),
		cmocka_unit_test(failure_leaves_old),
		cmocka_unit_test(signal_waits),
		cmocka_unit_test(nothing_left),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

// SPDX-License-Identifier: BSD-2-Clause
/* Writes what the kernel's fault injection wants to know. */
#include "faults.h"

#include "../lab/lab.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DEBUGFS "/sys/kernel/debug/"

static const char *const kinds[] = {"failslab", "fail_page_alloc", "fail_usercopy"};

static bool set(const char *kind, const char *name, const char *value)
{
	char path[128];

	snprintf(path, sizeof(path), DEBUGFS "%s/%s", kind, name);
	return lab_write_file(path, value);
}

unsigned int faults_init(void)
{
	unsigned int n = 0;

	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		/* Not the stack of each into the log. */
		if (!set(kinds[i], "verbose", "0"))
			continue;
		set(kinds[i], "task-filter", "Y");
		set(kinds[i], "interval", "1");
		set(kinds[i], "times", "-1");
		set(kinds[i], "space", "0");
		/* In sleeping context, too: else hardly any. */
		set(kinds[i], "ignore-gfp-wait", "N");
		set(kinds[i], "min-order", "0");
		set(kinds[i], "probability", i ? "1" : "2");
		n++;
	}
	return n;
}

void faults_off(void)
{
	for (unsigned int i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		set(kinds[i], "probability", "0");
}

void faults_self(bool on)
{
	char path[64];

	/* The flag is a thread's; those it creates have it from their creator. Switching it off may fail by a fault, too. */
	snprintf(path, sizeof(path), "/proc/self/task/%ld/make-it-fail", syscall(SYS_gettid));
	for (int tries = 0; tries < 1000; tries++)
		if (lab_write_file(path, on ? "1" : "0"))
			return;
}

void faults_receivers(const struct fuzz_plan *plan)
{
	struct dirent *d;
	DIR *dir;

	if (!plan->faults)
		return;
	dir = opendir("/proc");
	while (dir && (d = readdir(dir))) {
		char path[300], comm[32] = "";
		int fd;

		if (d->d_name[0] < '0' || d->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", d->d_name);
		fd = open(path, O_RDONLY | O_CLOEXEC);
		if (fd < 0)
			continue;
		if (read(fd, comm, sizeof(comm) - 1) > 0 && !strncmp(comm, "kvmi-recv", 9)) {
			snprintf(path, sizeof(path), "/proc/%s/make-it-fail", d->d_name);
			lab_write_file(path, "1");
		}
		close(fd);
	}
	if (dir)
		closedir(dir);
}

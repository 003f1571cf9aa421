// SPDX-License-Identifier: BSD-2-Clause
/* KVM's threads that read what introspectors say: how they are scheduled. */
#include "receivers.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

/* What the series calls them. */
#define RECEIVER "kvmi-recv"

/* When a task began, in clock ticks since boot, and what it is called. False: it is gone. */
static bool read_stat(const char *pid, char name[16], unsigned long long *began)
{
	char path[300], line[1024] = "", *paren, *end;
	bool ok = false;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%s/stat", pid);
	f = fopen(path, "r");
	if (!f)
		return false;
	if (fgets(line, sizeof(line), f)) {
		paren = strchr(line, '(');
		end = strrchr(line, ')'); /* a name may have these, too */
		if (paren && end) {
			*end = '\0';
			snprintf(name, 16, "%s", paren + 1);
			/* proc(5): starttime is field 22, the state behind the name is 3 */
			ok = sscanf(end + 1,
				    " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s "
				    "%*s %*s %*s %*s %llu",
				    began) == 1;
		}
	}
	fclose(f);
	return ok;
}

int receivers_follow(void)
{
	int policy = sched_getscheduler(0), pid, found = 0, ret = 0;
	unsigned long long since, began;
	struct sched_param param;
	struct dirent *d;
	char name[16];
	DIR *proc;

	if (sched_getparam(0, &param))
		return -errno;
	if (!read_stat("self", name, &since))
		return -ENOENT;
	proc = opendir("/proc");
	if (!proc)
		return -errno;
	while (!ret && (d = readdir(proc))) {
		if (!isdigit((unsigned char)d->d_name[0]) || !read_stat(d->d_name, name, &began) ||
		    strcmp(name, RECEIVER) || began < since)
			continue;
		found++;
		/* One of another VM may end meanwhile. */
		if (sscanf(d->d_name, "%d", &pid) == 1 && sched_setscheduler(pid, policy, &param) &&
		    errno != ESRCH)
			ret = -errno;
	}
	closedir(proc);
	return ret ? ret : found ? 0 : -ESRCH;
}

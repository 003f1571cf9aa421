// SPDX-License-Identifier: BSD-2-Clause
/* Kernel memory as /proc/meminfo has it, and kmemleak. */
#include "stress_memory.h"

#include "lab.h"

#include <dirent.h>
#include <errno.h>
#include <linux/membarrier.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

#define KMEMLEAK   "/sys/kernel/debug/kmemleak"
#define KMEMLEAK_S 6 /* younger objects are not reported */

const char *const memory_kinds[MEMORY_KINDS] = {
	[MEMORY_SLAB] = "SUnreclaim",
	[MEMORY_STACKS] = "KernelStack",
	[MEMORY_PERCPU] = "Percpu",
	[MEMORY_PAGES] = "MemFree",
};

/* What is freed goes to lists of its CPU first, and whole slabs stay for a while. */
static void shrink_slabs(void)
{
	DIR *dir = opendir("/sys/kernel/slab");
	struct dirent *d;

	if (!dir)
		return;
	while ((d = readdir(dir))) {
		char path[300];

		/* Merged caches are links to one. */
		if (d->d_type == DT_LNK || d->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), "/sys/kernel/slab/%s/shrink", d->d_name);
		lab_write_file(path, "1");
	}
	closedir(dir);
}

void memory_take(struct memory_sample *s, double cycles)
{
	char line[128], name[64];
	unsigned long kb;
	FILE *f;

	/* What is freed by RCU: two grace periods, as callbacks free what has callbacks. */
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	lab_write_file("/proc/sys/vm/drop_caches", "3");
	shrink_slabs();

	memset(s, 0, sizeof(*s));
	s->cycles = cycles;
	f = fopen("/proc/meminfo", "re");
	if (!f)
		fail("/proc/meminfo: %s", strerror(errno));
	while (fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%63[^:]: %lu", name, &kb) != 2)
			continue;
		for (int i = 0; i < MEMORY_KINDS; i++)
			if (!strcmp(name, memory_kinds[i]))
				s->used[i] = kb * 1024.0 * (i == MEMORY_PAGES ? -1 : 1);
	}
	fclose(f);
	if (s->used[MEMORY_SLAB] <= 0)
		fail("/proc/meminfo has no %s", memory_kinds[MEMORY_SLAB]);
}

double memory_slope(const struct memory_sample *s, unsigned int n, int kind)
{
	double x = 0, y = 0, xx = 0, xy = 0;

	for (unsigned int i = 0; i < n; i++) {
		x += s[i].cycles / n;
		y += s[i].used[kind] / n;
	}
	for (unsigned int i = 0; i < n; i++) {
		xx += (s[i].cycles - x) * (s[i].cycles - x);
		xy += (s[i].cycles - x) * (s[i].used[kind] - y);
	}
	return xx > 0 ? xy / xx : 0;
}

bool memory_have_kmemleak(void)
{
	return !access(KMEMLEAK, W_OK);
}

void memory_kmemleak_clear(void)
{
	if (!lab_write_file(KMEMLEAK, "clear"))
		fail("%s: %s", KMEMLEAK, strerror(errno));
}

void memory_kmemleak_check(void)
{
	char line[256];
	int lines = 0;
	FILE *f;

	sleep(KMEMLEAK_S);
	/* What only a register or a stack of the moment did not show is found by the second. */
	if (!lab_write_file(KMEMLEAK, "scan") || !lab_write_file(KMEMLEAK, "scan"))
		fail("%s: %s", KMEMLEAK, strerror(errno));
	f = fopen(KMEMLEAK, "re");
	if (!f)
		fail("%s: %s", KMEMLEAK, strerror(errno));
	while (fgets(line, sizeof(line), f) && lines++ < 40)
		note("%s", line);
	fclose(f);
	if (lines)
		fail("kmemleak found something");
}

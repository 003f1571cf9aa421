// SPDX-License-Identifier: BSD-2-Clause
/* Counts by perf_event_open(). */
#include "kcounts.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdint.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

static int open_one(uint64_t config, int leader)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_HARDWARE,
		.size = sizeof(attr),
		.config = config,
		.disabled = leader < 0,
		.exclude_user = 1,
		.exclude_hv = 1,
		.exclude_guest = 1,
		.read_format = PERF_FORMAT_GROUP | PERF_FORMAT_TOTAL_TIME_ENABLED |
			       PERF_FORMAT_TOTAL_TIME_RUNNING,
	};
	int fd = syscall(SYS_perf_event_open, &attr, 0, -1, leader, PERF_FLAG_FD_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int kcounts_open(struct kcounts *k)
{
	k->fd[1] = -1;
	k->fd[0] = open_one(PERF_COUNT_HW_INSTRUCTIONS, -1);
	if (k->fd[0] < 0)
		return k->fd[0];
	k->fd[1] = open_one(PERF_COUNT_HW_CPU_CYCLES, k->fd[0]);
	if (k->fd[1] < 0) {
		int ret = k->fd[1];

		kcounts_close(k);
		return ret;
	}
	return 0;
}

void kcounts_close(struct kcounts *k)
{
	for (int i = 0; i < 2; i++) {
		if (k->fd[i] >= 0)
			close(k->fd[i]);
		k->fd[i] = -1;
	}
}

static void all(const struct kcounts *k, unsigned long request)
{
	if (k->fd[0] >= 0)
		ioctl(k->fd[0], request, PERF_IOC_FLAG_GROUP);
}

void kcounts_start(const struct kcounts *k)
{
	all(k, PERF_EVENT_IOC_ENABLE);
}

void kcounts_stop(const struct kcounts *k)
{
	all(k, PERF_EVENT_IOC_DISABLE);
}

bool kcounts_read(const struct kcounts *k, struct kcounts_values *values)
{
	struct {
		uint64_t n;
		uint64_t enabled;
		uint64_t running;
		uint64_t value[2];
	} r;
	double scale;

	if (k->fd[0] < 0 || read(k->fd[0], &r, sizeof(r)) != sizeof(r) || !r.running)
		return false;
	scale = (double)r.enabled / r.running;
	values->instructions = r.value[0] * scale;
	values->cycles = r.value[1] * scale;
	return true;
}

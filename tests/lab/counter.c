// SPDX-License-Identifier: BSD-2-Clause
/* Counts tracepoints by perf_event_open() on all CPUs. */
#include "lab.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

struct counter {
	unsigned int n;
	int fd[];
};

static unsigned long long tracepoint_id(const char *event)
{
	unsigned long long id;
	char path[256], *colon;
	FILE *f;

	snprintf(path, sizeof(path), "/sys/kernel/tracing/events/%s/id", event);
	colon = strchr(path, ':');
	if (colon)
		*colon = '/';
	f = fopen(path, "re");
	if (!f)
		fail("%s: %s", path, strerror(errno));
	if (fscanf(f, "%llu", &id) != 1)
		fail("%s: not a number", path);
	fclose(f);
	return id;
}

struct counter *counter_start(const char *event, const char *filter)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_TRACEPOINT,
		.size = sizeof(attr),
		.config = tracepoint_id(event),
		.disabled = 1, /* or it counted, until there is a filter, whatever comes */
	};
	unsigned int n = sysconf(_SC_NPROCESSORS_ONLN);
	struct counter *c = calloc(1, sizeof(*c) + n * sizeof(c->fd[0]));

	if (!c)
		fail("no memory");
	c->n = n;
	for (unsigned int i = 0; i < n; i++) {
		c->fd[i] = syscall(SYS_perf_event_open, &attr, -1, i, -1, PERF_FLAG_FD_CLOEXEC);
		if (c->fd[i] < 0)
			fail("perf_event_open of %s on CPU %u: %s", event, i, strerror(errno));
		if (filter && ioctl(c->fd[i], PERF_EVENT_IOC_SET_FILTER, filter))
			fail("filter '%s' on %s: %s", filter, event, strerror(errno));
		if (ioctl(c->fd[i], PERF_EVENT_IOC_ENABLE, 0))
			fail("counting of %s on CPU %u: %s", event, i, strerror(errno));
	}
	return c;
}

uint64_t counter_read(const struct counter *c)
{
	uint64_t sum = 0, value;

	for (unsigned int i = 0; i < c->n; i++) {
		if (read(c->fd[i], &value, sizeof(value)) != sizeof(value))
			fail("read of a perf counter: %s", strerror(errno));
		sum += value;
	}
	return sum;
}

struct counter *counter_start_bp_exits(void)
{
	/* VMX: exception or NMI; nothing else of the kind is intercepted here. SVM: #BP itself. */
	return counter_start("kvm:kvm_exit",
			     lab_is_svm() ? "exit_reason == 0x43" : "exit_reason == 0");
}

struct counter *counter_start_injected_bp(void)
{
	return counter_start("kvm:kvm_inj_exception", "exception == 3 && reinjected == 0");
}

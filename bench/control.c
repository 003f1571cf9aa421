// SPDX-License-Identifier: BSD-2-Clause
/* The line protocol with `kvmi-lat record`. */
#include "control.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define ANSWER_TIMEOUT_MS 60000

static int ctl_fd = -1, ack_fd = -1;
static char error[384];

int control_open(void)
{
	const char *env = getenv("KVMI_LAT_CONTROL");
	int ctl, ack, end = 0;

	if (!env)
		return 0;
	if (sscanf(env, "fd:%d,%d%n", &ctl, &ack, &end) != 2 || env[end] ||
	    fcntl(ctl, F_GETFD) < 0 || fcntl(ack, F_GETFD) < 0) {
		fprintf(stderr,
			"kvmi-bench: KVMI_LAT_CONTROL=%s does not name two open file descriptors "
			"(fd:CTL,ACK)\n",
			env);
		return -EINVAL;
	}
	ctl_fd = ctl;
	ack_fd = ack;
	return 0;
}

bool control_present(void)
{
	return ctl_fd >= 0;
}

const char *control_error(void)
{
	return error;
}

/* One line of the answer, without its end. */
static int read_line(char *line, size_t size)
{
	size_t len = 0;

	while (len < size - 1) {
		struct pollfd pfd = {.fd = ack_fd, .events = POLLIN};
		int ready = poll(&pfd, 1, ANSWER_TIMEOUT_MS);
		ssize_t n;

		if (ready < 0 && errno == EINTR)
			continue;
		if (!ready)
			return -ETIMEDOUT;
		n = ready < 0 ? -1 : read(ack_fd, line + len, 1);
		if (n < 0)
			return -errno;
		if (!n)
			return -EPIPE;
		if (line[len] == '\n') {
			line[len] = '\0';
			return 0;
		}
		len++;
	}
	return -EMSGSIZE;
}

int control(const char *fmt, ...)
{
	char line[128], answer[160];
	va_list ap;
	int len, ret;

	if (ctl_fd < 0)
		return 0;

	va_start(ap, fmt);
	len = vsnprintf(line, sizeof(line) - 1, fmt, ap);
	va_end(ap);
	if (len < 0 || len >= (int)sizeof(line) - 1)
		return -EMSGSIZE;
	line[len] = '\n';

	ret = write(ctl_fd, line, len + 1) == len + 1 ? 0 : -errno;
	line[len] = '\0';
	if (!ret)
		ret = read_line(answer, sizeof(answer));
	if (ret) {
		snprintf(error, sizeof(error), "kvmi-lat record does not answer \"%s\": %s", line,
			 strerror(-ret));
		return ret;
	}
	if (strcmp(answer, "ack")) {
		snprintf(error, sizeof(error), "kvmi-lat record refuses \"%s\": %s", line, answer);
		return -EPROTO;
	}
	return 0;
}

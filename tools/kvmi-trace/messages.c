// SPDX-License-Identifier: BSD-2-Clause
/* kvmi-trace: what it tells the user when something fails. */
#include "kvmi_trace.h"

#include <stdarg.h>
#include <stdio.h>

int trace_error(const char *fmt, ...)
{
	va_list ap;

	fflush(stdout);
	fputs("kvmi-trace: ", stderr);
	va_start(ap, fmt);
	vfprintf(stderr, fmt, ap);
	va_end(ap);
	fputc('\n', stderr);
	return TRACE_FAILED;
}

int trace_kvmi_error(const char *what, int ret)
{
	return trace_error("%s: %s", what, kvmi_strerror(ret));
}

// SPDX-License-Identifier: BSD-2-Clause
/* The VMM: why the last call of this thread failed. */
#include "vmm_priv.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Shorter than VMM_ERROR_MAX, so that the probe can put words before it. */
static _Thread_local char error_text[VMM_ERROR_MAX - 64];

const char *vmm_error(void)
{
	return error_text[0] ? error_text : "no error";
}

int vmm_set_error(int ret, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error_text, sizeof(error_text), fmt, ap);
	va_end(ap);
	return ret;
}

int vmm_set_errno(const char *what)
{
	int err = errno;

	return vmm_set_error(-err, "%s: %s", what, strerror(err));
}

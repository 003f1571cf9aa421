// SPDX-License-Identifier: BSD-2-Clause
/* What libbpf has to say, for those who ask for it. */
#include <bpf/libbpf.h>
#include <stdio.h>

#include "lib/log.h"
#include "libbpf_messages.h"

/*
 * libbpf says in several lines what our callers say in one sentence: its warnings show with -v,
 * its debugging output with -vv.
 */
static int print_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	if (!log_shows(level == LIBBPF_DEBUG ? 2 : 1))
		return 0;
	return vfprintf(stderr, format, args);
}

void libbpf_messages_init(void)
{
	libbpf_set_print(print_libbpf);
}

// SPDX-License-Identifier: BSD-2-Clause
/* Messages to the user: everything kvmi-lat and libbpf have to say goes through here. */
#include <bpf/libbpf.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "text.h"

static int verbosity;

static void say(const char *prefix, const char *format, va_list args)
{
	char *text;

	if (vasprintf(&text, format, args) < 0)
		return;
	/* Names of files and the like are in there. */
	text_blank(text, "\t\n");
	fprintf(stderr, "kvmi-lat: %s%s\n", prefix, text);
	free(text);
}

void log_error(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("", format, args);
	va_end(args);
}

void log_note(const char *format, ...)
{
	va_list args;

	va_start(args, format);
	say("note: ", format, args);
	va_end(args);
}

void log_debug(const char *format, ...)
{
	va_list args;

	if (!verbosity)
		return;
	va_start(args, format);
	say("debug: ", format, args);
	va_end(args);
}

/*
 * libbpf says in several lines what our callers say in one sentence: its warnings show with -v,
 * its debugging output with -vv.
 */
static int print_libbpf(enum libbpf_print_level level, const char *format, va_list args)
{
	if (verbosity < (level == LIBBPF_DEBUG ? 2 : 1))
		return 0;
	return vfprintf(stderr, format, args);
}

void log_more(void)
{
	verbosity++;
}

void log_init(void)
{
	libbpf_set_print(print_libbpf);
}

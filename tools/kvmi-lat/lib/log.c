// SPDX-License-Identifier: BSD-2-Clause
/* Messages to the user: everything kvmi-lat has to say goes through here. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include "log.h"
#include "text.h"

static unsigned int verbosity;

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

void log_more(void)
{
	verbosity++;
}

bool log_shows(unsigned int times)
{
	return verbosity >= times;
}

// SPDX-License-Identifier: BSD-2-Clause
/* Numbers on command lines: decimal, or hexadecimal after 0x. */
#include "number.h"

#include <ctype.h>
#include <errno.h>
#include <stdlib.h>

bool number_parse_next(const char *text, const char **end, uint64_t *value)
{
	bool hexadecimal = text[0] == '0' && (text[1] == 'x' || text[1] == 'X');
	const char *digits = hexadecimal ? text + 2 : text;
	uint64_t number;
	char *rest;

	/* strtoull() takes blanks, signs and a second 0x, too. */
	if (hexadecimal ? !isxdigit((unsigned char)*digits) : !isdigit((unsigned char)*digits))
		return false;
	errno = 0;
	number = strtoull(text, &rest, hexadecimal ? 16 : 10);
	if (errno)
		return false;
	*value = number;
	*end = rest;
	return true;
}

bool number_parse(const char *text, uint64_t max, uint64_t *value)
{
	uint64_t number;
	const char *end;

	if (!number_parse_next(text, &end, &number) || *end || number > max)
		return false;
	*value = number;
	return true;
}

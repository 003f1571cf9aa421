// SPDX-License-Identifier: BSD-2-Clause
/* Values of options that several commands take. Each says itself what is wrong with one. */
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "arguments.h"
#include "log.h"
#include "number.h"

bool parse_pid(const char *text, pid_t *pid)
{
	uint64_t number;

	if (!number_parse(text, INT_MAX, &number) || !number) {
		log_error("invalid PID '%s'", text);
		return false;
	}
	*pid = number;
	return true;
}

bool argument_number(const char *text, long most, long *number)
{
	uint64_t value;

	if (!number_parse(text, most, &value)) {
		log_error("invalid number '%s': 0 to %ld", text, most);
		return false;
	}
	*number = value;
	return true;
}

bool parse_duration(const char *text, uint64_t *ns)
{
	static const struct {
		const char *name;
		double ns;
	} units[] = {{"ns", 1}, {"us", 1e3}, {"ms", 1e6}, {"s", 1e9}};
	char *end;
	double value = strtod(text, &end);

	for (size_t i = 0; end != text && i < sizeof(units) / sizeof(units[0]); i++) {
		if (strcmp(end, units[i].name))
			continue;
		value *= units[i].ns;
		if (!(value >= 1 && value <= 86400e9))
			break;
		*ns = value;
		return true;
	}
	log_error("%s is no time: a number with ns, us, ms or s behind it, 1ns to 86400s", text);
	return false;
}

bool parse_seconds(const char *text, uint64_t *ns)
{
	uint64_t seconds;

	if (!number_parse(text, 86400, &seconds) || !seconds)
		return parse_duration(text, ns);
	*ns = seconds * 1000000000;
	return true;
}

int usage_error(const char *command)
{
	fprintf(stderr, "Try 'kvmi-lat %s%s--help'.\n", command, *command ? " " : "");
	return 2;
}

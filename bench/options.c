// SPDX-License-Identifier: BSD-2-Clause
/* Values of kvmi-bench's options. */
#include "options.h"
#include "number.h"

#include <errno.h>
#include <stdio.h>

int option_number(const char *option, const char *text, unsigned long min, unsigned long max,
		  unsigned long *value)
{
	uint64_t number;

	if (!number_parse(text, max, &number) || number < min) {
		fprintf(stderr, "kvmi-bench: --%s=%s: a number from %lu to %lu is wanted\n", option,
			text, min, max);
		return -EINVAL;
	}
	*value = number;
	return 0;
}

// SPDX-License-Identifier: BSD-2-Clause
/* Whether runs may be compared at all: what their fingerprints say of machine and clock. */
#include <errno.h>
#include <math.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "comparable.h"

/* Every boot of a host measures its TSC anew, and finds a little more or less. */
#define SAME_CLOCK 0.001

static const char *const of_machine[] = {"machine",	"cpu",	"cpus",	      "backend",
					 "virtualized", "unit", "clocksource"};
static const char *const of_kernel[] = {"kernel", "kernel_build"};

/* What a fingerprint lacks is null in it. */
static bool same(const json_t *a, const json_t *b)
{
	if (!a || json_is_null(a))
		return !b || json_is_null(b);
	return json_equal(a, b);
}

static void show(const json_t *value, char *text, size_t size)
{
	char *dumped = value ? json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT) : NULL;

	if (json_is_string(value))
		snprintf(text, size, "%s", json_string_value(value));
	else
		snprintf(text, size, "%s", dumped ? dumped : "unknown");
	free(dumped);
}

static int unlike(const json_t *a, const json_t *b, const char *key, char *what, size_t size)
{
	char of_a[60], of_b[60];

	show(json_object_get(a, key), of_a, sizeof(of_a));
	show(json_object_get(b, key), of_b, sizeof(of_b));
	snprintf(what, size, "its %s is %s, where the others have %s", key, of_b, of_a);
	return -EINVAL;
}

static int like(const json_t *a, const json_t *b, const char *const *keys, size_t nr, char *what,
		size_t size)
{
	for (size_t i = 0; i < nr; i++) {
		if (!same(json_object_get(a, keys[i]), json_object_get(b, keys[i])))
			return unlike(a, b, keys[i], what, size);
	}
	return 0;
}

int like_machines(const json_t *a, const json_t *b, char *what, size_t size)
{
	const json_t *of_a = json_object_get(a, "tsc_khz"), *of_b = json_object_get(b, "tsc_khz");
	double khz_a = json_number_value(of_a), khz_b = json_number_value(of_b);

	if (json_is_number(of_a) != json_is_number(of_b) ||
	    fabs(khz_a - khz_b) > SAME_CLOCK * fabs(khz_a))
		return unlike(a, b, "tsc_khz", what, size);
	return like(a, b, of_machine, sizeof(of_machine) / sizeof(of_machine[0]), what, size);
}

int like_runs(const json_t *a, const json_t *b, char *what, size_t size)
{
	int err = like_machines(a, b, what, size);

	if (err)
		return err;
	return like(a, b, of_kernel, sizeof(of_kernel) / sizeof(of_kernel[0]), what, size);
}

static void add(char *what, size_t size, const char *prefix, const char *key)
{
	size_t length = strlen(what);

	snprintf(what + length, size - length, "%s%s%s", length ? ", " : "", prefix, key);
}

/* The keys below a and b whose values differ. */
static void add_unlike(const json_t *a, const json_t *b, const char *prefix, char *what,
		       size_t size)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)a, key, value) {
		if (!same(value, json_object_get(b, key)))
			add(what, size, prefix, key);
	}
	json_object_foreach((json_t *)b, key, value) {
		if (!json_object_get(a, key) && !json_is_null(value))
			add(what, size, prefix, key);
	}
}

void like_except(const json_t *a, const json_t *b, char *what, size_t size)
{
	static const char *const parameters[] = {"nrips", "introspection", "kvmi_lat"};

	*what = '\0';
	for (size_t i = 0; i < sizeof(parameters) / sizeof(parameters[0]); i++) {
		if (!same(json_object_get(a, parameters[i]), json_object_get(b, parameters[i])))
			add(what, size, "", parameters[i]);
	}
	add_unlike(json_object_get(a, "kernel_build"), json_object_get(b, "kernel_build"), "", what,
		   size);
	add_unlike(json_object_get(a, "mitigations"), json_object_get(b, "mitigations"),
		   "mitigation of ", what, size);
}

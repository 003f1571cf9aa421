// SPDX-License-Identifier: BSD-2-Clause
/* Reads JSON objects, one per line, and prints the fields asked for; fails if a line is anything else. */
#include <jansson.h>
#include <stdio.h>
#include <string.h>

/* "a", or "a.b" for the b in the object a. */
static const json_t *find(const json_t *object, const char *path)
{
	const char *dot = strchr(path, '.');
	char name[64];

	if (!dot)
		return json_object_get(object, path);
	snprintf(name, sizeof(name), "%.*s", (int)(dot - path), path);
	return find(json_object_get(object, name), dot + 1);
}

static int print(const json_t *value)
{
	if (json_is_string(value))
		return printf("%s ", json_string_value(value));
	return value ? json_dumpf(value, stdout, JSON_ENCODE_ANY) || printf(" ") : -1;
}

int main(int argc, char **argv)
{
	char line[8192];

	for (int n = 1; fgets(line, sizeof(line), stdin); n++) {
		json_error_t error;
		json_t *object = json_loads(line, JSON_REJECT_DUPLICATES, &error);

		if (!json_is_object(object)) {
			fprintf(stderr, "line %d: %s\n", n, object ? "no object" : error.text);
			return 1;
		}
		for (int i = 1; i < argc; i++) {
			if (print(find(object, argv[i])) < 0) {
				fprintf(stderr, "line %d: there is no %s\n", n, argv[i]);
				return 1;
			}
		}
		putchar('\n');
		json_decref(object);
	}
	return 0;
}

// SPDX-License-Identifier: BSD-2-Clause
/* Text from outside as JSON. */
#include <stdlib.h>

#include "text.h"

json_t *text_json(const char *text)
{
	char *copy = text_copy(text);
	json_t *string = copy ? json_string(copy) : NULL;

	free(copy);
	return string;
}

/* The same object with plain keys, in the same order. Where two become the same, the last one stays. */
static bool blank_keys(json_t *object)
{
	json_t *copy, *element;
	bool plain = true;
	const char *key;

	json_object_foreach(object, key, element)
		plain = plain && text_is_plain(key);
	copy = plain ? NULL : json_object();
	if (!copy)
		return false;
	json_object_foreach(object, key, element) {
		char *blank = text_copy(key);

		if (blank)
			json_object_set(copy, blank, element);
		free(blank);
	}
	json_object_clear(object);
	json_object_update(object, copy);
	json_decref(copy);
	return true;
}

bool text_blank_json(json_t *value)
{
	bool changed = false;
	json_t *element;
	const char *key;
	size_t i;

	if (json_is_string(value) && !text_is_plain(json_string_value(value))) {
		char *copy = text_copy(json_string_value(value));

		if (copy)
			json_string_set(value, copy);
		free(copy);
		return true;
	}
	if (json_is_object(value))
		changed = blank_keys(value);
	json_object_foreach(value, key, element)
		changed |= text_blank_json(element);
	json_array_foreach(value, i, element)
		changed |= text_blank_json(element);
	return changed;
}

// SPDX-License-Identifier: BSD-2-Clause
/* Text from outside: names of files and cases, words of commands, made fit for terminals and JSON. */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "text.h"

/* The length of the character that text begins with, as RFC 3629 defines UTF-8: 0 if it is none. */
static unsigned int character_length(const char *text)
{
	static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
	const unsigned char *c = (const unsigned char *)text;
	unsigned int n = *c >= 0xf0 ? 4 : *c >= 0xe0 ? 3 : 2;
	uint32_t value = *c & (0x7f >> n);

	if (*c < 0x80)
		return 1;
	if (*c < 0xc2 || *c > 0xf4)
		return 0;
	for (unsigned int i = 1; i < n; i++) {
		if ((c[i] & 0xc0) != 0x80)
			return 0;
		value = value << 6 | (c[i] & 0x3f);
	}
	if (value < least[n] || value > 0x10ffff || (value >= 0xd800 && value < 0xe000))
		return 0;
	return n;
}

/* C0, DEL, and C1 as UTF-8 has them. */
static bool is_control(const char *text)
{
	const unsigned char *c = (const unsigned char *)text;

	return *c < 0x20 || *c == 0x7f || (*c == 0xc2 && c[1] >= 0x80 && c[1] < 0xa0);
}

bool text_is_plain(const char *text)
{
	while (*text) {
		unsigned int n = character_length(text);

		if (!n || is_control(text))
			return false;
		text += n;
	}
	return true;
}

bool text_blank(char *text, const char *kept)
{
	bool changed = false;

	while (*text) {
		unsigned int n = character_length(text);

		if (!n || (is_control(text) && !strchr(kept, *text))) {
			n = n ? n : 1;
			memset(text, '?', n);
			changed = true;
		}
		text += n;
	}
	return changed;
}

char *text_copy(const char *text)
{
	char *copy = strdup(text);

	if (copy)
		text_blank(copy, "");
	return copy;
}

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

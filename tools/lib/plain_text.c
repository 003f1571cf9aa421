// SPDX-License-Identifier: BSD-2-Clause
/* Text from outside, made fit for terminals: UTF-8 without control characters. */
#include "plain_text.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

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

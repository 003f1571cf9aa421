/* SPDX-License-Identifier: BSD-2-Clause */
/* Text from outside: names of files and cases, words of commands, made fit for terminals and JSON. */
#ifndef KVMI_LAT_TEXT_H
#define KVMI_LAT_TEXT_H

#include <jansson.h>
#include <stdbool.h>

/* Is it UTF-8 without control characters (C0, DEL, C1)? */
bool text_is_plain(const char *text);

/*
 * Replaces each byte of a control character, and each that is not part of UTF-8, by a question mark; those
 * in kept stay. True if there was one.
 */
bool text_blank(char *text, const char *kept);

/* A copy that text_blank() has been over; NULL: out of memory. The caller frees it. */
char *text_copy(const char *text);

/* A JSON string of text_copy(). NULL: out of memory. */
json_t *text_json(const char *text);

/* text_blank() for all strings and keys within a value. True if one was changed. */
bool text_blank_json(json_t *value);

#endif

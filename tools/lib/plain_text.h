/* SPDX-License-Identifier: BSD-2-Clause */
/* Text from outside, made fit for terminals: UTF-8 without control characters. */
#ifndef PLAIN_TEXT_H
#define PLAIN_TEXT_H

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

#endif /* PLAIN_TEXT_H */

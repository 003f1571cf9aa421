/* SPDX-License-Identifier: BSD-2-Clause */
/* Numbers on command lines: decimal, or hexadecimal after 0x. */
#ifndef NUMBER_H
#define NUMBER_H

#include <stdbool.h>
#include <stdint.h>

/**
 * number_parse() - a number that is the whole text
 * @text: digits; after 0x or 0X hexadecimal ones. A leading 0 means nothing: 010 is ten.
 * @max: the largest that is allowed
 * @value: the number
 *
 * False: it is empty, has a sign, a blank or anything else in it, or is larger; @value is as it was.
 */
bool number_parse(const char *text, uint64_t max, uint64_t *value);

/**
 * number_parse_next() - a number that begins a text
 * @text: as above
 * @end: becomes what comes behind its last digit
 * @value: the number
 *
 * False: the text begins with none, or with one of more than 64 bits; nothing is changed.
 */
bool number_parse_next(const char *text, const char **end, uint64_t *value);

#endif /* NUMBER_H */

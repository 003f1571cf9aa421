/* SPDX-License-Identifier: BSD-2-Clause */
/* Text from outside as JSON. */
#ifndef KVMI_LAT_TEXT_H
#define KVMI_LAT_TEXT_H

#include <jansson.h>

#include "plain_text.h"

/* A JSON string of text_copy(). NULL: out of memory. */
json_t *text_json(const char *text);

/* text_blank() for all strings and keys within a value. True if one was changed. */
bool text_blank_json(json_t *value);

#endif

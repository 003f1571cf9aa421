/* SPDX-License-Identifier: BSD-2-Clause */
/* Shows a comparison: as the table a person reads, as Markdown, as JSON. */
#ifndef KVMI_LAT_COMPARE_H
#define KVMI_LAT_COMPARE_H

#include "stats/comparison.h"

struct compared {
	const struct side *base;
	const struct side *new; /* comparison.nr_new of them */
	struct comparison comparison;
	struct comparison_options options;
};

void compare_text(const struct compared *c);
void compare_markdown(const struct compared *c);

/* A new object, NULL if memory is short. */
json_t *compare_json(const struct compared *c);

/* What text and Markdown share: names of a fingerprint's values, the p that goes with a difference. */
const char *fingerprint_text(const struct side *side, const char *key);
double cell_p(const struct cell *cell);

#endif

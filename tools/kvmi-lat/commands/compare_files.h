/* SPDX-License-Identifier: BSD-2-Clause */
/* Reads the run files of every side of a comparison. */
#ifndef KVMI_LAT_READ_SIDES_H
#define KVMI_LAT_READ_SIDES_H

#include "stats/comparison.h"

/* The run files of one side, as the command line names them. */
struct files {
	char **paths;
	unsigned int nr;
	const char *directory; /* NULL: they are not all that a directory holds */
};

/*
 * The first side is the base. Unlike machines and runs that are none of their own are refused, or
 * with force only noted. 0, or a negative errno of which the user has been told.
 */
int read_sides(struct side *sides, const struct files *files, unsigned int nr, bool force);

#endif

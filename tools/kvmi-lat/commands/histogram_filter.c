// SPDX-License-Identifier: BSD-2-Clause
/* Which histograms of a run a command is about: the options --case, --event, --action, --stage. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "histogram_filter.h"
#include "lib/log.h"
#include "run-file/class_names.h"

bool filter_option(struct filter *filter, int option, const char *value)
{
	switch (option) {
	case 'c':
		filter->only_case = value;
		return true;
	case 'e':
		filter->event = value;
		return true;
	case 'a':
		filter->action = value;
		return true;
	case 's':
		filter->stage = value;
		return true;
	default:
		return false;
	}
}

enum { EVENT, ACTION, STAGE };

static const char *name_in_class(unsigned int class, int which)
{
	struct class_name name = class_name(class);

	return which == EVENT ? name.event : which == ACTION ? name.action : name.stage;
}

/* 0 if some class has that name. */
static int check_name(const char *what, const char *value, int which)
{
	char known[200] = "";

	if (!value)
		return 0;
	for (unsigned int class = 0; class < NR_CLASSES; class ++) {
		const char *name = name_in_class(class, which);
		unsigned int first = 0;

		if (!strcmp(name, value))
			return 0;
		while (strcmp(name_in_class(first, which), name))
			first++;
		if (first == class)
			snprintf(known + strlen(known), sizeof(known) - strlen(known), "%s%s",
				 *known ? ", " : "", name);
	}
	log_error("there is no %s %s: choose one of %s", what, value, known);
	return -EINVAL;
}

int filter_check(const struct filter *filter)
{
	int err;

	err = check_name("event", filter->event, EVENT);
	if (!err)
		err = check_name("action", filter->action, ACTION);
	if (!err)
		err = check_name("stage", filter->stage, STAGE);
	return err;
}

static bool passes(const char *only, const char *name)
{
	return !only || !strcmp(only, name);
}

bool filter_has_case(const struct filter *filter, const char *name)
{
	return passes(filter->only_case, name);
}

bool filter_has_class(const struct filter *filter, unsigned int class)
{
	struct class_name name = class_name(class);

	return passes(filter->event, name.event) && passes(filter->action, name.action) &&
	       passes(filter->stage, name.stage);
}

bool filter_is_by_class(const struct filter *filter)
{
	return filter->event || filter->action || filter->stage;
}

unsigned int filter_count(const struct filter *filter, const struct run *run)
{
	unsigned int count = 0;

	for (unsigned int i = 0; i < run->nr_cases; i++) {
		if (!filter_has_case(filter, run->cases[i].name))
			continue;
		for (unsigned int class = 0; class < NR_CLASSES; class ++)
			count += run->cases[i].m->hists[class].count &&
				 filter_has_class(filter, class);
	}
	return count;
}

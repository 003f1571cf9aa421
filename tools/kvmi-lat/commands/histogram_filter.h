/* SPDX-License-Identifier: BSD-2-Clause */
/* Which histograms of a run a command is about: the options --case, --event, --action, --stage. */
#ifndef KVMI_LAT_FILTER_H
#define KVMI_LAT_FILTER_H

#include "run-file/run_file.h"

/* NULL: all */
struct filter {
	const char *only_case;
	const char *event;
	const char *action;
	const char *stage;
};

#define FILTER_HELP                                                                                   \
	"      --case NAME    only this case\n"                                                       \
	"      --event NAME   only this event: breakpoint, hypercall, pause_vcpu, unhook; exit: VM\n" \
	"                     exits that are no event\n"                                              \
	"      --action NAME  only what was answered continue, retry or crash; none for exits\n"      \
	"      --stage NAME   only this stage: dispatch, build, ... total\n"

/* Takes the option 'c', 'e', 'a' or 's', after the names above: false if it is another one. */
bool filter_option(struct filter *filter, int option, const char *value);

/* 0, or -EINVAL for a name that no event, action or stage has: says so itself. */
int filter_check(const struct filter *filter);

bool filter_has_case(const struct filter *filter, const char *name);
bool filter_has_class(const struct filter *filter, unsigned int class);

/* Whether it leaves out some of a case's histograms. */
bool filter_is_by_class(const struct filter *filter);

/* How many of the run's histograms it lets through. */
unsigned int filter_count(const struct filter *filter, const struct run *run);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Values of options that several commands take. Each says itself what is wrong with one. */
#ifndef KVMI_LAT_ARGUMENTS_H
#define KVMI_LAT_ARGUMENTS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

bool parse_pid(const char *text, pid_t *pid);

/* 0 to most */
bool argument_number(const char *text, long most, long *number);

/* A number with ns, us, ms or s behind it, from 1 ns up to a day. */
bool parse_duration(const char *text, uint64_t *ns);

/* The same, or a whole number of seconds. */
bool parse_seconds(const char *text, uint64_t *ns);

/* Points to the subcommand's help; returns the exit status for wrong usage. */
int usage_error(const char *command);

#endif

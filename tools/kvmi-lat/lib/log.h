/* SPDX-License-Identifier: BSD-2-Clause */
/* Messages to the user: everything kvmi-lat has to say goes through here. */
#ifndef KVMI_LAT_LOG_H
#define KVMI_LAT_LOG_H

#include <stdbool.h>

/* One sentence to stderr, "kvmi-lat: " before it and a newline after it. */
void log_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_note(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Only with -v. */
void log_debug(const char *format, ...) __attribute__((format(printf, 1, 2)));

/* Each -v on the command line. */
void log_more(void);

/* Whether -v was given that often. */
bool log_shows(unsigned int times);

#endif

/* SPDX-License-Identifier: BSD-2-Clause */
/* Values of kvmi-bench's options. */
#ifndef OPTIONS_H
#define OPTIONS_H

/* The number that option --@option has been given: 0, or -EINVAL after a message. */
int option_number(const char *option, const char *text, unsigned long min, unsigned long max,
		  unsigned long *value);

#endif /* OPTIONS_H */

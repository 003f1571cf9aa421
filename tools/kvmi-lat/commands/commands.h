/* SPDX-License-Identifier: BSD-2-Clause */
/* The subcommands of kvmi-lat: each gets its own argv and returns the exit status. */
#ifndef KVMI_LAT_COMMANDS_H
#define KVMI_LAT_COMMANDS_H

int cmd_record(int argc, char **argv);
int cmd_top(int argc, char **argv);
int cmd_threshold(int argc, char **argv);
int cmd_report(int argc, char **argv);
int cmd_export(int argc, char **argv);
int cmd_compare(int argc, char **argv);
int cmd_attach(int argc, char **argv);
int cmd_detach(int argc, char **argv);

#endif

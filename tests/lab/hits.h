/* SPDX-License-Identifier: BSD-2-Clause */
/* Ten thousand hits for `kvmi-lat record` to watch, counted by everybody else as well. */
#ifndef HITS_H
#define HITS_H

/*
 * Batches that differ in what the tool does with an event: so many commands before it answers. The
 * event's cost then differs several times over, and what is not part of it must not.
 */
#define HITS_BATCHES	     10
#define HITS_BATCH	     1000
#define HITS_COMMANDS(batch) ((batch) % 2)

/*
 * The program that is recorded: the cases are "batch 0" and so on, guest and tool tell their numbers
 * by the run file's entries. kvmi_event_bp_send as counted by perf goes to @path. It runs by itself,
 * too, for observers of another kind. Exit status.
 */
int hits_main(const char *path, unsigned int batches);

#endif /* HITS_H */

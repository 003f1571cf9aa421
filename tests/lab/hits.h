/* SPDX-License-Identifier: BSD-2-Clause */
/* Hits by the batch for `kvmi-lat record` to watch, counted by everybody else as well. */
#ifndef HITS_H
#define HITS_H

/* A thousand; a tenth of that on a kernel that looks for faults itself, where an event takes much longer. */
unsigned int hits_of_batch(void);

/* A batch is a case of the run file, with guest's and tool's numbers in its entries. */
struct hits_batch {
	const char *name;
	unsigned int commands; /* that the tool sends before it answers */
	void (*think)(void);   /* what else it does before it answers, or NULL */
	void (*begin)(
		void);	   /* just before the hits, with kvmi-lat attached, and just after them; */
	void (*end)(void); /* or NULL */
};

/*
 * The program that is recorded. kvmi_event_bp_send as counted by perf goes to @path. It runs by itself,
 * too, for observers of another kind. Its scheduling policy is that of vCPU, tool and receiver. Exit
 * status.
 */
int hits_main(const char *path, const struct hits_batch *batches, unsigned int nr);

#endif /* HITS_H */

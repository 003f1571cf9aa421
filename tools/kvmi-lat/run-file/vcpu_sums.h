/* SPDX-License-Identifier: BSD-2-Clause */
/* What each vCPU's samples add up to, and as it stands in a run file. */
#ifndef KVMI_LAT_VCPUS_H
#define KVMI_LAT_VCPUS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "kvmi_lat.h"

struct vcpu {
	pid_t pid;	 /* of the process that has the VM */
	pid_t thread;	 /* that ran it last */
	unsigned int vm; /* of that process: 0, 1 ... in the order in which they were seen */
	int id;		 /* -1: not known */
	uint64_t kvm;	 /* the VM's address; 0 where it is not known, or read from a file */
	struct kvmi_lat_sums sums;
};

struct vcpus {
	struct vcpu *list;
	unsigned int nr;
};

/* Adds the sums of one vCPU to what is there of it. 0 or a negative errno. */
int vcpus_add(struct vcpus *vcpus, const struct vcpu *v);

/* The number of its VM among those of its process: the one it has, or the next. */
unsigned int vcpus_vm_number(const struct vcpus *vcpus, const struct vcpu *v);

void vcpus_free(struct vcpus *vcpus);

/* Adds another list; the second one leaves nothing in the sums. 0 or a negative errno. */
int vcpus_copy(struct vcpus *vcpus, const struct vcpus *from);
int vcpus_copy_names(struct vcpus *vcpus, const struct vcpus *from);

/* Those of which unwanted() is true. */
void vcpus_remove(struct vcpus *vcpus, bool (*unwanted)(const struct vcpu *v));

/*
 * Leaves what has been added since before. A vCPU whose place another has taken begins anew: then all of
 * it has been.
 */
void vcpus_subtract(struct vcpus *vcpus, const struct vcpus *before);

/* One sum by the names of its class: event "exit", "breakpoint", "other" and so on, and stage. */
struct vcpu_sum {
	const char *event;
	const char *stage;
	uint64_t *count;
	uint64_t *sum;
};

#define NR_VCPU_SUMS (2 + NR_STAGES + NR_USERS * NR_USER_STAGES)

/* The sums of a vCPU under their names. */
void vcpu_sums(struct kvmi_lat_sums *sums, struct vcpu_sum named[NR_VCPU_SUMS]);

/* Its exits that userspace handled, whatever they were for. */
uint64_t sums_users(const struct kvmi_lat_sums *sums);
uint64_t sums_user_time(const struct kvmi_lat_sums *sums);

/* Appends an object for each vCPU to array. */
void vcpus_to_json(const struct vcpus *vcpus, const char *case_name, json_t *array);

/* Adds what one of these objects says. -EINVAL if it does not say it. */
int vcpus_add_json(struct vcpus *vcpus, const json_t *object);

#endif

// SPDX-License-Identifier: BSD-2-Clause
/* Reads and clears the BPF maps. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>

#include "maps.h"

static bool in_flight(const struct kvmi_lat_vcpu *v)
{
	return v->state >= VCPU_EXITED && v->state != VCPU_BROKEN;
}

static int read_histograms(int fd, int cpus, struct measurement *m)
{
	struct kvmi_lat_hist *values = calloc(cpus, sizeof(*values));
	int err = 0;

	if (!values)
		return -ENOMEM;
	for (__u32 class = 0; class < NR_CLASSES && !err; class ++) {
		err = bpf_map_lookup_elem(fd, &class, values);
		for (int cpu = 0; cpu < cpus && !err; cpu++)
			hist_merge_cpu(&m->hists[class], &values[cpu]);
	}
	free(values);
	return err;
}

static int read_counters(int fd, int cpus, struct measurement *m)
{
	struct kvmi_lat_counters *values = calloc(cpus, sizeof(*values));
	__u32 zero = 0;
	int err;

	if (!values)
		return -ENOMEM;
	err = bpf_map_lookup_elem(fd, &zero, values);
	for (int cpu = 0; cpu < cpus && !err; cpu++) {
		for (int i = 0; i < NR_COUNTERS; i++)
			m->counters[i] += values[cpu].value[i];
	}
	free(values);
	return err;
}

/* All slots at once. The caller frees them; NULL: *err says why. */
static struct kvmi_lat_vcpu *copy_vcpus(int fd, int *err)
{
	struct kvmi_lat_vcpu *vcpus = calloc(NR_VCPUS, sizeof(*vcpus));
	__u32 zero = 0;

	*err = vcpus ? bpf_map_lookup_elem(fd, &zero, vcpus) : -ENOMEM;
	if (!*err)
		return vcpus;
	free(vcpus);
	return NULL;
}

static int read_vcpus(int fd, struct measurement *m)
{
	struct kvmi_lat_vcpu *vcpus;
	int err;

	vcpus = copy_vcpus(fd, &err);
	for (int i = 0; vcpus && i < NR_VCPUS; i++) {
		m->exits += vcpus[i].exits;
		m->in_flight += vcpus[i].cut + in_flight(&vcpus[i]);
		m->counters[CNT_BP_SEND] += vcpus[i].bp_sends;
		m->counters[CNT_EVENTS] += vcpus[i].kvmi_events;
		m->counters[CNT_REPLIES] += vcpus[i].replies;
		m->counters[CNT_COMMANDS] += vcpus[i].commands;
	}
	free(vcpus);
	return err;
}

int maps_read(const struct maps *maps, struct measurement *m)
{
	int cpus = libbpf_num_possible_cpus();
	int err;

	if (cpus < 0)
		return cpus;
	err = read_histograms(maps->histograms, cpus, m);
	if (!err)
		err = read_counters(maps->counters, cpus, m);
	if (!err)
		err = read_vcpus(maps->vcpus, m);
	return err;
}

int maps_read_vcpus(const struct maps *maps, struct vcpus *vcpus)
{
	struct kvmi_lat_vcpu *slots = calloc(NR_VCPUS, sizeof(*slots));
	__u32 zero = 0;
	int err;

	err = slots ? bpf_map_lookup_elem(maps->vcpus, &zero, slots) : -ENOMEM;
	for (int i = 0; !err && i < NR_VCPUS; i++) {
		struct vcpu v = {
			.pid = slots[i].tgid,
			.thread = slots[i].tid,
			.id = slots[i].id,
			.kvm = slots[i].vm,
			.sums = slots[i].sums,
		};

		if (!slots[i].vcpu)
			continue;
		v.vm = vcpus_vm_number(vcpus, &v);
		err = vcpus_add(vcpus, &v);
	}
	free(slots);
	return err;
}

static int clear_array(int fd, __u32 entries, size_t value_size)
{
	int cpus = libbpf_num_possible_cpus();
	void *zero;
	int err = 0;

	if (cpus < 0)
		return cpus;
	zero = calloc(cpus, value_size);
	if (!zero)
		return -ENOMEM;
	for (__u32 i = 0; i < entries && !err; i++)
		err = bpf_map_update_elem(fd, &i, zero, BPF_EXIST);
	free(zero);
	return err;
}

int maps_clear(const struct maps *maps)
{
	struct kvmi_lat_vcpu *none = calloc(NR_VCPUS, sizeof(*none));
	__u32 zero = 0;
	int err;

	err = none ? bpf_map_update_elem(maps->vcpus, &zero, none, BPF_EXIST) : -ENOMEM;
	free(none);
	if (!err)
		err = clear_array(maps->histograms, NR_CLASSES, sizeof(struct kvmi_lat_hist));
	if (!err)
		err = clear_array(maps->counters, 1, sizeof(struct kvmi_lat_counters));
	return err;
}

int maps_interrupted(const struct maps *maps)
{
	struct kvmi_lat_vcpu *vcpus;
	__u32 zero = 0;
	int err;

	vcpus = copy_vcpus(maps->vcpus, &err);
	if (!vcpus)
		return err;
	for (int i = 0; i < NR_VCPUS; i++) {
		vcpus[i].cut += in_flight(&vcpus[i]);
		vcpus[i].state = VCPU_NEW;
	}
	err = bpf_map_update_elem(maps->vcpus, &zero, vcpus, BPF_EXIST);
	free(vcpus);
	return err;
}

int maps_set_detaching(const struct maps *maps, bool detaching)
{
	__u32 zero = 0, value = detaching;

	return bpf_map_update_elem(maps->data, &zero, &value, BPF_EXIST);
}

// SPDX-License-Identifier: BSD-2-Clause
/* A breakpoint event that took too long, with what had its CPUs meanwhile: as text and as JSON. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/task_name.h"
#include "run-file/class_names.h"
#include "slow_event.h"

static int add(struct slow_event *s, const struct slow_ran *ran)
{
	struct slow_ran *list = reallocarray(s->ran, s->nr_ran + 1, sizeof(*list));

	if (!list)
		return -ENOMEM;
	s->ran = list;
	list[s->nr_ran++] = *ran;
	return 0;
}

/* Whoever still has a CPU has not been seen to leave it. On the last one that is the vCPU. */
static int add_last(struct slow_event *s, int cpu, uint64_t from)
{
	const struct kvmi_lat_slow *e = &s->event;
	struct slow_ran ran = {
		.cpu = cpu, .from = from - e->t_exit, .until = e->t_entry - e->t_exit, .comm = "?"};

	if ((__u32)cpu == e->cpu_entry) {
		ran.pid = e->tgid;
		ran.thread = e->tid;
		strcpy(ran.comm, "(vCPU)");
	}
	return add(s, &ran);
}

/* Each entry ends where the next one begins; the oldest one has a beginning only if it is the first. */
int slow_add_cpu(struct slow_event *s, int cpu, const struct kvmi_lat_cpu *c)
{
	uint64_t oldest = c->next > NR_RAN ? c->next - NR_RAN : 0, from = s->event.t_exit;
	int err = 0;

	for (uint64_t i = oldest; !err && i < c->next; i++) {
		const struct kvmi_lat_ran *r = &c->ran[i % NR_RAN];
		struct slow_ran ran = {.cpu = cpu, .pid = r->who >> 32, .thread = (__u32)r->who};

		if (r->until <= s->event.t_exit)
			continue;
		/* What came before the oldest may have ended within the event, too. */
		if (i == oldest && c->next > NR_RAN) {
			s->overflow = true;
			from = r->until;
			continue;
		}
		if (from >= s->event.t_entry)
			break;
		ran.from = from - s->event.t_exit;
		from = r->until < s->event.t_entry ? r->until : s->event.t_entry;
		ran.until = from - s->event.t_exit;
		task_name_copy(ran.comm, r->comm);
		err = add(s, &ran);
	}
	if (!err && from < s->event.t_entry)
		err = add_last(s, cpu, from);
	return err;
}

int slow_add_cpus(struct slow_event *s, int cpus_map)
{
	const struct kvmi_lat_slow *e = &s->event;
	int nr = libbpf_num_possible_cpus(), err;
	struct kvmi_lat_cpu *cpus;
	__u32 zero = 0;

	if (nr < 0)
		return nr;
	cpus = calloc(nr, sizeof(*cpus));
	err = cpus ? bpf_map_lookup_elem(cpus_map, &zero, cpus) : -ENOMEM;
	for (int cpu = 0; !err && cpu < nr; cpu++) {
		__u32 this = cpu;

		if (this == e->where.cpu_send || this == e->where.cpu_reply || this == e->cpu_entry)
			err = slow_add_cpu(s, cpu, &cpus[cpu]);
	}
	free(cpus);
	return err;
}

void slow_free(struct slow_event *s)
{
	free(s->ran);
	s->ran = NULL;
	s->nr_ran = 0;
}

/* What a CPU has to do with the event. */
static void print_part(const struct kvmi_lat_slow *e, __u32 cpu)
{
	const char *comma = "";

	if (cpu == e->where.cpu_send && cpu == e->cpu_entry) {
		printf("vCPU");
		comma = ", ";
	} else if (cpu == e->where.cpu_send || cpu == e->cpu_entry) {
		printf("vCPU at its %s", cpu == e->cpu_entry ? "entry" : "exit");
		comma = ", ";
	}
	if (cpu == e->where.cpu_reply)
		printf("%sreceiver", comma);
}

void slow_text(const struct slow_event *s)
{
	const struct kvmi_lat_slow *e = &s->event;
	char vcpu[16] = "?";
	int cpu = -1;

	if (e->id >= 0)
		snprintf(vcpu, sizeof(vcpu), "%d", e->id);
	printf("slow breakpoint: %s over %llu %s; vCPU %s of process %u, thread %u, seq %u, answered %s\n"
	       "  gpa %#llx, RIP %#llx, afterwards %#llx\n"
	       "  %-14s %12s\n",
	       s->stage, (unsigned long long)s->over, s->unit, vcpu, e->tgid, e->tid, e->seq,
	       action_names[e->action % KVMI_LAT_NR_ACTIONS], (unsigned long long)e->where.gpa,
	       (unsigned long long)e->where.rip, (unsigned long long)e->where.new_rip, "stage",
	       s->unit);
	for (int i = 0; i < NR_STAGES; i++)
		printf("  %-14s %12llu%s\n", stage_names[i], (unsigned long long)e->stages[i],
		       strcmp(stage_names[i], s->stage) ? "" : "  <");
	if (s->overflow)
		printf("  CPUs changed hands more often than is kept: their beginnings are missing\n");
	for (unsigned int i = 0; i < s->nr_ran; i++) {
		const struct slow_ran *r = &s->ran[i];

		if (r->cpu != cpu) {
			cpu = r->cpu;
			printf("  CPU %d (", cpu);
			print_part(e, cpu);
			printf("), %s since the exit\n", s->unit);
		}
		printf("  %12llu to %12llu  %s/%d\n", (unsigned long long)r->from,
		       (unsigned long long)r->until, r->comm, r->thread);
	}
}

json_t *slow_json(const struct slow_event *s)
{
	const struct kvmi_lat_slow *e = &s->event;
	json_t *stages = json_object(), *ran = json_array();

	for (int i = 0; i < NR_STAGES; i++)
		json_object_set_new(stages, stage_names[i], json_integer(e->stages[i]));
	for (unsigned int i = 0; i < s->nr_ran; i++) {
		const struct slow_ran *r = &s->ran[i];

		json_array_append_new(ran, json_pack("{s:i,s:I,s:I,s:i,s:i,s:s}", "cpu", r->cpu,
						     "from", (json_int_t)r->from, "until",
						     (json_int_t)r->until, "pid", r->pid, "thread",
						     r->thread, "command", r->comm));
	}
	return json_pack("{s:s,s:I,s:s,s:i,s:i,s:o,s:i,s:s,s:I,s:I,s:I,s:i,s:i,s:i,s:o,s:o,s:b}",
			 "stage", s->stage, "over", (json_int_t)s->over, "unit", s->unit, "pid",
			 e->tgid, "thread", e->tid, "vcpu",
			 e->id < 0 ? json_null() : json_integer(e->id), "seq", e->seq, "action",
			 action_names[e->action % KVMI_LAT_NR_ACTIONS], "gpa",
			 (json_int_t)e->where.gpa, "rip", (json_int_t)e->where.rip, "new_rip",
			 (json_int_t)e->where.new_rip, "cpu_exit", e->where.cpu_send, "cpu_reply",
			 e->where.cpu_reply, "cpu_entry", e->cpu_entry, "stages", stages, "ran",
			 ran, "ran_incomplete", s->overflow);
}

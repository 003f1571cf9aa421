// SPDX-License-Identifier: BSD-2-Clause
/* Loads the embedded BPF programs, switches them on and off, and accounts by case. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "observer.h"
#include "run-file/limits.h"
#include "vcpu_offsets.h"

/* Uses types of kvmi_lat.h. */
#include "kvmi_lat.skel.h"

static void explain_load_error(int err)
{
	if (err == -EPERM || err == -EACCES)
		log_error("not allowed to load BPF programs: run it as root (CAP_BPF and "
			  "CAP_PERFMON)");
	else if (err == -ENOSYS)
		log_error("this kernel has no BPF (CONFIG_BPF_SYSCALL)");
	else
		log_error("cannot load the BPF programs: %s (-v shows libbpf's messages)",
			  strerror(-err));
}

int observer_open(struct observer *o, struct run *run, const struct observer_options *options)
{
	struct bpf_program *program;
	struct vcpu_offsets offsets;
	int err;

	memset(o, 0, sizeof(*o));
	o->run = run;
	o->stats = -1;
	hooks_init(&o->hooks);
	o->skel = kvmi_lat__open();
	if (!o->skel) {
		err = -errno;
		explain_load_error(err);
		return err;
	}
	offsets = vcpu_offsets_find();
	o->hooks.split_tool = options->tool != 0;
	o->hooks.watch_cpus = options->slow_over != 0;
	o->skel->rodata->only_tgid = options->pid;
	o->skel->rodata->tool_tgid = options->tool;
	o->skel->rodata->slow_over = options->slow_over;
	o->skel->rodata->slow_stage = options->slow_stage;
	o->skel->rodata->offset_of_kvm = offsets.kvm;
	o->skel->rodata->offset_of_id = offsets.id;
	o->skel->rodata->offset_of_exits = offsets.exits;
	err = kvmi_lat__load(o->skel);
	if (err) {
		explain_load_error(err);
		return err;
	}
	for (int i = 0; i < NR_HOOKS; i++) {
		program = bpf_object__find_program_by_name(o->skel->obj, hooks[i].program);
		if (!program) {
			log_error("the BPF object has no program %s", hooks[i].program);
			return -ENOENT;
		}
		o->hooks.programs[i] = bpf_program__fd(program);
	}
	o->maps.vcpus = bpf_map__fd(o->skel->maps.bss);
	o->maps.histograms = bpf_map__fd(o->skel->maps.histograms);
	o->maps.counters = bpf_map__fd(o->skel->maps.counters);
	o->maps.data = bpf_map__fd(o->skel->maps.data);
	return 0;
}

void observer_close(struct observer *o)
{
	observer_detach(o);
	kvmi_lat__destroy(o->skel);
	o->skel = NULL;
}

int observer_attach(struct observer *o)
{
	int err;

	if (o->attached)
		return 0;
	err = hooks_attach(&o->hooks, &o->maps);
	if (err)
		return err;
	o->attached = true;
	o->has_events = hooks_have_events(&o->hooks);
	return 0;
}

void observer_detach(struct observer *o)
{
	if (!o->attached)
		return;
	hooks_detach(&o->hooks, &o->maps);
	o->attached = false;
}

int observer_slow(const struct observer *o)
{
	return bpf_map__fd(o->skel->maps.slow);
}

int observer_cpus(const struct observer *o)
{
	return bpf_map__fd(o->skel->maps.cpus);
}

void observer_rearm(struct observer *o)
{
	o->skel->data_caught->caught = 0;
}

/* What could not be read back is not begun. */
static int check_case(const struct observer *o, const char *name, char *why, size_t size)
{
	int err = check_case_name(name, why, size);

	for (unsigned int i = 0; !err && i < o->run->nr_cases; i++) {
		if (!strcmp(o->run->cases[i].name, name))
			return 0;
	}
	if (!err && o->run->nr_cases >= RUN_MOST_CASES) {
		snprintf(why, size, "a run has %d cases at most", RUN_MOST_CASES);
		err = -E2BIG;
	}
	return err;
}

/*
 * The maps are read and cleared only while nothing is attached: so no update is lost, and what
 * happens between two cases belongs to none.
 */
static int begin(struct observer *o, const char *name, char *why, size_t size)
{
	bool attached = o->attached;
	int err;

	if (o->open_case || o->cost_case) {
		snprintf(why, size, "case %s has not ended",
			 (o->open_case ? o->open_case : o->cost_case)->name);
		return -EBUSY;
	}
	if (!*name) {
		snprintf(why, size, "begin needs a name");
		return -EINVAL;
	}
	err = check_case(o, name, why, size);
	if (err)
		return err;
	observer_detach(o);
	err = maps_clear(&o->maps);
	if (!err) {
		o->open_case = run_case(o->run, name);
		if (!o->open_case)
			err = -ENOMEM;
	}
	if (!err)
		o->cases_seen = true;
	if (attached && observer_attach(o) && !err)
		err = -EIO;
	if (err)
		snprintf(why, size, "cannot begin case %s: %s", name, strerror(-err));
	return err;
}

static int end(struct observer *o, char *why, size_t size)
{
	bool attached = o->attached;
	int err;

	if (!o->open_case) {
		snprintf(why, size, "no case has begun");
		return -EINVAL;
	}
	observer_detach(o);
	err = maps_read(&o->maps, o->open_case->m);
	if (!err)
		err = maps_read_vcpus(&o->maps, &o->open_case->vcpus);
	o->open_case = NULL;
	if (attached && observer_attach(o) && !err)
		err = -EIO;
	if (err)
		snprintf(why, size, "cannot read the BPF maps: %s", strerror(-err));
	return err;
}

static void stop_stats(struct observer *o)
{
	if (o->stats >= 0)
		close(o->stats);
	o->stats = -1;
	o->cost_case = NULL;
}

/*
 * The kernel's statistics of BPF programs cost something themselves, and what they count in a round is no
 * part of what is measured in others: such a round is never one that is measured.
 */
static int begin_cost(struct observer *o, const char *name, char *why, size_t size)
{
	int err;

	if (o->open_case || o->cost_case || !o->attached || !*name) {
		snprintf(why, size, "cost needs a name, attached programs, and no other case");
		return -EINVAL;
	}
	err = check_case(o, name, why, size);
	if (err)
		return err;
	observer_detach(o);
	o->cost_case = run_case(o->run, name);
	o->stats = bpf_enable_stats(BPF_STATS_RUN_TIME);
	if (!o->cost_case)
		err = -ENOMEM;
	else if (o->stats < 0)
		err = -errno;
	else
		err = hooks_read_costs(&o->hooks, &o->cost_before);
	if (observer_attach(o) && !err)
		err = -EIO;
	if (err) {
		stop_stats(o);
		snprintf(why, size, "cannot have the cost of case %s counted: %s", name,
			 strerror(-err));
	}
	return err;
}

static int end_cost(struct observer *o, char *why, size_t size)
{
	struct hook_costs after;
	int err;

	if (!o->cost_case) {
		snprintf(why, size, "no cost is being counted");
		return -EINVAL;
	}
	observer_detach(o);
	err = hooks_read_costs(&o->hooks, &after);
	if (!err)
		hook_costs_add(&o->cost_case->costs, &o->cost_before, &after);
	stop_stats(o);
	if (observer_attach(o) && !err)
		err = -EIO;
	if (err)
		snprintf(why, size, "cannot read what the programs took: %s", strerror(-err));
	return err;
}

int observer_control(struct observer *o, const char *line, char *why, size_t size)
{
	if (!strcmp(line, "attach")) {
		int err = observer_attach(o);

		if (err)
			snprintf(why, size, "cannot attach: %s", strerror(-err));
		return err;
	}
	if (!strcmp(line, "detach")) {
		observer_detach(o);
		return 0;
	}
	if (!strncmp(line, "begin ", 6))
		return begin(o, line + 6, why, size);
	if (!strcmp(line, "end"))
		return end(o, why, size);
	if (!strncmp(line, "cost ", 5))
		return begin_cost(o, line + 5, why, size);
	if (!strcmp(line, "cost_end"))
		return end_cost(o, why, size);
	snprintf(why, size, "unknown command %.60s", line);
	return -EINVAL;
}

int observer_finish(struct observer *o)
{
	char why[200] = "";
	int err = 0;

	observer_detach(o);
	stop_stats(o);
	if (!o->cases_seen) {
		o->open_case = run_case(o->run, "");
		if (!o->open_case)
			err = -ENOMEM;
	}
	if (o->open_case)
		err = end(o, why, sizeof(why));
	if (err)
		log_error("%s", *why ? why : strerror(-err));
	o->run->recursion_misses = hooks_recursion_misses(&o->hooks);
	o->run->has_events = o->has_events;
	return err;
}

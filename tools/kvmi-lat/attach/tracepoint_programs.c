// SPDX-License-Identifier: BSD-2-Clause
/* Attaches the programs to their tracepoints, and detaches them, losing nothing on the way. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <linux/membarrier.h>
#include <stddef.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "lib/log.h"
#include "tracepoint_programs.h"

const struct hook hooks[NR_HOOKS] = {
	{"lat_bp_send", "kvmi_event_bp_send", HOOK_EVENT},
	{"lat_event", "kvmi_event", HOOK_EVENT},
	{"lat_reply", "kvmi_event_reply", HOOK_EVENT},
	{"lat_bp_recv", "kvmi_event_bp_recv", HOOK_EVENT},
	{"lat_command", "kvmi_vcpu_command", HOOK_COMMAND},
	{"lat_command_done", "kvmi_vcpu_reply", HOOK_COMMAND},
	{"lat_switch", "sched_switch", HOOK_TOOL},
	{"lat_cpu", "sched_switch", HOOK_CPU},
	{"lat_waking", "sched_waking", HOOK_TOOL},
	{"lat_userspace", "kvm_userspace_exit", HOOK_KVM},
	{"lat_kvm_entry", "kvm_entry", HOOK_KVM},
	{"lat_kvm_exit", "kvm_exit", HOOK_KVM},
};

void hooks_init(struct hook_fds *fds)
{
	fds->split_tool = fds->watch_cpus = false;
	for (int i = 0; i < NR_HOOKS; i++)
		fds->programs[i] = fds->links[i] = -1;
}

static void close_group(struct hook_fds *fds, enum hook_group group)
{
	for (int i = NR_HOOKS - 1; i >= 0; i--) {
		if (hooks[i].group != group || fds->links[i] < 0)
			continue;
		close(fds->links[i]);
		fds->links[i] = -1;
	}
}

/* 0, 1 if the kernel lacks one of the group's tracepoints, or a negative errno. */
static int attach_group(struct hook_fds *fds, enum hook_group group)
{
	for (int i = 0; i < NR_HOOKS; i++) {
		int fd;

		if (hooks[i].group != group)
			continue;
		fd = bpf_raw_tracepoint_open(hooks[i].tracepoint, fds->programs[i]);
		if (fd < 0)
			fd = -errno;
		/* EINVAL: a tracepoint of that name, with fewer arguments than ours has. */
		if (fd == -ENOENT || (fd == -EINVAL && group != HOOK_KVM)) {
			log_debug("no tracepoint %s that fits", hooks[i].tracepoint);
			close_group(fds, group);
			return 1;
		}
		if (fd < 0) {
			log_error("cannot attach to tracepoint %s: %s", hooks[i].tracepoint,
				  strerror(-fd));
			close_group(fds, group);
			return fd;
		}
		fds->links[i] = fd;
	}
	return 0;
}

int hooks_attach(struct hook_fds *fds, const struct maps *maps)
{
	int err;

	err = maps_interrupted(maps);
	if (!err)
		err = maps_set_detaching(maps, false);
	if (err) {
		log_error("cannot prepare the BPF maps: %s", strerror(-err));
		return err;
	}
	err = attach_group(fds, HOOK_EVENT);
	if (!err)
		err = attach_group(fds, HOOK_COMMAND);
	if (err >= 0 && fds->split_tool)
		err = attach_group(fds, HOOK_TOOL);
	if (err >= 0 && fds->watch_cpus)
		err = attach_group(fds, HOOK_CPU);
	if (err >= 0)
		err = attach_group(fds, HOOK_KVM);
	if (err > 0) {
		log_error(
			"this kernel has no kvm_exit and kvm_entry tracepoints: load KVM's module "
			"(kvm_intel or kvm_amd)");
		err = -ENOENT;
	}
	if (err)
		hooks_detach(fds, maps);
	return err;
}

void hooks_wait_for_programs(void)
{
	struct timespec moment = {.tv_nsec = 20000000};

	/* Programs run with preemption off: this waits until every CPU has been through that. */
	if (!syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0))
		return;
	nanosleep(&moment, NULL);
}

void hooks_detach(struct hook_fds *fds, const struct maps *maps)
{
	maps_set_detaching(maps, true);
	/* kvm_exit goes first: what comes later then belongs to an exit, or is known to be cut off. */
	for (int i = NR_HOOKS - 1; i >= 0; i--) {
		if (fds->links[i] < 0)
			continue;
		close(fds->links[i]);
		fds->links[i] = -1;
	}
	hooks_wait_for_programs();
}

bool hooks_have_events(const struct hook_fds *fds)
{
	return fds->links[0] >= 0;
}

long long hooks_recursion_misses(const struct hook_fds *fds)
{
	long long misses = 0;

	for (int i = 0; i < NR_HOOKS; i++) {
		struct bpf_prog_info info = {};
		__u32 size = sizeof(info);

		if (bpf_obj_get_info_by_fd(fds->programs[i], &info, &size))
			return -1;
		if (size < offsetof(struct bpf_prog_info, recursion_misses) + sizeof(__u64))
			return -1;
		misses += info.recursion_misses;
	}
	return misses;
}

int hooks_read_costs(const struct hook_fds *fds, struct hook_costs *costs)
{
	_Static_assert(NR_HOOKS <= HOOK_COSTS_MAX, "a run file has room for all");

	*costs = (struct hook_costs){.nr = NR_HOOKS};
	for (int i = 0; i < NR_HOOKS; i++) {
		struct hook_cost *c = &costs->list[i];
		struct bpf_prog_info info = {};
		__u32 size = sizeof(info);

		if (bpf_obj_get_info_by_fd(fds->programs[i], &info, &size))
			return -errno;
		snprintf(c->program, sizeof(c->program), "%s", hooks[i].program);
		snprintf(c->tracepoint, sizeof(c->tracepoint), "%s", hooks[i].tracepoint);
		c->runs = info.run_cnt;
		c->time = info.run_time_ns;
	}
	return 0;
}

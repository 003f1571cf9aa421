// SPDX-License-Identifier: BSD-2-Clause
/* Programs and maps that bpftool has loaded and pinned. */
#include <bpf/bpf.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "lib/log.h"
#include "pinned.h"
#include "run-file/fingerprint.h"
#include "tracepoint_programs.h"

#define DETACH_TIMEOUT_MS 2000

static const char *const map_names[] = {
	"kvmi_lat_bss",	   "histograms", "counters", "kvmi_lat_data",
	"kvmi_lat_rodata", "threads",	 "tasks",    "_data_threads",
	"_data_caught",	   "slow",	 "cpus",
};

struct pinned {
	const char *dir;
	struct hook_fds hooks;
	struct maps maps;
};

static void pin_path(char *path, size_t size, const char *dir, const char *prefix, const char *name)
{
	snprintf(path, size, "%s/%s%s", dir, prefix, name);
}

static void link_path(char *path, size_t size, const char *dir, int hook)
{
	pin_path(path, size, dir, "link_", hooks[hook].program);
}

static int open_pin(const char *dir, const char *name)
{
	char path[512];
	int fd;

	pin_path(path, sizeof(path), dir, "", name);
	fd = bpf_obj_get(path);
	if (fd >= 0)
		return fd;
	fd = -errno;
	if (fd == -EPERM || fd == -EACCES)
		log_error("not allowed to open %s: run it as root", path);
	else if (fd == -ENOENT)
		log_error("there is no %s: load the programs with 'bpftool prog loadall "
			  "kvmi_lat.bpf.o %s pinmaps %s'",
			  path, dir, dir);
	else
		log_error("cannot open %s: %s", path, strerror(-fd));
	return fd;
}

/* A map of another version would be read as rubbish. */
static int check_size(int fd, const char *name, __u32 value_size, __u32 entries)
{
	struct bpf_map_info info = {};
	__u32 size = sizeof(info);

	if (!bpf_obj_get_info_by_fd(fd, &info, &size) && info.value_size == value_size &&
	    info.max_entries == entries)
		return 0;
	log_error("the pinned map %s is not of this version of kvmi-lat", name);
	return -EINVAL;
}

static void pinned_close(struct pinned *p)
{
	const int fds[] = {p->maps.vcpus, p->maps.histograms, p->maps.counters, p->maps.data};

	for (int i = 0; i < NR_HOOKS; i++) {
		if (p->hooks.programs[i] >= 0)
			close(p->hooks.programs[i]);
		if (p->hooks.links[i] >= 0)
			close(p->hooks.links[i]);
	}
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		if (fds[i] >= 0)
			close(fds[i]);
	}
}

static int pinned_open(struct pinned *p, const char *dir)
{
	int *const fds[] = {&p->maps.vcpus, &p->maps.histograms, &p->maps.counters, &p->maps.data};

	p->dir = dir;
	hooks_init(&p->hooks);
	p->maps = (struct maps){-1, -1, -1, -1};
	for (size_t i = 0; i < sizeof(fds) / sizeof(fds[0]); i++) {
		*fds[i] = open_pin(dir, map_names[i]);
		if (*fds[i] < 0)
			return *fds[i];
	}
	for (int i = 0; i < NR_HOOKS; i++) {
		p->hooks.programs[i] = open_pin(dir, hooks[i].program);
		if (p->hooks.programs[i] < 0)
			return p->hooks.programs[i];
	}
	if (check_size(p->maps.vcpus, "kvmi_lat_bss", NR_VCPUS * sizeof(struct kvmi_lat_vcpu), 1) ||
	    check_size(p->maps.histograms, "histograms", sizeof(struct kvmi_lat_hist),
		       NR_CLASSES) ||
	    check_size(p->maps.counters, "counters", sizeof(struct kvmi_lat_counters), 1) ||
	    check_size(p->maps.data, "kvmi_lat_data", sizeof(__u32), 1))
		return -EINVAL;
	return 0;
}

static bool is_attached(const char *dir)
{
	char path[512];

	for (int i = 0; i < NR_HOOKS; i++) {
		link_path(path, sizeof(path), dir, i);
		if (!access(path, F_OK))
			return true;
	}
	return false;
}

/* A pinned link's id: 0 if there is none. */
static __u32 link_id(const char *path)
{
	struct bpf_link_info info = {};
	__u32 size = sizeof(info);
	int fd = bpf_obj_get(path);

	if (fd < 0)
		return 0;
	if (bpf_obj_get_info_by_fd(fd, &info, &size))
		info.id = 0;
	close(fd);
	return info.id;
}

/*
 * The kernel frees a link some time after its last name is gone, and until then its program goes
 * on counting: up to a grace period of RCU.
 */
static void wait_for_end(__u32 id)
{
	for (int ms = 0; id && ms < DETACH_TIMEOUT_MS; ms++) {
		int fd = bpf_link_get_fd_by_id(id);

		if (fd < 0)
			return;
		close(fd);
		usleep(1000);
	}
}

/* kvm_exit goes first, as in hooks_detach(). */
static int unpin_links(const char *dir)
{
	char path[512];
	int err = 0;

	for (int i = NR_HOOKS - 1; i >= 0; i--) {
		__u32 id;

		link_path(path, sizeof(path), dir, i);
		id = link_id(path);
		if (!unlink(path)) {
			wait_for_end(id);
		} else if (errno != ENOENT) {
			err = -errno;
			log_error("cannot remove %s: %s", path, strerror(errno));
		}
	}
	return err;
}

static int pin_links(struct pinned *p)
{
	char path[512];

	for (int i = 0; i < NR_HOOKS; i++) {
		int err;

		if (p->hooks.links[i] < 0)
			continue;
		link_path(path, sizeof(path), p->dir, i);
		if (!bpf_obj_pin(p->hooks.links[i], path))
			continue;
		err = -errno;
		log_error("cannot pin %s: %s", path, strerror(-err));
		hooks_detach(&p->hooks, &p->maps);
		unpin_links(p->dir);
		return err;
	}
	return 0;
}

static int attach_open(struct pinned *p)
{
	int err;

	if (is_attached(p->dir)) {
		log_error("the programs in %s are attached already", p->dir);
		return -EEXIST;
	}
	err = hooks_attach(&p->hooks, &p->maps);
	if (!err)
		err = pin_links(p);
	if (!err && !hooks_have_events(&p->hooks))
		log_note("this kernel has no kvmi tracepoints: only exits are timed");
	return err;
}

static int detach_open(struct pinned *p, bool unload)
{
	char path[512];
	int err;

	if (!is_attached(p->dir) && !unload) {
		log_error("nothing in %s is attached", p->dir);
		return -ENOENT;
	}
	maps_set_detaching(&p->maps, true);
	err = unpin_links(p->dir);
	if (err || !unload)
		return err;
	for (int i = 0; i < NR_HOOKS; i++) {
		pin_path(path, sizeof(path), p->dir, "", hooks[i].program);
		unlink(path);
	}
	for (size_t i = 0; i < sizeof(map_names) / sizeof(map_names[0]); i++) {
		pin_path(path, sizeof(path), p->dir, "", map_names[i]);
		unlink(path);
	}
	if (rmdir(p->dir))
		log_note("%s stays: %s", p->dir, strerror(errno));
	return 0;
}

int pinned_read(const char *dir, struct run *run)
{
	struct run_case *c;
	struct pinned p;
	char path[512];
	int err;

	err = run_init(run);
	if (err)
		return err;
	c = run_case(run, "");
	json_decref(run->fingerprint);
	run->fingerprint = fingerprint_collect();
	if (!c || !run->fingerprint)
		return -ENOMEM;
	err = pinned_open(&p, dir);
	if (!err) {
		link_path(path, sizeof(path), dir, 0);
		run->has_events = !access(path, F_OK);
		err = maps_read(&p.maps, c->m);
		if (!err)
			err = maps_read_vcpus(&p.maps, &c->vcpus);
		run->has_events |= c->m->counters[CNT_EVENTS] > 0;
		run->recursion_misses = hooks_recursion_misses(&p.hooks);
		if (err)
			log_error("cannot read the maps in %s: %s", dir, strerror(-err));
	}
	pinned_close(&p);
	return err;
}

int pinned_attach(const char *dir)
{
	struct pinned p;
	int err = pinned_open(&p, dir);

	if (!err)
		err = attach_open(&p);
	pinned_close(&p);
	return err;
}

int pinned_detach(const char *dir, bool unload)
{
	struct pinned p;
	int err = pinned_open(&p, dir);

	if (!err)
		err = detach_open(&p, unload);
	pinned_close(&p);
	return err;
}

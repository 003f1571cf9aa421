// SPDX-License-Identifier: BSD-2-Clause
/* Looks for what a round has left behind: kernel log, threads, VMs, memory; and whether KVM still works. */
#include "checks.h"

#include "../lab/lab.h"
#include "../lab/stress_memory.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define LEFT_S	    10
#define FRESH_S	    20
#define MAX_SAMPLES 200
/*
 * What a round may leave, in bytes: a VM leaves some 400 by itself, and rounds differ. What noise there
 * is counts less the longer the run is.
 */
#define WARM_UP	    3
#define LIMIT_SLAB  4096.0
#define NOISE_SLAB  (1024 * 1024.0)
#define LIMIT_PAGES 16384.0
#define NOISE_PAGES (4 * 1024 * 1024.0)

VMM_DECLARE_GUEST(fuzz);
extern const char guest_fuzz_plain[], guest_fuzz_breakpoint[];

/* --- the log --- */

static int kmsg = -1;

static const char *const bad[] = {
	"BUG",
	"WARNING",
	"KASAN",
	"UBSAN",
	"possible recursive",
	"possible circular",
	"refcount",
	"general protection",
	"Oops",
	"memory leak",
	"blocked for more than",
	"soft lockup",
	"rcu_sched self-detected",
	"INFO: ",
};

void checks_init(void)
{
	kmsg = open("/dev/kmsg", O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (kmsg >= 0)
		lseek(kmsg, 0, SEEK_END);
}

void checks_begin_round(unsigned int round)
{
	char line[80];
	int n = snprintf(line, sizeof(line), "<3>fuzz-kvmi: seed %llu round %u\n",
			 (unsigned long long)fuzz_options.seed, round);

	/* Not dprintf(): that wants to know where it is in the file. */
	if (kmsg >= 0 && write(kmsg, line, n) != n)
		printf("# round %u is not named in the kernel log: %s\n", round, strerror(errno));
}

/* Between two places that are both KVM's own, as tests/lab/races.sh tells them apart. */
static bool not_our_race(const char *text)
{
	const char *title = strstr(text, "BUG: KCSAN: ");

	return title && !memmem(title, strcspn(title, "\n"), "kvmi", 4);
}

void check_log(void)
{
	char line[2048];
	ssize_t n;

	for (;;) {
		const char *text;

		n = kmsg < 0 ? -1 : read(kmsg, line, sizeof(line) - 1);
		/* EPIPE: lines were lost, others follow. */
		if (n < 0 && kmsg >= 0 && errno == EPIPE)
			continue;
		if (n <= 0)
			return;
		line[n] = 0;
		text = strchr(line, ';');
		text = text ? text + 1 : line;
		if (not_our_race(text))
			continue;
		for (unsigned int i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
			if (strstr(text, bad[i]))
				fuzz_found("kernel log: %.*s", (int)strcspn(text, "\n"), text);
	}
}

/* --- leftovers --- */

static bool read_word(const char *path, char *buf, size_t size)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, buf, size - 1);
	close(fd);
	if (n < 0)
		return false;
	buf[n] = 0;
	return true;
}

static bool have_receiver(void)
{
	DIR *dir = opendir("/proc");
	bool found = false;
	struct dirent *d;

	while (dir && !found && (d = readdir(dir))) {
		char path[300], comm[32];

		if (d->d_name[0] < '0' || d->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", d->d_name);
		found = read_word(path, comm, sizeof(comm)) && !strncmp(comm, "kvmi-recv", 9);
	}
	if (dir)
		closedir(dir);
	return found;
}

/* KVM has a directory for each VM there is. */
static bool have_vm(void)
{
	DIR *dir = opendir("/sys/kernel/debug/kvm");
	bool found = false;
	struct dirent *d;

	while (dir && !found && (d = readdir(dir)))
		found = d->d_name[0] >= '0' && d->d_name[0] <= '9' && strchr(d->d_name, '-');
	if (dir)
		closedir(dir);
	return found;
}

static bool goes_away(bool (*have)(void))
{
	double end = fuzz_seconds() + LEFT_S;

	while (have()) {
		if (fuzz_seconds() > end)
			return false;
		usleep(2000);
	}
	return true;
}

void check_leftovers(void)
{
	static bool vm_told;

	if (!goes_away(have_receiver))
		fuzz_found("a kvmi-recv thread is left");
	/* One that is never freed will be there for good. */
	if (!vm_told && !goes_away(have_vm)) {
		fuzz_found("a VM is left though nobody has it");
		vm_told = true;
	}
}

/* --- a fresh VM --- */

/* One event of this kind, from a guest that meets it at once. */
static void one_event(const void *label, uint16_t id)
{
	const struct vmm_guest g = VMM_GUEST(fuzz);
	const struct {
		struct kvmi_vcpu_hdr hdr;
		struct kvmi_vcpu_control_events cmd;
	} req = {.cmd = {.event_id = id, .enable = 1}};
	struct kvmi_event_msg ev;
	struct runner r = {0};
	struct lab l;
	uint32_t seq;

	lab_open_any(&l, &g, 1);
	lab_hook(&l);
	check_eq(vmm_vcpu_start(l.v, vmm_label(&g, label)), 0);
	seq = lab_queue(&l, KVMI_VCPU_CONTROL_EVENTS, &req, sizeof(req));
	runner_start(&r, l.v);
	check_kvmi(kvmi_command_wait(l.c, KVMI_VCPU_CONTROL_EVENTS, seq, NULL, 0), 0);
	lab_expect_event(l.c, &ev, id, 0);
	if (id == KVMI_EVENT_BREAKPOINT)
		lab_skip_bp(l.c, &ev);
	else
		lab_continue(l.c, &ev);
	runner_done(&r);
	vmm_destroy(l.vm);
}

void check_fresh_vm(void)
{
	double end = fuzz_seconds() + FRESH_S;
	int status;
	pid_t pid = fork();

	if (pid < 0) {
		fuzz_found("fork: %s", strerror(errno));
		return;
	}
	if (!pid) {
		one_event(guest_fuzz_plain, KVMI_EVENT_HYPERCALL);
		if (fuzz_options.breakpoints)
			one_event(guest_fuzz_breakpoint, KVMI_EVENT_BREAKPOINT);
		_exit(0);
	}
	while (!waitpid(pid, &status, WNOHANG)) {
		if (fuzz_seconds() > end) {
			checks_dump(pid, "the fresh VM's process");
			kill(pid, SIGKILL);
			fuzz_found("a fresh VM does not do a plain hypercall within %d s", FRESH_S);
			return;
		}
		usleep(500);
	}
	if (status)
		fuzz_found("a fresh VM does not do a plain hypercall or breakpoint: status %#x",
			   status);
}

/* --- a process that does not end --- */

static void dump_thread(const char *task)
{
	static const char *const files[] = {"comm", "wchan", "syscall", "stack"};
	char path[400], text[1024];

	for (unsigned int i = 0; i < sizeof(files) / sizeof(files[0]); i++) {
		snprintf(path, sizeof(path), "%s/%s", task, files[i]);
		if (!read_word(path, text, sizeof(text)))
			continue;
		for (char *p = text; *p; p++)
			if (*p == '\n')
				*p = ' ';
		printf("# %s: %s\n", path, text);
	}
}

void checks_dump(pid_t pid, const char *what)
{
	char path[64], task[340];
	struct dirent *d;
	DIR *dir;

	printf("# %s, %d:\n", what, pid);
	snprintf(path, sizeof(path), "/proc/%d/task", pid);
	dir = opendir(path);
	while (dir && (d = readdir(dir))) {
		if (d->d_name[0] == '.')
			continue;
		snprintf(task, sizeof(task), "%s/%s", path, d->d_name);
		dump_thread(task);
	}
	if (dir)
		closedir(dir);
	fflush(stdout);
}

/* --- memory --- */

static struct memory_sample samples[MAX_SAMPLES];
static unsigned int nr_samples;

void checks_sample(unsigned int rounds)
{
	/* Too many: every other one will do. */
	if (nr_samples == MAX_SAMPLES) {
		for (unsigned int i = 0; i < MAX_SAMPLES / 2; i++)
			samples[i] = samples[2 * i];
		nr_samples /= 2;
	}
	memory_take(&samples[nr_samples++], rounds);
}

bool checks_memory_flat(char *text, size_t size)
{
	unsigned int n = nr_samples > WARM_UP ? nr_samples - WARM_UP : 0;
	const struct memory_sample *s = samples + WARM_UP;
	double span, slab, pages;
	bool flat = true;
	size_t len = 0;

	if (n < 4) {
		snprintf(text, size, "not judged by so few rounds");
		return true;
	}
	span = s[n - 1].cycles - s[0].cycles;
	slab = LIMIT_SLAB + NOISE_SLAB / span;
	pages = LIMIT_PAGES + NOISE_PAGES / span;
	for (int i = 0; i < MEMORY_KINDS; i++) {
		double slope = memory_slope(s, n, i);

		len += snprintf(text + len, size - len, "%s %+.0f, ", memory_kinds[i],
				i == MEMORY_PAGES ? -slope : slope);
		if (slope > (i == MEMORY_PAGES ? pages : slab))
			flat = false;
	}
	/* KASAN keeps what was freed, for as long as it likes; there kmemleak is the judge. */
	if (memory_have_kmemleak()) {
		snprintf(text + len, size - len, "not judged on this kernel");
		return true;
	}
	snprintf(text + len, size - len, "limits %.0f and -%.0f bytes per round", slab, pages);
	return flat;
}

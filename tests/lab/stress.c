// SPDX-License-Identifier: BSD-2-Clause
/* Hook, event, unhook in a loop, the tool killed at a random point each time: nothing may be left of it. */
#include "stress_tool.h"
#include "number.h"

#include "guests/stress.h"
#include "lab.h"
#include "stress_memory.h"

#include <dirent.h>
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Where none are asked for. */
#define BOTH_CYCLES 200
#define HC_CYCLES   300
#define MAX_VCPUS   2
#define MAX_SAMPLES 100
/* Of a VM: so many in a long run; in a shorter one, so many that there are SAMPLES pairs of VMs. */
#define VM_CYCLES	100
#define VM_CYCLES_LEAST 10
#define SAMPLES		10
/* The first VMs fill caches of all kinds. */
#define WARM_UP 2
#define WAIT_S	10
#define JOIN_S	10
/* The guest's turns in which nothing may happen that introspection has to do with. */
#define QUIET_TURNS 10

/*
 * What a cycle may leave, in bytes: less than any object. (A VM leaves some 400 bytes, hooked or not.)
 * Slabs come and go by the page, so in a short run the limit is what their noise would make of it. Of pages
 * as such only those can be seen that are not on some CPU's list of free ones; a page per cycle would be
 * 4096.
 */
#define LIMIT_SLAB  16.0
#define NOISE_SLAB  16384.0
#define LIMIT_PAGES 1024.0
#define NOISE_PAGES (1024 * 1024.0)

VMM_DECLARE_GUEST(stress);
extern const char guest_stress_handler[];

static uint64_t seed = 1;

/**
 * struct stress - a run
 * @what: STRESS_BP, STRESS_HC
 * @cycle: of the run, from 0
 * @plan: of this cycle
 * @points: how often the tool was to end where
 */
struct stress {
	unsigned int what;
	unsigned int cycles;
	unsigned int cycle;
	struct stress_plan plan;
	unsigned int points[STRESS_NR_POINTS];
	struct vmm *vm;
	unsigned int nr_vcpus;
	struct runner runners[MAX_VCPUS];
	struct counter *bp_exits;
};

static double seconds(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec + ts.tv_nsec / 1e9;
}

static _Noreturn void fail_cycle(const struct stress *s, const char *what)
{
	fail("cycle %u of seed %llu, tool killed %s: %s", s->cycle, (unsigned long long)seed,
	     stress_points[s->plan.point], what);
}

/* --- the VM --- */

static struct vmm_vcpu *vcpu(const struct stress *s, unsigned int i)
{
	return vmm_vcpu(s->vm, i);
}

static void set_what(struct stress *s, unsigned int what)
{
	for (unsigned int i = 0; i < s->nr_vcpus; i++)
		vcpu(s, i)->config->arg[STRESS_WHAT] = what;
}

/* A vCPU that spins is to make way for everybody else, or each wake-up would wait for a tick. */
static void make_idle(const struct vmm_vcpu *v)
{
	const struct sched_param param = {0};
	double end = seconds() + WAIT_S;

	while (!v->tid && seconds() < end)
		usleep(100);
	if (sched_setscheduler(v->tid, SCHED_IDLE, &param))
		fail("sched_setscheduler: %s", strerror(errno));
}

static void open_vm(struct stress *s, unsigned int nr_vcpus)
{
	const struct vmm_guest g = VMM_GUEST(stress);

	if (vmm_create(&s->vm, VMM_MEM_DEFAULT, nr_vcpus) || vmm_load(s->vm, &g) ||
	    vmm_set_handler(s->vm, 3, vmm_label(&g, guest_stress_handler)))
		fail("the VM: %s", vmm_error());
	s->nr_vcpus = nr_vcpus;
	set_what(s, s->what);
	for (unsigned int i = 0; i < nr_vcpus; i++) {
		struct runner *r = &s->runners[i];

		memset(r, 0, sizeof(*r));
		r->timeout_ms = 3600 * 1000;
		runner_start(r, vcpu(s, i));
		make_idle(vcpu(s, i));
	}
}

static void close_vm(struct stress *s)
{
	struct timespec end;

	clock_gettime(CLOCK_REALTIME, &end);
	end.tv_sec += JOIN_S;
	for (unsigned int i = 0; i < s->nr_vcpus; i++) {
		struct runner *r = &s->runners[i];

		vmm_kick(r->v);
		if (pthread_timedjoin_np(r->thread, NULL, &end))
			fail_cycle(s, "a vCPU's thread is stuck");
		if (r->ret != -EINTR)
			fail_cycle(s, r->error);
	}
	vmm_destroy(s->vm);
	s->vm = NULL;
}

/* --- after each cycle --- */

/* Waits until a count of the guest's has gone on by @n. */
static void wait_count(const struct stress *s, volatile const uint64_t *count, uint64_t n,
		       const char *what)
{
	double end = seconds() + WAIT_S;
	uint64_t begin = *count;

	while (*count - begin < n) {
		if (seconds() > end)
			fail_cycle(s, what);
		usleep(50);
	}
}

static void check_wrong(const struct stress *s)
{
	for (unsigned int i = 0; i < s->nr_vcpus; i++)
		if (vcpu(s, i)->config->arg[STRESS_WRONG])
			fail_cycle(s, "a hypercall gave neither 0 nor -KVM_ENOSYS");
}

/* The guest's breakpoints go to its own handler, without an exit. */
static void check_bp(const struct stress *s)
{
	uint64_t exits = counter_read(s->bp_exits);

	for (unsigned int i = 0; i < s->nr_vcpus; i++)
		wait_count(s, &vcpu(s, i)->config->bp_count, QUIET_TURNS,
			   "the guest's breakpoints do not reach its handler");
	if (counter_read(s->bp_exits) != exits)
		fail_cycle(s, "breakpoints are still intercepted after UNHOOK");
}

/* And its hypercalls are KVM's again. */
static void check_hc(const struct stress *s)
{
	uint64_t answered[MAX_VCPUS];

	for (unsigned int i = 0; i < s->nr_vcpus; i++)
		answered[i] = vcpu(s, i)->config->arg[STRESS_ANSWERED];
	for (unsigned int i = 0; i < s->nr_vcpus; i++)
		wait_count(s, &vcpu(s, i)->config->arg[STRESS_REFUSED], QUIET_TURNS,
			   "the guest's hypercalls are not refused");
	for (unsigned int i = 0; i < s->nr_vcpus; i++)
		if (vcpu(s, i)->config->arg[STRESS_ANSWERED] != answered[i])
			fail_cycle(s, "hypercalls are still events after UNHOOK");
	check_wrong(s);
}

static void check_alive(const struct stress *s)
{
	/* Past the turn that UNHOOK has interrupted. */
	for (unsigned int i = 0; i < s->nr_vcpus; i++)
		wait_count(s, &vcpu(s, i)->config->hits, 2, "the guest does not go on");
	if (s->what & STRESS_BP)
		check_bp(s);
	if (s->what & STRESS_HC)
		check_hc(s);
}

/* Once a VM: its int3, whatever it has done until now. */
static void check_int3(struct stress *s)
{
	set_what(s, STRESS_BP);
	check_bp(s);
}

/* --- a cycle --- */

static void hook(const struct stress *s, int sock)
{
	if (vmm_hook(s->vm, sock)) {
		note("%s", vmm_error());
		fail_cycle(s, "HOOK failed");
	}
}

static void unhook(const struct stress *s, bool pre)
{
	/* Nobody has enabled the event UNHOOK. */
	if (pre && vmm_preunhook(s->vm) != -ENOENT)
		fail_cycle(s, "PREUNHOOK is not refused");
	if (vmm_unhook(s->vm))
		fail_cycle(s, vmm_error());
}

static void cycle(struct stress *s)
{
	uint64_t state = seed << 32 ^ s->cycle;
	bool hook_first = stress_random(&state) % 2;
	/* The tool is still at work, or so it may be. */
	bool unhook_first = stress_random(&state) % 4 == 0;
	bool pre = stress_random(&state) % 4 == 0;
	unsigned int delay_us = stress_random(&state) % 2000;
	int sv[2];

	s->plan = (struct stress_plan){
		.point = stress_random(&state) % STRESS_NR_POINTS,
		.what = s->what,
		.nr_vcpus = s->nr_vcpus,
		.events = stress_random(&state) % 8,
		.delay_us = stress_random(&state) % 2 ? stress_random(&state) % 300 : 0,
		.seed = stress_random(&state),
	};
	if (s->plan.point == STRESS_ANYWHERE)
		s->plan.delay_us = stress_random(&state) % 3000;
	s->points[s->plan.point]++;

	lab_socketpair(sv);
	if (hook_first)
		hook(s, sv[0]);
	stress_tool_start(&s->plan, sv[1]);
	close(sv[1]);
	if (!hook_first)
		hook(s, sv[0]);
	close(sv[0]);

	if (unhook_first) {
		usleep(delay_us);
		unhook(s, pre);
		stress_tool_wait();
	} else {
		stress_tool_wait();
		/* Until UNHOOK KVM has to get along without the tool. */
		if (delay_us % 2)
			wait_count(s, &vcpu(s, 0)->config->hits, 1, "the guest waits for the dead");
		unhook(s, pre);
	}
	check_alive(s);
}

/* --- nothing is left --- */

/* KVM's threads: one per hooked VM. UNHOOK may return a moment before it is gone. */
static bool have_receiver(void)
{
	DIR *dir = opendir("/proc");
	bool found = false;
	struct dirent *d;

	if (!dir)
		fail("/proc: %s", strerror(errno));
	while (!found && (d = readdir(dir))) {
		char path[300], comm[32] = "";
		FILE *f;

		if (d->d_name[0] < '0' || d->d_name[0] > '9')
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", d->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(comm, sizeof(comm), f) && !strncmp(comm, "kvmi-recv", 9))
			found = true;
		fclose(f);
	}
	closedir(dir);
	return found;
}

static void check_receivers(const struct stress *s)
{
	double end = seconds() + WAIT_S;

	while (have_receiver()) {
		if (seconds() > end)
			fail_cycle(s, "a kvmi-recv thread is left");
		usleep(1000);
	}
}

static void check_memory(const struct memory_sample *samples, unsigned int n, char *text,
			 size_t size)
{
	double span, slab, pages;
	bool leak = false;
	int len = 0;

	if (n < WARM_UP + 3) {
		snprintf(text, size, "memory not judged, by so few cycles");
		return;
	}
	samples += WARM_UP;
	n -= WARM_UP;
	span = samples[n - 1].cycles - samples[0].cycles;
	slab = NOISE_SLAB / span > LIMIT_SLAB ? NOISE_SLAB / span : LIMIT_SLAB;
	pages = LIMIT_PAGES + NOISE_PAGES / span;
	for (int i = 0; i < MEMORY_KINDS; i++) {
		double slope = memory_slope(samples, n, i);

		len += snprintf(text + len, size - len, "%s %+.1f, ", memory_kinds[i],
				i == MEMORY_PAGES ? -slope : slope);
		leak |= slope > (i == MEMORY_PAGES ? pages : slab);
	}
	/* KASAN keeps what was freed, for as long as it likes; there kmemleak is the judge. */
	if (memory_have_kmemleak()) {
		snprintf(text + len, size - len, "not judged on this kernel");
		return;
	}
	snprintf(text + len, size - len, "limits %.0f and -%.0f bytes per cycle", slab, pages);
	if (!leak)
		return;
	for (unsigned int i = 0; i < n; i++)
		note("after %.0f cycles: %s %.0f kB, %s %.0f kB, %s %.0f kB, %s %.0f kB",
		     samples[i].cycles, memory_kinds[0], samples[i].used[0] / 1024, memory_kinds[1],
		     samples[i].used[1] / 1024, memory_kinds[2], samples[i].used[2] / 1024,
		     memory_kinds[3], -samples[i].used[3] / 1024);
	fail("memory is lost: %s", text);
}

/* --- the whole --- */

static void run(unsigned int what, unsigned int cycles)
{
	struct stress s = {.what = what, .cycles = cycles};
	struct memory_sample samples[MAX_SAMPLES];
	unsigned int per_vm = cycles / (MAX_VCPUS * SAMPLES), vms = 0, n = 0;
	char memory[256] = "memory not judged", points[1024] = "";
	double began;
	struct lab l;
	int len = 0;

	if (what & STRESS_BP)
		lab_need_bp();
	if (per_vm < VM_CYCLES_LEAST)
		per_vm = VM_CYCLES_LEAST;
	if (per_vm > VM_CYCLES)
		per_vm = VM_CYCLES;

	stress_server_start();
	/* Skips where there is no introspection. */
	lab_open_any(&l, &VMM_GUEST(stress), 1);
	vmm_destroy(l.vm);
	s.bp_exits = counter_start_bp_exits();
	if (memory_have_kmemleak())
		memory_kmemleak_clear();

	began = seconds();
	while (s.cycle < cycles) {
		open_vm(&s, 1 + vms % MAX_VCPUS);
		do
			cycle(&s);
		while (++s.cycle % per_vm && s.cycle < cycles);
		check_int3(&s);
		check_receivers(&s);
		close_vm(&s);
		/* Always after a VM of the same size. */
		if (++vms % MAX_VCPUS == 0 && n < MAX_SAMPLES)
			memory_take(&samples[n++], s.cycle);
	}
	check_memory(samples, n, memory, sizeof(memory));
	if (memory_have_kmemleak())
		memory_kmemleak_check();
	for (int i = 0; i < STRESS_NR_POINTS; i++)
		len += snprintf(points + len, sizeof(points) - len, "%s%s %u", i ? ", " : "",
				stress_points[i], s.points[i]);
	note("killed %s", points);
	note("%u cycles in %.0f s by this machine's clock, seed %llu: %s%s", cycles,
	     seconds() - began, (unsigned long long)seed, memory,
	     memory_have_kmemleak() ? "; kmemleak: none" : "");
}

static unsigned int wanted[4];

static void test_killed_tool_breakpoint(void)
{
	run(STRESS_BP, wanted[STRESS_BP]);
}

static void test_killed_tool_hypercall(void)
{
	run(STRESS_HC, wanted[STRESS_HC]);
}

static void test_killed_tool_both(void)
{
	run(STRESS_BP | STRESS_HC, wanted[STRESS_BP | STRESS_HC]);
}

static int usage(void)
{
	fprintf(stderr, "usage: stress [--seed N] [breakpoint|hypercall|both CYCLES]...\n");
	return 2;
}

int main(int argc, char **argv)
{
	static const struct tap_test table[4] = {
		[STRESS_BP] = {"test_killed_tool_breakpoint", test_killed_tool_breakpoint},
		[STRESS_HC] = {"test_killed_tool_hypercall", test_killed_tool_hypercall},
		[STRESS_BP | STRESS_HC] = {"test_killed_tool_both", test_killed_tool_both},
	};
	struct tap_test tests[4];
	const char *why;
	size_t n = 0;

	for (int i = 1; i + 1 < argc; i += 2) {
		uint64_t value;

		if (!number_parse(argv[i + 1], UINT32_MAX, &value))
			return usage();
		if (!strcmp(argv[i], "--seed"))
			seed = value;
		else if (!strcmp(argv[i], "breakpoint"))
			wanted[STRESS_BP] = value;
		else if (!strcmp(argv[i], "hypercall"))
			wanted[STRESS_HC] = value;
		else if (!strcmp(argv[i], "both"))
			wanted[STRESS_BP | STRESS_HC] = value;
		else
			return usage();
	}
	if (argc % 2 == 0)
		return usage();
	if (!wanted[1] && !wanted[2] && !wanted[3]) {
		/* Where breakpoints cannot be had, hypercalls make up for them. */
		if (vmm_probe_int3(&why) == VMM_PROBE_OK)
			wanted[STRESS_BP | STRESS_HC] = BOTH_CYCLES;
		else
			wanted[STRESS_HC] = HC_CYCLES;
	}
	for (int i = 1; i < 4; i++)
		if (wanted[i])
			tests[n++] = table[i];
	tap_limit_s = 7200;
	return tap_main(tests, n);
}

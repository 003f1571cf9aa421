// SPDX-License-Identifier: BSD-2-Clause
/* The fuzzer of KVM introspection's kernel side: rounds of a VMM and an introspector, and checks after each. */
#include "checks.h"
#include "faults.h"
#include "fuzz.h"
#include "kcov.h"
#include "tool.h"
#include "vmm_side.h"
#include "number.h"

#include "../lab/lab.h"
#include "../lab/stress_memory.h"
#include "../lab/tap.h"

#include <errno.h>
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ROUND_S	     6	/* a round is told to end after this */
#define END_S	     25 /* and must have ended after so much more */
#define KILL_S	     15 /* a process that is killed must be gone after this */
#define PER_ROUND    2000
#define SAMPLE_EVERY 20
#define SAY_EVERY    20
#define MAX_SAID     5

/**
 * struct child - a process of a round
 * @pid: 0: it has ended
 */
struct child {
	const char *what;
	pid_t pid;
};

struct run {
	unsigned int rounds;
	unsigned int bad_rounds;
	unsigned int fault_rounds;
	bool stuck;
};

static bool ended(struct child *c)
{
	if (c->pid && waitpid(c->pid, NULL, WNOHANG) == c->pid)
		c->pid = 0;
	return !c->pid;
}

static void kill_child(struct child *c)
{
	if (!c->pid)
		return;
	kill(c->pid, SIGKILL);
	fuzz_add(COUNT_KILLS, 1);
}

/* False: it has not ended within the time it has. */
static bool wait_child(struct child *c, double seconds)
{
	double end = fuzz_seconds() + seconds;

	while (!ended(c)) {
		if (fuzz_seconds() > end)
			return false;
		usleep(500);
	}
	return true;
}

/* --- a round --- */

static void reset_shared(void)
{
	atomic_store(&fuzz_shared->sent, 0);
	atomic_store(&fuzz_shared->hooked, 0);
	atomic_store(&fuzz_shared->done, 0);
	atomic_store(&fuzz_shared->unhooked, 0);
	atomic_store(&fuzz_shared->stop, false);
	atomic_store(&fuzz_shared->failed, 0);
	atomic_store(&fuzz_shared->told, false);
}

static void start(const struct fuzz_plan *plan, struct child *vmm, struct child *tool)
{
	int kvm_end[FUZZ_MAX_HOOKS], tool_end[FUZZ_MAX_HOOKS];

	for (unsigned int i = 0; i < plan->nr_hooks; i++) {
		int sv[2];

		if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
			fail("socketpair: %s", strerror(errno));
		kvm_end[i] = sv[0];
		tool_end[i] = sv[1];
	}
	fflush(stdout);
	vmm->pid = fork();
	if (!vmm->pid) {
		for (unsigned int i = 0; i < plan->nr_hooks; i++)
			if (plan->scene != SCENE_SCM)
				close(tool_end[i]);
		fuzz_vmm(plan, kvm_end, plan->scene == SCENE_SCM ? tool_end[0] : -1);
	}
	tool->pid = fork();
	if (!tool->pid) {
		for (unsigned int i = 0; i < plan->nr_hooks; i++)
			close(kvm_end[i]);
		fuzz_tool(plan, tool_end);
	}
	for (unsigned int i = 0; i < plan->nr_hooks; i++) {
		close(kvm_end[i]);
		close(tool_end[i]);
	}
	if (vmm->pid < 0 || tool->pid < 0)
		fail("fork: %s", strerror(errno));
}

/* Until both have ended, or time is over. */
static void attend(const struct fuzz_plan *plan, struct child *vmm, struct child *tool)
{
	bool kill_tool = plan->kill_tool, kill_vmm = plan->kill_vmm;
	double end = fuzz_seconds() + ROUND_S;

	for (;;) {
		bool tool_ended = ended(tool), vmm_ended = ended(vmm);
		bool now = atomic_load(&fuzz_shared->sent) >= plan->kill_after;

		if (tool_ended && vmm_ended)
			return;
		if (tool_ended)
			atomic_store(&fuzz_shared->done, FUZZ_MAX_HOOKS);
		if (vmm_ended || fuzz_seconds() > end)
			break;
		if (now && kill_tool && !tool_ended) {
			kill_tool = false;
			kill_child(tool);
		}
		if (now && kill_vmm && (!plan->kill_tool || tool_ended)) {
			kill_vmm = false;
			kill_child(vmm);
		}
		usleep(500);
	}
	atomic_store(&fuzz_shared->stop, true);
}

/* False: one is not to be killed. */
static bool finish(struct child *c, double seconds)
{
	if (wait_child(c, seconds))
		return true;
	fuzz_found("%s does not end within %.0f s after it was told to", c->what, seconds);
	checks_dump(c->pid, c->what);
	kill_child(c);
	if (wait_child(c, KILL_S))
		return true;
	printf("# %s does not end within %d s after SIGKILL: it hangs in the kernel\n", c->what,
	       KILL_S);
	checks_dump(c->pid, c->what);
	return false;
}

static const char *const scenes[] = {"mixed", "flood", "queue", "scm"};
static const char *const vms[] = {"long mode", "real mode", "irqchip", "dirty ring"};

static void tell(const struct fuzz_plan *plan)
{
	static unsigned int said;

	if (said++ < MAX_SAID || fuzz_options.verbose) {
		printf("# round %u (%s, %s, %u vCPUs, %u hooks%s%s%s): %s\n", plan->round,
		       scenes[plan->scene], vms[plan->vm], plan->nr_vcpus, plan->nr_hooks,
		       plan->kill_tool ? ", introspector killed" : "",
		       plan->kill_vmm ? ", VMM killed" : "", plan->faults ? ", faults" : "",
		       fuzz_shared->text);
		printf("# again: --seed %llu --round %u\n", (unsigned long long)fuzz_options.seed,
		       plan->round);
	}
	fflush(stdout);
}

static void round_of(struct run *run, unsigned int number)
{
	struct child vmm = {.what = "the VMM"}, tool = {.what = "the introspector"};
	struct fuzz_plan plan;

	fuzz_make_plan(&plan, number);
	reset_shared();
	checks_begin_round(number);
	/* Somebody may be watching. A kernel without tracefs does without. */
	lab_write_file("/sys/kernel/tracing/events/kvmi/enable", number % 4 >= 2 ? "1" : "0");
	if (fuzz_options.verbose && number % SAY_EVERY == 0)
		printf("# round %u, %llu messages\n", number,
		       (unsigned long long)fuzz_shared->count[COUNT_SENT]);
	run->fault_rounds += plan.faults;
	start(&plan, &vmm, &tool);
	attend(&plan, &vmm, &tool);
	run->stuck = !finish(&vmm, END_S);
	run->stuck |= !finish(&tool, END_S);
	check_leftovers();
	check_log();
	if (!run->stuck)
		check_fresh_vm();
	check_log();
	run->rounds++;
	if (atomic_load(&fuzz_shared->failed)) {
		run->bad_rounds++;
		tell(&plan);
	}
}

/* --- the run --- */

static void run_rounds(struct run *run)
{
	double end = fuzz_options.seconds ? fuzz_seconds() + fuzz_options.seconds : 0;

	if (fuzz_options.round >= 0) {
		round_of(run, fuzz_options.round);
		return;
	}
	for (unsigned int i = 0; !run->stuck; i++) {
		if (fuzz_options.messages &&
		    fuzz_shared->count[COUNT_SENT] >= fuzz_options.messages)
			break;
		if (end && fuzz_seconds() > end)
			break;
		round_of(run, i);
		if (i % SAMPLE_EVERY == SAMPLE_EVERY - 1 && !run->stuck)
			checks_sample(i + 1);
	}
}

static void summary(const struct run *run, double seconds)
{
	static const char *const names[FUZZ_NR_COUNTS] = {
		[COUNT_SENT] = "messages",	   [COUNT_ANSWERED] = "answered",
		[COUNT_REFUSED] = "refused",	   [COUNT_EVENTS] = "events",
		[COUNT_ANSWERS] = "event replies", [COUNT_CLOSED] = "connections closed by KVM",
		[COUNT_HOOKS] = "hooks",	   [COUNT_HOOKS_REFUSED] = "hooks refused",
		[COUNT_IOCTLS] = "ioctls",	   [COUNT_RUNS] = "returns of KVM_RUN",
		[COUNT_KILLS] = "kills",	   [COUNT_CHECKED] = "vCPUs checked",
	};

	printf("# seed %llu: %u rounds (%u with faults), %.0f s",
	       (unsigned long long)fuzz_options.seed, run->rounds, run->fault_rounds, seconds);
	for (int i = 0; i < FUZZ_NR_COUNTS; i++)
		printf(", %llu %s", (unsigned long long)fuzz_shared->count[i], names[i]);
	printf("\n");
}

static int report(const struct run *run, double seconds)
{
	char memory[400] = "not judged";
	bool flat = checks_memory_flat(memory, sizeof(memory));
	long pcs;

	summary(run, seconds);
	printf("%s 1 - rounds\n", run->bad_rounds ? "not ok" : "ok");
	if (run->bad_rounds)
		printf("# %u of %u rounds failed\n", run->bad_rounds, run->rounds);
	printf("%s 2 - kernel memory is flat\n# %s\n", flat ? "ok" : "not ok", memory);
	if (fuzz_options.kcov) {
		pcs = kcov_write(fuzz_options.kcov);
		printf("# KCOV: %ld addresses\n", pcs);
	}
	if (run->stuck || !memory_have_kmemleak()) {
		printf("ok 3 - kmemleak # SKIP %s\n",
		       run->stuck ? "a process hangs" : "this kernel has none");
		return run->bad_rounds || !flat;
	}
	fflush(stdout);
	/* Says what it has found, and exits with 1, if there is anything. */
	memory_kmemleak_check();
	printf("ok 3 - kmemleak\n");
	return run->bad_rounds || !flat;
}

/* --- the command line --- */

static void usage(FILE *f)
{
	fprintf(f,
		"usage: fuzz_kvmi [OPTION]...\n\n"
		"Fuzzes KVM introspection of the running kernel. Each round a VMM hooks a VM to an\n"
		"introspector, once or several times; both, and the guest, do anything.\n\n"
		"  --messages N     until so many have been sent\n"
		"  --seconds N      or for so long\n"
		"  --seed N         of all random choices; default 1\n"
		"  --round N        only this round\n"
		"  --per-round N    messages of a round, about; default %d\n"
		"  --breakpoints    enables the breakpoint event (not where #BP does not exit)\n"
		"  --faults         the kernel's fault injection in a part of the rounds\n"
		"  --kcov FILE      writes the addresses reached in the kernel\n"
		"  --only LIST, --without LIST   only these kinds of hostility, or all but these\n"
		"  -v               says what it is at\n\n"
		"Kinds:\n",
		PER_ROUND);
	for (int i = 0; i < FUZZ_NR_KINDS; i++)
		fprintf(f, "  %-13s %s\n", fuzz_kinds[i].name, fuzz_kinds[i].what);
}

enum {
	OPT_MESSAGES = 256,
	OPT_SECONDS,
	OPT_SEED,
	OPT_ROUND,
	OPT_PER_ROUND,
	OPT_BP,
	OPT_FAULTS,
	OPT_KCOV,
	OPT_ONLY,
	OPT_WITHOUT
};

static const struct option long_options[] = {
	{"messages", required_argument, NULL, OPT_MESSAGES},
	{"seconds", required_argument, NULL, OPT_SECONDS},
	{"seed", required_argument, NULL, OPT_SEED},
	{"round", required_argument, NULL, OPT_ROUND},
	{"per-round", required_argument, NULL, OPT_PER_ROUND},
	{"breakpoints", no_argument, NULL, OPT_BP},
	{"faults", no_argument, NULL, OPT_FAULTS},
	{"kcov", required_argument, NULL, OPT_KCOV},
	{"only", required_argument, NULL, OPT_ONLY},
	{"without", required_argument, NULL, OPT_WITHOUT},
	{"help", no_argument, NULL, 'h'},
	{0},
};

static unsigned long long number(const char *text, unsigned long long max)
{
	uint64_t n;

	if (!number_parse(text, max, &n)) {
		fprintf(stderr, "fuzz_kvmi: '%s' is not a number up to %llu\n", text, max);
		exit(2);
	}
	return n;
}

static void parse(int argc, char **argv)
{
	struct fuzz_options *o = &fuzz_options;
	int c;

	o->per_round = PER_ROUND;
	while ((c = getopt_long(argc, argv, "hv", long_options, NULL)) != -1) {
		switch (c) {
		case OPT_MESSAGES:
			o->messages = number(optarg, 1000000000000);
			break;
		case OPT_SECONDS:
			o->seconds = number(optarg, 1000000);
			break;
		case OPT_SEED:
			o->seed = number(optarg, UINT64_MAX);
			break;
		case OPT_ROUND:
			o->round = number(optarg, UINT32_MAX);
			break;
		case OPT_PER_ROUND:
			o->per_round = number(optarg, 1000000);
			break;
		case OPT_BP:
			o->breakpoints = true;
			break;
		case OPT_FAULTS:
			o->faults = true;
			break;
		case OPT_KCOV:
			o->kcov = optarg;
			break;
		case OPT_ONLY:
		case OPT_WITHOUT:
			if (!fuzz_select_kinds(optarg, c == OPT_ONLY))
				exit(2);
			break;
		case 'v':
			o->verbose = true;
			break;
		case 'h':
			usage(stdout);
			exit(0);
		default:
			usage(stderr);
			exit(2);
		}
	}
	if (optind != argc || o->per_round < 2) {
		usage(stderr);
		exit(2);
	}
	if (!o->messages && !o->seconds && o->round < 0)
		o->messages = 100000;
}

int main(int argc, char **argv)
{
	struct run run = {0};
	double begin;

	parse(argc, argv);
	fuzz_shared = mmap(NULL, sizeof(*fuzz_shared), PROT_READ | PROT_WRITE,
			   MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (fuzz_shared == MAP_FAILED)
		fail("no memory");
	printf("1..3\n");
	if (fuzz_options.faults && !faults_init()) {
		printf("# no faults: this kernel has no fault injection\n");
		fuzz_options.faults = false;
	}
	if (fuzz_options.kcov && !kcov_init()) {
		printf("# no coverage: this kernel has no KCOV\n");
		fuzz_options.kcov = NULL;
	}
	checks_init();
	if (memory_have_kmemleak())
		memory_kmemleak_clear();
	begin = fuzz_seconds();
	run_rounds(&run);
	if (fuzz_options.faults)
		faults_off();
	return report(&run, fuzz_seconds() - begin);
}

// SPDX-License-Identifier: BSD-2-Clause
/* kvmi-bench vm: runs the demonstration guest and offers it to a tool until told to end. */
#include "vm.h"

#include "offer.h"
#include "options.h"
#include "vmm/vmm.h"

#include <errno.h>
#include <getopt.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>
#include <sys/signalfd.h>
#include <unistd.h>

VMM_DECLARE_GUEST(demo);
extern const char guest_demo_nop[], guest_demo_push[], guest_demo_lea[], guest_demo_jump[];
extern const char guest_demo_indirect[], guest_demo_ret[], guest_demo_own[], guest_demo_handler[];

static const struct {
	const char *name;
	const char *label;
	const char *what;
} symbols[] = {
	{"demo_nop", guest_demo_nop, "endbr64"},
	{"demo_push", guest_demo_push, "push %rbp"},
	{"demo_lea", guest_demo_lea, "lea -7(%rdi),%rax"},
	{"demo_jump", guest_demo_jump, "jz, taken each other time"},
	{"demo_indirect", guest_demo_indirect, "jmp *%rdx"},
	{"demo_ret", guest_demo_ret, "ret"},
	{"demo_own", guest_demo_own, "int3 of the guest's own, each 64th round"},
};

/* The guest runs in the second view of its memory, where virtual and physical addresses differ. */
#define DEMO_BASE GUEST_ALIAS

/* A round of the guest is followed by a rest of so long. */
#define REST_NS 1000000

/* vmm_run() needs some limit; it is begun again after it. */
#define RUN_LIMIT_MS 3600000
#define RUN_STOPPED  1

static const char help[] =
	"Usage: kvmi-bench vm --introspect unix:PATH [OPTION]...\n"
	"\n"
	"Runs a small guest and offers it to an introspection tool that listens on PATH, the way QEMU\n"
	"does: connects, tells which guest it is, has KVM hook the VM, and connects anew, once a second,\n"
	"when the tool has gone. The guest calls a few functions in a loop, about a thousand times a\n"
	"second; their addresses are printed at the start, what it has done at the end. SIGTERM and\n"
	"SIGINT end it, after the tool has had 10 seconds to clean up; a second one ends it at once.\n"
	"\n"
	"      --introspect unix:PATH  where the tool listens\n"
	"      --vcpus N               1 (default) to 16\n"
	"      --guest NAME            what the tool is told (default: demo)\n"
	"      --secret FILE           the tool must know what is in it\n"
	"      --time SEC              end by itself after that\n"
	"      --symbols               only print the addresses\n"
	"      --help\n"
	"\n"
	"RDI counts the rounds, from 1, on each vCPU: a breakpoint's hits are numbered by it.\n"
	"\n"
	"Example:\n"
	"  kvmi-trace -l /run/kvmi.sock break 0x40040080 &\n"
	"  kvmi-bench vm --introspect unix:/run/kvmi.sock --vcpus 2\n"
	"\n"
	"Exit status: 0 the guest did well, and its code is as it was at the start; 1 it did not;\n"
	"2 wrong usage.\n";

static struct {
	const char *path;
	const char *guest;
	const char *secret;
	unsigned long vcpus;
	unsigned long time_s; /* 0: no limit */
} opt = {.guest = "demo", .vcpus = 1};

/**
 * struct machine - the VM at work
 * @vm: the VM
 * @stop: the vCPUs' threads are to end
 * @failed: eventfd: one has, by itself
 * @threads: one per vCPU, @started of them
 */
struct machine {
	struct vmm *vm;
	volatile bool stop;
	int failed;
	pthread_t threads[GUEST_MAX_VCPUS];
	unsigned int started;
};

/* --- vCPUs --- */

static int on_rest(struct vmm_vcpu *v, uint16_t port, uint32_t value, void *ctx)
{
	const struct machine *m = ctx;

	(void)value;
	if (port != GUEST_PORT_USER) {
		fprintf(stderr, "kvmi-bench: vCPU %u writes port %#x\n", v->index, port);
		return -EIO;
	}
	if (m->stop)
		return RUN_STOPPED;
	nanosleep(&(struct timespec){.tv_nsec = REST_NS}, NULL);
	return 0;
}

struct vcpu_thread {
	struct machine *m;
	struct vmm_vcpu *v;
};

static void *run_vcpu(void *arg)
{
	const struct vmm_ops ops = {.out = on_rest};
	struct vcpu_thread t = *(struct vcpu_thread *)arg;
	int ret;

	free(arg);
	do {
		ret = vmm_run(t.v, &ops, t.m, RUN_LIMIT_MS);
	} while (!t.m->stop && (ret == -ETIMEDOUT || ret == -EINTR));

	if (ret < 0 && !t.m->stop) {
		const uint64_t one = 1;

		fprintf(stderr, "kvmi-bench: %s\n", vmm_error());
		if (write(t.m->failed, &one, sizeof(one)) != sizeof(one))
			abort();
	}
	return NULL;
}

static int start_vcpus(struct machine *m)
{
	for (unsigned int i = 0; i < opt.vcpus; i++) {
		struct vcpu_thread *t = malloc(sizeof(*t));
		int ret = t ? 0 : ENOMEM;

		if (t) {
			*t = (struct vcpu_thread){.m = m, .v = vmm_vcpu(m->vm, i)};
			ret = pthread_create(&m->threads[i], NULL, run_vcpu, t);
		}
		if (ret) {
			free(t);
			fprintf(stderr, "kvmi-bench: vCPU %u: %s\n", i, strerror(ret));
			return -ret;
		}
		m->started++;
	}
	return 0;
}

static void stop_vcpus(struct machine *m)
{
	m->stop = true;
	for (unsigned int i = 0; i < m->started; i++)
		vmm_kick(vmm_vcpu(m->vm, i));
	for (unsigned int i = 0; i < m->started; i++)
		pthread_join(m->threads[i], NULL);
}

/* --- the guest --- */

static int create(struct machine *m)
{
	const struct vmm_guest *g = &VMM_GUEST(demo);
	int ret = vmm_create(&m->vm, VMM_MEM_DEFAULT, opt.vcpus);

	if (!ret)
		ret = vmm_load(m->vm, g);
	if (!ret)
		ret = vmm_set_handler(m->vm, 3, DEMO_BASE + vmm_label(g, guest_demo_handler));
	for (unsigned int i = 0; !ret && i < opt.vcpus; i++)
		ret = vmm_vcpu_start(vmm_vcpu(m->vm, i), DEMO_BASE + GUEST_CODE);
	if (ret)
		fprintf(stderr, "kvmi-bench: %s\n", vmm_error());
	return ret;
}

static void print_symbols(void)
{
	const struct vmm_guest *g = &VMM_GUEST(demo);

	for (size_t i = 0; i < sizeof(symbols) / sizeof(symbols[0]); i++)
		printf("%#llx %-14s %s\n",
		       (unsigned long long)(DEMO_BASE + vmm_label(g, symbols[i].label)),
		       symbols[i].name, symbols[i].what);
	fflush(stdout);
}

/* What the guest has done. False: not all of it well. */
static bool report(const struct machine *m)
{
	const struct vmm_guest *g = &VMM_GUEST(demo);
	bool good = true;

	for (unsigned int i = 0; i < opt.vcpus; i++) {
		const volatile struct guest_config *config = vmm_vcpu(m->vm, i)->config;

		printf("vCPU %u: %llu rounds, %llu breakpoints of its own, %llu wrong results\n", i,
		       (unsigned long long)config->hits, (unsigned long long)config->bp_count,
		       (unsigned long long)config->arg[0]);
		if (config->bp_count != config->hits / 64 || config->arg[0])
			good = false;
	}
	if (!good)
		fprintf(stderr, "kvmi-bench: the guest went wrong: so many results, or other than "
				"one breakpoint of its own in 64 rounds\n");

	if (memcmp(vmm_mem(m->vm, GUEST_CODE, 1), g->start,
		   (const char *)g->end - (const char *)g->start)) {
		fprintf(stderr, "kvmi-bench: the guest's code is not as it was at the start\n");
		good = false;
	}
	return good;
}

/* --- what goes on --- */

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* What wait_for() has seen. */
enum { SAW_TIMEOUT = 0, SAW_SIGNAL = 1, SAW_FAILURE = 2, SAW_HANGUP = 4 };

/* Wait until @until (-1: for ever) for a signal, a vCPU's failure, or the end of the connection. */
static int wait_for(const struct machine *m, int signals, int sock, int64_t until)
{
	struct pollfd pfd[] = {
		{.fd = signals, .events = POLLIN},
		{.fd = m->failed, .events = POLLIN},
		{.fd = sock, .events = POLLRDHUP},
	};
	int64_t left = until < 0 ? -1 : until - now_ms();
	struct signalfd_siginfo info;
	int seen = SAW_TIMEOUT;

	if (until >= 0 && left < 0)
		left = 0;
	if (poll(pfd, 3, left) < 0)
		return errno == EINTR ? SAW_TIMEOUT : SAW_FAILURE;
	if (pfd[0].revents && read(signals, &info, sizeof(info)) == sizeof(info))
		seen |= SAW_SIGNAL;
	if (pfd[1].revents)
		seen |= SAW_FAILURE;
	if (pfd[2].revents)
		seen |= SAW_HANGUP;
	return seen;
}

/* The tool is asked to clean up and has some time for it. */
static void end_offer(struct machine *m, int signals, struct offer *o)
{
	int64_t until = now_ms() + OFFER_CLEANUP_MS;

	if (offer_ask_to_go(o) && !wait_for(m, signals, o->sock, until))
		fprintf(stderr, "kvmi-bench: the tool did not go within %d s\n",
			OFFER_CLEANUP_MS / 1000);
	offer_disconnect(o);
}

/* Until a signal, the end of the time, or a failure. */
static int serve(struct machine *m, int signals, struct offer *o)
{
	int64_t end = opt.time_s ? now_ms() + (int64_t)opt.time_s * 1000 : -1;
	int64_t retry = 0;

	for (;;) {
		int64_t now = now_ms(), until = end;
		int seen;

		if (end >= 0 && now >= end)
			break;
		if (o->sock < 0 && now >= retry) {
			bool fatal;

			if (!offer_connect(o, &fatal) && fatal)
				return -EPERM;
			retry = now_ms() + OFFER_RETRY_MS;
		}
		if (o->sock < 0 && (end < 0 || retry < end))
			until = retry;

		seen = wait_for(m, signals, o->sock, until);
		if (seen & SAW_FAILURE) {
			offer_disconnect(o);
			return -EIO;
		}
		if (seen & SAW_HANGUP)
			offer_disconnect(o);
		if (seen & SAW_SIGNAL)
			break;
	}
	end_offer(m, signals, o);
	return 0;
}

static int open_signals(void)
{
	sigset_t set;
	int fd;

	sigemptyset(&set);
	sigaddset(&set, SIGTERM);
	sigaddset(&set, SIGINT);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	fd = signalfd(-1, &set, SFD_CLOEXEC);
	if (fd < 0)
		fprintf(stderr, "kvmi-bench: signalfd: %s\n", strerror(errno));
	return fd;
}

static void describe(struct kvmi_handshake_guest *guest)
{
	struct timespec ts;

	clock_gettime(CLOCK_REALTIME, &ts);
	guest->start_time_ms = (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
	/* A random UUID, version 4. */
	if (getrandom(guest->uuid, sizeof(guest->uuid), 0) == sizeof(guest->uuid)) {
		guest->uuid[6] = (guest->uuid[6] & 0x0f) | 0x40;
		guest->uuid[8] = (guest->uuid[8] & 0x3f) | 0x80;
	}
	snprintf(guest->name, sizeof(guest->name), "%s", opt.guest);
}

static int run(void)
{
	static char secret[KVMI_SECRET_MAX];
	struct offer o = {.path = opt.path, .sock = -1};
	struct machine m = {.failed = -1};
	int signals, ret;

	if (opt.secret) {
		ret = kvmi_secret_read(opt.secret, secret, &o.secret_len);
		if (ret) {
			fprintf(stderr, "kvmi-bench: %s: %s\n", opt.secret, strerror(-ret));
			return 2;
		}
		o.secret = secret;
	}
	describe(&o.guest);

	signals = open_signals();
	m.failed = eventfd(0, EFD_CLOEXEC);
	ret = signals < 0 || m.failed < 0 ? -EMFILE : create(&m);
	if (!ret) {
		o.vm = m.vm;
		print_symbols();
		ret = start_vcpus(&m);
		if (!ret)
			ret = serve(&m, signals, &o);
		stop_vcpus(&m);
		if (!report(&m))
			ret = -EIO;
	}
	vmm_destroy(m.vm);
	return ret ? 1 : 0;
}

/* --- options --- */

static int usage_error(void)
{
	fprintf(stderr, "Try 'kvmi-bench vm --help'.\n");
	return 2;
}

int cmd_vm(int argc, char **argv)
{
	static const struct option options[] = {
		{"introspect", required_argument, NULL, 'i'},
		{"vcpus", required_argument, NULL, 'v'},
		{"guest", required_argument, NULL, 'g'},
		{"secret", required_argument, NULL, 's'},
		{"time", required_argument, NULL, 't'},
		{"symbols", no_argument, NULL, 'y'},
		{"help", no_argument, NULL, 'h'},
		{NULL, 0, NULL, 0},
	};
	int o;

	while ((o = getopt_long(argc, argv, "h", options, NULL)) != -1) {
		switch (o) {
		case 'i':
			if (strncmp(optarg, "unix:", 5) || !optarg[5]) {
				fprintf(stderr,
					"kvmi-bench: --introspect %s: unix:PATH is wanted\n",
					optarg);
				return usage_error();
			}
			opt.path = optarg + 5;
			break;
		case 'v':
			if (option_number("vcpus", optarg, 1, GUEST_MAX_VCPUS, &opt.vcpus))
				return usage_error();
			break;
		case 'g':
			opt.guest = optarg;
			break;
		case 's':
			opt.secret = optarg;
			break;
		case 't':
			if (option_number("time", optarg, 1, 1000000, &opt.time_s))
				return usage_error();
			break;
		case 'y':
			print_symbols();
			return 0;
		case 'h':
			fputs(help, stdout);
			return 0;
		default:
			return usage_error();
		}
	}
	if (optind < argc) {
		fprintf(stderr, "kvmi-bench: unexpected argument \"%s\"\n", argv[optind]);
		return usage_error();
	}
	if (!opt.path) {
		fprintf(stderr, "kvmi-bench: vm needs --introspect unix:PATH\n");
		return usage_error();
	}
	return run();
}

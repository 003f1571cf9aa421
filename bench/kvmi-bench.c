// SPDX-License-Identifier: BSD-2-Clause
/* kvmi-bench: what a guest's exits cost, case by case, seen from the guest's own clock. */
#include "cases.h"
#include "control.h"
#include "entries.h"
#include "google_benchmark.h"
#include "options.h"
#include "other.h"
#include "probes.h"
#include "session.h"
#include "version.h"
#include "vm.h"
#include "vmm/vmm.h"

#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Where counts are not fixed, a measurement takes about so long unless --benchmark_min_time says. */
#define TARGET_SECONDS 0.5
#define MIN_HITS       10000
#define MAX_HITS       5000000
/* At a slow rate, they take as long as they take. */
#define MIN_PACED 100

/* So many once more, to have what kvmi-lat's programs take counted by themselves. */
#define COST_HITS 1000

static const char help[] =
	"Usage: kvmi-bench [OPTION]... [--benchmark_FLAG]...\n"
	"       kvmi-bench vm --introspect unix:PATH [OPTION]...\n"
	"\n"
	"Measures what an exit of a KVM guest costs, from hit to hit, by the guest's own TSC: CPUID, a\n"
	"breakpoint that goes to userspace, a breakpoint that goes to an introspector and back.\n"
	"`kvmi-bench vm` offers a guest to an introspection tool instead; it has its own --help.\n"
	"\n"
	"      --hits=N              do N hits per measurement (default: fixed in the lab; on a host\n"
	"                            as many as fit half a second, or --benchmark_min_time)\n"
	"      --cpu=N               bind the vCPU to this CPU (default: the first allowed)\n"
	"      --introspector_cpu=N  bind the introspector to this one (default: the second allowed,\n"
	"                            the vCPU's own if there is but one)\n"
	"      --rate=N              int3_event_paced: so many hits per second (default: 10000)\n"
	"      --sched=other|fifo    scheduling policy of vCPU, introspector and KVM's receiver\n"
	"                            (default: fifo in the Bochs lab, where the order of wake-ups on\n"
	"                            its one CPU would otherwise depend on what ran before; other\n"
	"                            elsewhere)\n"
	"      --all                 also measure what concerns KVM rather than breakpoints, and other\n"
	"                            ways of answering an event; --list has them. A filter reaches all\n"
	"      --other-hooked        meanwhile, have another VM hooked in another process, with the\n"
	"                            breakpoint event switched on\n"
	"      --progress            a line on stderr for each measurement that is done; Google Benchmark\n"
	"                            has its own only when the last repetition is\n"
	"      --list                list the cases, and which of them can run here\n"
	"      --probe-int3          run one int3 guest; exit 0 if #BP exits arrive here, else 1\n"
	"      --probe-kvmi          exit 0 if this kernel has introspection, switched on, else 1\n"
	"      --probe-noise         how much of the CPU's time a guest loses that never exits; exit 0 if\n"
	"                            that is at most 1 %, else 1. On a host every run begins with it\n"
	"  -V, --version             the version\n"
	"  -h, --help                this text and Google Benchmark's flags\n"
	"\n"
	"Every Google Benchmark flag works. Times are nanoseconds; in the Bochs lab they are executed\n"
	"instructions, because its clock counts those.\n"
	"\n"
	"Examples:\n"
	"  kvmi-bench                                      all cases\n"
	"  kvmi-bench --benchmark_filter='^int3'           only the breakpoints\n"
	"  kvmi-bench --cpu=2 --introspector_cpu=2         everything on one CPU\n"
	"  kvmi-bench --benchmark_repetitions=5 --benchmark_out=now.json\n"
	"  kvmi-lat record -o run.json -- kvmi-bench       with the time split into stages\n"
	"\n"
	"Under `kvmi-lat record` each case is measured twice: BPF programs detached, and attached.\n"
	"A case that cannot run here is skipped and says why. Exit status: 0 all went well (skipping\n"
	"included), 1 a case failed or a probe says no, 2 wrong usage.\n";

static struct {
	uint64_t hits; /* 0: not given */
	struct case_setup setup;
	double target_s;
	bool recorded;	   /* counts must be known beforehand: each case runs once per repetition */
	char lab[16];	   /* the lab's backend, "" on a host */
	const char *sched; /* "fifo" or "other" */
	bool all;
	bool filtered; /* what is to be measured is chosen by name */
	bool other_hooked;
	bool probe_noise;
	bool progress;
	bool failed;
} opt = {.target_s = TARGET_SECONDS, .setup.rate = 10000};

/**
 * struct job - a case as registered with Google Benchmark
 * @observer: "none", "detached" or "attached"
 * @repetition: of the next run
 */
struct job {
	const struct bench_case *c;
	const char *observer;
	unsigned int repetition;
};

/* --- running a case --- */

static bool attached(const struct job *j)
{
	return !strcmp(j->observer, "attached");
}

static void job_fail(struct gbench_state *st, const struct job *j, const char *why)
{
	char text[768];

	snprintf(text, sizeof(text), "failed: %s", why);
	fprintf(stderr, "kvmi-bench: %s (observer %s) failed: %s\n", j->c->name, j->observer, why);
	gbench_skip(st, text);
	opt.failed = true;
}

static void report(struct gbench_state *st, const struct job *j, const struct stats *s,
		   const struct entry *e)
{
	static const struct {
		const char *name;
		double q;
	} columns[] = {
		{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99.9", 0.999}, {"max", 1},
	};
	double scale = 1e6 / e->tsc_khz;

	for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++)
		gbench_counter(st, columns[i].name, stats_quantile(s, columns[i].q) * scale);
	gbench_counter(st, "hits", e->hits);
	if (e->events >= 0)
		gbench_counter(st, "events", e->events);
	if (e->late >= 0)
		gbench_counter(st, "late", e->late);
	if (e->have_kcounts) {
		gbench_counter(st, "kernel_instructions", e->kcounts.instructions);
		gbench_counter(st, "kernel_cycles", e->kcounts.cycles);
	}
	if (e->late > (int64_t)e->hits / 2)
		fprintf(stderr,
			"kvmi-bench: %s: %lld of %llu hits were due before the one before had ended; "
			"for a rate that this machine keeps: --rate\n",
			e->name, (long long)e->late, (unsigned long long)e->hits);
	if (!strcmp(opt.lab, "bochs"))
		gbench_label(st, "unit: instructions");
	if (opt.recorded && entries_add(e))
		job_fail(st, j, "out of memory for the entries");
}

/* All rounds of one call. False: failed, and said so. */
static bool run_rounds(struct gbench_state *st, const struct job *j, struct case_session *cs,
		       struct stats *s)
{
	uint64_t left = gbench_iterations(st), max = case_max_round(j->c);

	for (;;) {
		uint64_t n = left < max ? left : max;
		uint64_t before = s->sum;

		/* After the last round n is 0, which would never end. */
		if (!gbench_keep_running_batch(st, n ? n : 1))
			return true;
		if (case_round(cs, n, s, attached(j))) {
			job_fail(st, j, case_error());
			return false;
		}
		gbench_set_time(st, (s->sum - before) / (case_tsc_khz(cs) * 1e3));
		left -= n;
	}
}

static void run_job(struct gbench_state *st, void *arg)
{
	struct job *j = arg;
	const char *why = case_skip_reason(j->c, &opt.setup);
	uint64_t hits = gbench_iterations(st), max = case_max_round(j->c);
	struct kcounts_values kcounts = {0};
	bool counted;
	struct case_session *cs;
	struct stats s = {0};
	struct entry e;
	bool ok;

	if (why) {
		char text[VMM_ERROR_MAX + 16];

		snprintf(text, sizeof(text), "skipped: %s", why);
		gbench_skip(st, text);
		return;
	}

	if (attached(j) && control("attach")) {
		job_fail(st, j, control_error());
		return;
	}
	if (case_open(&cs, j->c, &opt.setup, hits < max ? hits : max)) {
		job_fail(st, j, case_error());
		ok = false;
	} else {
		ok = run_rounds(st, j, cs, &s);
		if (ok && attached(j) && !j->repetition && case_cost(cs, COST_HITS)) {
			job_fail(st, j, case_error());
			ok = false;
		}
		counted = case_kcounts(cs, &kcounts);
		e = (struct entry){
			.name = j->c->name,
			.observer = j->observer,
			.repetition = j->repetition,
			.stats = &s,
			.hits = case_hits(cs),
			.events = case_events(cs),
			.tsc_khz = case_tsc_khz(cs),
			.cpu = opt.setup.cpu,
			.sched = opt.sched,
			.introspector_cpu = case_introspector_cpu(j->c, &opt.setup),
			.vcpus = case_vcpus(j->c),
			.vms = case_vms(j->c),
			.late = case_late(cs),
			.have_kcounts = counted,
			.kcounts = kcounts,
		};
		if (case_close(cs) && ok) {
			job_fail(st, j, case_error());
			ok = false;
		}
	}
	if (attached(j) && control("detach") && ok) {
		job_fail(st, j, control_error());
		ok = false;
	}
	if (ok) {
		stats_finish(&s);
		report(st, j, &s, &e);
		j->repetition++;
		if (opt.progress)
			fprintf(stderr, "kvmi-bench: measured %s, observer %s, %u\n", j->c->name,
				j->observer, j->repetition);
	}
	stats_free(&s);
}

/* --- how many hits --- */

/* As many as take the target time here, found by doing some. 0: it failed; the case will say so. */
static uint64_t calibrate(const struct bench_case *c)
{
	const uint64_t trial = 2000;
	struct case_session *cs;
	struct stats s = {0};
	double hits = 0;

	if (case_open(&cs, c, &opt.setup, trial))
		return 0;
	if (!case_round(cs, trial, &s, false) && s.sum)
		hits = opt.target_s * case_vcpus(c) * case_tsc_khz(cs) * 1e3 / stats_mean(&s);
	case_close(cs);
	stats_free(&s);

	if (hits < MIN_HITS)
		return MIN_HITS;
	return hits < MAX_HITS ? (uint64_t)hits : MAX_HITS;
}

static uint64_t hits_for(const struct bench_case *c)
{
	uint64_t hits;

	if (opt.hits)
		return opt.hits;
	if (opt.lab[0])
		return c->lab_hits;
	if (c->paced)
		return opt.target_s * opt.setup.rate < MIN_PACED ? MIN_PACED
								 : opt.target_s * opt.setup.rate;
	if (!opt.recorded || case_skip_reason(c, &opt.setup))
		return opt.recorded ? MIN_HITS : 0; /* 0: left to Google Benchmark */
	hits = calibrate(c);
	return hits ? hits : MIN_HITS;
}

static int register_job(const struct bench_case *c, const char *observer, uint64_t hits)
{
	struct job *j = calloc(1, sizeof(*j)); /* lives as long as the registration: for ever */
	char name[96];

	if (!j)
		return -ENOMEM;
	j->c = c;
	j->observer = observer;
	if (!strcmp(observer, "none"))
		snprintf(name, sizeof(name), "%s", c->name);
	else
		snprintf(name, sizeof(name), "%s/observer:%s", c->name, observer);
	gbench_register(name, run_job, j, hits);
	return 0;
}

static int register_cases(void)
{
	size_t n;
	const struct bench_case *c = cases(&n);

	for (size_t i = 0; i < n; i++) {
		uint64_t hits = hits_for(&c[i]);
		const char *why = case_skip_reason(&c[i], &opt.setup);
		int ret = 0;

		if (c[i].extra && !opt.all && !opt.filtered)
			continue;
		ret = entries_add_case(c[i].name);
		if (!ret && why) {
			fprintf(stderr, "kvmi-bench: %s is skipped: %s\n", c[i].name, why);
			ret = entries_add_skipped(c[i].name, why);
		}
		if (!ret && control_present() && !why) {
			ret = register_job(&c[i], "detached", hits);
			if (!ret)
				ret = register_job(&c[i], "attached", hits);
		} else if (!ret) {
			ret = register_job(&c[i], "none", hits);
		}
		if (ret) {
			fprintf(stderr, "kvmi-bench: out of memory\n");
			return ret;
		}
	}
	return 0;
}

/* --- options --- */

/* The value of kvmi_lab= on the kernel command line: this is one of our labs. */
static void find_lab(void)
{
	char line[4096] = "", *p;
	FILE *f = fopen("/proc/cmdline", "r");

	if (!f)
		return;
	if (fgets(line, sizeof(line), f)) {
		for (p = strtok(line, " \n"); p; p = strtok(NULL, " \n"))
			if (!strncmp(p, "kvmi_lab=", 9))
				snprintf(opt.lab, sizeof(opt.lab), "%s", p + 9);
	}
	fclose(f);
}

/* The first two CPUs this process may use. */
static int find_cpus(void)
{
	const cpu_set_t *set = &opt.setup.allowed;
	int found = 0;

	if (sched_getaffinity(0, sizeof(*set), &opt.setup.allowed)) {
		fprintf(stderr, "kvmi-bench: sched_getaffinity: %s; use --cpu\n", strerror(errno));
		return -errno;
	}
	for (int cpu = 0; cpu < CPU_SETSIZE && found < 2; cpu++) {
		if (!CPU_ISSET(cpu, set))
			continue;
		if (!found++)
			opt.setup.cpu = cpu;
		opt.setup.introspector_cpu = cpu;
	}
	return 0;
}

/* The introspector inherits it. */
static int set_scheduler(void)
{
	bool fifo = !strcmp(opt.sched, "fifo");
	struct sched_param param = {.sched_priority = fifo ? 1 : 0};

	if (!sched_setscheduler(0, fifo ? SCHED_FIFO : SCHED_OTHER, &param))
		return 0;
	fprintf(stderr,
		"kvmi-bench: cannot set scheduling policy %s: %s; run as root, or with "
		"--sched=other\n",
		opt.sched, strerror(errno));
	return -errno;
}

enum {
	OPT_HITS = 1,
	OPT_CPU,
	OPT_INTROSPECTOR_CPU,
	OPT_RATE,
	OPT_SCHED,
	OPT_ALL,
	OPT_OTHER_HOOKED,
	OPT_PROGRESS,
	OPT_LIST,
	OPT_PROBE_INT3,
	OPT_PROBE_KVMI,
	OPT_PROBE_NOISE,
};

static const struct option options[] = {
	{"hits", required_argument, NULL, OPT_HITS},
	{"cpu", required_argument, NULL, OPT_CPU},
	{"introspector_cpu", required_argument, NULL, OPT_INTROSPECTOR_CPU},
	{"rate", required_argument, NULL, OPT_RATE},
	{"sched", required_argument, NULL, OPT_SCHED},
	{"all", no_argument, NULL, OPT_ALL},
	{"other-hooked", no_argument, NULL, OPT_OTHER_HOOKED},
	{"progress", no_argument, NULL, OPT_PROGRESS},
	{"list", no_argument, NULL, OPT_LIST},
	{"probe-int3", no_argument, NULL, OPT_PROBE_INT3},
	{"probe-kvmi", no_argument, NULL, OPT_PROBE_KVMI},
	{"probe-noise", no_argument, NULL, OPT_PROBE_NOISE},
	{NULL, 0, NULL, 0},
};

/* -1: go on and measure; else the exit status. */
static int parse_options(int argc, char **argv)
{
	bool own_introspector_cpu = false;
	unsigned long value;
	int o;

	while ((o = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (o) {
		case OPT_HITS:
			if (option_number("hits", optarg, 1, 1000000000, &value))
				return 2;
			opt.hits = value;
			break;
		case OPT_CPU:
			if (option_number("cpu", optarg, 0, 65535, &value))
				return 2;
			/* The default for the other one may not be this CPU's neighbour any more. */
			if (!own_introspector_cpu && opt.setup.introspector_cpu == (int)value)
				opt.setup.introspector_cpu = opt.setup.cpu;
			opt.setup.cpu = value;
			break;
		case OPT_INTROSPECTOR_CPU:
			if (option_number("introspector_cpu", optarg, 0, 65535, &value))
				return 2;
			opt.setup.introspector_cpu = value;
			own_introspector_cpu = true;
			break;
		case OPT_RATE:
			if (option_number("rate", optarg, 10, 1000000, &value))
				return 2;
			opt.setup.rate = value;
			break;
		case OPT_SCHED:
			if (strcmp(optarg, "fifo") && strcmp(optarg, "other")) {
				fprintf(stderr, "kvmi-bench: --sched=%s: other or fifo is wanted\n",
					optarg);
				return 2;
			}
			opt.sched = optarg;
			break;
		case OPT_ALL:
			opt.all = true;
			break;
		case OPT_OTHER_HOOKED:
			opt.other_hooked = true;
			break;
		case OPT_PROGRESS:
			opt.progress = true;
			break;
		case OPT_LIST:
			return list_cases(&opt.setup);
		case OPT_PROBE_INT3:
			return probe_int3();
		case OPT_PROBE_KVMI:
			return probe_kvmi();
		case OPT_PROBE_NOISE:
			opt.probe_noise = true;
			break;
		default:
			fprintf(stderr, "Try 'kvmi-bench --help'.\n");
			return 2;
		}
	}
	if (optind < argc) {
		fprintf(stderr,
			"kvmi-bench: unexpected argument \"%s\"\nTry 'kvmi-bench --help'.\n",
			argv[optind]);
		return 2;
	}
	return -1;
}

/* Google Benchmark opens it only after the hits have been calibrated. */
static int check_output(const char *path)
{
	struct stat st;
	int fd;

	/* What is no file is not opened twice: the reader of a FIFO would take the first for all. */
	if (!path || !*path || (!stat(path, &st) && !S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode)))
		return 0;
	fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0666);
	if (fd < 0) {
		fprintf(stderr, "kvmi-bench: cannot write %s (--benchmark_out): %s\n", path,
			strerror(errno));
		return -errno;
	}
	close(fd);
	return 0;
}

static void add_context(const char *key, int value)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", value);
	gbench_context(key, text);
}

int main(int argc, char **argv)
{
	static const char min_time[] = "--benchmark_min_time=", filter[] = "--benchmark_filter=";
	static const char out[] = "--benchmark_out=";
	static char long_help[] = "--help";
	const char *output = NULL;
	int status;

	if (argc > 1 && !strcmp(argv[1], "vm"))
		return cmd_vm(argc - 1, argv + 1);

	for (int i = 1; i < argc; i++) {
		if (!strcmp(argv[i], "--version") || !strcmp(argv[i], "-V")) {
			puts("kvmi-bench " KVMI_LAT_VERSION);
			return 0;
		}
		/* Google Benchmark knows the long one only. */
		if (!strcmp(argv[i], "-h"))
			argv[i] = long_help;
		if (!strcmp(argv[i], "--help"))
			fputs(help, stdout);
		/* Google Benchmark has no use for it where counts are fixed; calibration has. */
		if (!strncmp(argv[i], min_time, strlen(min_time)))
			opt.target_s = atof(argv[i] + strlen(min_time));
		if (!strncmp(argv[i], out, strlen(out)))
			output = argv[i] + strlen(out);
		/* One that only leaves out does not ask for more than there would be. */
		if (!strncmp(argv[i], filter, strlen(filter)))
			opt.filtered = argv[i][strlen(filter)] != '-';
	}
	fflush(stdout);
	gbench_init(&argc, argv); /* prints its own help and exits, too */

	find_lab();
	if (find_cpus())
		return 1;
	opt.sched = strcmp(opt.lab, "bochs") ? "other" : "fifo";
	status = parse_options(argc, argv);
	if (status >= 0)
		return status;
	if (set_scheduler())
		return 1;
	if (opt.probe_noise)
		return probe_noise(&opt.setup);
	if (control_open() || entries_open() || check_output(output))
		return 2;
	signal(SIGPIPE, SIG_IGN); /* a recorder that is gone is an error with a message */
	opt.recorded = control_present() || entries_wanted();

	/* They are attached when we start; what comes before the first case is no one's business. */
	if (control("detach")) {
		fprintf(stderr, "kvmi-bench: %s\n", control_error());
		return 1;
	}
	add_context("cpu", opt.setup.cpu);
	add_context("introspector_cpu", opt.setup.introspector_cpu);
	gbench_context("sched", opt.sched);
	if (opt.lab[0]) {
		gbench_context("kvmi_lab", opt.lab);
		if (!strcmp(opt.lab, "bochs"))
			fprintf(stderr,
				"kvmi-bench: this is the Bochs lab: every \"ns\" below is one "
				"executed instruction\n");
	}
	if (!opt.lab[0])
		warn_of_noise(&opt.setup);
	if (opt.other_hooked && other_start(&opt.setup))
		return 1;
	if (register_cases())
		return 1;

	if (!gbench_run()) {
		fprintf(stderr, "kvmi-bench: --benchmark_filter selects no case; see --list\n");
		return 2;
	}
	if (opt.other_hooked && other_stop())
		opt.failed = true;
	return entries_write() || opt.failed ? 1 : 0;
}

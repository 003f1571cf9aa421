// SPDX-License-Identifier: BSD-2-Clause
/* kvmi-lat threshold: waits for a breakpoint event that takes too long, and shows what it was. */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "attach/observer.h"
#include "attach/watched_processes.h"
#include "commands.h"
#include "lib/arguments.h"
#include "lib/log.h"
#include "lib/signals.h"
#include "run-file/class_names.h"
#include "run-file/fingerprint.h"
#include "slow_event.h"

static const char threshold_help[] =
	"Usage: kvmi-lat threshold --over TIME [OPTION...] [-- ACTION [ARG...]]\n"
	"\n"
	"Waits for a breakpoint event that takes more than TIME, and shows its stages, vCPU and\n"
	"addresses, and what ran on its CPUs meanwhile. Then runs ACTION.\n"
	"\n"
	"  -o, --over TIME   50us, 1ms ... (in the lab, where a nanosecond stands for an instruction,\n"
	"                    2000ns are 2000 instructions)\n"
	"      --stage NAME  of which stage: dispatch, build, introspector, commands, wake, act or\n"
	"                    total (default)\n"
	"  -n, --count N     end after N of them (default: 1)\n"
	"  -p, --pid PID     watch only the VMs of this process\n"
	"      --json        a line of JSON for each\n"
	"  -v, --verbose     more messages\n"
	"  -h, --help        this text\n"
	"\n"
	"ACTION finds the event as a line of JSON on its standard input, and in its environment\n"
	"KVMI_LAT_PID, KVMI_LAT_THREAD, KVMI_LAT_VCPU, and KVMI_LAT_VALUE, which was too much.\n"
	"While it runs nothing else is caught.\n"
	"\n"
	"Exit status: 0, 1 if it was ended before it had N or if ACTION failed, 2 for other failures.\n"
	"\n"
	"Examples:\n"
	"  kvmi-lat threshold --over 50us\n"
	"  kvmi-lat threshold --over 1ms --stage introspector -- gcore -o /tmp/tool 1234\n"
	"  kvmi-lat threshold --over 100us -n 10 --json > slow.json\n";

struct threshold {
	struct observer observer;
	struct observer_options watch;
	struct run run;
	struct ring_buffer *ring;
	char **action;
	sigset_t old_mask;
	int signals;
	long left;
	bool json, failed;
	struct slow_event seen;
	bool has_seen;
};

/* --- the action --- */

/* A file in memory with the event in it, at its beginning; a negative errno if it cannot be had. */
static int as_file(const struct slow_event *s)
{
	int fd = memfd_create("event", MFD_CLOEXEC), err = -ENOMEM;
	json_t *object = slow_json(s);

	if (fd >= 0 && object && !json_dumpfd(object, fd, JSON_COMPACT) &&
	    write(fd, "\n", 1) == 1 && !lseek(fd, 0, SEEK_SET))
		err = fd;
	else if (fd >= 0)
		close(fd);
	json_decref(object);
	return err;
}

static void set_variable(const char *name, long long value)
{
	char text[32];

	snprintf(text, sizeof(text), "%lld", value);
	setenv(name, text, 1);
}

static void become_action(struct threshold *t, int input)
{
	const struct kvmi_lat_slow *e = &t->seen.event;

	set_variable("KVMI_LAT_PID", e->tgid);
	set_variable("KVMI_LAT_THREAD", e->tid);
	set_variable("KVMI_LAT_VCPU", e->id);
	set_variable("KVMI_LAT_VALUE", e->stages[t->watch.slow_stage]);
	sigprocmask(SIG_SETMASK, &t->old_mask, NULL);
	if (dup2(input, STDIN_FILENO) >= 0)
		execvp(t->action[0], t->action);
	log_error("cannot run %s: %s", t->action[0], strerror(errno));
	_exit(127);
}

static void act(struct threshold *t)
{
	int input = as_file(&t->seen), status;
	pid_t child;

	child = input < 0 ? -1 : fork();
	if (!child)
		become_action(t, input);
	if (input >= 0)
		close(input);
	if (child < 0 || waitpid(child, &status, 0) != child) {
		log_error("cannot run %s", t->action[0]);
		t->failed = true;
	} else if (WIFSIGNALED(status)) {
		log_error("%s was ended by signal %d", t->action[0], WTERMSIG(status));
		t->failed = true;
	} else if (WEXITSTATUS(status)) {
		if (WEXITSTATUS(status) != 127)
			log_error("%s failed with exit status %d", t->action[0],
				  WEXITSTATUS(status));
		t->failed = true;
	}
}

/* --- the event --- */

/* The first one since it was armed; what came with it at the same moment is another's. */
static int take(void *context, void *data, size_t size)
{
	struct threshold *t = context;

	if (size >= sizeof(t->seen.event) && !t->has_seen) {
		memcpy(&t->seen.event, data, sizeof(t->seen.event));
		t->has_seen = true;
	}
	return 0;
}

static int show(struct threshold *t)
{
	json_t *object;

	if (t->json) {
		object = slow_json(&t->seen);
		if (object) {
			json_dumpf(object, stdout, JSON_COMPACT);
			putchar('\n');
		}
		json_decref(object);
	} else {
		slow_text(&t->seen);
	}
	if (fflush(stdout) || ferror(stdout)) {
		log_error("cannot write to standard output");
		return -EIO;
	}
	return 0;
}

static int handle(struct threshold *t)
{
	int err;

	err = slow_add_cpus(&t->seen, observer_cpus(&t->observer));
	if (err)
		log_error("cannot read the BPF maps: %s", strerror(-err));
	else
		err = show(t);
	if (!err && t->action)
		act(t);
	slow_free(&t->seen);
	t->has_seen = false;
	t->left--;
	return err;
}

static int loop(struct threshold *t)
{
	struct pollfd fds[2] = {
		{.fd = t->signals, .events = POLLIN},
		{.fd = ring_buffer__epoll_fd(t->ring), .events = POLLIN},
	};
	int err = 0;

	while (!err && t->left) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[0].revents)
			break;
		err = ring_buffer__consume(t->ring);
		if (err > 0)
			err = 0;
		if (err || !t->has_seen)
			continue;
		err = handle(t);
		observer_rearm(&t->observer);
	}
	return err;
}

static int wait_for_slow(struct threshold *t)
{
	int err;

	if (run_init(&t->run))
		return -ENOMEM;
	err = watch_check(&t->watch);
	if (err)
		return err;
	t->signals = signals_open(NULL, 0, &t->old_mask);
	if (t->signals < 0)
		return t->signals;
	err = observer_open(&t->observer, &t->run, &t->watch);
	if (err)
		return err;
	json_decref(t->run.fingerprint);
	t->run.fingerprint = fingerprint_collect();
	t->seen.unit = run_unit(&t->run);
	t->seen.stage = stage_names[t->watch.slow_stage];
	t->seen.over = t->watch.slow_over;
	t->ring = ring_buffer__new(observer_slow(&t->observer), take, t, NULL);
	if (!t->ring) {
		log_error("cannot read the ring buffer: %s", strerror(errno));
		return -EIO;
	}
	err = observer_attach(&t->observer);
	if (err)
		return err;
	if (!t->observer.has_events) {
		log_error(
			"this kernel has no kvmi tracepoints: there are no breakpoint events to wait "
			"for; boot one with the patches of kernel-patches/");
		return -EOPNOTSUPP;
	}
	return loop(t);
}

static bool parse_stage(const char *name, enum kvmi_lat_stage *stage)
{
	for (int i = 0; i < NR_STAGES; i++) {
		if (!strcmp(name, stage_names[i])) {
			*stage = i;
			return true;
		}
	}
	log_error(
		"there is no stage %s: dispatch, build, introspector, commands, wake, act or total",
		name);
	return false;
}

int cmd_threshold(int argc, char **argv)
{
	static const struct option options[] = {
		{"over", required_argument, NULL, 'o'},	 {"stage", required_argument, NULL, 's'},
		{"count", required_argument, NULL, 'n'}, {"pid", required_argument, NULL, 'p'},
		{"json", no_argument, NULL, 'j'},	 {"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},	 {},
	};
	struct threshold t = {.left = 1, .signals = -1, .watch.slow_stage = STAGE_TOTAL};
	bool good = true;
	int option, err;

	while (good && (option = getopt_long(argc, argv, "+o:n:p:vh", options, NULL)) != -1) {
		switch (option) {
		case 'o':
			good = parse_duration(optarg, &t.watch.slow_over);
			break;
		case 's':
			good = parse_stage(optarg, &t.watch.slow_stage);
			break;
		case 'n':
			good = argument_number(optarg, LONG_MAX, &t.left);
			break;
		case 'p':
			good = parse_pid(optarg, &t.watch.pid);
			break;
		case 'j':
			t.json = true;
			break;
		case 'v':
			log_more();
			break;
		case 'h':
			fputs(threshold_help, stdout);
			return 0;
		default:
			return usage_error("threshold");
		}
	}
	if (good && !t.watch.slow_over) {
		log_error("how long is too long? --over 50us, for example");
		good = false;
	}
	if (good && optind < argc && strcmp(argv[optind - 1], "--")) {
		log_error("an action stands behind --, %s does not", argv[optind]);
		good = false;
	}
	if (!good)
		return usage_error("threshold");
	t.action = optind < argc ? argv + optind : NULL;
	err = wait_for_slow(&t);
	ring_buffer__free(t.ring);
	observer_close(&t.observer);
	run_free(&t.run);
	if (err)
		return 2;
	return t.left || t.failed ? 1 : 0;
}

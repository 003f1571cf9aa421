// SPDX-License-Identifier: BSD-2-Clause
/* kvmi-lat top: what vCPUs do right now, again and again until it is ended. */
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <termios.h>
#include <unistd.h>

#include "attach/observer.h"
#include "attach/watched_processes.h"
#include "commands.h"
#include "histogram_filter.h"
#include "lib/arguments.h"
#include "lib/log.h"
#include "lib/signals.h"
#include "run-file/fingerprint.h"
#include "top.h"

static const char top_help[] =
	"Usage: kvmi-lat top [OPTION...]\n"
	"\n"
	"Shows live where the time of introspected vCPUs goes: the stages of breakpoint events, other\n"
	"exits, and every vCPU with the stage it loses most in. Not on a terminal it prints one table\n"
	"after the other.\n"
	"\n"
	"  -i, --interval TIME  how long each table is about (default: 1s)\n"
	"  -n, --count N        end after N tables\n"
	"  -p, --pid PID        watch only the VMs of this process\n"
	"  -t, --tool PID       the introspector's process: split its part, as record does\n"
	"  -s, --sort NAME      vCPUs by breakpoints (default), exits, userspace, time or pid\n"
	"      --stage NAME     show only this stage: dispatch, build, ... total\n"
	"      --vm N           show only vCPUs of a process's VM number N\n"
	"      --vcpu N         show only vCPU N\n"
	"      --json           a line of JSON for each table\n"
	"  -v, --verbose        more messages\n"
	"  -h, --help           this text\n"
	"\n"
	"Keys: b e u t p sort, q ends, a blank shows the next table now.\n"
	"\n"
	"Examples:\n"
	"  kvmi-lat top\n"
	"  kvmi-lat top -p \"$(pidof qemu-system-x86_64)\" --sort time\n"
	"  kvmi-lat top --json -i 10s | jq '.stages[] | select(.stage == \"introspector\")'\n";

struct top {
	struct observer observer;
	struct run run;
	struct top_view view;
	struct termios before;
	bool screen; /* the output is a terminal */
	bool shown;  /* tables are shown: not in the background */
	bool has_before;
	bool json;
	long count; /* tables left, -1: no end */
	int signals, timer;
};

/* --- the terminal --- */

/* In the background the terminal is somebody else's: to set its modes would stop the process. */
static bool in_foreground(void)
{
	pid_t group = tcgetpgrp(STDOUT_FILENO);

	return group < 0 || group == getpgrp();
}

/* Takes the terminal, if it is one and is ours. Also after a SIGSTOP, which leaves no chance to give it back. */
static void begin_screen(struct top *t)
{
	struct termios raw;

	t->shown = !t->screen || in_foreground();
	if (!t->screen || !t->shown)
		return;
	if (t->view.keys) {
		/* Only once: later it may be as we have left it. */
		if (!t->has_before)
			tcgetattr(STDIN_FILENO, &t->before);
		t->has_before = true;
		raw = t->before;
		raw.c_lflag &= ~(ICANON | ECHO);
		tcsetattr(STDIN_FILENO, TCSANOW, &raw);
	}
	/* The alternate screen, without a cursor: what was there before comes back at the end. */
	fputs("\033[?1049h\033[?25l", stdout);
}

static void end_screen(struct top *t)
{
	if (!t->screen || !t->shown || !in_foreground())
		return;
	fputs("\033[?25h\033[?1049l", stdout);
	fflush(stdout);
	if (t->view.keys)
		tcsetattr(STDIN_FILENO, TCSANOW, &t->before);
	t->shown = false;
}

static void find_terminal(struct top *t)
{
	t->screen = !t->json && isatty(STDOUT_FILENO);
	t->view.keys = t->screen && isatty(STDIN_FILENO);
	/* Elsewhere it is the end; a terminal has to be restored first. */
	if (t->screen)
		signal(SIGPIPE, SIG_IGN);
}

static void measure_screen(struct top *t)
{
	struct winsize size;

	t->view.rows = t->view.columns = 0;
	if (!t->screen || ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		return;
	t->view.rows = size.ws_row > 1 ? size.ws_row - 1 : 0;
	t->view.columns = size.ws_col;
}

/* Ctrl-Z: the terminal is restored, then the process stops as if it had not caught the signal. */
static void stop(struct top *t)
{
	sigset_t stop, pending;

	end_screen(t);
	sigemptyset(&stop);
	sigaddset(&stop, SIGTSTP);
	raise(SIGTSTP);
	sigprocmask(SIG_UNBLOCK, &stop, NULL);
	sigprocmask(SIG_BLOCK, &stop, NULL);
	/* It has not stopped: nobody would let it go on (an orphaned process group). */
	if (!sigpending(&pending) && !sigismember(&pending, SIGCONT))
		begin_screen(t);
}

/* --- one table --- */

static int show(struct top *t, struct snapshot *interval, const struct measurement *all)
{
	json_t *object;

	if (t->json) {
		object = top_json(&t->view, interval, all);
		if (!object)
			return -ENOMEM;
		json_dumpf(object, stdout, JSON_COMPACT | JSON_REAL_PRECISION(12));
		putchar('\n');
		json_decref(object);
	} else {
		measure_screen(t);
		if (t->screen)
			fputs("\033[H\033[2J", stdout);
		top_text(&t->view, interval, all);
		if (!t->screen)
			putchar('\n');
	}
	if (fflush(stdout) || ferror(stdout)) {
		log_error("cannot write to standard output");
		return -EIO;
	}
	return 0;
}

/* Shows what has happened since *before, and makes that the present. */
static int next(struct top *t, struct snapshot *before)
{
	struct snapshot here, interval;
	int err;

	err = snapshot_take(&here, &t->observer.maps, before);
	if (!err)
		err = snapshot_copy(&interval, &here);
	if (err) {
		log_error("cannot read the BPF maps: %s", strerror(-err));
		snapshot_free(&here);
		return err;
	}
	snapshot_subtract(&interval, before);
	err = show(t, &interval, here.m);
	snapshot_free(&interval);
	snapshot_free(before);
	*before = here;
	return err;
}

/* --- the loop --- */

/* False: it is over. *now: the table is wanted before its time. */
static bool handle_signal(struct top *t, bool *now)
{
	struct signalfd_siginfo info;

	if (read(t->signals, &info, sizeof(info)) != sizeof(info))
		return true;
	switch (info.ssi_signo) {
	case SIGWINCH:
		*now = true;
		return true;
	case SIGTSTP:
		stop(t);
		return true;
	case SIGCONT:
		begin_screen(t);
		*now = true;
		return true;
	default:
		return false;
	}
}

/* False: it is over. *now: the table is wanted before its time. */
static bool press(struct top *t, bool *now)
{
	char key;

	if (read(STDIN_FILENO, &key, 1) != 1 || key == 'q')
		return false;
	*now = key == ' ';
	for (int i = 0; i < NR_TOP_SORTS; i++) {
		if (key == top_sort_names[i][0])
			t->view.sort = i;
	}
	return true;
}

static int loop(struct top *t, uint64_t interval)
{
	struct timespec period = {interval / 1000000000, interval % 1000000000};
	struct itimerspec every = {.it_interval = period, .it_value = period};
	struct pollfd fds[3] = {
		{.fd = t->signals, .events = POLLIN},
		{.fd = t->timer, .events = POLLIN},
		{.events = POLLIN},
	};
	struct snapshot before;
	uint64_t ticks;
	int err;

	err = snapshot_take(&before, &t->observer.maps, NULL);
	timerfd_settime(t->timer, 0, &every, NULL);
	while (!err && t->count) {
		bool now = false;

		fds[2].fd = t->view.keys && t->shown ? STDIN_FILENO : -1;
		if (poll(fds, 3, -1) < 0)
			continue;
		if (fds[0].revents && !handle_signal(t, &now))
			break;
		if (fds[2].revents && !press(t, &now))
			break;
		if (fds[1].revents && read(t->timer, &ticks, sizeof(ticks)) == sizeof(ticks))
			now = true;
		/* The shell's fg says nothing to a process that runs. */
		if (now && !t->shown)
			begin_screen(t);
		if (!now || !t->shown)
			continue;
		err = next(t, &before);
		if (t->count > 0)
			t->count--;
	}
	snapshot_free(&before);
	return err;
}

static int prepare(struct top *t)
{
	static const int others[] = {SIGWINCH, SIGTSTP, SIGCONT};
	sigset_t old;

	t->signals = signals_open(others, sizeof(others) / sizeof(others[0]), &old);
	if (t->signals < 0)
		return t->signals;
	t->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	if (t->timer >= 0)
		return 0;
	log_error("cannot have a timer: %s", strerror(errno));
	return -EIO;
}

static int top(struct top *t, uint64_t interval, const struct observer_options *watch)
{
	struct utsname kernel;
	int err;

	if (run_init(&t->run) || uname(&kernel))
		return -ENOMEM;
	err = watch_check(watch);
	if (!err)
		err = prepare(t);
	if (!err)
		err = observer_open(&t->observer, &t->run, watch);
	if (err)
		return err;
	json_decref(t->run.fingerprint);
	t->run.fingerprint = fingerprint_collect();
	err = observer_attach(&t->observer);
	if (err)
		return err;
	t->view.kernel = kernel.release;
	t->view.unit = run_unit(&t->run);
	t->view.has_events = t->observer.has_events;
	find_terminal(t);
	begin_screen(t);
	err = loop(t, interval);
	end_screen(t);
	return err;
}

static bool parse_sort(const char *name, enum top_sort *sort)
{
	for (int i = 0; i < NR_TOP_SORTS; i++) {
		if (!strcmp(name, top_sort_names[i])) {
			*sort = i;
			return true;
		}
	}
	log_error("vCPUs are not sorted by %s, but by breakpoints, exits, userspace, time or pid",
		  name);
	return false;
}

/* Reading all histograms takes a while of its own. */
static bool parse_interval(const char *text, uint64_t *interval)
{
	if (!parse_duration(text, interval))
		return false;
	if (*interval >= 10000000)
		return true;
	log_error("%s is too short: 10ms at least", text);
	return false;
}

static bool parse_stage(const char *name, const char **stage)
{
	struct filter filter = {.stage = name};

	*stage = name;
	return !filter_check(&filter);
}

int cmd_top(int argc, char **argv)
{
	static const struct option options[] = {
		{"interval", required_argument, NULL, 'i'}, {"count", required_argument, NULL, 'n'},
		{"pid", required_argument, NULL, 'p'},	    {"tool", required_argument, NULL, 't'},
		{"sort", required_argument, NULL, 's'},	    {"stage", required_argument, NULL, 'S'},
		{"vm", required_argument, NULL, 'M'},	    {"vcpu", required_argument, NULL, 'V'},
		{"json", no_argument, NULL, 'j'},	    {"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},	    {},
	};
	struct top t = {.count = -1, .view = {.vm = -1, .vcpu = -1}, .signals = -1, .timer = -1};
	uint64_t interval = 1000000000;
	struct observer_options watch = {};
	bool good = true;
	int option, err;

	while (good && (option = getopt_long(argc, argv, "i:n:p:t:s:vh", options, NULL)) != -1) {
		switch (option) {
		case 'i':
			good = parse_interval(optarg, &interval);
			break;
		case 'n':
			good = argument_number(optarg, LONG_MAX, &t.count);
			break;
		case 'p':
			good = parse_pid(optarg, &watch.pid);
			break;
		case 't':
			good = parse_pid(optarg, &watch.tool);
			break;
		case 's':
			good = parse_sort(optarg, &t.view.sort);
			break;
		case 'S':
			good = parse_stage(optarg, &t.view.stage);
			break;
		case 'M':
			good = argument_number(optarg, INT_MAX, &t.view.vm);
			break;
		case 'V':
			good = argument_number(optarg, INT_MAX, &t.view.vcpu);
			break;
		case 'j':
			t.json = true;
			break;
		case 'v':
			log_more();
			break;
		case 'h':
			fputs(top_help, stdout);
			return 0;
		default:
			return usage_error("top");
		}
	}
	if (good && optind < argc) {
		log_error("top takes no argument %s", argv[optind]);
		good = false;
	}
	if (!good)
		return usage_error("top");
	err = top(&t, interval, &watch);
	observer_close(&t.observer);
	run_free(&t.run);
	return err ? 2 : 0;
}

// SPDX-License-Identifier: BSD-2-Clause
/* kvmi-lat record: runs a command, times what happens to introspected vCPUs, writes a run file. */
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "attach/observer.h"
#include "attach/watched_processes.h"
#include "commands.h"
#include "lib/arguments.h"
#include "lib/log.h"
#include "lib/signals.h"
#include "lib/text.h"
#include "lib/whole_file.h"
#include "run-file/fingerprint.h"
#include "run-file/limits.h"

static const char record_help[] =
	"Usage: kvmi-lat record [-o FILE] [-a|-p PID] [-t PID] [-d TIME | [--] COMMAND [ARG...]]\n"
	"\n"
	"Runs COMMAND, times every VM exit and every stage of KVMI breakpoint events on this\n"
	"machine until it ends, and writes a run file. Without COMMAND: with -a or -p, until it is\n"
	"interrupted, or for the time of -d.\n"
	"\n"
	"  -o, --output FILE  the run file (default: kvmi-lat.json)\n"
	"  -a, --all          watch the VMs of all processes, as without -p\n"
	"  -p, --pid PID      watch only the VMs of this process\n"
	"  -d, --duration TIME  without COMMAND: that long; seconds, or with ns, us, ms or s behind it\n"
	"  -t, --tool PID     the introspector's process: split its part into wake-up, own time and\n"
	"                     reply; its first event on each vCPU tells which thread answers\n"
	"  -v, --verbose      more messages; twice: libbpf's debugging output too\n"
	"  -h, --help         this text\n"
	"\n"
	"COMMAND finds in its environment\n"
	"  KVMI_LAT_CONTROL=fd:CTL,ACK  it may write lines to CTL: attach, detach, begin NAME, end;\n"
	"                               each is answered on ACK by \"ack\" or \"error TEXT\"\n"
	"  KVMI_LAT_ENTRIES=PATH        it may write {\"entries\":[...]} there: its own results\n"
	"\n"
	"Exit status: 0, 1 if COMMAND failed, 2 if kvmi-lat itself did.\n"
	"\n"
	"Examples:\n"
	"  kvmi-lat record -o run.json -- kvmi-bench     measure the benchmark's cases\n"
	"  kvmi-lat record -d 10                         all VMs on this machine, for 10 seconds\n"
	"  kvmi-lat record -p \"$(pidof qemu-system-x86_64)\"   one process's, until Ctrl-C\n"
	"  kvmi-lat record -t \"$(pidof kvmi-trace)\" -d 10\n"
	"  kvmi-lat report kvmi-lat.json                 show what was measured\n";

struct session {
	struct observer observer;
	struct run run;
	char *entries_dir;
	char *entries_path;
	pid_t child;
	int signals; /* signalfd */
	int control; /* our end of CTL */
	int ack;     /* our end of ACK */
	char line[256];
	size_t line_length;
	sigset_t old_mask;
	void (*old_pipe)(int signal); /* what SIGPIPE did */
};

static void answer(struct session *s, const char *text)
{
	size_t length = strlen(text);

	/* A command that does not read its answers only hurts itself: SIGPIPE is ignored. */
	if (write(s->ack, text, length) != (ssize_t)length)
		log_debug("the command does not read its answers");
}

static void serve_line(struct session *s)
{
	char why[200], text[256];

	log_debug("control: %s", s->line);
	if (observer_control(&s->observer, s->line, why, sizeof(why))) {
		snprintf(text, sizeof(text), "error %s\n", why);
		answer(s, text);
	} else {
		answer(s, "ack\n");
	}
}

static void end_line(struct session *s)
{
	bool fits = s->line_length < sizeof(s->line);

	if (fits)
		s->line[s->line_length] = '\0';
	s->line_length = 0;
	if (fits)
		serve_line(s);
	else
		answer(s, "error the line is too long\n");
}

/* Takes what is there. False once the other side is closed. */
static bool serve_control(struct session *s)
{
	char buffer[512];
	ssize_t n;

	while ((n = read(s->control, buffer, sizeof(buffer))) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (buffer[i] == '\n') {
				end_line(s);
			} else if (s->line_length < sizeof(s->line)) {
				/* A NUL is a control character as any other, but would end the line. */
				s->line[s->line_length++] = buffer[i] ? buffer[i] : '\1';
			}
		}
	}
	return n < 0 && (errno == EAGAIN || errno == EINTR);
}

static void forward_signal(struct session *s, const struct signalfd_siginfo *info)
{
	bool can_be_typed = info->ssi_signo == SIGINT || info->ssi_signo == SIGQUIT;

	/* What was typed at the terminal has reached the command already. */
	if (info->ssi_code == SI_KERNEL && can_be_typed)
		return;
	kill(s->child, info->ssi_signo);
}

/* Serves until the command ends: its wait status. */
static int serve(struct session *s)
{
	struct pollfd fds[2] = {
		{.fd = s->signals, .events = POLLIN},
		{.fd = s->control, .events = POLLIN},
	};
	struct signalfd_siginfo info;
	int status;

	for (;;) {
		if (poll(fds, 2, -1) < 0)
			continue;
		if (fds[1].revents && !serve_control(s))
			fds[1].fd = -1;
		if (!fds[0].revents || read(s->signals, &info, sizeof(info)) != sizeof(info))
			continue;
		if (info.ssi_signo != SIGCHLD)
			forward_signal(s, &info);
		else if (waitpid(s->child, &status, WNOHANG) == s->child)
			break;
	}
	serve_control(s);
	return status;
}

static void run_child(struct session *s, char **argv, int control, int ack, int failed)
{
	char value[64];
	int err;

	snprintf(value, sizeof(value), "fd:%d,%d", control, ack);
	setenv("KVMI_LAT_CONTROL", value, 1);
	setenv("KVMI_LAT_ENTRIES", s->entries_path, 1);
	signal(SIGPIPE, s->old_pipe);
	sigprocmask(SIG_SETMASK, &s->old_mask, NULL);
	execvp(argv[0], argv);
	err = errno;
	if (write(failed, &err, sizeof(err)) != sizeof(err))
		_exit(126);
	_exit(127);
}

static int spawn(struct session *s, char **argv)
{
	int control[2], ack[2], failed[2], err = 0;

	/* The command inherits its ends of the first two, and of the third if exec fails. */
	if (pipe2(control, 0) || pipe2(ack, 0) || pipe2(failed, O_CLOEXEC)) {
		err = -errno;
		log_error("cannot make a pipe: %s", strerror(-err));
		return err;
	}
	s->control = control[0];
	s->ack = ack[1];
	fcntl(s->control, F_SETFD, FD_CLOEXEC);
	fcntl(s->ack, F_SETFD, FD_CLOEXEC);
	fcntl(s->control, F_SETFL, O_NONBLOCK);
	s->child = fork();
	if (!s->child)
		run_child(s, argv, control[1], ack[0], failed[1]);
	if (s->child < 0) {
		err = -errno;
		log_error("cannot start a process: %s", strerror(-err));
	}
	close(control[1]);
	close(ack[0]);
	close(failed[1]);
	if (!err && read(failed[0], &err, sizeof(err)) == sizeof(err)) {
		waitpid(s->child, NULL, 0);
		log_error("cannot run %s: %s", argv[0], strerror(err));
		err = -err;
	}
	close(failed[0]);
	return err;
}

/* With what no run file may hold replaced, so that the rest of what was measured is kept. */
static json_t *load_entries(const char *path, json_error_t *error)
{
	char why[sizeof(error->text)], *text;
	bool replaced = false;
	size_t length;
	json_t *root;

	text = run_slurp(path, &length, why, sizeof(why));
	if (!text) {
		snprintf(error->text, sizeof(error->text), "%s", why);
		return NULL;
	}
	for (char *nul; (nul = memchr(text, '\0', length)); replaced = true)
		*nul = '?';
	replaced |= text_blank(text, "\t\n\r");
	root = json_loadb(text, length, 0, error);
	replaced |= text_blank_json(root);
	if (replaced)
		log_note(
			"in the entries the command left, control characters and bytes that are not "
			"UTF-8 are replaced by question marks");
	free(text);
	return root;
}

/* What could not be read back is not written; the others are. */
static int keep_entries(struct session *s, json_t *entries)
{
	char why[200];
	json_t *entry;
	int err = 0;
	size_t i;

	if (!check_entries(entries, why, sizeof(why)))
		return json_array_extend(s->run.entries, entries) ? -ENOMEM : 0;
	json_array_foreach(entries, i, entry) {
		size_t last = json_array_size(s->run.entries);

		json_array_append(s->run.entries, entry);
		if (!check_entries(s->run.entries, why, sizeof(why)))
			continue;
		json_array_remove(s->run.entries, last);
		log_error("an entry that the command left is not kept: %s", why);
		err = -EINVAL;
	}
	return err;
}

/* The entries the command left, if it left any. */
static int take_entries(struct session *s)
{
	json_t *root, *entries;
	json_error_t error;
	struct stat st;
	int err;

	/* A command that was ended may have got no further than to make the file. */
	if (stat(s->entries_path, &st) || !st.st_size)
		return 0;
	root = load_entries(s->entries_path, &error);
	entries = json_object_get(root, "entries");
	if (!json_is_array(entries)) {
		log_error(
			"the command left entries that are no JSON of the form {\"entries\":[...]}%s%s",
			root ? "" : ": ", root ? "" : error.text);
		json_decref(root);
		return -EINVAL;
	}
	err = keep_entries(s, entries);
	json_decref(root);
	return err;
}

static int make_entries_dir(struct session *s)
{
	const char *tmp = getenv("TMPDIR");
	char *dir;

	if (!tmp || !*tmp)
		tmp = "/tmp";
	if (asprintf(&dir, "%s/kvmi-lat.XXXXXX", tmp) < 0)
		return -ENOMEM;
	if (!mkdtemp(dir)) {
		log_error("cannot make a directory in %s (TMPDIR): %s", tmp, strerror(errno));
		free(dir);
		return -EIO;
	}
	s->entries_dir = dir;
	return asprintf(&s->entries_path, "%s/entries", dir) < 0 ? -ENOMEM : 0;
}

static int describe(struct session *s, char **argv)
{
	json_t *fingerprint;

	for (char **arg = argv; *arg; arg++) {
		/* Arguments need not be UTF-8, JSON strings must be. */
		json_array_append_new(s->run.command, text_json(*arg));
	}
	fingerprint = fingerprint_collect();
	if (!fingerprint)
		return -ENOMEM;
	json_decref(s->run.fingerprint);
	s->run.fingerprint = fingerprint;
	return make_entries_dir(s);
}

static int catch_signals(struct session *s)
{
	static const int others[] = {SIGCHLD};

	s->old_pipe = signal(SIGPIPE, SIG_IGN);
	/* Were it ignored, there would be no status to wait for. */
	signal(SIGCHLD, SIG_DFL);
	s->signals = signals_open(others, sizeof(others) / sizeof(others[0]), &s->old_mask);
	return s->signals < 0 ? s->signals : 0;
}

/* Better before the measurement than after it. */
static int check_output(const char *path)
{
	int err = whole_file_check(path);

	if (err)
		log_error("cannot write %s: %s", path, strerror(-err));
	return err;
}

static int64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

/* Until somebody interrupts it, or so many milliseconds are over; 0: there is no such limit. */
static int wait_for_signal(struct session *s, int64_t ms)
{
	struct pollfd fd = {.fd = s->signals, .events = POLLIN};
	int64_t end = now_ms() + ms, left = ms;

	log_note("recording; Ctrl-C ends it");
	while (poll(&fd, 1, ms ? (int)left : -1) < 1) {
		left = end - now_ms();
		if (ms && left <= 0)
			break;
	}
	return 0;
}

static int say_how_it_ended(int status, const char *name)
{
	if (WIFSIGNALED(status)) {
		log_error("%s was ended by signal %d (%s)", name, WTERMSIG(status),
			  strsignal(WTERMSIG(status)));
		return 1;
	}
	if (WEXITSTATUS(status)) {
		log_error("%s failed with exit status %d", name, WEXITSTATUS(status));
		return 1;
	}
	return 0;
}

static int record(struct session *s, const char *output, const struct observer_options *watch,
		  int64_t ms, char **argv)
{
	int err, status, result;

	if (run_init(&s->run) || check_output(output) || watch_check(watch))
		return 2;
	/* From here on: one that comes before there is a command to pass it to has to wait. */
	err = catch_signals(s);
	if (!err)
		err = observer_open(&s->observer, &s->run, watch);
	if (!err)
		err = describe(s, argv);
	if (!err)
		err = observer_attach(&s->observer);
	if (err)
		return 2;
	if (!s->observer.has_events)
		log_note("this kernel has no kvmi tracepoints: only exits are timed");
	if (!*argv) {
		result = wait_for_signal(s, ms);
	} else {
		if (spawn(s, argv))
			return 2;
		status = serve(s);
		result = say_how_it_ended(status, argv[0]);
	}
	if (observer_finish(&s->observer))
		result = 2;
	watch_report_unseen(watch, &s->run);
	if (take_entries(s))
		result = 2;
	err = run_write(&s->run, output);
	if (err) {
		log_error("cannot write %s: %s", output, strerror(-err));
		return 2;
	}
	return result;
}

int cmd_record(int argc, char **argv)
{
	static const struct option options[] = {
		{"all", no_argument, NULL, 'a'},
		{"duration", required_argument, NULL, 'd'},
		{"output", required_argument, NULL, 'o'},
		{"pid", required_argument, NULL, 'p'},
		{"tool", required_argument, NULL, 't'},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{},
	};
	const char *output = "kvmi-lat.json";
	struct session s = {};
	struct observer_options watch = {};
	bool all = false;
	uint64_t duration = 0;
	int option, result;

	while ((option = getopt_long(argc, argv, "+ad:o:p:t:vh", options, NULL)) != -1) {
		switch (option) {
		case 'o':
			output = optarg;
			break;
		case 'a':
			all = true;
			break;
		case 'd':
			if (!parse_seconds(optarg, &duration))
				return 2;
			break;
		case 'p':
			if (!parse_pid(optarg, &watch.pid))
				return 2;
			break;
		case 't':
			if (!parse_pid(optarg, &watch.tool))
				return 2;
			break;
		case 'v':
			log_more();
			break;
		case 'h':
			fputs(record_help, stdout);
			return 0;
		default:
			return usage_error("record");
		}
	}
	if (all && watch.pid) {
		log_error("record watches all processes or one, not -a and -p");
		return usage_error("record");
	}
	if (optind < argc && duration) {
		log_error("record ends with its command, or after the time of -d, not both");
		return usage_error("record");
	}
	if (optind == argc && !all && !watch.pid && !duration) {
		log_error("record needs a command to run, or -a, -p PID or -d TIME");
		return usage_error("record");
	}
	/* Less than a millisecond is one. */
	result = record(&s, output, &watch, (duration + 999999) / 1000000, argv + optind);
	observer_close(&s.observer);
	if (s.entries_path)
		unlink(s.entries_path);
	if (s.entries_dir)
		rmdir(s.entries_dir);
	free(s.entries_path);
	free(s.entries_dir);
	run_free(&s.run);
	return result;
}

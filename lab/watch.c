// SPDX-License-Identifier: BSD-2-Clause
/*
 * Runs a lab machine's emulator: passes the command's output on as it comes, notices how the run ended and
 * makes that its own exit status. The emulator never outlives it.
 */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

#define TICK_MS	       200  /* how often console, clock and emulator are looked at */
#define PANIC_GRACE_MS 3000 /* for a panic to finish printing */
#define MAX_COMPLAINTS 40   /* console lines shown */

enum { EXIT_TIMEOUT = 124, EXIT_LAB = 125, EXIT_KERNEL = 126, EXIT_INTERRUPTED = 130 };

static struct {
	const char *console, *kmsg, *tar, *log, *name;
	long timeout_s, silence_s;
	bool allow_warnings, allow_races, verbose, progress;
} opt = {.name = "lab", .timeout_s = 300, .silence_s = 120};

static struct {
	pid_t pid;
	bool begun, started, ended, have_status, agent_failed;
	int status;
	long born_ms, frame_cpu_ms;
} vm;

static struct {
	char lines[MAX_COMPLAINTS][256];
	int shown, fatal, warnings;
	bool marked;   /* past LAB_MARK: warnings count */
	long panic_ms; /* when a panic was first seen, 0: never */
	bool panic_done;
} kernel;

static volatile sig_atomic_t interrupted;
static FILE *tar_file, *kmsg_file;
static bool line_open, progress_drawn;

static long now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static void progress_clear(void)
{
	if (progress_drawn)
		fputs("\r\033[K", stderr);
	progress_drawn = false;
}

__attribute__((format(printf, 1, 2))) static void say(const char *fmt, ...)
{
	va_list ap;

	progress_clear();
	va_start(ap, fmt);
	fprintf(stderr, "kvmi-lat: %s: ", opt.name);
	vfprintf(stderr, fmt, ap);
	fputc('\n', stderr);
	va_end(ap);
}

static void progress_draw(void)
{
	if (!opt.progress || line_open)
		return;
	fprintf(stderr, "\r\033[K%s: %s, %ld s", opt.name, vm.started ? "running" : "booting",
		(now_ms() - vm.born_ms) / 1000);
	fflush(stderr);
	progress_drawn = true;
}

/* CPU time the emulator has used: unlike the wall clock it does not run on while the host is busy elsewhere. */
static long cpu_ms(void)
{
	unsigned long utime = 0, stime = 0;
	char path[64], text[1024], *p;
	size_t n;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", vm.pid);
	f = fopen(path, "r");
	if (!f)
		return 0;
	n = fread(text, 1, sizeof(text) - 1, f);
	fclose(f);
	text[n] = 0;
	p = strrchr(text, ')');
	if (p)
		sscanf(p + 1, " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu", &utime,
		       &stime);
	return (utime + stime) * 1000 / sysconf(_SC_CLK_TCK);
}

static bool contains_any(const char *line, const char *const *words)
{
	for (; *words; words++)
		if (strstr(line, *words))
			return true;
	return false;
}

/* One line of the kernel log; live lines come off the console, the others from the log sent at the end. */
static void judge_line(const char *line, bool live)
{
	static const char *const fatal[] = {"Kernel panic",   "BUG: ",
					    "kernel BUG at",  "Oops: ",
					    "Oops[",	      "general protection fault",
					    "soft lockup",    "blocked for more than",
					    "rcu: INFO: ",    "double fault",
					    "Internal error", NULL};
	static const char *const warning[] = {"WARNING: ",
					      "UBSAN: ",
					      "INFO: possible",
					      "INFO: trying",
					      "kmemleak: ",
					      "turning off the locking",
					      NULL};
	bool is_fatal = contains_any(line, fatal);
	int i;

	if (opt.allow_races && strstr(line, "BUG: KCSAN: "))
		return;
	if (live && strstr(line, "Kernel panic") && !kernel.panic_ms)
		kernel.panic_ms = now_ms();
	if (live && strstr(line, "end Kernel panic"))
		kernel.panic_done = true;
	if (!live && strstr(line, LAB_MARK))
		kernel.marked = true;
	/* Bochs' Intel CPUID makes 6.12 warn while it boots; only what the command provokes counts. */
	if (!is_fatal && !(kernel.marked && contains_any(line, warning)))
		return;
	for (i = 0; i < kernel.shown; i++)
		if (!strcmp(kernel.lines[i], line))
			return; /* both on the console and in the log */
	if (is_fatal)
		kernel.fatal++;
	else
		kernel.warnings++;
	if (kernel.shown < MAX_COMPLAINTS)
		snprintf(kernel.lines[kernel.shown++], sizeof(kernel.lines[0]), "%s", line);
}

struct line_buffer {
	char text[256];
	size_t len;
};

static void judge_text(struct line_buffer *b, const char *text, size_t len, bool live)
{
	for (; len; text++, len--) {
		if (*text == '\r')
			continue;
		if (*text != '\n') {
			if (b->len < sizeof(b->text) - 1)
				b->text[b->len++] = *text;
			continue;
		}
		b->text[b->len] = 0;
		b->len = 0;
		judge_line(b->text, live);
	}
}

static void read_console(void)
{
	static struct line_buffer line;
	static FILE *f;
	char text[4096];
	size_t n;

	if (!f)
		f = fopen(opt.console, "r");
	if (!f)
		return;
	clearerr(f);
	while ((n = fread(text, 1, sizeof(text), f)) > 0) {
		judge_text(&line, text, n, true);
		if (opt.verbose) {
			progress_clear();
			fwrite(text, 1, n, stderr);
		}
	}
}

/* Kernel log lines come as "<prio>[seconds] text"; the console shows the same without the priority. */
static void take_kmsg(const char *text, size_t len)
{
	static struct line_buffer line;
	const char *p = memchr(text, '>', len < 4 ? len : 4);

	if (kmsg_file)
		fwrite(text, 1, len, kmsg_file);
	if (p) {
		len -= p + 1 - text;
		text = p + 1;
	}
	judge_text(&line, text, len, false);
}

static void take_frame(const struct lab_frame *head, char *data)
{
	vm.frame_cpu_ms = cpu_ms();
	switch (head->type) {
	case LAB_START:
		vm.started = true;
		if (opt.verbose)
			say("command started after %.1f s", (now_ms() - vm.born_ms) / 1000.0);
		break;
	case LAB_OUTPUT:
		progress_clear();
		fwrite(data, 1, head->len, stdout);
		if (fflush(stdout))
			interrupted = SIGPIPE;
		line_open = head->len && data[head->len - 1] != '\n' && isatty(STDOUT_FILENO);
		break;
	case LAB_STATUS:
		data[head->len] = 0;
		vm.status = atoi(data);
		vm.have_status = true;
		break;
	case LAB_TAR:
		if (tar_file && fwrite(data, 1, head->len, tar_file) != head->len) {
			say("%s: %s", opt.tar, strerror(errno));
			vm.agent_failed = true;
		}
		break;
	case LAB_KMSG:
		take_kmsg(data, head->len);
		break;
	case LAB_ERROR:
		say("in the guest: %.*s", head->len, data);
		vm.agent_failed = true;
		break;
	case LAB_END:
		vm.ended = true;
		break;
	}
}

/* Cuts the port's byte stream into frames. Before the magic, and between frames, the emulator may chatter. */
static void take_bytes(const char *data, size_t len)
{
	static char buf[sizeof(struct lab_frame) + LAB_MAX + 1];
	static size_t have, magic;
	struct lab_frame *head = (struct lab_frame *)buf;

	for (; len && !vm.ended; data++, len--) {
		if (!vm.begun) {
			magic = *data == LAB_MAGIC[magic] ? magic + 1 : *data == LAB_MAGIC[0];
			vm.begun = magic == LAB_MAGIC_LEN;
			continue;
		}
		if (!have && (uint8_t)*data != LAB_SYNC)
			continue;
		buf[have++] = *data;
		if (have < sizeof(*head))
			continue;
		if (have == sizeof(*head) && head->len) {
			/* the rest in one go where it is there */
			size_t n = len - 1 < head->len ? len - 1 : head->len;

			if (head->len > LAB_MAX) {
				have = 0;
				continue;
			}
			memcpy(buf + have, data + 1, n);
			have += n;
			data += n;
			len -= n;
		}
		if (have < sizeof(*head) + head->len)
			continue;
		take_frame(head, buf + sizeof(*head));
		have = 0;
	}
}

static void on_signal(int sig)
{
	interrupted = sig;
}

static int start_emulator(char **argv, pid_t parent)
{
	int p[2], null, log;

	if (pipe2(p, O_CLOEXEC))
		return -errno;
	vm.born_ms = now_ms();
	vm.pid = fork();
	if (vm.pid < 0)
		return -errno;
	if (vm.pid) {
		close(p[1]);
		return p[0];
	}
	/* Out of the terminal's reach: Ctrl-C is for us, and the emulator ends with us whatever ends us. */
	setpgid(0, 0);
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(EXIT_LAB);
	null = open("/dev/null", O_RDWR);
	dup2(null, STDIN_FILENO);
	dup2(p[1], STDOUT_FILENO);
	log = open(opt.log ? opt.log : "/dev/null", O_WRONLY | O_CREAT | O_APPEND, 0666);
	dup2(log, STDERR_FILENO);
	execvp(argv[0], argv);
	fprintf(stderr, "%s: %s\n", argv[0], strerror(errno));
	_exit(127);
}

enum verdict { RUNNING, ENDED, DIED, TIMED_OUT, SILENT, PANICKED, INTERRUPTED };

static enum verdict look(void)
{
	read_console();
	if (interrupted)
		return INTERRUPTED;
	if (vm.ended)
		return ENDED;
	if (kernel.panic_done || (kernel.panic_ms && now_ms() - kernel.panic_ms > PANIC_GRACE_MS))
		return PANICKED;
	if (now_ms() - vm.born_ms > opt.timeout_s * 1000)
		return TIMED_OUT;
	if (cpu_ms() - vm.frame_cpu_ms > opt.silence_s * 1000)
		return SILENT;
	progress_draw();
	return RUNNING;
}

static enum verdict watch(int fd)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	static char data[65536];
	enum verdict verdict = RUNNING;
	long looked = 0;

	while (verdict == RUNNING) {
		ssize_t n = 0;

		if (poll(&pfd, 1, TICK_MS) > 0) {
			n = read(fd, data, sizeof(data));
			if (n > 0)
				take_bytes(data, n);
			else if (n == 0)
				verdict = vm.ended ? ENDED : DIED;
		}
		if (verdict == RUNNING &&
		    (vm.ended || interrupted || now_ms() - looked >= TICK_MS)) {
			verdict = look();
			looked = now_ms();
		}
	}
	return verdict;
}

/* One that closed its output is about to exit, and gets a moment to do so with a status of its own. */
static int end_emulator(bool exiting)
{
	int wstatus = 0, patience;

	for (patience = exiting ? 50 : 0; patience; patience--) {
		if (waitpid(vm.pid, &wstatus, WNOHANG) == vm.pid)
			return wstatus;
		poll(NULL, 0, TICK_MS / 10);
	}
	kill(vm.pid, SIGKILL);
	while (waitpid(vm.pid, &wstatus, 0) < 0 && errno == EINTR)
		;
	return wstatus;
}

static void show_complaints(const char *what)
{
	int i;

	say("%s", what);
	for (i = 0; i < kernel.shown; i++)
		fprintf(stderr, "    %s\n", kernel.lines[i]);
}

static int conclude(enum verdict verdict, int wstatus)
{
	switch (verdict) {
	case INTERRUPTED:
		say("interrupted, machine ended");
		return EXIT_INTERRUPTED;
	case TIMED_OUT:
		say("time limit of %ld s reached while the %s; machine ended", opt.timeout_s,
		    vm.started ? "command was running" : "machine was booting");
		return EXIT_TIMEOUT;
	case SILENT:
		show_complaints(vm.started
					? "the guest kernel hangs: no sign of life from it"
					: "the machine does not come up: no sign of life from it");
		return EXIT_KERNEL;
	case PANICKED:
		show_complaints("the guest kernel panicked:");
		return EXIT_KERNEL;
	case DIED:
		if (kernel.fatal) {
			show_complaints("the guest kernel failed and took the machine down:");
			return EXIT_KERNEL;
		}
		if (WIFSIGNALED(wstatus))
			say("the emulator died of signal %d", WTERMSIG(wstatus));
		else
			say("the emulator ended by itself with status %d", WEXITSTATUS(wstatus));
		return EXIT_LAB;
	default:
		break;
	}
	if (kernel.fatal || (kernel.warnings && !opt.allow_warnings)) {
		show_complaints("the guest kernel complained:");
		return EXIT_KERNEL;
	}
	if (vm.agent_failed || !vm.have_status)
		return EXIT_LAB;
	return vm.status;
}

static FILE *open_out(const char *path)
{
	FILE *f = path ? fopen(path, "wb") : NULL;

	if (path && !f) {
		say("%s: %s", path, strerror(errno));
		exit(EXIT_LAB);
	}
	return f;
}

static void parse(int argc, char **argv)
{
	int c;

	while ((c = getopt(argc, argv, "+c:k:f:l:n:t:s:rwvp")) != -1) {
		switch (c) {
		case 'c':
			opt.console = optarg;
			break;
		case 'k':
			opt.kmsg = optarg;
			break;
		case 'f':
			opt.tar = optarg;
			break;
		case 'l':
			opt.log = optarg;
			break;
		case 'n':
			opt.name = optarg;
			break;
		case 't':
			opt.timeout_s = atol(optarg);
			break;
		case 's':
			opt.silence_s = atol(optarg);
			break;
		case 'r':
			opt.allow_races = true;
			break;
		case 'w':
			opt.allow_warnings = true;
			break;
		case 'v':
			opt.verbose = true;
			break;
		case 'p':
			opt.progress = isatty(STDERR_FILENO);
			break;
		default:
			exit(EXIT_LAB);
		}
	}
	if (!opt.console || optind >= argc) {
		say("usage: watch -c CONSOLE [-k KMSG] [-f TAR] [-l LOG] [-n NAME] [-t SECONDS] [-s SECONDS] [-rwvp] -- EMULATOR...");
		exit(EXIT_LAB);
	}
}

int main(int argc, char **argv)
{
	struct sigaction sa = {.sa_handler = on_signal};
	enum verdict verdict;
	int fd, wstatus, status;

	parse(argc, argv);
	prctl(PR_SET_PDEATHSIG, SIGTERM);
	tar_file = open_out(opt.tar);
	kmsg_file = open_out(opt.kmsg);
	sigaction(SIGINT, &sa, NULL);
	sigaction(SIGTERM, &sa, NULL);
	/* Under nohup it stays ignored. (SIGINT is, too, in what a script has in the background.) */
	if (signal(SIGHUP, SIG_IGN) != SIG_IGN)
		sigaction(SIGHUP, &sa, NULL);
	signal(SIGPIPE, SIG_IGN);

	fd = start_emulator(argv + optind, getpid());
	if (fd < 0) {
		say("%s cannot be started: %s", argv[optind], strerror(-fd));
		return EXIT_LAB;
	}
	verdict = watch(fd);
	wstatus = end_emulator(verdict == DIED);
	progress_clear();
	status = conclude(verdict, wstatus);
	if ((tar_file && fclose(tar_file)) || (kmsg_file && fclose(kmsg_file))) {
		say("%s: %s", opt.tar, strerror(errno));
		status = EXIT_LAB;
	}
	return status;
}

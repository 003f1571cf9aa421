// SPDX-License-Identifier: BSD-2-Clause
/* The lab guest's process 1 after init: runs the command and sends all that comes of it out by wire.h. */
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/io.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "wire.h"

static unsigned char chunk[LAB_MAX];

static void port_write(const void *data, size_t len)
{
	asm volatile("rep outsb" : "+S"(data), "+c"(len) : "d"(LAB_PORT) : "memory");
}

static void send_frame(enum lab_frame_type type, const void *data, size_t len)
{
	struct lab_frame head = {.sync = LAB_SYNC, .type = type, .len = len};

	port_write(&head, sizeof(head));
	port_write(data, len);
}

__attribute__((format(printf, 1, 2))) static void send_error(const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	send_frame(LAB_ERROR, text, strlen(text));
}

/* The last word. The host ends the machine on it, so there is nothing to come back to. */
static void __attribute__((noreturn)) finish(void)
{
	send_frame(LAB_END, "", 0);
	for (;;)
		pause();
}

static pid_t spawn(char **argv, int out, int err)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	/* A task with an I/O bitmap pays for it at every switch to it: not the command. */
	ioperm(LAB_PORT, 1, 0);
	setsid();
	dup2(out, STDOUT_FILENO);
	if (err >= 0)
		dup2(err, STDERR_FILENO);
	execvp(argv[0], argv);
	dprintf(STDERR_FILENO, "%s: %s\n", argv[0], strerror(errno));
	_exit(errno == ENOENT ? 127 : 126);
}

/* Passes on what has come; 0 at the end of the stream, -EAGAIN when there is nothing now. */
static int forward(int fd, enum lab_frame_type type)
{
	ssize_t n = read(fd, chunk, sizeof(chunk));

	if (n > 0)
		send_frame(type, chunk, n);
	return n < 0 ? -errno : n;
}

static int status_of(int wstatus)
{
	return WIFSIGNALED(wstatus) ? 128 + WTERMSIG(wstatus) : WEXITSTATUS(wstatus);
}

static void on_child(int sig)
{
	(void)sig;
}

static long ms_now(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/*
 * Serves the command until it ends. A grandchild may hold the pipe open for longer: what is in the pipe by
 * then is passed on, and no more waited for. Orphans come here to be reaped, too: this is process 1.
 */
static int serve(pid_t child, int fd, const sigset_t *during_poll)
{
	struct pollfd pfd = {.fd = fd, .events = POLLIN};
	long beat = ms_now();
	int wstatus, ret;
	pid_t pid;

	for (;;) {
		struct timespec wait = {0};
		long left = beat + LAB_HEARTBEAT_MS - ms_now();

		if (left <= 0) {
			send_frame(LAB_ALIVE, "", 0);
			beat = ms_now();
			left = LAB_HEARTBEAT_MS;
		}
		wait.tv_sec = left / 1000;
		wait.tv_nsec = left % 1000 * 1000000;
		ret = ppoll(&pfd, 1, &wait, during_poll);
		if (ret > 0 && !forward(fd, LAB_OUTPUT))
			pfd.fd = -1;
		while ((pid = waitpid(-1, &wstatus, WNOHANG)) > 0) {
			if (pid != child)
				continue;
			while (pfd.fd >= 0 && forward(fd, LAB_OUTPUT) > 0)
				;
			return status_of(wstatus);
		}
	}
}

static void run_command(char **argv)
{
	struct sigaction sa = {.sa_handler = on_child};
	sigset_t block, normal;
	char text[16];
	int p[2], status;
	pid_t child;

	sigaction(SIGCHLD, &sa, NULL);
	sigemptyset(&block);
	sigaddset(&block, SIGCHLD);
	if (pipe2(p, O_CLOEXEC)) {
		send_error("pipe: %s", strerror(errno));
		finish();
	}
	fcntl(p[0], F_SETFL, O_NONBLOCK);
	child = spawn(argv, p[1], p[1]);
	if (child < 0) {
		send_error("fork: %s", strerror(errno));
		finish();
	}
	close(p[1]);
	sigprocmask(SIG_BLOCK, &block, &normal);
	status = serve(child, p[0], &normal);
	sigprocmask(SIG_SETMASK, &normal, NULL);
	close(p[0]);
	snprintf(text, sizeof(text), "%d", status);
	send_frame(LAB_STATUS, text, strlen(text));
}

static void send_files(void)
{
	static char *argv[] = {"tar", "-cf", "-", "-C", "/out", ".", NULL};
	int p[2], wstatus = -1;
	pid_t tar;

	if (rmdir("/out") == 0 || errno == ENOENT)
		return; /* nothing in it */
	if (pipe2(p, O_CLOEXEC)) {
		send_error("pipe: %s", strerror(errno));
		return;
	}
	fcntl(p[1], F_SETPIPE_SZ, 1 << 20);
	tar = spawn(argv, p[1], -1);
	close(p[1]);
	while (forward(p[0], LAB_TAR) > 0)
		;
	while (tar > 0 && waitpid(tar, &wstatus, 0) < 0 && errno == EINTR)
		;
	if (tar < 0 || wstatus)
		send_error("the files in /out could not be packed (tar status %d)", wstatus);
}

/* The kernel log in full: it costs a tick a byte here, against 87,000 on the serial console. */
static void send_kernel_log(void)
{
	char record[8192];
	ssize_t n;
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK);

	while (fd >= 0) {
		unsigned long long usec;
		unsigned int prio;
		char *text, *end;
		int len;

		n = read(fd, record, sizeof(record) - 1);
		if (n < 0 && errno == EPIPE)
			continue; /* overwritten while we read */
		if (n <= 0)
			break;
		record[n] = 0;
		text = strchr(record, ';');
		if (!text || sscanf(record, "%u,%*u,%llu", &prio, &usec) != 2)
			continue;
		end = strchr(++text, '\n');
		if (!end)
			end = record + n;
		len = snprintf((char *)chunk, sizeof(chunk), "<%u>[%5llu.%06llu] %.*s\n", prio & 7,
			       usec / 1000000, usec % 1000000, (int)(end - text), text);
		send_frame(LAB_KMSG, chunk, len);
	}
}

/* What the kernel says from here on is the command's doing. */
static void mark_kernel_log(void)
{
	static const char mark[] = "<6>" LAB_MARK "\n";
	int fd = open("/dev/kmsg", O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, mark, sizeof(mark) - 1) < 0)
		send_error("/dev/kmsg: %s", strerror(errno));
	close(fd);
}

/*
 * Softirqs are not to wait behind a benchmark under SCHED_FIFO until that sleeps: as long as
 * ksoftirqd is about to take them, kernels up to 6.1 look at them in every local_bh_enable(), twice
 * in each KVM_RUN, only to leave them to it.
 */
static void run_softirqs_first(void)
{
	const struct sched_param param = {.sched_priority = 2}; /* kvmi-bench has 1 */
	char name[16];
	glob_t tasks;

	if (glob("/proc/[0-9]*/comm", 0, NULL, &tasks))
		return;
	for (size_t i = 0; i < tasks.gl_pathc; i++) {
		FILE *f = fopen(tasks.gl_pathv[i], "r");

		if (!f)
			continue; /* it has ended */
		if (fscanf(f, "%15s", name) == 1 && !strncmp(name, "ksoftirqd/", 10) &&
		    sched_setscheduler(atoi(tasks.gl_pathv[i] + strlen("/proc/")), SCHED_FIFO,
				       &param))
			send_error("ksoftirqd: %s", strerror(errno));
		fclose(f);
	}
	globfree(&tasks);
}

int main(int argc, char **argv)
{
	if (argc < 2)
		return 2;
	if (ioperm(LAB_PORT, 1, 1)) {
		dprintf(STDERR_FILENO, "lab: agent: no I/O port access: %s\n", strerror(errno));
		return 2;
	}
	port_write(LAB_MAGIC, LAB_MAGIC_LEN);
	send_frame(LAB_START, "", 0);
	run_softirqs_first();
	mark_kernel_log();
	run_command(argv + 1);
	send_files();
	send_kernel_log();
	finish();
}

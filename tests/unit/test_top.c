// SPDX-License-Identifier: BSD-2-Clause
/* Tests of kvmi-lat top on a terminal: how wide its lines are, and what it leaves when it stops or ends. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define ENTER	 "\033[?1049h\033[?25l"
#define LEAVE	 "\033[?25h\033[?1049l"
#define CLEAR	 "\033[H\033[2J"
#define LIMIT_MS 10000

/* A terminal with a shell's part in it: a session leader that has made kvmi-lat the foreground job. */
struct terminal {
	int master;
	pid_t shell, top;
	char text[1 << 16]; /* all that was written since it was cleared */
	size_t length;
};

static struct terminal term;

static void be_shell(int pids)
{
	pid_t top = fork();

	if (!top) {
		setpgid(0, 0);
		/* Taken from here, it would stop us. */
		signal(SIGTTOU, SIG_IGN);
		tcsetpgrp(STDIN_FILENO, getpid());
		signal(SIGTTOU, SIG_DFL);
		execl("build/kvmi-lat", "kvmi-lat", "top", "-i", "50ms", NULL);
		_exit(127);
	}
	if (write(pids, &top, sizeof(top)) != sizeof(top))
		_exit(1);
	signal(SIGHUP, SIG_IGN);
	waitpid(top, NULL, 0);
	_exit(0);
}

static void forget(void)
{
	term.length = 0;
	term.text[0] = '\0';
}

/* Reads what there is; false: nothing came for ms. */
static bool read_some(int ms)
{
	struct pollfd pfd = {.fd = term.master, .events = POLLIN};
	ssize_t n;

	if (poll(&pfd, 1, ms) != 1)
		return false;
	if (term.length > sizeof(term.text) / 2)
		forget();
	n = read(term.master, term.text + term.length, sizeof(term.text) - term.length - 1);
	if (n <= 0)
		return false;
	term.length += n;
	term.text[term.length] = '\0';
	return true;
}

static bool comes(const char *what)
{
	for (int ms = 0; ms < LIMIT_MS; ms += 100) {
		if (strstr(term.text, what))
			return true;
		read_some(100);
	}
	return false;
}

/* What the output ends with once no more comes. */
static bool ends_with(const char *what)
{
	size_t n = strlen(what);

	while (read_some(300))
		;
	return term.length >= n && !strcmp(term.text + term.length - n, what);
}

static void resize(int columns)
{
	struct winsize size = {.ws_row = 24, .ws_col = columns};

	assert_int_equal(ioctl(term.master, TIOCSWINSZ, &size), 0);
}

static int start(void **state)
{
	int pids[2];

	(void)state;
	forget();
	assert_int_equal(pipe(pids), 0);
	term.shell =
		forkpty(&term.master, NULL, NULL, &(struct winsize){.ws_row = 24, .ws_col = 80});
	if (!term.shell)
		be_shell(pids[1]);
	assert_int_equal(read(pids[0], &term.top, sizeof(term.top)), sizeof(term.top));
	close(pids[0]);
	close(pids[1]);
	return 0;
}

static int finish(void **state)
{
	(void)state;
	kill(term.top, SIGKILL);
	close(term.master);
	waitpid(term.shell, NULL, 0);
	return 0;
}

/* Where it cannot load BPF programs there is nothing to be seen. */
static void is_there(void)
{
	if (!comes(ENTER) && strstr(term.text, "kvmi-lat: "))
		skip();
	assert_true(comes("other exits"));
}

static char state_of(pid_t pid)
{
	char path[64], state = '?';
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "r");
	if (!f)
		return 'X';
	if (fscanf(f, "%*d (%*[^)]) %c", &state) != 1)
		state = '?';
	fclose(f);
	return state;
}

static void becomes(char state)
{
	for (int ms = 0; ms < LIMIT_MS && state_of(term.top) != state; ms += 20)
		usleep(20000);
	assert_int_equal(state_of(term.top), state);
}

static void is_raw(bool raw)
{
	struct termios t;

	assert_int_equal(tcgetattr(term.master, &t), 0);
	assert_int_equal(!(t.c_lflag & ICANON) && !(t.c_lflag & ECHO), raw);
}

/* The longest line of a table that was begun and ended since. */
static size_t longest_line(void)
{
	size_t longest = 0;
	char *at, *end;

	forget();
	assert_true(comes(CLEAR));
	at = strstr(term.text, CLEAR) + strlen(CLEAR);
	while (!(end = strstr(at, CLEAR)))
		assert_true(read_some(LIMIT_MS));
	*end = '\0';
	for (char *line = strtok(at, "\r\n"); line; line = strtok(NULL, "\r\n")) {
		if (strlen(line) > longest)
			longest = strlen(line);
	}
	forget();
	return longest;
}

static void fits(void **state)
{
	static const int widths[] = {80, 40, 132, 1};

	(void)state;
	is_there();
	for (size_t i = 0; i < sizeof(widths) / sizeof(widths[0]); i++) {
		resize(widths[i]);
		longest_line();
		/* Of vCPUs there is at least a header, with more than 100 columns. */
		assert_in_range(longest_line(), widths[i] < 100 ? widths[i] : 100, widths[i]);
	}
}

static void stops(void **state)
{
	(void)state;
	is_there();
	is_raw(true);
	for (int i = 0; i < 2; i++) {
		/* Ctrl-Z */
		assert_int_equal(write(term.master, "\032", 1), 1);
		becomes('T');
		assert_true(ends_with(LEAVE));
		is_raw(false);
		forget();
		kill(term.top, SIGCONT);
		assert_true(comes(ENTER CLEAR));
		is_raw(true);
	}
	/* Nothing is to be done about that one, but for what comes after it. */
	kill(term.top, SIGSTOP);
	becomes('T');
	forget();
	kill(term.top, SIGCONT);
	assert_true(comes(ENTER CLEAR));
	assert_int_equal(write(term.master, "q", 1), 1);
	assert_true(comes(LEAVE));
	becomes('X');
	is_raw(false);
}

static void ends_by(int signal, const char *key)
{
	is_there();
	if (key)
		assert_int_equal(write(term.master, key, 1), 1);
	else
		kill(term.top, signal);
	becomes('X');
	assert_true(ends_with(LEAVE));
	is_raw(false);
	finish(NULL);
	start(NULL);
}

static void ends(void **state)
{
	static const int signals[] = {SIGHUP,  SIGTERM, SIGALRM, SIGUSR1,
				      SIGXCPU, SIGPROF, SIGIO,	 50};

	(void)state;
	ends_by(0, "\034"); /* Ctrl-\ */
	ends_by(0, "\003"); /* Ctrl-C */
	for (size_t i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		ends_by(signals[i], NULL);
}

/* Stopped, the terminal is restored already, and the shell's: it is left alone. */
static void ends_stopped(void **state)
{
	(void)state;
	is_there();
	assert_int_equal(write(term.master, "\032", 1), 1);
	becomes('T');
	assert_true(ends_with(LEAVE));
	forget();
	kill(term.top, SIGTERM);
	kill(term.top, SIGCONT);
	becomes('X');
	assert_false(read_some(300));
	is_raw(false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(fits, start, finish),
		cmocka_unit_test_setup_teardown(stops, start, finish),
		cmocka_unit_test_setup_teardown(ends, start, finish),
		cmocka_unit_test_setup_teardown(ends_stopped, start, finish),
	};

	alarm(200);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

// SPDX-License-Identifier: BSD-2-Clause
/* One introspector after the other: nothing that one has begun goes on with the next. */
#include "waiting.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

/* Whatever came before: the hook works, its first event is number 1, and the vCPU goes on. */
static void next_hook_works(struct waiting *w)
{
	struct kvmi_event_msg ev;

	lab_hook(&w->l);
	check_kvmi(kvmi_vcpu_pause(w->l.c, 0, false), 0);
	waiting_enter(w);
	lab_expect_event(w->l.c, &ev, KVMI_EVENT_PAUSE_VCPU, 0);
	check_eq(ev.hdr.seq, 1);
	lab_continue(w->l.c, &ev);
	waiting_expect_continued(w);
	lab_no_event(w->l.c);
}

/* --- the answer to the event of an earlier hook --- */

static void old_answer(enum waiting_kind kind)
{
	struct waiting w;

	waiting_start(&w, kind);
	waiting_leave(&w);
	waiting_unhook(&w);
	lab_hook(&w.l);
	waiting_answer_refused(&w);
	waiting_unhook(&w);
	next_hook_works(&w);
}

static void test_reconnect_old_answer(void)
{
	old_answer(WAITING_PAUSE);
}

static void test_reconnect_old_breakpoint(void)
{
	old_answer(WAITING_BREAKPOINT);
}

static void test_reconnect_old_hypercall(void)
{
	old_answer(WAITING_HYPERCALL);
}

/* Also in the order in which a fault once brought down the kernel: closed with the answer taken. */
static void test_reconnect_repeatedly(void)
{
	struct waiting w;

	waiting_start(&w, WAITING_PAUSE);
	for (int i = 0; i < 20; i++) {
		waiting_leave(&w);
		waiting_unhook(&w);
		lab_hook(&w.l);
		waiting_answer_refused(&w);
		waiting_unhook(&w);
		next_hook_works(&w);
		waiting_event(&w);
	}
	lab_continue(w.l.c, &w.ev);
	waiting_expect_continued(&w);
}

/* There is no vCPU thread that could clean up before the VM ends. */
static void test_reconnect_destroy(void)
{
	struct waiting w;

	for (int i = 0; i < 5; i++) {
		waiting_start(&w, WAITING_PAUSE);
		waiting_leave(&w);
		waiting_unhook(&w);
		lab_hook(&w.l);
		waiting_answer_refused(&w);
		vmm_destroy(w.l.vm);
		kvmi_client_free(w.l.c);
	}
}

/* --- the next hook's own event --- */

/* It has the number of the first one's, which has ended by then. */
static void own_event(enum waiting_kind kind)
{
	struct kvmi_event_msg ev;
	struct waiting w;

	waiting_start(&w, kind);
	waiting_leave(&w);
	waiting_unhook(&w);
	lab_hook(&w.l);
	check_kvmi(kvmi_vcpu_pause(w.l.c, 0, false), 0);
	lab_no_event(w.l.c);
	waiting_enter(&w);
	lab_expect_event(w.l.c, &ev, KVMI_EVENT_PAUSE_VCPU, 0);
	check_eq(ev.hdr.seq, w.ev.hdr.seq);
	lab_stands_still(w.l.v);
	lab_continue(w.l.c, &ev);
	waiting_expect_continued(&w);
	lab_no_event(w.l.c);
}

static void test_reconnect_own_event(void)
{
	own_event(WAITING_PAUSE);
	own_event(WAITING_HYPERCALL);
}

static void test_reconnect_own_event_breakpoint(void)
{
	own_event(WAITING_BREAKPOINT);
}

/* --- in KVM_RUN all the while --- */

static void test_reconnect_without_signal(void)
{
	struct waiting w;

	waiting_start(&w, WAITING_PAUSE);
	for (int i = 0; i < 10; i++) {
		waiting_unhook(&w);
		lab_hook(&w.l);
		lab_goes_on(w.l.v);
		waiting_answer_refused(&w);
		waiting_unhook(&w);
		lab_goes_on(w.l.v);
		lab_hook(&w.l);
		check_kvmi(kvmi_vcpu_pause(w.l.c, 0, false), 0);
		lab_expect_event(w.l.c, &w.ev, KVMI_EVENT_PAUSE_VCPU, 0);
		check_eq(w.ev.hdr.seq, 1);
	}
	lab_continue(w.l.c, &w.ev);
	waiting_expect_continued(&w);
}

/* --- what is forgotten --- */

/* Registers that the first introspector has set, and a pause that it has asked for. */
static void test_reconnect_forgets(void)
{
	struct kvm_regs regs;
	struct waiting w;

	waiting_start(&w, WAITING_PAUSE);
	regs = w.ev.common.arch.regs;
	regs.rip = waiting_label(guest_waiting_elsewhere);
	regs.rbx = regs.r15 = 0xbad;
	check_kvmi(kvmi_vcpu_set_registers(w.l.c, 0, &regs), 0);
	check_kvmi(kvmi_vcpu_pause(w.l.c, 0, false), 0);
	waiting_leave(&w);
	waiting_unhook(&w);
	lab_hook(&w.l);
	waiting_answer_refused(&w);
	waiting_unhook(&w);
	next_hook_works(&w);
}

/* Answers events for about @us. */
static void answer_events(struct kvmi_client *c, unsigned int us)
{
	struct kvmi_event_msg ev;
	struct timespec now, end;

	clock_gettime(CLOCK_MONOTONIC, &end);
	end.tv_nsec += us * 1000L;
	end.tv_sec += end.tv_nsec / 1000000000;
	end.tv_nsec %= 1000000000;
	do {
		check_kvmi(kvmi_recv_event(c, &ev), 0);
		check_eq(ev.common.event, KVMI_EVENT_HYPERCALL);
		lab_continue(c, &ev);
		clock_gettime(CLOCK_MONOTONIC, &now);
	} while (now.tv_sec < end.tv_sec ||
		 (now.tv_sec == end.tv_sec && now.tv_nsec < end.tv_nsec));
}

/* A hook that has switched on nothing gets nothing, not even what was due when the one before ended. */
static void stray_event(bool leave)
{
	struct runner r = {.timeout_ms = 15000};
	struct lab l;

	lab_open_any(&l, &VMM_GUEST(waiting), 1);
	check_eq(vmm_vcpu_start(l.v, waiting_hypercalls()), 0);
	runner_start(&r, l.v);
	for (int i = 0; i < 60; i++) {
		lab_hook(&l);
		check_kvmi(kvmi_vcpu_control_events(l.c, 0, KVMI_EVENT_HYPERCALL, true), 0);
		answer_events(l.c, rand() % 2000);
		usleep(rand() % 100);
		if (leave)
			runner_stop(&r);
		kvmi_client_free(l.c);
		check_eq(vmm_unhook(l.vm), 0);

		lab_hook(&l);
		if (leave)
			runner_start(&r, l.v);
		lab_goes_on(l.v);
		lab_no_event(l.c);
		kvmi_client_free(l.c);
		check_eq(vmm_unhook(l.vm), 0);
	}
	runner_stop(&r);
}

static void test_reconnect_stray_event(void)
{
	stray_event(false);
}

static void test_reconnect_stray_event_signal(void)
{
	stray_event(true);
}

/* --- the log --- */

#define CYCLES	   100
#define LOG_BURST  10
#define INTERVAL_S 5

/* How many lines of the kernel's log, from where @fd is, have @text. */
static unsigned int log_lines(int fd, const char *text)
{
	unsigned int n = 0;
	char line[8192];
	ssize_t len;

	for (;;) {
		len = read(fd, line, sizeof(line) - 1);
		if (len < 0 && errno == EPIPE)
			continue; /* overwritten meanwhile */
		if (len <= 0)
			return n;
		line[len] = 0;
		n += strstr(line, text) != NULL;
	}
}

static void test_reconnect_log(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	unsigned int lines, most;
	time_t begin;
	struct lab l;

	check(fd >= 0);
	check(lseek(fd, 0, SEEK_END) >= 0);
	lab_open_any(&l, &VMM_GUEST(waiting), 1);
	begin = time(NULL);
	for (int i = 0; i < CYCLES; i++) {
		lab_hook(&l);
		kvmi_client_free(l.c);
		check_eq(vmm_unhook(l.vm), 0);
	}
	most = LOG_BURST * ((time(NULL) - begin) / INTERVAL_S + 2);
	lines = log_lines(fd, " is gone");
	if (most >= CYCLES)
		skip("%d hooks take too long here", CYCLES);
	if (lines > most)
		fail("%d hooks have left %u lines in the log, more than %u", CYCLES, lines, most);
}

int main(void)
{
	const struct tap_test tests[] = {
		{"the answer to a PAUSE event of an earlier hook: closed",
		 test_reconnect_old_answer},
		{"the answer to a breakpoint event of an earlier hook: closed",
		 test_reconnect_old_breakpoint},
		{"the answer to a hypercall event of an earlier hook: closed",
		 test_reconnect_old_hypercall},
		{"answers to events of earlier hooks, 20 times", test_reconnect_repeatedly},
		{"the answer to an event of an earlier hook, and no KVM_RUN after that",
		 test_reconnect_destroy},
		{"the next hook's own event of the same number", test_reconnect_own_event},
		{"the next hook's own event of the same number, after a breakpoint",
		 test_reconnect_own_event_breakpoint},
		{"an old answer to a vCPU that has stayed in KVM_RUN",
		 test_reconnect_without_signal},
		{"registers and pauses of an earlier hook are forgotten", test_reconnect_forgets},
		{"no event goes to the next hook", test_reconnect_stray_event},
		{"no event goes to the next hook, vCPU outside of KVM_RUN meanwhile",
		 test_reconnect_stray_event_signal},
		{"100 hooks do not flood the log", test_reconnect_log},
	};

	tap_limit_s = 40;
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

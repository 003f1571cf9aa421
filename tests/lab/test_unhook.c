// SPDX-License-Identifier: BSD-2-Clause
/* PREUNHOOK, the event it sends, and what may come after it. */
#include "lab.h"

#include <dirent.h>
#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/wait.h>
#include <unistd.h>

VMM_DECLARE_GUEST(hit);
extern const char guest_hit_bp[];

static const struct vmm_guest hit = VMM_GUEST(hit);

static void start(struct lab *l)
{
	lab_open_any(l, &hit, 1);
	lab_hook(l);
}

/* An ioctl without argument, in a thread of its own. */
struct call {
	struct vmm *vm;
	unsigned long request;
	pthread_t thread;
	volatile bool returned;
	int err;
};

static void *call_thread(void *arg)
{
	struct call *c = arg;

	c->err = ioctl(vmm_fd(c->vm), c->request, 0) ? errno : 0;
	c->returned = true;
	return NULL;
}

static void call_start(struct call *c, struct vmm *vm, unsigned long request)
{
	*c = (struct call){.vm = vm, .request = request};
	check_eq(pthread_create(&c->thread, NULL, call_thread, c), 0);
}

static int call_join(struct call *c)
{
	for (int ms = 0; ms < TIMEOUT_MS && !c->returned; ms++)
		usleep(1000);
	if (!c->returned)
		fail("ioctl %#lx does not return", c->request);
	pthread_join(c->thread, NULL);
	return c->err;
}

/* In another thread than the one that was there before: a lock left behind would show. */
static int from_elsewhere(struct vmm *vm, unsigned long request)
{
	struct call c;

	call_start(&c, vm, request);
	return call_join(&c);
}

static int preunhook(struct lab *l)
{
	return from_elsewhere(l->vm, KVM_INTROSPECTION_PREUNHOOK);
}

static void expect_unhook_event(struct lab *l, uint32_t seq)
{
	static const struct kvmi_event_arch zero;
	struct kvmi_event_msg ev;

	check_kvmi(kvmi_recv_event(l->c, &ev), 0);
	check_eq(ev.hdr.id, KVMI_EVENT);
	check_eq(ev.hdr.size, 544);
	check_eq(ev.hdr.seq, seq);
	check_eq(ev.common.size, 544);
	check_eq(ev.common.event, KVMI_EVENT_UNHOOK);
	check_eq(ev.common.vcpu, 0);
	for (size_t i = 0; i < sizeof(ev.common.padding); i++)
		check_eq(ev.common.padding[i], 0);
	check_eq(memcmp(&ev.common.arch, &zero, sizeof(zero)), 0);
}

/* --- errors --- */

static void test_preunhook_not_hooked(void)
{
	struct lab l;

	lab_open_any(&l, &hit, 1);
	check_eq(preunhook(&l), EFAULT);
	/* Nothing is left locked: HOOK, UNHOOK and permissions from here, PREUNHOOK again from there. */
	lab_hook(&l);
	lab_no_event(l.c);
	check_eq(preunhook(&l), ENOENT);
	check_eq(vmm_unhook(l.vm), 0);
	check_eq(preunhook(&l), EFAULT);
	check_eq(from_elsewhere(l.vm, KVM_INTROSPECTION_UNHOOK), 0);
	check_eq(preunhook(&l), EFAULT);
	lab_hook(&l);
	lab_no_event(l.c);
}

static void test_preunhook_not_enabled(void)
{
	struct lab l;

	start(&l);
	check_eq(preunhook(&l), ENOENT);
	check_kvmi(kvmi_control_events(l.c, KVMI_EVENT_UNHOOK, true), 0);
	check_eq(preunhook(&l), 0);
	expect_unhook_event(&l, 1);
	check_kvmi(kvmi_control_events(l.c, KVMI_EVENT_UNHOOK, false), 0);
	check_eq(preunhook(&l), ENOENT);
	lab_no_event(l.c);
	/* Enabled is what counts, not what may be enabled from now on. */
	check_kvmi(kvmi_control_events(l.c, KVMI_EVENT_UNHOOK, true), 0);
	check_eq(vmm_allow_event(l.vm, KVMI_EVENT_UNHOOK, false), 0);
	check_eq(preunhook(&l), 0);
	expect_unhook_event(&l, 2);

	/* The next tool starts without. */
	check_eq(vmm_unhook(l.vm), 0);
	kvmi_client_free(l.c);
	lab_hook(&l);
	check_eq(preunhook(&l), ENOENT);
	lab_no_event(l.c);
}

static void test_preunhook_tool_gone(void)
{
	struct lab l;

	start(&l);
	check_kvmi(kvmi_control_events(l.c, KVMI_EVENT_UNHOOK, true), 0);
	kvmi_client_free(l.c);
	check_eq(preunhook(&l), ENOENT);
	usleep(10000);
	check_eq(preunhook(&l), ENOENT);
	check_eq(vmm_unhook(l.vm), 0);
	check_eq(preunhook(&l), EFAULT);
}

/* --- the event --- */

/* Its numbers are those of all events, and nobody waits. */
static void test_unhook_event(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	lab_spin(&l, &r, 1);
	check_kvmi(kvmi_control_events(l.c, KVMI_EVENT_UNHOOK, true), 0);
	for (uint32_t seq = 1; seq <= 9;) {
		check_eq(preunhook(&l), 0);
		expect_unhook_event(&l, seq++);
		lab_goes_on(l.v);

		check_kvmi(kvmi_vcpu_pause(l.c, 0, false), 0);
		lab_expect_event(l.c, &ev, KVMI_EVENT_PAUSE_VCPU, 0);
		check_eq(ev.hdr.seq, seq++);
		/* While a vCPU waits: that goes on waiting. */
		check_eq(preunhook(&l), 0);
		expect_unhook_event(&l, seq++);
		lab_stands_still(l.v);
		lab_continue(l.c, &ev);
		lab_goes_on(l.v);
	}
	lab_no_event(l.c);
	runner_stop(&r);
}

/* There is nothing to be answered. */
static void test_unhook_event_answered(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	lab_spin(&l, &r, 1);
	check_kvmi(kvmi_control_events(l.c, KVMI_EVENT_UNHOOK, true), 0);
	check_eq(preunhook(&l), 0);
	check_kvmi(kvmi_recv_event(l.c, &ev), 0);
	lab_answer_raw(l.c, &ev, KVMI_EVENT_ACTION_CONTINUE);
	lab_expect_close(l.c);
	lab_goes_on(l.v);
	runner_stop(&r);
}

/* As it is meant: asked to go, the tool cleans up and closes; the VMM sees that and unhooks. */
static void test_unhook_flow(void)
{
	const uint8_t int3 = 0xcc, nop = 0x90;
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct pollfd hangup;
	uint64_t bp = vmm_label(&hit, guest_hit_bp);
	struct lab l;
	int sv[2];

	lab_need_bp();
	lab_open_any(&l, &hit, 1);
	*(uint8_t *)vmm_mem(l.vm, bp, 1) = nop;
	l.v->config->count = 1ULL << 40;
	for (int round = 0; round < 3; round++) {
		lab_socketpair(sv);
		hangup = (struct pollfd){.fd = sv[0]};
		check_eq(vmm_hook(l.vm, sv[0]), 0);
		check_eq(kvmi_client_new(&l.c, sv[1], TIMEOUT_MS), 0);
		check_kvmi(kvmi_control_events(l.c, KVMI_EVENT_UNHOOK, true), 0);
		if (!round)
			runner_start(&r, l.v);
		check_kvmi(kvmi_vcpu_control_events(l.c, 0, KVMI_EVENT_BREAKPOINT, true), 0);
		check_kvmi(kvmi_write_physical(l.c, bp, &int3, 1), 0);
		for (int i = 0; i < 3; i++) {
			lab_expect_bp(l.c, &ev, 0, bp);
			lab_skip_bp(l.c, &ev);
		}
		lab_expect_bp(l.c, &ev, 0, bp);

		check_eq(preunhook(&l), 0);
		expect_unhook_event(&l, 5);
		check_kvmi(kvmi_write_physical(l.c, bp, &nop, 1), 0);
		check_kvmi(kvmi_vcpu_control_events(l.c, 0, KVMI_EVENT_BREAKPOINT, false), 0);
		check_kvmi(kvmi_reply_event(l.c, &ev, KVMI_EVENT_ACTION_RETRY), 0);
		lab_goes_on(l.v);
		check_eq(poll(&hangup, 1, 0), 0);
		kvmi_client_free(l.c);
		check_eq(poll(&hangup, 1, TIMEOUT_MS), 1);
		check(hangup.revents & POLLHUP);
		check_eq(from_elsewhere(l.vm, KVM_INTROSPECTION_UNHOOK), 0);
		close(sv[0]);
		lab_goes_on(l.v);
		check_eq(l.v->config->bp_count, 0);
	}
	runner_stop(&r);
}

/* --- a tool that does not read --- */

/* PREUNHOOK takes as long as the tool does, UNHOOK does not. */
static void test_preunhook_stuck(void)
{
	struct runner r = {0};
	struct call c;
	struct lab l;

	lab_spin(&l, &r, 1);
	check_kvmi(kvmi_control_events(l.c, KVMI_EVENT_UNHOOK, true), 0);
	note("%u messages until both directions were full", lab_stuff(l.c));
	call_start(&c, l.vm, KVM_INTROSPECTION_PREUNHOOK);
	usleep(20000);
	check(!c.returned);
	/* Nor are other ioctls held up by it. */
	check_eq(vmm_allow_event(l.vm, KVMI_EVENT_BREAKPOINT, false), 0);
	lab_goes_on(l.v);
	check_eq(from_elsewhere(l.vm, KVM_INTROSPECTION_UNHOOK), 0);
	check_eq(call_join(&c), ENOENT);
	lab_goes_on(l.v);

	kvmi_client_free(l.c);
	lab_hook(&l);
	check_kvmi(kvmi_control_events(l.c, KVMI_EVENT_UNHOOK, true), 0);
	check_eq(preunhook(&l), 0);
	expect_unhook_event(&l, 1);
	runner_stop(&r);
}

/* It reads after all: nothing was lost. */
static void test_preunhook_late_reader(void)
{
	struct kvmi_msg_hdr hdr;
	uint8_t payload[16];
	unsigned int sent;
	struct call c;
	struct lab l;

	start(&l);
	check_kvmi(kvmi_control_events(l.c, KVMI_EVENT_UNHOOK, true), 0);
	sent = lab_stuff(l.c);
	call_start(&c, l.vm, KVM_INTROSPECTION_PREUNHOOK);
	usleep(20000);
	check(!c.returned);
	for (bool event = false; sent || !event;) {
		check_kvmi(kvmi_recv_msg(l.c, &hdr, payload, sizeof(payload)), 0);
		if (hdr.id == KVMI_EVENT) {
			check(!event);
			check_eq(hdr.size, 544);
			event = true;
		} else {
			check_eq(hdr.id, KVMI_GET_VERSION);
			check_eq(hdr.size, 16);
			sent--;
		}
	}
	check_eq(call_join(&c), 0);
	lab_no_event(l.c);
}

/* --- a VMM that is killed in UNHOOK --- */

static void set_priority(pid_t pid, int policy, int priority)
{
	const struct sched_param param = {.sched_priority = priority};

	if (sched_setscheduler(pid, policy, &param))
		fail("sched_setscheduler: %s", strerror(errno));
}

/* KVM's receiver threads shall run on CPU 0, if at all. */
static void pin_receivers(void)
{
	struct dirent *entry;
	unsigned int n = 0;
	cpu_set_t set;
	DIR *proc = opendir("/proc");

	check(proc != NULL);
	CPU_ZERO(&set);
	CPU_SET(0, &set);
	while ((entry = readdir(proc))) {
		char path[300], name[32] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		f = fopen(path, "re");
		if (!f)
			continue;
		if (fgets(name, sizeof(name), f) && !strncmp(name, "kvmi-recv", 9)) {
			check_eq(sched_setaffinity(atoi(entry->d_name), sizeof(set), &set), 0);
			n++;
		}
		fclose(f);
	}
	closedir(proc);
	check(n > 0);
}

static int unhook_process(void *vm)
{
	ioctl(vmm_fd(vm), KVM_INTROSPECTION_UNHOOK, 0);
	_exit(0);
}

/*
 * UNHOOK waits for the receiver thread, which does not get to run: what has a higher priority keeps the
 * CPU. Killed then, UNHOOK has done nothing, and the receiver still has what it works with.
 */
static void test_unhook_killed(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	struct kvm_introspection_hook h = {0};
	int sv[2], status, err;
	struct lab l;
	pid_t pid;

	start(&l);
	lab_socketpair(sv);
	h.fd = sv[0];
	check_eq(vmm_pin(0), 0);
	pin_receivers();
	set_priority(0, SCHED_FIFO, 50);
	/* A process of its own that KVM takes for the VMM: it has the same memory. */
	pid = clone(unhook_process, stack + sizeof(stack), CLONE_VM | CLONE_FILES | SIGCHLD, l.vm);
	check(pid > 0);
	set_priority(pid, SCHED_FIFO, 51);
	/* It has run until it had to wait. */
	check_eq(waitpid(pid, &status, WNOHANG), 0);
	check_eq(kill(pid, SIGKILL), 0);
	check_eq(waitpid(pid, &status, 0), pid);
	check(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
	err = ioctl(vmm_fd(l.vm), KVM_INTROSPECTION_HOOK, &h) ? errno : 0;
	set_priority(0, SCHED_OTHER, 0);
	check_eq(err, EEXIST);

	lab_expect_close(l.c);
	check_eq(vmm_unhook(l.vm), 0);
	kvmi_client_free(l.c);
	lab_hook(&l);
	lab_no_event(l.c);
}

int main(void)
{
	const struct tap_test tests[] = {
		{"PREUNHOOK, not hooked: EFAULT, and nothing stays locked",
		 test_preunhook_not_hooked},
		{"PREUNHOOK, event not enabled: ENOENT", test_preunhook_not_enabled},
		{"PREUNHOOK, tool gone: ENOENT", test_preunhook_tool_gone},
		{"PREUNHOOK: the event, its sequence, nobody waits", test_unhook_event},
		{"PREUNHOOK: an answer to the event closes the connection",
		 test_unhook_event_answered},
		{"PREUNHOOK, the tool cleans up and closes, UNHOOK, HOOK", test_unhook_flow},
		{"PREUNHOOK with a tool that does not read: UNHOOK ends it", test_preunhook_stuck},
		{"PREUNHOOK with a tool that reads late", test_preunhook_late_reader},
		{"UNHOOK, killed while it waits: the VM is still hooked", test_unhook_killed},
	};

	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

// SPDX-License-Identifier: BSD-2-Clause
/* Tools and VMMs that die, leave or are interrupted while a vCPU waits: the guest goes on as if alone. */
#include "lab.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define AFTERWARDS 1000 /* hits that go by once the tool is gone */

VMM_DECLARE_GUEST(hit);
extern const char guest_hit_bp[], guest_hit_handler[], guest_hit_spin[];

static const struct vmm_guest hit = VMM_GUEST(hit);

static uint64_t hit_bp(void)
{
	return vmm_label(&hit, guest_hit_bp);
}

static void own_handler(struct lab *l, uint64_t count)
{
	l->v->config->count = count;
	check_eq(vmm_set_handler(l->vm, 3, vmm_label(&hit, guest_hit_handler)), 0);
}

static void start_hit(struct lab *l, uint64_t count)
{
	lab_start(l, &hit);
	own_handler(l, count);
}

static size_t run_size(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);

	check(size > 0);
	close(kvm);
	return size;
}

/* What may be seen of a guest left alone after its first hit: counted from here on. */
struct watch {
	struct counter *exits, *events, *injected;
};

static struct watch watch_start(void)
{
	return (struct watch){
		.exits = counter_start_bp_exits(),
		.events = counter_start("kvmi:kvmi_event_bp_send", NULL),
		.injected = counter_start_injected_bp(),
	};
}

/* One hit was an event that came to nothing, AFTERWARDS more went by undisturbed. */
static void check_left_alone(const struct watch *w, const struct lab *l)
{
	check_eq(l->v->config->hits, 1 + AFTERWARDS);
	check_eq(l->v->config->bp_count, 1 + AFTERWARDS);
	check_eq(l->v->config->bp_rip, hit_bp() + 1);
	check_eq(counter_read(w->events), 1);
	check_eq(counter_read(w->injected), 1);
	check_eq(counter_read(w->exits), 1);
}

/* --- the tool as a process of its own --- */

/*
 * Enables the event, and stops with the first one unanswered: then it writes a byte to @out.
 * Nothing of the VM may be open in it, so it is forked before there is one.
 */
static _Noreturn void tool(int sock, int out)
{
	struct kvmi_event_msg ev;
	struct kvmi_client *c;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (kvmi_client_new(&c, sock, TIMEOUT_MS) || !lab_wait_allowed(c) ||
	    kvmi_vcpu_control_events(c, 0, KVMI_EVENT_BREAKPOINT, true) ||
	    write(out, "e", 1) != 1 || kvmi_recv_event(c, &ev) || write(out, "b", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

struct tool_process {
	pid_t pid;
	int out;
	int sock; /* for KVM */
};

static void tool_start(struct tool_process *t)
{
	int sv[2], out[2];

	lab_socketpair(sv);
	if (pipe(out))
		fail("pipe: %s", strerror(errno));
	t->pid = fork();
	if (t->pid < 0)
		fail("fork: %s", strerror(errno));
	if (!t->pid) {
		close(sv[0]);
		close(out[0]);
		tool(sv[1], out[1]);
	}
	close(sv[1]);
	close(out[1]);
	t->sock = sv[0];
	t->out = out[0];
}

static void tool_says(struct tool_process *t, char what)
{
	struct pollfd pfd = {.fd = t->out, .events = POLLIN};
	char c = 0;

	if (poll(&pfd, 1, TIMEOUT_MS) != 1 || read(t->out, &c, 1) != 1 || c != what)
		fail("the tool's process said '%c', not '%c'", c ? c : '-', what);
}

static void test_kill_tool(void)
{
	struct tool_process t;
	struct runner r = {0};
	struct watch w;
	struct lab l;
	int status;

	tool_start(&t);
	lab_open(&l, &hit, 1);
	own_handler(&l, 0);
	if (vmm_hook(l.vm, t.sock))
		fail("%s", vmm_error());
	close(t.sock);
	w = watch_start();

	/* Rounds of nothing until the event is on, then the real one. */
	do {
		runner_start(&r, l.v);
		runner_done(&r);
	} while (poll(&(struct pollfd){.fd = t.out, .events = POLLIN}, 1, 0) != 1);
	tool_says(&t, 'e');
	l.v->config->count = 1 + AFTERWARDS;
	runner_start(&r, l.v);
	tool_says(&t, 'b');
	check_eq(l.v->config->hits, 0);
	check_eq(l.v->config->bp_count, 0);

	check_eq(kill(t.pid, SIGKILL), 0);
	check_eq(waitpid(t.pid, &status, 0), t.pid);
	runner_done(&r);
	check_left_alone(&w, &l);
}

/* --- the tool closes its end --- */

static void test_close_during_event(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct watch w;
	struct lab l;

	start_hit(&l, 1 + AFTERWARDS);
	w = watch_start();
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, hit_bp());
	kvmi_client_free(l.c);
	runner_done(&r);
	check_left_alone(&w, &l);
}

/* Registers set by a tool that goes without an answer are forgotten, for the next tool's answer as well. */
static void test_close_forgets_registers(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct kvm_regs regs;
	struct watch w;
	struct lab l;

	start_hit(&l, 1 + AFTERWARDS);
	w = watch_start();
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, hit_bp());
	regs = ev.common.arch.regs;
	regs.rip++;
	regs.r8 = 0; /* hits left: it would end at once */
	check_kvmi(kvmi_vcpu_set_registers(l.c, 0, &regs), 0);
	kvmi_client_free(l.c);
	runner_done(&r);
	check_left_alone(&w, &l);

	check_eq(vmm_unhook(l.vm), 0);
	lab_hook(&l);
	l.v->config->count = 3;
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, hit_bp());
	check_kvmi(kvmi_reply_event(l.c, &ev, KVMI_EVENT_ACTION_RETRY), 0);
	for (int i = 0; i < 3; i++) {
		lab_expect_bp(l.c, &ev, 0, hit_bp());
		lab_skip_bp(l.c, &ev);
	}
	runner_done(&r);
	check_eq(l.v->config->hits, 3);
}

/* What was answered in time holds. */
static void test_close_after_answer(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct kvm_regs regs;
	struct lab l;

	for (int i = 0; i < 20; i++) {
		start_hit(&l, 1);
		lab_run_with_bp(&l, &r);
		lab_expect_bp(l.c, &ev, 0, hit_bp());
		regs = ev.common.arch.regs;
		regs.rip++;
		check_kvmi(kvmi_vcpu_set_registers(l.c, 0, &regs), 0);
		check_kvmi(kvmi_reply_event(l.c, &ev, KVMI_EVENT_ACTION_RETRY), 0);
		kvmi_client_free(l.c);
		runner_done(&r);
		check_eq(l.v->config->hits, 1);
		check_eq(l.v->config->bp_count, 0);
		vmm_destroy(l.vm);
	}
}

/* Gone while the guest runs: a vCPU that is in the guest has to notice, too. */
static void test_close_while_running(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct kvm_regs regs;
	struct watch w;
	struct lab l;

	start_hit(&l, 1);
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, hit_bp());
	/* From here to a loop without exits. */
	regs = ev.common.arch.regs;
	regs.rip = vmm_label(&hit, guest_hit_spin);
	check_kvmi(kvmi_vcpu_set_registers(l.c, 0, &regs), 0);
	check_kvmi(kvmi_reply_event(l.c, &ev, KVMI_EVENT_ACTION_RETRY), 0);
	while (!l.v->config->hits)
		usleep(1000);
	kvmi_client_free(l.c);
	usleep(20000);
	check_eq(l.v->config->bp_count, 0);

	w = watch_start();
	l.v->config->count = AFTERWARDS;
	l.v->config->arg[0] = 1;
	runner_done(&r);
	check_eq(l.v->config->hits, AFTERWARDS);
	check_eq(l.v->config->bp_count, AFTERWARDS);
	check_eq(counter_read(w.exits), 0);
	check_eq(counter_read(w.events), 0);
}

/* --- the VMM unhooks --- */

static void test_unhook_during_event(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct watch w;
	struct lab l;

	start_hit(&l, 1 + AFTERWARDS);
	w = watch_start();
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, hit_bp());
	check_eq(vmm_unhook(l.vm), 0);
	lab_expect_close(l.c);
	runner_done(&r);
	check_left_alone(&w, &l);
}

/* The next tool starts with nothing: no permissions, no events, its own sequence. */
static void test_rehook(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;
	int sv[2];

	start_hit(&l, 2);
	lab_run_with_bp(&l, &r);
	for (int i = 0; i < 2; i++) {
		lab_expect_bp(l.c, &ev, 0, hit_bp());
		if (!i)
			lab_skip_bp(l.c, &ev);
	}
	check_eq(vmm_unhook(l.vm), 0);
	kvmi_client_free(l.c);
	runner_done(&r);
	check_eq(l.v->config->bp_count, 1);

	lab_socketpair(sv);
	if (vmm_hook_only(l.vm, sv[0]))
		fail("%s", vmm_error());
	close(sv[0]);
	check_eq(kvmi_client_new(&l.c, sv[1], TIMEOUT_MS), 0);
	check_kvmi(kvmi_check_command(l.c, KVMI_GET_VERSION), 0);
	check_kvmi(kvmi_check_command(l.c, KVMI_VCPU_CONTROL_EVENTS), KVM_EPERM);
	check_kvmi(kvmi_check_event(l.c, KVMI_EVENT_BREAKPOINT), KVM_EPERM);
	check_kvmi(kvmi_vcpu_control_events(l.c, 0, KVMI_EVENT_BREAKPOINT, true), KVM_EPERM);
	check_eq(vmm_allow_command(l.vm, KVMI_VCPU_CONTROL_EVENTS, true), 0);
	check_eq(vmm_allow_command(l.vm, KVMI_VCPU_SET_REGISTERS, true), 0);

	/* The former tool's event is off. */
	runner_start(&r, l.v);
	runner_done(&r);
	lab_no_event(l.c);
	check_eq(l.v->config->bp_count, 3);

	check_eq(vmm_allow_event(l.vm, KVMI_EVENT_BREAKPOINT, true), 0);
	lab_run_with_bp(&l, &r);
	for (uint32_t i = 1; i <= 2; i++) {
		lab_expect_bp(l.c, &ev, 0, hit_bp());
		check_eq(ev.hdr.seq, i);
		lab_skip_bp(l.c, &ev);
	}
	runner_done(&r);
	check_eq(l.v->config->bp_count, 3);
}

/* Again and again, with the vCPU running all the time. */
static void test_rehook_many(void)
{
	struct runner r = {.timeout_ms = 15000};
	struct kvmi_event_msg ev;
	struct lab l;

	start_hit(&l, 1ULL << 40);
	lab_run_with_bp(&l, &r);
	for (int i = 0; i < 20; i++) {
		lab_expect_bp(l.c, &ev, 0, hit_bp());
		if (i % 3 == 0)
			lab_skip_bp(l.c, &ev);
		if (i % 2)
			kvmi_client_free(l.c);
		check_eq(vmm_unhook(l.vm), 0);
		if (i % 2 == 0)
			kvmi_client_free(l.c);
		lab_hook(&l);
		check_kvmi(kvmi_vcpu_control_events(l.c, 0, KVMI_EVENT_BREAKPOINT, true), 0);
	}
	lab_expect_bp(l.c, &ev, 0, hit_bp());
	check_eq(vmm_unhook(l.vm), 0);
	vmm_kick(l.v);
	check_eq(runner_join(&r), -EINTR);
	/* Everything that was hit and left to the guest has arrived there; what was stepped over has not. */
	note("hits %llu, of them to the guest's handler %llu",
	     (unsigned long long)l.v->config->hits, (unsigned long long)l.v->config->bp_count);
	check(l.v->config->hits <= l.v->config->bp_count + 8);
	/* It may have been taken out between the handler and the count. */
	check(l.v->config->hits + 1 >= l.v->config->bp_count);
}

/* Nobody unhooks, the VM simply ends. */
static void test_destroy_while_hooked(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start_hit(&l, 1);
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, hit_bp());
	vmm_kick(l.v);
	check_eq(runner_join(&r), -EINTR);
	/* As the kernel does it to a process that ends: the last reference to the VM goes, no UNHOOK. */
	munmap(l.v->run, run_size());
	close(l.v->fd);
	close(vmm_fd(l.vm));
	lab_expect_close(l.c);
}

/* --- the VMM's signals --- */

static void test_signal(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct kvm_regs regs;
	struct lab l;

	start_hit(&l, 1);
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, hit_bp());
	for (int i = 0; i < 3; i++) {
		vmm_kick(l.v);
		check_eq(runner_join(&r), -EINTR);
		check_eq(vmm_get_regs(l.v, &regs), 0);
		check_eq(regs.rip, hit_bp());
		check_eq(l.v->config->hits, 0);
		/* No second event for the same hit. */
		lab_no_event(l.c);
		runner_start(&r, l.v);
	}
	lab_skip_bp(l.c, &ev);
	runner_done(&r);
	lab_no_event(l.c);
	check_eq(l.v->config->hits, 1);
	check_eq(l.v->config->bp_count, 0);
}

/* The answer comes while the vCPU is out of KVM_RUN. */
static void test_signal_then_answer(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct kvm_regs regs;
	struct lab l;
	uint32_t seq;
	struct {
		struct kvmi_vcpu_hdr hdr;
		struct kvm_regs regs;
	} set = {0};

	start_hit(&l, 2);
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, hit_bp());
	vmm_kick(l.v);
	check_eq(runner_join(&r), -EINTR);

	set.regs = ev.common.arch.regs;
	set.regs.rip++;
	seq = lab_queue(&l, KVMI_VCPU_SET_REGISTERS, &set, sizeof(set));
	check_kvmi(kvmi_reply_event(l.c, &ev, KVMI_EVENT_ACTION_RETRY), 0);
	lab_no_event(l.c);
	/* Nothing happens to the guest before KVM_RUN. */
	check_eq(vmm_get_regs(l.v, &regs), 0);
	check_eq(regs.rip, hit_bp());
	check_eq(l.v->config->hits, 0);

	runner_start(&r, l.v);
	check_kvmi(kvmi_command_wait(l.c, KVMI_VCPU_SET_REGISTERS, seq, NULL, 0), 0);
	lab_expect_bp(l.c, &ev, 0, hit_bp());
	check_eq(l.v->config->hits, 1);
	lab_skip_bp(l.c, &ev);
	runner_done(&r);
	check_eq(l.v->config->bp_count, 0);
}

/* The tool goes while the vCPU is out of KVM_RUN. */
static void test_signal_then_close(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct watch w;
	struct lab l;

	start_hit(&l, 1 + AFTERWARDS);
	w = watch_start();
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, hit_bp());
	vmm_kick(l.v);
	check_eq(runner_join(&r), -EINTR);
	kvmi_client_free(l.c);
	check_eq(vmm_unhook(l.vm), 0);
	runner_start(&r, l.v);
	runner_done(&r);
	check_left_alone(&w, &l);
}

/* A VMM that is killed while its vCPU waits dies at once, and the tool sees it. */
static void test_kill_vmm(void)
{
	struct kvmi_event_msg ev;
	struct kvmi_client *c;
	int sv[2], status, pidfd;
	pid_t pid;

	lab_need_bp();
	lab_socketpair(sv);
	pid = fork();
	if (pid < 0)
		fail("fork: %s", strerror(errno));
	if (!pid) {
		struct runner r = {0};
		struct lab l;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(sv[1]);
		lab_open_any(&l, &hit, 1);
		own_handler(&l, 0);
		if (vmm_hook(l.vm, sv[0]))
			_exit(1);
		close(sv[0]);
		/* Rounds of nothing until the tool wants more. */
		for (int i = 0; i < 1000; i++) {
			runner_start(&r, l.v);
			if (runner_join(&r))
				_exit(1);
			l.v->config->count = 1;
		}
		_exit(1);
	}
	close(sv[0]);
	check_eq(kvmi_client_new(&c, sv[1], TIMEOUT_MS), 0);
	check(lab_wait_allowed(c));
	check_kvmi(kvmi_vcpu_control_events(c, 0, KVMI_EVENT_BREAKPOINT, true), 0);
	lab_expect_bp(c, &ev, 0, hit_bp());

	check_eq(kill(pid, SIGKILL), 0);
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	if (poll(&(struct pollfd){.fd = pidfd, .events = POLLIN}, 1, TIMEOUT_MS) != 1)
		fail("a killed VMM has not ended after %d ms", TIMEOUT_MS);
	check_eq(waitpid(pid, &status, 0), pid);
	lab_expect_close(c);
}

int main(void)
{
	const struct tap_test tests[] = {
		{"tool killed during an event: #BP once, then 1000 hits without an exit",
		 test_kill_tool},
		{"tool closes during an event: the same", test_close_during_event},
		{"tool goes after SET_REGISTERS, without answer: they are forgotten",
		 test_close_forgets_registers},
		{"tool goes right after its answer: the answer holds", test_close_after_answer},
		{"tool goes while the guest runs: no exits any more", test_close_while_running},
		{"UNHOOK during an event: #BP once, then 1000 hits without an exit",
		 test_unhook_during_event},
		{"HOOK again: no permissions, no events, a new sequence", test_rehook},
		{"HOOK and UNHOOK in turns while the vCPU runs", test_rehook_many},
		{"VM destroyed during an event", test_destroy_while_hooked},
		{"signal during an event: EINTR, KVM_GET_REGS, and the next KVM_RUN goes on",
		 test_signal},
		{"signal, then the answer, then KVM_RUN", test_signal_then_answer},
		{"signal, then tool gone and UNHOOK, then KVM_RUN", test_signal_then_close},
		{"VMM killed during an event: it ends, the tool sees it", test_kill_vmm},
	};

	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

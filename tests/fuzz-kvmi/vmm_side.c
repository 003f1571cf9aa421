// SPDX-License-Identifier: BSD-2-Clause
/* The VMM: threads that run vCPUs, one for ioctls, and one that hooks and unhooks. */
#include "vmm_side.h"
#include "checks.h"
#include "faults.h"
#include "hostile.h"
#include "kcov.h"

#include <errno.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <unistd.h>

#define HOOK_MS	 400 /* a connection may last no longer */
#define FLOOD_MS 400
#define OUT_MS	 1000 /* a signal must take a vCPU out of KVM_RUN within this */
#define END_MS	 15000
#define IOCTL_US 400

static struct machine machine;

/* --- vCPUs --- */

static void take_nap(struct fuzz_vcpu *v, struct fuzz_random *r)
{
	if (fuzz_kind(KIND_SIGNALS) && fuzz_one_in(r, 40))
		usleep(fuzz_below(r, 2000));
	while (atomic_load(&v->m->parked) && !atomic_load(&v->m->end))
		usleep(200);
}

/* What a VMM does about an exit; or anything else. */
static void after_run(struct fuzz_vcpu *v, struct fuzz_random *r, int err)
{
	struct kvm_run *run = v->run;

	if (err == EINTR || err == EAGAIN) {
		if (fuzz_one_in(r, 3))
			hostile_vcpu_ioctl(v, r);
		return;
	}
	if (err) {
		machine_reset_vcpu(v);
		return;
	}
	switch (run->exit_reason) {
	case KVM_EXIT_DEBUG:
		if (v->v && run->debug.arch.exception == 3 && !fuzz_one_in(r, 4)) {
			run->s.regs.regs.rip++;
			run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
		}
		break;
	case KVM_EXIT_IO:
	case KVM_EXIT_HLT:
	case KVM_EXIT_MMIO:
	case KVM_EXIT_INTR:
	case KVM_EXIT_IRQ_WINDOW_OPEN:
		if (fuzz_one_in(r, 16))
			hostile_vcpu_ioctl(v, r);
		break;
	case KVM_EXIT_SYSTEM_EVENT:
		break;
	case KVM_EXIT_FAIL_ENTRY:
		v->broken = true;
		machine_reset_vcpu(v);
		break;
	default: /* triple fault, an instruction that cannot be emulated */
		if (fuzz_one_in(r, 2))
			machine_restore_memory(v->m);
		machine_reset_vcpu(v);
		break;
	}
}

static void *run_vcpu(void *arg)
{
	struct fuzz_vcpu *v = arg;
	struct fuzz_random r = fuzz_random(v->m->plan->round, THREAD_VCPU + v->index);
	const struct sched_param idle = {0};

	kcov_start();
	/* The guest is to make way where there is one processor, and at times elsewhere. */
	if (v->m->plan->scene == SCENE_MIXED &&
	    (sysconf(_SC_NPROCESSORS_ONLN) == 1 || fuzz_one_in(&r, 4)))
		sched_setscheduler(0, SCHED_IDLE, &idle);
	atomic_store(&v->tid, gettid());
	while (!atomic_load(&v->m->end)) {
		int err;

		take_nap(v, &r);
		if (v->v && fuzz_kind(KIND_SIGNALS) && fuzz_one_in(&r, 100))
			v->run->immediate_exit = 1;
		else if (!atomic_load(&v->m->end))
			v->run->immediate_exit = 0;
		err = ioctl(v->fd, KVM_RUN, 0) ? errno : 0;
		kcov_collect();
		atomic_fetch_add(&v->runs, 1);
		fuzz_add(COUNT_RUNS, 1);
		after_run(v, &r, err);
		kcov_collect();
	}
	kcov_stop();
	return NULL;
}

static void start_vcpu(struct fuzz_vcpu *v)
{
	/* Fails for want of memory where faults are injected. */
	if (pthread_create(&v->thread, NULL, run_vcpu, v))
		v->thread = 0;
}

/* --- ioctls --- */

static void *do_ioctls(void *arg)
{
	struct machine *m = arg;
	struct fuzz_random r = fuzz_random(m->plan->round, THREAD_IOCTLS);

	kcov_start();
	while (!atomic_load(&m->end)) {
		struct fuzz_vcpu *v = &m->vcpu[fuzz_below(&r, atomic_load(&m->nr_vcpus))];

		if (fuzz_kind(KIND_SIGNALS) && fuzz_one_in(&r, 2))
			machine_kick(v);
		if (fuzz_one_in(&r, 3))
			hostile_vcpu_ioctl(v, &r);
		else
			hostile_vm_ioctl(m, &r);
		kcov_collect();
		usleep(fuzz_below(&r, IOCTL_US));
	}
	kcov_stop();
	return NULL;
}

/* --- hooks --- */

static void allow(struct machine *m, struct fuzz_random *r)
{
	if (hostile_allow_all(m) && !m->plan->faults && !fuzz_kind(KIND_UNHOOK))
		fuzz_found("COMMAND or EVENT after HOOK: %s", strerror(errno));
	if (fuzz_kind(KIND_PERMISSIONS) && fuzz_one_in(r, 8))
		hostile_vm_ioctl(m, r);
}

/* Until the introspector has done with it, mostly. */
static void let_work(struct machine *m, struct fuzz_random *r, unsigned int i)
{
	bool early = fuzz_one_in(r, 5);
	double end = fuzz_seconds() + (early ? fuzz_below(r, 20) : HOOK_MS) / 1000.0;

	while (atomic_load(&fuzz_shared->done) <= i && !atomic_load(&fuzz_shared->stop) &&
	       fuzz_seconds() < end) {
		usleep(500);
		kcov_collect();
		if (fuzz_kind(KIND_NEW_VCPUS) && fuzz_one_in(r, 40) && machine_add_vcpu(m))
			start_vcpu(&m->vcpu[atomic_load(&m->nr_vcpus) - 1]);
	}
}

static void unhook(struct machine *m)
{
	if (ioctl(m->fd, KVM_INTROSPECTION_UNHOOK, 0) && !m->plan->faults)
		fuzz_found("UNHOOK: %s", strerror(errno));
	kcov_collect();
}

static void park(struct machine *m, bool parked)
{
	atomic_store(&m->parked, parked);
	for (unsigned int i = 0; parked && i < atomic_load(&m->nr_vcpus); i++)
		machine_kick(&m->vcpu[i]);
}

static void mixed(struct machine *m, struct fuzz_random *r, const int *sock)
{
	for (unsigned int i = 0; i < m->plan->nr_hooks; i++) {
		bool last = i + 1 == m->plan->nr_hooks, hooked;

		if (fuzz_kind(KIND_WRONG_FD) && fuzz_one_in(r, 3))
			hostile_wrong_fd(m, r);
		hooked = !hostile_hook(m, sock[i]);
		if (hooked) {
			faults_receivers(m->plan);
			allow(m, r);
		}
		close(sock[i]);
		atomic_store(&fuzz_shared->hooked, i + 1);
		if (m->plan->park && i && fuzz_one_in(r, 2)) {
			/* Nobody runs; the introspector talks all the same. */
			usleep(fuzz_below(r, 4000));
			park(m, false);
		}
		if (hooked)
			let_work(m, r, i);
		if (m->plan->park && fuzz_one_in(r, 2))
			park(m, true);
		if (last && m->plan->leave_hooked)
			break;
		unhook(m);
		atomic_store(&fuzz_shared->unhooked, i + 1);
	}
	park(m, false);
}

/* --- the other scenes --- */

static void must_come_out(struct machine *m)
{
	struct fuzz_vcpu *v = &m->vcpu[0];
	unsigned int runs = atomic_load(&v->runs);
	double begin = fuzz_seconds();

	machine_kick(v);
	while (atomic_load(&v->runs) == runs && !atomic_load(&fuzz_shared->stop)) {
		usleep(500);
		if (fuzz_seconds() - begin > OUT_MS / 1000.0) {
			fuzz_found("a flood of commands keeps the vCPU in KVM_RUN for over %d ms, "
				   "whatever signals it gets",
				   OUT_MS);
			return;
		}
	}
}

static void flood(struct machine *m)
{
	double begin = fuzz_seconds();
	uint64_t hits;

	usleep(20000);
	hits = m->vcpu[0].v->config->hits;
	while (fuzz_seconds() - begin < FLOOD_MS / 1000.0 && !atomic_load(&fuzz_shared->failed)) {
		usleep(20000);
		must_come_out(m);
	}
	if (m->vcpu[0].v->config->hits == hits)
		fuzz_found("a flood of commands: the guest has not run for %d ms", FLOOD_MS);
}

static void special(struct machine *m, int sock, int tool_end)
{
	if (m->plan->scene == SCENE_QUEUE)
		park(m, true);
	if (m->plan->scene == SCENE_SCM)
		hostile_send_vm(m, tool_end);
	if (hostile_hook(m, sock) || hostile_allow_all(m)) {
		fuzz_found("HOOK: %s", strerror(errno));
		return;
	}
	close(sock);
	atomic_store(&fuzz_shared->hooked, 1);
	switch (m->plan->scene) {
	case SCENE_FLOOD:
		flood(m);
		break;
	case SCENE_SCM:
		usleep(5000);
		_exit(0);
	default:
		while (!atomic_load(&fuzz_shared->done) && !atomic_load(&fuzz_shared->stop))
			usleep(1000);
		break;
	}
	unhook(m);
	atomic_store(&fuzz_shared->unhooked, 1);
	park(m, false);
}

/* --- the end --- */

static bool join(struct machine *m, pthread_t thread, double end)
{
	struct timespec when;

	for (;;) {
		for (unsigned int i = 0; i < atomic_load(&m->nr_vcpus); i++)
			machine_kick(&m->vcpu[i]);
		clock_gettime(CLOCK_REALTIME, &when);
		when.tv_nsec += 20000000;
		if (when.tv_nsec >= 1000000000) {
			when.tv_nsec -= 1000000000;
			when.tv_sec++;
		}
		if (!pthread_timedjoin_np(thread, NULL, &when))
			return true;
		if (fuzz_seconds() > end)
			return false;
	}
}

static void end_threads(struct machine *m, pthread_t ioctls)
{
	double end = fuzz_seconds() + END_MS / 1000.0;
	bool ok = true;

	atomic_store(&m->end, true);
	atomic_store(&m->parked, false);
	if (ioctls)
		ok = join(m, ioctls, end);
	if (!ok)
		fuzz_found("the thread that does ioctls is stuck");
	for (unsigned int i = 0; ok && i < atomic_load(&m->nr_vcpus); i++) {
		ok = !m->vcpu[i].thread || join(m, m->vcpu[i].thread, end);
		if (!ok)
			fuzz_found("the thread of vCPU %u is stuck", i);
	}
	if (!ok) {
		checks_dump(getpid(), "the VMM");
		_exit(1);
	}
}

static void on_signal(int sig)
{
	(void)sig;
}

_Noreturn void fuzz_vmm(const struct fuzz_plan *plan, const int *sock, int tool_end)
{
	struct fuzz_random r = fuzz_random(plan->round, THREAD_HOOKS);
	struct sigaction sa = {.sa_handler = on_signal};
	struct machine *m = &machine;
	pthread_t ioctls = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	sigaction(SIGUSR1, &sa, NULL);
	/* Either itself is traced, or the receivers of its hooks are. */
	if (plan->round % 2)
		kcov_start();
	if (!machine_create(m, plan))
		_exit(1);
	if (plan->round % 2 == 0)
		kcov_start_remote(plan->round);
	if (plan->faults)
		faults_self(true);
	for (unsigned int i = 0; i < plan->nr_vcpus; i++)
		start_vcpu(&m->vcpu[i]);
	if (plan->scene == SCENE_MIXED) {
		if (pthread_create(&ioctls, NULL, do_ioctls, m))
			ioctls = 0;
		mixed(m, &r, sock);
	} else {
		special(m, sock[0], tool_end);
	}
	if (plan->faults)
		faults_self(false);
	if (plan->leave_hooked && plan->scene == SCENE_MIXED)
		_exit(0);
	unhook(m);
	atomic_store(&fuzz_shared->unhooked, FUZZ_MAX_HOOKS);
	end_threads(m, ioctls);
	unhook(m); /* hooked again by the other thread, perhaps */
	machine_check(m);
	machine_close(m);
	kcov_stop();
	_exit(0);
}

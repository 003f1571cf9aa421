// SPDX-License-Identifier: BSD-2-Clause
/* The VMM's KVM_RUN loop, with its time limit and kicks. */
#include "vmm_priv.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

#define VMM_SIGNAL SIGRTMIN

static _Thread_local struct vmm_vcpu *current_vcpu;

/* Time limit or kick: makes the KVM_RUN that is under way, or about to be, return. */
static void on_signal(int sig, siginfo_t *info, void *context)
{
	struct vmm_vcpu *v = current_vcpu;

	(void)sig;
	(void)context;
	if (!v)
		return;
	if (info->si_code == SI_TIMER)
		v->expired = true;
	v->run->immediate_exit = 1;
}

static int arm(struct vmm_vcpu *v, pid_t tid, unsigned int timeout_ms)
{
	const struct itimerspec when = {
		.it_value = {.tv_sec = timeout_ms / 1000, .tv_nsec = timeout_ms % 1000 * 1000000L},
	};
	struct sigaction sa = {.sa_sigaction = on_signal, .sa_flags = SA_SIGINFO};

	if (v->timer_tid && v->timer_tid != tid) {
		timer_delete(v->timer);
		v->timer_tid = 0;
	}
	if (!v->timer_tid) {
		struct sigevent sev = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = VMM_SIGNAL};

		sev.sigev_notify_thread_id = tid;
		if (sigaction(VMM_SIGNAL, &sa, NULL))
			return vmm_set_errno("sigaction");
		if (timer_create(CLOCK_MONOTONIC, &sev, &v->timer))
			return vmm_set_errno("timer_create");
		v->timer_tid = tid;
	}
	if (timer_settime(v->timer, 0, &when, NULL))
		return vmm_set_errno("timer_settime");
	return 0;
}

static void disarm(struct vmm_vcpu *v)
{
	const struct itimerspec never = {0};

	timer_settime(v->timer, 0, &never, NULL);
}

static int on_trap(struct vmm_vcpu *v, const struct vmm_ops *ops, void *ctx)
{
	if (ops && ops->trap)
		return ops->trap(v, ctx);
	return vmm_set_error(
		-EFAULT,
		"vCPU %u: the guest took exception %llu, error code %#llx, at RIP %#llx, CR2 "
		"%#llx",
		v->index, (unsigned long long)v->config->trap_vector,
		(unsigned long long)v->config->trap_error, (unsigned long long)v->config->trap_rip,
		(unsigned long long)v->config->trap_cr2);
}

/* *done: the guest wrote GUEST_PORT_DONE. */
static int on_io(struct vmm_vcpu *v, const struct vmm_ops *ops, void *ctx, bool *done)
{
	const struct kvm_run *run = v->run;
	uint32_t value = 0;

	if (run->io.direction != KVM_EXIT_IO_OUT || run->io.size > sizeof(value))
		return ops && ops->exit ? ops->exit(v, ctx)
					: vmm_set_error(-EIO,
							"vCPU %u: the guest reads port %#x, which "
							"no device has",
							v->index, run->io.port);

	if (run->io.port == GUEST_PORT_DONE) {
		*done = true;
		return 0;
	}
	if (run->io.port == GUEST_PORT_TRAP)
		return on_trap(v, ops, ctx);

	memcpy(&value, (const uint8_t *)run + run->io.data_offset, run->io.size);
	if (ops && ops->out)
		return ops->out(v, run->io.port, value, ctx);
	return vmm_set_error(-EIO,
			     "vCPU %u: the guest writes %#x to port %#x, which nobody handles",
			     v->index, value, run->io.port);
}

static int on_other(struct vmm_vcpu *v, const struct vmm_ops *ops, void *ctx)
{
	const struct kvm_run *run = v->run;

	if (ops && ops->exit)
		return ops->exit(v, ctx);

	switch (run->exit_reason) {
	case KVM_EXIT_SHUTDOWN:
		return vmm_set_error(-ESHUTDOWN, "vCPU %u: triple fault at RIP %#llx", v->index,
				     (unsigned long long)run->s.regs.regs.rip);
	case KVM_EXIT_INTERNAL_ERROR:
		return vmm_set_error(-EIO, "vCPU %u: KVM internal error, suberror %u, at RIP %#llx",
				     v->index, run->internal.suberror,
				     (unsigned long long)run->s.regs.regs.rip);
	case KVM_EXIT_FAIL_ENTRY:
		return vmm_set_error(
			-EIO, "vCPU %u: the CPU refuses to enter the guest, reason %#llx", v->index,
			(unsigned long long)run->fail_entry.hardware_entry_failure_reason);
	default:
		return vmm_set_error(-EIO, "vCPU %u: unexpected exit reason %u at RIP %#llx",
				     v->index, run->exit_reason,
				     (unsigned long long)run->s.regs.regs.rip);
	}
}

/* KVM_RUN failed: 0 to try again. */
static int on_run_error(struct vmm_vcpu *v, unsigned int timeout_ms)
{
	int err = errno;

	if (err == EAGAIN)
		return 0;
	if (err != EINTR)
		return vmm_set_errno("KVM_RUN");
	if (!v->run->immediate_exit)
		return 0; /* somebody else's signal */

	v->run->immediate_exit = 0;
	if (v->expired)
		return vmm_set_error(-ETIMEDOUT, "vCPU %u: the guest did not finish within %u ms",
				     v->index, timeout_ms);
	return vmm_set_error(-EINTR, "vCPU %u: kicked", v->index);
}

static int run_loop(struct vmm_vcpu *v, const struct vmm_ops *ops, void *ctx,
		    unsigned int timeout_ms)
{
	bool done = false;
	int ret;

	do {
		if (ioctl(v->fd, KVM_RUN, 0)) {
			ret = on_run_error(v, timeout_ms);
			continue;
		}

		switch (v->run->exit_reason) {
		case KVM_EXIT_DEBUG:
			if (ops && ops->debug) {
				ret = ops->debug(v, ctx);
				break;
			}
			ret = on_other(v, ops, ctx);
			break;
		case KVM_EXIT_IO:
			ret = on_io(v, ops, ctx, &done);
			break;
		case KVM_EXIT_INTR:
			ret = 0;
			break;
		default:
			ret = on_other(v, ops, ctx);
			break;
		}
	} while (!ret && !done);

	return ret;
}

int vmm_run(struct vmm_vcpu *v, const struct vmm_ops *ops, void *ctx, unsigned int timeout_ms)
{
	pid_t tid = gettid();
	int ret;

	if (!timeout_ms)
		return vmm_set_error(-EINVAL, "vmm_run() needs a time limit");

	v->expired = false;
	current_vcpu = v;
	v->tid = tid;
	ret = arm(v, tid, timeout_ms);
	if (!ret) {
		ret = run_loop(v, ops, ctx, timeout_ms);
		disarm(v);
	}
	v->tid = 0;
	current_vcpu = NULL;
	/* Expired just as the guest finished: not to be taken for a kick next time. */
	if (v->expired)
		v->run->immediate_exit = 0;
	return ret;
}

void vmm_kick(struct vmm_vcpu *v)
{
	pid_t tid;

	v->run->immediate_exit = 1;
	tid = v->tid;
	if (tid)
		syscall(SYS_tgkill, getpid(), tid, VMM_SIGNAL);
}

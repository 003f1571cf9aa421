// SPDX-License-Identifier: BSD-2-Clause
/* The table of cases, their set-up, and the checks that make a number trustworthy. */
#include "cases.h"

#include "control.h"
#include "introspector.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define WARMUP_HITS	 100
#define MAX_ROUND	 1000000
#define ROUND_TIMEOUT_MS 120000
#define HOOK_TIMEOUT_MS	 10000
/* Longer than any session; see introspector_start(). */
#define INTROSPECTOR_LIMIT_S 300

VMM_DECLARE_GUEST(cpuid);
VMM_DECLARE_GUEST(hypercall);
VMM_DECLARE_GUEST(hypercall_event);
VMM_DECLARE_GUEST(int3);
VMM_DECLARE_GUEST(int3_handled);
VMM_DECLARE_GUEST(npt_fault);
VMM_DECLARE_GUEST(pio_out);
extern const char guest_int3_bp[], guest_int3_handled_handler[];

/* --- the cases --- */

/* Userspace's way with a breakpoint: look whether it is the right one, step over it. */
static int int3_debug_exit(struct vmm_vcpu *v, void *ctx)
{
	const uint64_t *bp = ctx;

	if (v->run->debug.arch.exception != 3 || v->run->debug.arch.pc != *bp)
		return -EFAULT;
	v->run->s.regs.regs.rip++;
	v->run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
	return 0;
}

static int pio_out_exit(struct vmm_vcpu *v, uint16_t port, uint32_t value, void *ctx)
{
	(void)v;
	(void)value;
	(void)ctx;
	return port == GUEST_PORT_USER ? 0 : -EFAULT;
}

#define GUEST(n)                                                               \
	{                                                                      \
		.name = #n, .start = guest_##n##_start, .end = guest_##n##_end \
	}

static const struct bench_case table[] = {
	{
		.name = "cpuid",
		.what = "CPUID: an exit that KVM handles without leaving the kernel",
		.lab_hits = 80000,
		.guest = GUEST(cpuid),
	},
	{
		.name = "hypercall",
		.what = "VMCALL or VMMCALL with a number that KVM does not know",
		.lab_hits = 80000,
		.guest = GUEST(hypercall),
		.extra = true,
	},
	{
		.name = "npt_fault",
		.what = "a write to a page that second-level paging does not map yet",
		.lab_hits = 20000,
		.guest = GUEST(npt_fault),
		.extra = true,
		.pages = 20000,
	},
	{
		.name = "pio_out",
		.what = "a port write to userspace and back",
		.lab_hits = 25000,
		.guest = GUEST(pio_out),
		.extra = true,
		.ops = {.out = pio_out_exit},
	},
	{
		.name = "int3_debug",
		.what = "int3 to userspace by KVM_EXIT_DEBUG, RIP moved on there, and back",
		.lab_hits = 30000,
		.guest = GUEST(int3),
		.needs_bp = true,
		.guest_debug = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP,
		.ops = {.debug = int3_debug_exit},
	},
	{
		.name = "int3_event_retry",
		.what = "int3 as KVMI_EVENT_BREAKPOINT to another process: SET_REGISTERS, then RETRY",
		.lab_hits = 10000,
		.guest = GUEST(int3),
		.needs_bp = true,
		.answer = &answer_retry,
	},
	{
		.name = "int3_guest",
		.what = "int3 to the guest's own handler, without an exit: what all of the others come on top of",
		.lab_hits = 3200000,
		.guest = GUEST(int3_handled),
		.bp_handler = guest_int3_handled_handler,
		.extra = true,
	},
	{
		.name = "int3_event_pipelined",
		.what = "as int3_event_retry, SET_REGISTERS and RETRY in one write",
		.lab_hits = 10000,
		.guest = GUEST(int3),
		.needs_bp = true,
		.answer = &answer_pipelined,
		.extra = true,
	},
	{
		.name = "int3_event_continue",
		.what = "int3 as an event, answered CONTINUE: the guest takes the #BP",
		.lab_hits = 10000,
		.guest = GUEST(int3_handled),
		.bp_handler = guest_int3_handled_handler,
		.needs_bp = true,
		.answer = &answer_continue,
		.extra = true,
	},
	{
		.name = "int3_event_registers",
		.what = "as int3_event_retry, after GET_REGISTERS",
		.lab_hits = 10000,
		.guest = GUEST(int3),
		.needs_bp = true,
		.answer = &answer_registers,
		.extra = true,
	},
	{
		.name = "int3_event_msrs",
		.what = "as int3_event_retry, after GET_REGISTERS with 16 MSRs",
		.lab_hits = 10000,
		.guest = GUEST(int3),
		.needs_bp = true,
		.answer = &answer_registers_msrs,
		.extra = true,
	},
	{
		.name = "int3_event_restore",
		.what = "as int3_event_retry, after WRITE_PHYSICAL of the original byte and of int3 again",
		.lab_hits = 10000,
		.guest = GUEST(int3),
		.needs_bp = true,
		.answer = &answer_restore,
		.extra = true,
	},
	{
		.name = "hypercall_event",
		.what = "VMCALL or VMMCALL as KVMI_EVENT_HYPERCALL, answered CONTINUE",
		.lab_hits = 10000,
		.guest = GUEST(hypercall_event),
		.answer = &answer_hypercall,
		.extra = true,
	},
};

const struct bench_case *cases(size_t *n)
{
	*n = sizeof(table) / sizeof(table[0]);
	return table;
}

uint64_t case_max_round(const struct bench_case *c)
{
	return c->pages ? c->pages : MAX_ROUND;
}

/* --- can it run here? --- */

bool case_have_kvmi(const char **why)
{
	static char text[VMM_ERROR_MAX];
	struct vmm *vm;
	int sv[2], ret;

	*why = text;
	ret = vmm_create(&vm, VMM_MEM_DEFAULT, 1);
	if (ret) {
		snprintf(text, sizeof(text), "%s", vmm_error());
		return false;
	}
	if (!vmm_introspection_version(vm)) {
		*why = "this kernel has no KVM introspection; one with the series in "
		       "kernel-patches/ has";
		ret = -EOPNOTSUPP;
	} else if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv)) {
		ret = -errno;
		snprintf(text, sizeof(text), "socketpair: %s", strerror(errno));
	} else {
		/* Only trying tells whether it is switched on. */
		ret = vmm_hook(vm, sv[0]);
		if (ret)
			snprintf(text, sizeof(text), "%s", vmm_error());
		close(sv[0]);
		close(sv[1]);
	}
	vmm_destroy(vm);
	if (!ret)
		*why = "this kernel has KVM introspection, and it is switched on";
	return !ret;
}

const char *case_skip_reason(const struct bench_case *c)
{
	static bool asked_bp, asked_kvmi, have_kvmi;
	static enum vmm_probe bp;
	static const char *why_bp, *why_kvmi;

	if (!asked_bp) {
		static char text[VMM_ERROR_MAX];
		const char *why;

		bp = vmm_probe_int3(&why);
		snprintf(text, sizeof(text), "%s", why);
		why_bp = text;
		asked_bp = true;
	}
	/* Whatever else the probe says, without KVM nothing runs. */
	if (bp == VMM_PROBE_NO_KVM || (c->needs_bp && bp != VMM_PROBE_OK))
		return why_bp;

	if (c->answer && !asked_kvmi) {
		have_kvmi = case_have_kvmi(&why_kvmi);
		asked_kvmi = true;
	}
	return c->answer && !have_kvmi ? why_kvmi : NULL;
}

/* --- sessions --- */

/**
 * struct case_session - a case while it is set up
 * @bp: guest address of the int3
 * @events: the introspector's counter after the latest round
 * @counted_hits, @counted_events: of all rounds
 */
struct case_session {
	const struct bench_case *c;
	struct vmm *vm;
	struct vmm_vcpu *vcpu;
	struct introspector *in;
	const uint64_t *log;
	uint64_t round;
	uint64_t bp;
	uint64_t events;
	uint64_t counted_hits;
	uint64_t counted_events;
	long tsc_khz;
};

static char error[640];

const char *case_error(void)
{
	return error;
}

static int fail(int ret, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int fail(int ret, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error, sizeof(error), fmt, ap);
	va_end(ap);
	return ret;
}

static int vmm_fail(int ret)
{
	return fail(ret, "%s", vmm_error());
}

/* The guest ended otherwise than by DONE. */
static int run_fail(const struct case_session *cs, int ret)
{
	const char *why = cs->in ? introspector_error(cs->in) : "";

	if (*why)
		return fail(ret, "the introspector failed: %s", why);
	/* It has said all it had to say: now there is only the end of it to be heard. */
	if (cs->in && introspector_ready(cs->in, 100) < 0)
		return fail(ret,
			    "the introspector ended in the middle, after %llu hits of the round",
			    (unsigned long long)cs->vcpu->config->hits);
	return fail(ret, "after %llu hits of the round: %s",
		    (unsigned long long)cs->vcpu->config->hits, vmm_error());
}

static int run_guest(struct case_session *cs, uint64_t hits)
{
	int ret;

	if (cs->c->pages) {
		/* With its pages everything else has gone: from the entry, which touches that again. */
		ret = vmm_unmap_pages(cs->vm);
		if (!ret)
			ret = vmm_vcpu_start(cs->vcpu, GUEST_CODE);
		if (ret)
			return vmm_fail(ret);
	}
	cs->vcpu->config->count = hits;
	ret = vmm_run(cs->vcpu, &cs->c->ops, &cs->bp, ROUND_TIMEOUT_MS);
	if (ret)
		return run_fail(cs, ret);
	if (cs->vcpu->config->hits != hits)
		return fail(-EIO, "the guest was to do %llu hits and counted %llu",
			    (unsigned long long)hits, (unsigned long long)cs->vcpu->config->hits);
	return 0;
}

/*
 * Hook the VM and have the event switched on. The introspector's command is only executed by a vCPU that
 * runs, so the guest does rounds of no hits until it is.
 */
static int hook(struct case_session *cs, int sock)
{
	int ret = vmm_hook(cs->vm, sock);

	if (ret)
		return vmm_fail(ret);
	ret = introspector_go(cs->in);
	for (int ms = 0; !ret && ms < HOOK_TIMEOUT_MS; ms++) {
		ret = run_guest(cs, 0);
		if (ret)
			break;
		ret = introspector_ready(cs->in, 1);
		if (ret > 0)
			return 0;
	}
	if (!ret)
		return fail(-ETIMEDOUT, "the introspector did not get the event switched on");
	return *introspector_error(cs->in) ? run_fail(cs, ret)
					   : fail(ret, "the introspector is gone");
}

static int set_up(struct case_session *cs, const struct case_cpus *cpus)
{
	const struct bench_case *c = cs->c;
	size_t log_size = (cs->round + 1) * sizeof(uint64_t);
	int sock = -1, ret;

	ret = vmm_pin(cpus->vcpu);
	if (ret)
		return vmm_fail(ret);
	if (c->answer) {
		ret = introspector_start(&cs->in, c->answer, cpus->introspector, &sock,
					 INTROSPECTOR_LIMIT_S);
		if (ret)
			return fail(ret, "%s", introspector_error(NULL));
	}

	ret = vmm_create(&cs->vm, GUEST_LOG + log_size, 1);
	if (!ret && c->pages)
		ret = vmm_add_pages(cs->vm, c->pages);
	if (!ret)
		ret = vmm_load(cs->vm, &c->guest);
	if (!ret && c->bp_handler)
		ret = vmm_set_handler(cs->vm, 3, vmm_label(&c->guest, c->bp_handler));
	if (ret) {
		ret = vmm_fail(ret);
		goto out;
	}
	cs->vcpu = vmm_vcpu(cs->vm, 0);
	cs->log = vmm_mem(cs->vm, GUEST_LOG, log_size);
	cs->vcpu->config->log = GUEST_LOG;
	cs->vcpu->config->log_size = log_size;
	cs->bp = vmm_label(&c->guest, guest_int3_bp);
	cs->tsc_khz = vmm_tsc_khz(cs->vcpu);
	if (cs->tsc_khz < 0) {
		ret = vmm_fail(cs->tsc_khz);
		goto out;
	}
	if (c->guest_debug) {
		ret = vmm_guest_debug(cs->vcpu, c->guest_debug);
		if (ret) {
			ret = vmm_fail(ret);
			goto out;
		}
	}
	if (c->answer)
		ret = hook(cs, sock);
out:
	if (sock >= 0)
		close(sock);
	return ret;
}

int case_open(struct case_session **out, const struct bench_case *c, const struct case_cpus *cpus,
	      uint64_t round)
{
	struct case_session *cs = calloc(1, sizeof(*cs));
	int ret;

	if (!cs)
		return fail(-ENOMEM, "out of memory");
	cs->c = c;
	cs->round = round < WARMUP_HITS ? WARMUP_HITS : round;

	ret = set_up(cs, cpus);
	if (!ret)
		ret = run_guest(cs, WARMUP_HITS);
	if (ret) {
		char why[sizeof(error)];

		memcpy(why, error, sizeof(why));
		case_close(cs);
		memcpy(error, why, sizeof(error));
		return ret;
	}
	if (cs->in)
		cs->events = introspector_events(cs->in);

	*out = cs;
	return 0;
}

int case_round(struct case_session *cs, uint64_t hits, struct stats *s, bool account)
{
	int ret;

	if (!hits || hits > cs->round)
		return fail(-EINVAL, "a round has 1 to %llu hits", (unsigned long long)cs->round);

	if (account && control("begin %s", cs->c->name))
		return fail(-EIO, "%s", control_error());
	/* From the guest's first stamp to its OUT after the last hit: nothing else is in between. */
	ret = run_guest(cs, hits);
	if (account && control("end") && !ret)
		return fail(-EIO, "%s", control_error());
	if (ret)
		return ret;
	cs->counted_hits += hits;

	if (cs->in) {
		uint64_t now = introspector_events(cs->in);

		if (now - cs->events != hits)
			return fail(-EIO,
				    "the guest hit %llu breakpoints, the introspector received "
				    "%llu events",
				    (unsigned long long)hits,
				    (unsigned long long)(now - cs->events));
		cs->counted_events += now - cs->events;
		cs->events = now;
	}

	for (uint64_t i = 0; i < hits; i++)
		if (cs->log[i + 1] <= cs->log[i])
			return fail(-EIO,
				    "the guest's TSC does not ascend: %llu after %llu at hit %llu",
				    (unsigned long long)cs->log[i + 1],
				    (unsigned long long)cs->log[i], (unsigned long long)i);
	return stats_add_stamps(s, cs->log, hits + 1) ? fail(-ENOMEM, "out of memory") : 0;
}

int case_cost(struct case_session *cs, uint64_t hits)
{
	int ret;

	if (control("cost %s", cs->c->name))
		return fail(-EIO, "%s", control_error());
	ret = run_guest(cs, hits < cs->round ? hits : cs->round);
	if (control("cost_end") && !ret)
		return fail(-EIO, "%s", control_error());
	if (cs->in)
		cs->events = introspector_events(cs->in);
	return ret;
}

uint64_t case_hits(const struct case_session *cs)
{
	return cs->counted_hits;
}

int64_t case_events(const struct case_session *cs)
{
	return cs->in ? (int64_t)cs->counted_events : -1;
}

long case_tsc_khz(const struct case_session *cs)
{
	return cs->tsc_khz;
}

int case_close(struct case_session *cs)
{
	int ret = 0;

	if (!cs)
		return 0;

	/* Unhooks: the introspector sees the end of its socket. */
	vmm_destroy(cs->vm);
	if (cs->in && introspector_stop(cs->in))
		ret = fail(-EIO, "%s", introspector_error(NULL));
	free(cs);
	return ret;
}

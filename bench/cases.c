// SPDX-License-Identifier: BSD-2-Clause
/* The table of cases, and what they need of a machine. */
#include "cases.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MAX_ROUND 1000000

VMM_DECLARE_GUEST(cpuid);
VMM_DECLARE_GUEST(hypercall);
VMM_DECLARE_GUEST(hypercall_event);
VMM_DECLARE_GUEST(int3);
VMM_DECLARE_GUEST(int3_handled);
VMM_DECLARE_GUEST(int3_paced);
VMM_DECLARE_GUEST(loop);
VMM_DECLARE_GUEST(npt_fault);
VMM_DECLARE_GUEST(pio_out);
extern const char guest_int3_handled_handler[];

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
		.name = "loop",
		.what = "no hit: the guest's loop, which is in every other case",
		.lab_hits = 5200000,
		.guest = GUEST(loop),
	},
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
		.lab_hits = 25000,
		.guest = GUEST(int3),
		.needs_bp = true,
		.guest_debug = KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP,
		.ops = {.debug = int3_debug_exit},
	},
	{
		.name = "int3_event_retry",
		.what = "int3 as KVMI_EVENT_BREAKPOINT to another process: SET_REGISTERS, then RETRY",
		.lab_hits = 2000,
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
		.lab_hits = 2000,
		.guest = GUEST(int3),
		.needs_bp = true,
		.answer = &answer_pipelined,
		.extra = true,
	},
	{
		.name = "int3_event_continue",
		.what = "int3 as an event, answered CONTINUE: the guest takes the #BP",
		.lab_hits = 2000,
		.guest = GUEST(int3_handled),
		.bp_handler = guest_int3_handled_handler,
		.needs_bp = true,
		.answer = &answer_continue,
		.extra = true,
	},
	{
		.name = "int3_event_registers",
		.what = "as int3_event_retry, after GET_REGISTERS",
		.lab_hits = 2000,
		.guest = GUEST(int3),
		.needs_bp = true,
		.answer = &answer_registers,
		.extra = true,
	},
	{
		.name = "int3_event_msrs",
		.what = "as int3_event_retry, after GET_REGISTERS with 16 MSRs",
		.lab_hits = 2000,
		.guest = GUEST(int3),
		.needs_bp = true,
		.answer = &answer_registers_msrs,
		.extra = true,
	},
	{
		.name = "int3_event_restore",
		.what = "as int3_event_retry, after WRITE_PHYSICAL of the original byte and of int3 again",
		.lab_hits = 2000,
		.guest = GUEST(int3),
		.needs_bp = true,
		.answer = &answer_restore,
		.extra = true,
	},
	{
		.name = "hypercall_event",
		.what = "VMCALL or VMMCALL as KVMI_EVENT_HYPERCALL, answered CONTINUE",
		.lab_hits = 2000,
		.guest = GUEST(hypercall_event),
		.answer = &answer_hypercall,
		.extra = true,
	},
	{
		.name = "int3_event_thread",
		.what = "as int3_event_retry, the introspector being a thread of the VMM",
		.lab_hits = 2000,
		.guest = GUEST(int3),
		.needs_bp = true,
		.answer = &answer_retry,
		.thread = true,
		.extra = true,
	},
	{
		.name = "int3_event_same_cpu",
		.what = "as int3_event_retry, the introspector on the vCPU's own CPU",
		.lab_hits = 2000,
		.guest = GUEST(int3),
		.needs_bp = true,
		.answer = &answer_retry,
		.same_cpu = true,
		.extra = true,
	},
	{
		.name = "int3_event_polling",
		.what = "as int3_event_retry, the introspector never sleeps",
		.lab_hits = 2000,
		.guest = GUEST(int3),
		.needs_bp = true,
		.answer = &answer_retry,
		.polls = true,
		.extra = true,
	},
	{
		.name = "int3_event_paced",
		.what = "as int3_event_retry, hits due at --rate: from when one is due to its end",
		.lab_hits = 2000,
		.guest = GUEST(int3_paced),
		.needs_bp = true,
		.answer = &answer_retry,
		.paced = true,
		.extra = true,
	},
	{
		.name = "int3_event_2vcpus",
		.what = "as int3_event_retry, 2 vCPUs at once",
		.lab_hits = 2000,
		.guest = GUEST(int3),
		.needs_bp = true,
		.answer = &answer_retry,
		.vcpus = 2,
		.extra = true,
	},
	{
		.name = "int3_event_4vcpus",
		.what = "as int3_event_retry, 4 vCPUs at once",
		.lab_hits = 2000,
		.guest = GUEST(int3),
		.needs_bp = true,
		.answer = &answer_retry,
		.vcpus = 4,
		.extra = true,
	},
	{
		.name = "int3_event_8vcpus",
		.what = "as int3_event_retry, 8 vCPUs at once",
		.lab_hits = 2000,
		.guest = GUEST(int3),
		.needs_bp = true,
		.answer = &answer_retry,
		.vcpus = 8,
		.extra = true,
	},
	{
		.name = "int3_event_4vms",
		.what = "as int3_event_retry, 4 VMs at once, each with an introspector of its own",
		.lab_hits = 2000,
		.guest = GUEST(int3),
		.needs_bp = true,
		.answer = &answer_retry,
		.vms = 4,
		.extra = true,
	},
};

const struct bench_case *cases(size_t *n)
{
	*n = sizeof(table) / sizeof(table[0]);
	return table;
}

unsigned int case_vms(const struct bench_case *c)
{
	return c->vms ? c->vms : 1;
}

unsigned int case_vcpus(const struct bench_case *c)
{
	return (c->vcpus ? c->vcpus : 1) * case_vms(c);
}

int case_introspector_cpu(const struct bench_case *c, const struct case_setup *setup)
{
	if (!c->answer)
		return -1;
	return c->same_cpu ? setup->cpu : setup->introspector_cpu;
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

/* What it is made for would not show: the CPUs are not different ones. */
static const char *cpus_skip_reason(const struct bench_case *c, const struct case_setup *setup)
{
	if (setup->cpu != setup->introspector_cpu)
		return NULL;
	if (c->polls)
		return "it would poll on the vCPU's own CPU; with a second one, --introspector_cpu";
	if (c->same_cpu)
		return "int3_event_retry does the same here: there is but one CPU for both";
	return NULL;
}

const char *case_skip_reason(const struct bench_case *c, const struct case_setup *setup)
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
	return c->answer && !have_kvmi ? why_kvmi : cpus_skip_reason(c, setup);
}

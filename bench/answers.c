// SPDX-License-Identifier: BSD-2-Clause
/* What the introspector of a case does with an event until the guest goes on. */
#include "answers.h"

static struct kvm_regs behind(const struct kvmi_event_msg *ev)
{
	struct kvm_regs regs = ev->common.arch.regs;

	regs.rip += ev->breakpoint.insn_len;
	return regs;
}

static int give_retry(struct kvmi_client *c, const struct kvmi_event_msg *ev)
{
	struct kvm_regs regs = behind(ev);
	int ret = kvmi_vcpu_set_registers(c, ev->common.vcpu, &regs);

	return ret ? ret : kvmi_reply_event(c, ev, KVMI_EVENT_ACTION_RETRY);
}

static int give_pipelined(struct kvmi_client *c, const struct kvmi_event_msg *ev)
{
	struct kvm_regs regs = behind(ev);

	return kvmi_reply_event_regs(c, ev, &regs, KVMI_EVENT_ACTION_RETRY);
}

static int give_continue(struct kvmi_client *c, const struct kvmi_event_msg *ev)
{
	return kvmi_reply_event(c, ev, KVMI_EVENT_ACTION_CONTINUE);
}

static int give_registers(struct kvmi_client *c, const struct kvmi_event_msg *ev)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	int ret = kvmi_vcpu_get_registers(c, ev->common.vcpu, NULL, &regs, &sregs, NULL, 0);

	return ret ? ret : give_retry(c, ev);
}

/* MSRs that every x86-64 guest of KVM has; which they are matters less than that they are 16. */
static int give_registers_msrs(struct kvmi_client *c, const struct kvmi_event_msg *ev)
{
	struct kvm_msr_entry msrs[16] = {
		{.index = 0x10},  /* IA32_TSC */
		{.index = 0x1b},  /* IA32_APIC_BASE */
		{.index = 0x174}, /* IA32_SYSENTER_CS, _ESP, _EIP */
		{.index = 0x175},      {.index = 0x176},
		{.index = 0x200},			 /* IA32_MTRR_PHYSBASE0, _PHYSMASK0 */
		{.index = 0x201},      {.index = 0x277}, /* IA32_PAT */
		{.index = 0x2ff},			 /* IA32_MTRR_DEF_TYPE */
		{.index = 0xc0000080}, /* IA32_EFER, _STAR, _LSTAR, _CSTAR, _FMASK */
		{.index = 0xc0000081}, {.index = 0xc0000082},
		{.index = 0xc0000083}, {.index = 0xc0000084},
		{.index = 0xc0000100}, /* IA32_FS_BASE, _GS_BASE */
		{.index = 0xc0000101},
	};
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	int ret = kvmi_vcpu_get_registers(c, ev->common.vcpu, NULL, &regs, &sregs, msrs,
					  sizeof(msrs) / sizeof(msrs[0]));

	return ret ? ret : give_retry(c, ev);
}

static int give_restore(struct kvmi_client *c, const struct kvmi_event_msg *ev)
{
	const uint8_t nop = 0x90, int3 = 0xcc;
	int ret = kvmi_write_physical(c, ev->breakpoint.gpa, &nop, 1);

	if (!ret)
		ret = kvmi_write_physical(c, ev->breakpoint.gpa, &int3, 1);
	return ret ? ret : give_retry(c, ev);
}

const struct answer answer_retry = {KVMI_EVENT_BREAKPOINT, give_retry};
const struct answer answer_pipelined = {KVMI_EVENT_BREAKPOINT, give_pipelined};
const struct answer answer_continue = {KVMI_EVENT_BREAKPOINT, give_continue};
const struct answer answer_registers = {KVMI_EVENT_BREAKPOINT, give_registers};
const struct answer answer_registers_msrs = {KVMI_EVENT_BREAKPOINT, give_registers_msrs};
const struct answer answer_restore = {KVMI_EVENT_BREAKPOINT, give_restore};
const struct answer answer_hypercall = {KVMI_EVENT_HYPERCALL, give_continue};

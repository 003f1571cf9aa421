// SPDX-License-Identifier: BSD-2-Clause
/* Brings a vCPU to an event and back out of KVM_RUN. */
#include "waiting.h"

#include <errno.h>
#include <unistd.h>

extern const char guest_waiting_spin[], guest_waiting_breakpoint[], guest_waiting_int3[];
extern const char guest_waiting_handler[], guest_waiting_vmcall[], guest_waiting_vmcall_insn[];
extern const char guest_waiting_vmmcall[], guest_waiting_vmmcall_insn[], guest_waiting_vmcalls[];
extern const char guest_waiting_vmmcalls[];

static const struct vmm_guest waiting = VMM_GUEST(waiting);

uint64_t waiting_label(const char *label)
{
	return vmm_label(&waiting, label);
}

uint64_t waiting_hypercalls(void)
{
	return waiting_label(lab_is_svm() ? guest_waiting_vmmcalls : guest_waiting_vmcalls);
}

static void wait_with_pause(struct waiting *w)
{
	waiting_enter(w);
	lab_goes_on(w->l.v);
	check_kvmi(kvmi_vcpu_pause(w->l.c, 0, false), 0);
	lab_expect_event(w->l.c, &w->ev, KVMI_EVENT_PAUSE_VCPU, 0);
}

static void wait_with(struct waiting *w, uint16_t event, const char *insn)
{
	const struct {
		struct kvmi_vcpu_hdr hdr;
		struct kvmi_vcpu_control_events cmd;
	} req = {.cmd = {.event_id = event, .enable = 1}};
	uint32_t seq = lab_queue(&w->l, KVMI_VCPU_CONTROL_EVENTS, &req, sizeof(req));

	waiting_enter(w);
	check_kvmi(kvmi_command_wait(w->l.c, KVMI_VCPU_CONTROL_EVENTS, seq, NULL, 0), 0);
	lab_expect_event(w->l.c, &w->ev, event, 0);
	check_eq(w->ev.common.arch.regs.rip, waiting_label(insn));
}

void waiting_event(struct waiting *w)
{
	bool svm = lab_is_svm();
	const char *start = guest_waiting_spin;

	if (w->kind == WAITING_BREAKPOINT)
		start = guest_waiting_breakpoint;
	else if (w->kind == WAITING_HYPERCALL)
		start = svm ? guest_waiting_vmmcall : guest_waiting_vmcall;
	w->l.v->config->arg[WAITING_PASSED] = 0;
	w->l.v->config->arg[WAITING_ELSEWHERE] = 0;
	w->l.v->config->bp_count = 0;
	check_eq(vmm_vcpu_start(w->l.v, waiting_label(start)), 0);

	switch (w->kind) {
	case WAITING_PAUSE:
		wait_with_pause(w);
		break;
	case WAITING_BREAKPOINT:
		wait_with(w, KVMI_EVENT_BREAKPOINT, guest_waiting_int3);
		break;
	case WAITING_HYPERCALL:
		wait_with(w, KVMI_EVENT_HYPERCALL,
			  svm ? guest_waiting_vmmcall_insn : guest_waiting_vmcall_insn);
		break;
	}
}

void waiting_start(struct waiting *w, enum waiting_kind kind)
{
	*w = (struct waiting){.kind = kind};
	if (kind == WAITING_BREAKPOINT)
		lab_need_bp();
	lab_open_any(&w->l, &waiting, 1);
	check_eq(vmm_set_handler(w->l.vm, 3, waiting_label(guest_waiting_handler)), 0);
	lab_hook(&w->l);
	waiting_event(w);
}

void waiting_leave(struct waiting *w)
{
	runner_stop(&w->r);
}

void waiting_enter(struct waiting *w)
{
	runner_start(&w->r, w->l.v);
}

void waiting_unhook(struct waiting *w)
{
	kvmi_client_free(w->l.c);
	w->l.c = NULL;
	if (vmm_unhook(w->l.vm))
		fail("vmm_unhook: %s", vmm_error());
}

void waiting_end(struct waiting *w, struct kvm_regs *regs)
{
	lab_goes_on(w->l.v);
	runner_stop(&w->r);
	if (regs)
		check_eq(vmm_get_regs(w->l.v, regs), 0);
}

void waiting_expect_continued(struct waiting *w)
{
	const volatile struct guest_config *config = w->l.v->config;
	struct kvm_regs regs;

	waiting_end(w, &regs);
	check_eq(regs.rbx, WAITING_RBX);
	check_eq(regs.r15, WAITING_R15);
	check_eq(config->arg[WAITING_ELSEWHERE], 0);
	check_eq(config->arg[WAITING_PASSED], w->kind != WAITING_PAUSE);
	check_eq(config->bp_count, w->kind == WAITING_BREAKPOINT);
	if (w->kind == WAITING_HYPERCALL)
		check_eq(regs.rax, 0);
}

void waiting_answer_refused(struct waiting *w)
{
	struct kvmi_msg_hdr hdr;
	uint8_t payload[8];
	int ret;

	lab_answer_raw(w->l.c, &w->ev, KVMI_EVENT_ACTION_CONTINUE);
	ret = kvmi_recv_msg(w->l.c, &hdr, payload, sizeof(payload));
	if (ret == -EPIPE)
		return;
	/* Where such an answer is taken, the end of the VM may not go well: the vCPU shall have it first. */
	waiting_enter(w);
	usleep(100000);
	vmm_kick(w->l.v);
	runner_join(&w->r);
	fail("KVM has taken the answer to another event: kvmi_recv_msg gave %d (%s)", ret,
	     ret ? kvmi_strerror(ret) : "a message");
}

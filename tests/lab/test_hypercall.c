// SPDX-License-Identifier: BSD-2-Clause
/* The hypercall event: which hypercalls are the tool's, and what the guest gets from each answer. */
#include "guests/hypercall.h"
#include "lab.h"

#include <string.h>
#include <unistd.h>

#define HC_EVENT     34 /* RAX, then RDI and RSI (32-bit: EBX and ECX) */
#define HC_EVENT_SUB 24
#define HC_POLL_IRQ  1 /* KVM's own: always 0 */

#define NO_SUCH_CALL (-1000LL) /* -KVM_ENOSYS */
#define NOT_FOR_USER (-1LL)    /* -KVM_EPERM */
#define GARBAGE	     (0xdead0000ULL << 32)

VMM_DECLARE_GUEST(vmcall);
VMM_DECLARE_GUEST(vmmcall);
VMM_DECLARE_GUEST(vmcall32);
VMM_DECLARE_GUEST(vmmcall32);
extern const char guest_vmcall_insn[], guest_vmcall_elsewhere[], guest_vmcall32_insn[];
extern const char guest_vmmcall_insn[], guest_vmmcall_elsewhere[], guest_vmmcall32_insn[];

/* A guest with the vendor's own instruction, or with the other vendor's. */
struct hypercall {
	struct vmm_guest guest, guest32;
	const char *insn, *elsewhere, *insn32;
};

static const struct hypercall calls[] = {
	{VMM_GUEST(vmcall), VMM_GUEST(vmcall32), guest_vmcall_insn, guest_vmcall_elsewhere,
	 guest_vmcall32_insn},
	{VMM_GUEST(vmmcall), VMM_GUEST(vmmcall32), guest_vmmcall_insn, guest_vmmcall_elsewhere,
	 guest_vmmcall32_insn},
};

static const struct hypercall *native(void)
{
	return &calls[lab_is_svm()];
}

static const struct hypercall *foreign(void)
{
	return &calls[!lab_is_svm()];
}

static uint64_t insn(const struct hypercall *h)
{
	return vmm_label(&h->guest, h->insn);
}

/* --- set-up --- */

/* The registers that make it the tool's; for the other mode what is none. */
static void set_args(struct vmm_vcpu *v, uint64_t rax, uint64_t rdi, uint64_t rsi)
{
	v->config->arg[HC_RAX] = rax;
	v->config->arg[HC_RDI] = rdi;
	v->config->arg[HC_RSI] = rsi;
	v->config->arg[HC_RBX] = 0xb;
	v->config->arg[HC_RCX] = 0xc;
	v->config->arg[HC_RESULT] = 0x5e7;
}

static void open_vcpus(struct lab *l, const struct hypercall *h, uint64_t count,
		       unsigned int nr_vcpus)
{
	lab_open_any(l, &h->guest, nr_vcpus);
	for (unsigned int i = 0; i < nr_vcpus; i++) {
		set_args(vmm_vcpu(l->vm, i), HC_EVENT, HC_EVENT_SUB, 0);
		vmm_vcpu(l->vm, i)->config->count = count;
	}
}

/* Hooked, nothing enabled. */
static void start(struct lab *l, const struct hypercall *h, uint64_t count)
{
	open_vcpus(l, h, count, 1);
	lab_hook(l);
}

/* Starts vCPU 0 with the event enabled before its first instruction. */
static void run(struct lab *l, struct runner *r)
{
	const struct {
		struct kvmi_vcpu_hdr hdr;
		struct kvmi_vcpu_control_events cmd;
	} req = {
		.cmd.event_id = KVMI_EVENT_HYPERCALL,
		.cmd.enable = 1,
	};
	uint32_t seq = lab_queue(l, KVMI_VCPU_CONTROL_EVENTS, &req, sizeof(req));

	runner_start(r, l->v);
	check_kvmi(kvmi_command_wait(l->c, KVMI_VCPU_CONTROL_EVENTS, seq, NULL, 0), 0);
}

static void expect_hc(struct lab *l, struct kvmi_event_msg *ev, uint64_t rip)
{
	lab_expect_event(l->c, ev, KVMI_EVENT_HYPERCALL, 0);
	check_eq(ev->common.arch.regs.rip, rip);
}

static int64_t result(const struct vmm_vcpu *v)
{
	return v->config->arg[HC_RESULT];
}

/* One more round, in which there is no event. */
static void run_quietly(struct lab *l, int64_t want)
{
	struct runner r = {0};

	l->v->config->arg[HC_RESULT] = 0x5e7;
	runner_start(&r, l->v);
	runner_done(&r);
	check_eq(result(l->v), want);
}

/* --- the event --- */

static void check_event(const struct hypercall *h)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct kvm_regs regs;
	struct lab l;

	start(&l, h, 10);
	run(&l, &r);
	for (uint32_t i = 1; i <= 10; i++) {
		expect_hc(&l, &ev, insn(h));
		check_eq(ev.hdr.size, 544);
		check_eq(ev.hdr.seq, i);
		check_eq(ev.common.size, 544);
		check_eq(ev.common.arch.mode, 8);
		check_eq(ev.common.arch.regs.rax, HC_EVENT);
		check_eq(ev.common.arch.regs.rdi, HC_EVENT_SUB);
		check_eq(ev.common.arch.regs.rsi, 0);
		check_eq(ev.common.arch.regs.rbx, 0xb);
		check_eq(ev.common.arch.regs.r8, 10 - i);
		check_kvmi(kvmi_vcpu_get_registers(l.c, 0, NULL, &regs, NULL, NULL, 0), 0);
		check_eq(memcmp(&regs, &ev.common.arch.regs, sizeof(regs)), 0);
		check_eq(l.v->config->hits, i - 1);
		lab_continue(l.c, &ev);
	}
	runner_done(&r);
	lab_no_event(l.c);
	check_eq(l.v->config->hits, 10);
	check_eq(result(l.v), 0);
	check_eq(l.v->config->arg[HC_RBX_AFTER], 0xb);
}

static void test_hc_event(void)
{
	check_event(native());
}

/* KVM puts the vendor's own instruction in its place. */
static void test_hc_foreign(void)
{
	check_event(foreign());
}

/* --- which hypercalls are the tool's --- */

static void test_hc_off(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	open_vcpus(&l, native(), 1, 1);
	run_quietly(&l, NO_SUCH_CALL);
	lab_hook(&l);
	run_quietly(&l, NO_SUCH_CALL);
	lab_no_event(l.c);

	run(&l, &r);
	expect_hc(&l, &ev, insn(native()));
	/* Off again while it waits: that one was delivered, the next is not. */
	check_kvmi(kvmi_vcpu_control_events(l.c, 0, KVMI_EVENT_HYPERCALL, false), 0);
	lab_continue(l.c, &ev);
	runner_done(&r);
	check_eq(result(l.v), 0);
	run_quietly(&l, NO_SUCH_CALL);
	check_eq(vmm_unhook(l.vm), 0);
	run_quietly(&l, NO_SUCH_CALL);
}

/* Others go to KVM as ever. */
static void test_hc_others(void)
{
	static const struct {
		uint64_t rax, rdi, rsi;
		int64_t result;
	} cases[] = {
		{HC_POLL_IRQ, HC_EVENT_SUB, 0, 0},
		{33, HC_EVENT_SUB, 0, NO_SUCH_CALL},
		{35, HC_EVENT_SUB, 0, NO_SUCH_CALL},
		{HC_EVENT | 0x80000000, HC_EVENT_SUB, 0, NO_SUCH_CALL},
		{HC_EVENT, 0, 0, NO_SUCH_CALL},
		{HC_EVENT, 23, 0, NO_SUCH_CALL},
		{HC_EVENT, 25, 0, NO_SUCH_CALL},
		{HC_EVENT, HC_EVENT_SUB, 1, NO_SUCH_CALL},
		{HC_EVENT, HC_EVENT_SUB, HC_EVENT_SUB, NO_SUCH_CALL},
		/* As a 32-bit guest would say it. */
		{HC_EVENT, 1, 1, NO_SUCH_CALL},
	};
	struct kvmi_event_msg ev;
	struct runner r = {0};
	struct lab l;

	start(&l, native(), 1);
	run(&l, &r);
	expect_hc(&l, &ev, insn(native()));
	lab_continue(l.c, &ev);
	runner_done(&r);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		note("%#llx %#llx %#llx", (unsigned long long)cases[i].rax,
		     (unsigned long long)cases[i].rdi, (unsigned long long)cases[i].rsi);
		set_args(l.v, cases[i].rax, cases[i].rdi, cases[i].rsi);
		l.v->config->arg[HC_RBX] = HC_EVENT_SUB;
		l.v->config->arg[HC_RCX] = 0;
		run_quietly(&l, cases[i].result);
		lab_no_event(l.c);
	}
	/* It was enabled all the time. */
	set_args(l.v, HC_EVENT, HC_EVENT_SUB, 0);
	runner_start(&r, l.v);
	expect_hc(&l, &ev, insn(native()));
	lab_continue(l.c, &ev);
	runner_done(&r);
	check_eq(result(l.v), 0);
}

/* The number is a 32-bit one, whatever the upper half of RAX has. */
static void test_hc_upper_half(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start(&l, native(), 1);
	l.v->config->arg[HC_RAX] = GARBAGE | HC_EVENT;
	run(&l, &r);
	expect_hc(&l, &ev, insn(native()));
	check_eq(ev.common.arch.regs.rax, GARBAGE | HC_EVENT);
	lab_continue(l.c, &ev);
	runner_done(&r);
	check_eq(result(l.v), 0);
}

/* The runtime's entry and the guest do without privileges, but for OUT. */
static void to_user_mode(struct vmm_vcpu *v)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	check_eq(vmm_get_sregs(v, &sregs), 0);
	sregs.cs.selector |= 3;
	sregs.cs.dpl = 3;
	sregs.ss.selector |= 3;
	sregs.ss.dpl = 3;
	check_eq(vmm_set_sregs(v, &sregs), 0);
	check_eq(vmm_get_regs(v, &regs), 0);
	regs.rflags |= 3 << 12; /* IOPL */
	check_eq(vmm_set_regs(v, &regs), 0);
}

static void test_hc_user(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start(&l, native(), 1);
	to_user_mode(l.v);
	run_quietly(&l, NOT_FOR_USER);
	lab_no_event(l.c);
	run(&l, &r);
	expect_hc(&l, &ev, insn(native()));
	check_eq(ev.common.arch.sregs.cs.dpl, 3);
	lab_continue(l.c, &ev);
	runner_done(&r);
	check_eq(result(l.v), 0);
	/* It does not open the others. */
	set_args(l.v, HC_POLL_IRQ, 0, 0);
	run_quietly(&l, NOT_FOR_USER);
	set_args(l.v, HC_EVENT, HC_EVENT_SUB, 1);
	run_quietly(&l, NOT_FOR_USER);
	lab_no_event(l.c);
}

/* Of two vCPUs that both do it, only the one on which it is enabled stops. */
static void test_hc_one_vcpu(void)
{
	struct runner r[2] = {0};
	struct kvmi_event_msg ev;
	struct vmm_vcpu *other;
	struct lab l;

	open_vcpus(&l, native(), 3, 2);
	lab_hook(&l);
	other = vmm_vcpu(l.vm, 1);
	run(&l, &r[0]);
	expect_hc(&l, &ev, insn(native()));
	runner_start(&r[1], other);
	runner_done(&r[1]);
	check_eq(other->config->hits, 3);
	check_eq(result(other), NO_SUCH_CALL);
	lab_continue(l.c, &ev);
	for (int i = 0; i < 2; i++) {
		expect_hc(&l, &ev, insn(native()));
		lab_continue(l.c, &ev);
	}
	runner_done(&r[0]);
	check_eq(result(l.v), 0);
}

/* --- 32-bit code --- */

static void start_32(struct vmm_vcpu *v)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;

	check_eq(vmm_vcpu_start(v, GUEST_CODE), 0);
	check_eq(vmm_get_sregs(v, &sregs), 0);
	sregs.cs.l = 0;
	sregs.cs.db = 1;
	check_eq(vmm_set_sregs(v, &sregs), 0);
	check_eq(vmm_get_regs(v, &regs), 0);
	regs.rip = GUEST_CODE;
	/* The upper halves are not the guest's to set, and do not count. */
	regs.rax = regs.rbx = regs.rcx = GARBAGE;
	check_eq(vmm_set_regs(v, &regs), 0);
}

static void test_hc_32bit(void)
{
	static const struct {
		uint32_t eax, edi, esi, ebx, ecx;
		bool event;
	} cases[] = {
		{HC_EVENT, 1, 1, HC_EVENT_SUB, 0, true},
		{HC_EVENT, HC_EVENT_SUB, 0, HC_EVENT_SUB, 0, true},
		{HC_EVENT, HC_EVENT_SUB, 0, 25, 0, false},
		{HC_EVENT, HC_EVENT_SUB, 0, HC_EVENT_SUB, 1, false},
		{33, HC_EVENT_SUB, 0, HC_EVENT_SUB, 0, false},
	};
	const struct hypercall *h = native();
	struct lab l;

	lab_open_any(&l, &h->guest32, 1);
	lab_hook(&l);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct runner r = {0};
		struct kvmi_event_msg ev;

		note("EAX %u EDI %u ESI %u EBX %u ECX %u", cases[i].eax, cases[i].edi, cases[i].esi,
		     cases[i].ebx, cases[i].ecx);
		set_args(l.v, cases[i].eax, cases[i].edi, cases[i].esi);
		l.v->config->arg[HC_RBX] = cases[i].ebx;
		l.v->config->arg[HC_RCX] = cases[i].ecx;
		l.v->config->arg[HC_RESULT] = 0;
		l.v->config->hits = 0;
		start_32(l.v);
		run(&l, &r);
		if (cases[i].event) {
			expect_hc(&l, &ev, vmm_label(&h->guest32, h->insn32));
			check_eq(ev.common.arch.mode, 4);
			check_eq(ev.common.arch.regs.rbx & 0xffffffff, HC_EVENT_SUB);
			l.v->config->arg[HC_RESULT] = 0x5e7;
			lab_continue(l.c, &ev);
		}
		runner_done(&r);
		lab_no_event(l.c);
		check_eq((int32_t)result(l.v), cases[i].event ? 0 : NO_SUCH_CALL);
		check_eq(l.v->config->hits, 1);
	}
}

/* --- answers --- */

/* RAX is the result whatever was set; RIP moves on from where it was set. */
static void test_hc_set_registers(void)
{
	const struct hypercall *h = native();
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct kvm_regs regs;
	struct lab l;

	start(&l, h, 2);
	run(&l, &r);
	expect_hc(&l, &ev, insn(h));
	regs = ev.common.arch.regs;
	regs.rax = 0xbad;
	regs.rbx = 0x2002;
	check_kvmi(kvmi_vcpu_set_registers(l.c, 0, &regs), 0);
	lab_continue(l.c, &ev);

	expect_hc(&l, &ev, insn(h));
	check_eq(result(l.v), 0);
	check_eq(l.v->config->arg[HC_RBX_AFTER], 0x2002);
	check_eq(l.v->config->arg[HC_MOVED], 0);
	regs = ev.common.arch.regs;
	regs.rip = vmm_label(&h->guest, h->elsewhere);
	regs.rax = 0xbad;
	check_kvmi(kvmi_vcpu_set_registers(l.c, 0, &regs), 0);
	lab_continue(l.c, &ev);
	runner_done(&r);
	check_eq(l.v->config->arg[HC_MOVED], 1);
	check_eq(result(l.v), 0);
	check_eq(l.v->config->hits, 2);
}

static void test_hc_crash(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct kvm_regs regs;
	struct lab l;

	start(&l, native(), 1);
	run(&l, &r);
	expect_hc(&l, &ev, insn(native()));
	check_kvmi(kvmi_reply_event(l.c, &ev, KVMI_EVENT_ACTION_CRASH), 0);
	check_eq(runner_join(&r), RUN_SYSTEM_EVENT);
	check_eq(r.system_event, KVM_SYSTEM_EVENT_CRASH);
	check_eq(l.v->config->hits, 0);
	check_eq(vmm_get_regs(l.v, &regs), 0);
	check_eq(regs.rip, insn(native()));
	check_eq(regs.rax, HC_EVENT);
}

/* It was delivered, so that the guest gets its 0, but nobody is there any more. */
static void test_hc_bad_answer(void)
{
	static const uint8_t actions[] = {KVMI_EVENT_ACTION_RETRY, 3, 255};

	for (size_t i = 0; i < sizeof(actions); i++) {
		struct runner r = {0};
		struct kvmi_event_msg ev;
		struct lab l;

		start(&l, native(), 1);
		run(&l, &r);
		expect_hc(&l, &ev, insn(native()));
		lab_answer_raw(l.c, &ev, actions[i]);
		lab_expect_close(l.c);
		runner_done(&r);
		check_eq(result(l.v), 0);
		run_quietly(&l, NO_SUCH_CALL);
		vmm_destroy(l.vm);
	}
}

static void test_hc_signal(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct kvm_regs regs;
	struct lab l;

	start(&l, native(), 1);
	run(&l, &r);
	expect_hc(&l, &ev, insn(native()));
	for (int i = 0; i < 3; i++) {
		runner_stop(&r);
		check_eq(vmm_get_regs(l.v, &regs), 0);
		check_eq(regs.rip, insn(native()));
		check_eq(regs.rax, HC_EVENT);
		lab_no_event(l.c);
		runner_start(&r, l.v);
	}
	lab_continue(l.c, &ev);
	runner_done(&r);
	lab_no_event(l.c);
	check_eq(l.v->config->hits, 1);
	check_eq(result(l.v), 0);
}

/* --- the tool goes --- */

static void test_hc_close_during(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct kvm_regs regs;
	struct lab l;

	start(&l, native(), 1);
	run(&l, &r);
	expect_hc(&l, &ev, insn(native()));
	/* Without its answer they do not count. */
	regs = ev.common.arch.regs;
	regs.rbx = 0xbad;
	regs.rip = GUEST_CODE;
	check_kvmi(kvmi_vcpu_set_registers(l.c, 0, &regs), 0);
	kvmi_client_free(l.c);
	runner_done(&r);
	check_eq(l.v->config->hits, 1);
	check_eq(result(l.v), 0);
	check_eq(l.v->config->arg[HC_RBX_AFTER], 0xb);
	run_quietly(&l, NO_SUCH_CALL);
}

static void test_hc_unhook_during(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start(&l, native(), 1);
	run(&l, &r);
	expect_hc(&l, &ev, insn(native()));
	check_eq(vmm_unhook(l.vm), 0);
	runner_done(&r);
	check_eq(l.v->config->hits, 1);
	check_eq(result(l.v), 0);
	run_quietly(&l, NO_SUCH_CALL);
}

/* The event gets stuck behind replies which nobody reads, and then the tool goes. */
static void test_hc_close_before(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start(&l, native(), 1);
	run(&l, &r);
	expect_hc(&l, &ev, insn(native()));
	lab_continue(l.c, &ev);
	runner_done(&r);
	check_eq(result(l.v), 0);
	lab_stuff(l.c);
	l.v->config->arg[HC_RESULT] = 0x5e7;
	runner_start(&r, l.v);
	usleep(20000);
	check_eq(result(l.v), 0x5e7);
	kvmi_client_free(l.c);
	runner_done(&r);
	check_eq(result(l.v), NO_SUCH_CALL);
}

int main(void)
{
	const struct tap_test tests[] = {
		{"HYPERCALL: the event, CONTINUE: RAX 0 and on", test_hc_event},
		{"HYPERCALL by the other vendor's instruction", test_hc_foreign},
		{"HYPERCALL not enabled: -ENOSYS, no event", test_hc_off},
		{"other hypercalls: no event, KVM's own result", test_hc_others},
		{"HYPERCALL: the upper half of RAX does not count", test_hc_upper_half},
		{"HYPERCALL from user mode, which opens no other one", test_hc_user},
		{"HYPERCALL on the vCPU it is enabled on only", test_hc_one_vcpu},
		{"HYPERCALL from 32-bit code: EBX and ECX", test_hc_32bit},
		{"HYPERCALL: registers set, RIP moves on from there", test_hc_set_registers},
		{"HYPERCALL: CRASH", test_hc_crash},
		{"HYPERCALL: RETRY and unknown actions: closed", test_hc_bad_answer},
		{"HYPERCALL: signal, KVM_GET_REGS, the next KVM_RUN goes on waiting",
		 test_hc_signal},
		{"HYPERCALL: tool gone during the event: 0, then -ENOSYS", test_hc_close_during},
		{"HYPERCALL: UNHOOK during the event: 0, then -ENOSYS", test_hc_unhook_during},
		{"HYPERCALL: tool gone before the event was sent: -ENOSYS", test_hc_close_before},
	};

	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

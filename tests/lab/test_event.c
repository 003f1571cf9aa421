// SPDX-License-Identifier: BSD-2-Clause
/* The breakpoint event: what is in it, and what each answer does. */
#include "inject.h"
#include "lab.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

VMM_DECLARE_GUEST(hit);
VMM_DECLARE_GUEST(prefixed);
VMM_DECLARE_GUEST(original);
VMM_DECLARE_GUEST(registers);
extern const char guest_hit_bp[], guest_hit_after[], guest_hit_handler[], guest_hit_spin[];
extern const char guest_prefixed_bp[], guest_original_insn[], guest_registers_bp[];

#define MSR_STAR 0xc0000081

static const struct vmm_guest hit = VMM_GUEST(hit);

static uint64_t hit_bp(void)
{
	return vmm_label(&hit, guest_hit_bp);
}

/* One breakpoint, and the guest's own handler for it. */
static void start_hit(struct lab *l, uint64_t count)
{
	lab_start(l, &hit);
	l->v->config->count = count;
	check_eq(vmm_set_handler(l->vm, 3, vmm_label(&hit, guest_hit_handler)), 0);
}

/* --- contents --- */

static void test_layout(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start_hit(&l, 1);
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, hit_bp());
	check_eq(ev.hdr.id, KVMI_EVENT);
	check_eq(ev.hdr.size, 560);
	check_eq(ev.common.size, 544);
	check_eq(ev.breakpoint.gpa, hit_bp());
	check_eq(ev.breakpoint.insn_len, 1);
	check_eq(ev.common.arch.mode, 8);
	for (size_t i = 0; i < sizeof(ev.breakpoint.padding); i++)
		check_eq(ev.breakpoint.padding[i], 0);
	for (size_t i = 0; i < sizeof(ev.common.padding); i++)
		check_eq(ev.common.padding[i], 0);
	lab_skip_bp(l.c, &ev);
	runner_done(&r);
}

/* The same code at another virtual address: gpa is translated, not copied. */
static void test_gpa(void)
{
	uint64_t bp = hit_bp() + GUEST_ALIAS;
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start_hit(&l, 1);
	check_eq(vmm_vcpu_start(l.v, GUEST_ALIAS + GUEST_CODE), 0);
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, bp);
	check_eq(ev.breakpoint.gpa, hit_bp());
	check_eq(ev.breakpoint.insn_len, 1);
	lab_skip_bp(l.c, &ev);
	runner_done(&r);
	check_eq(l.v->config->hits, 1);
}

/*
 * A page of guest memory elsewhere than where the identity map and its alias have it, by a page table
 * of 4 KiB pages: neither gva nor gva less a constant is right.
 */
static void test_gpa_4k(void)
{
	const uint64_t gva = 0x80000000, page = 4096, table = 0x27;
	const uint64_t pd = GUEST_LOG, pt = pd + page, code = pt + page;
	uint64_t bp = gva + 5 * page + (hit_bp() & (page - 1));
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start_hit(&l, 1);
	check((hit_bp() & -page) == GUEST_CODE);
	((uint64_t *)vmm_mem(l.vm, GUEST_PDPT, page))[gva >> 30] = pd | table;
	*(uint64_t *)vmm_mem(l.vm, pd, page) = pt | table;
	((uint64_t *)vmm_mem(l.vm, pt, page))[5] = code | 0x67;
	memcpy(vmm_mem(l.vm, code, page), vmm_mem(l.vm, GUEST_CODE, page), page);
	check_eq(vmm_vcpu_start(l.v, gva + 5 * page), 0);
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, bp);
	check_eq(ev.breakpoint.gpa, code + (hit_bp() & (page - 1)));
	lab_skip_bp(l.c, &ev);
	runner_done(&r);
	check_eq(l.v->config->hits, 1);
}

static void test_prefixed(void)
{
	const struct vmm_guest g = VMM_GUEST(prefixed);
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	lab_start(&l, &g);
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, vmm_label(&g, guest_prefixed_bp));
	check_eq(ev.breakpoint.insn_len, 2);
	lab_skip_bp(l.c, &ev);
	runner_done(&r);
	check_eq(l.v->config->hits, 1);
}

/* The index is that of creation; the vCPUs' ids are others. */
static void test_second_vcpu(void)
{
	struct kvmi_event_msg ev;
	struct runner r = {0};
	uint32_t seq, version;
	struct lab l;
	const struct {
		struct kvmi_vcpu_hdr hdr;
		struct kvmi_vcpu_control_events cmd;
	} req = {
		.hdr.vcpu = 1,
		.cmd.event_id = KVMI_EVENT_BREAKPOINT,
		.cmd.enable = 1,
	};
	struct iovec iov = {.iov_base = (void *)&req, .iov_len = sizeof(req)};

	lab_open(&l, &hit, 2);
	lab_hook(&l);
	vmm_vcpu(l.vm, 1)->config->count = 1;
	check_kvmi(kvmi_command_send(l.c, KVMI_VCPU_CONTROL_EVENTS, &iov, 1, &seq), 0);
	check_kvmi(kvmi_get_version(l.c, &version), 0);
	runner_start(&r, vmm_vcpu(l.vm, 1));
	check_kvmi(kvmi_command_wait(l.c, KVMI_VCPU_CONTROL_EVENTS, seq, NULL, 0), 0);
	lab_expect_bp(l.c, &ev, 1, hit_bp());
	lab_skip_bp(l.c, &ev);
	runner_done(&r);
	check_eq(vmm_vcpu(l.vm, 1)->config->hits, 1);
}

static void check_regs(const char *what, const struct kvm_regs *a, const struct kvm_regs *b)
{
	for (size_t i = 0; i < sizeof(*a) / 8; i++)
		if (((const uint64_t *)a)[i] != ((const uint64_t *)b)[i])
			fail("%s: register %zu of struct kvm_regs is %#llx, not %#llx", what, i,
			     (unsigned long long)((const uint64_t *)a)[i],
			     (unsigned long long)((const uint64_t *)b)[i]);
}

/* All registers, in the event and by GET_REGISTERS, against the guest and against KVM's own ioctls. */
static void test_registers(void)
{
	const struct vmm_guest g = VMM_GUEST(registers);
	struct kvm_msr_entry star = {.index = MSR_STAR};
	struct kvm_regs regs, own;
	struct kvm_sregs sregs, own_sregs;
	struct runner r = {0};
	struct kvmi_event_msg ev;
	uint32_t mode;
	struct lab l;

	lab_start(&l, &g);
	check_eq(vmm_get_sregs(l.v, &own_sregs), 0);
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, vmm_label(&g, guest_registers_bp));

	regs = ev.common.arch.regs;
	check_eq(regs.rax, 0x1001);
	check_eq(regs.rbx, 0x1002);
	check_eq(regs.rcx, 0x1003);
	check_eq(regs.rdx, 0x1004);
	check_eq(regs.rsi, 0x1005);
	check_eq(regs.rdi, 0x1006);
	check_eq(regs.rbp, 0x1007);
	check_eq(regs.rsp, GUEST_STACK + 4096);
	check_eq(regs.r8, 0x1008);
	check_eq(regs.r15, 0x100f);
	check_eq(regs.rflags & 1, 1);
	check_eq(ev.common.arch.msrs.efer, own_sregs.efer);

	check_kvmi(kvmi_vcpu_get_registers(l.c, 0, &mode, &own, &sregs, &star, 1), 0);
	check_eq(mode, 8);
	check_regs("GET_REGISTERS against the event", &own, &regs);
	check_eq(star.data, ev.common.arch.msrs.star);
	check_eq(memcmp(&sregs, &ev.common.arch.sregs, sizeof(sregs)), 0);
	check_eq(sregs.cr3, own_sregs.cr3);
	check_eq(sregs.cr0, own_sregs.cr0);
	check_eq(sregs.efer, own_sregs.efer);
	check_eq(sregs.gs.base, own_sregs.gs.base);
	check_eq(sregs.idt.base, own_sregs.idt.base);
	lab_skip_bp(l.c, &ev);
	runner_done(&r);
}

static void test_sequence(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start_hit(&l, 3);
	lab_run_with_bp(&l, &r);
	for (uint32_t i = 1; i <= 3; i++) {
		lab_expect_bp(l.c, &ev, 0, hit_bp());
		check_eq(ev.hdr.seq, i);
		lab_skip_bp(l.c, &ev);
	}
	runner_done(&r);
	check_eq(l.v->config->hits, 3);
}

/* --- CONTINUE --- */

static void check_frame_rip(struct lab *l, uint64_t bp)
{
	uint64_t rip = l->v->config->bp_rip;

	note("RIP in the handler's frame: int3 %+lld", (long long)(rip - bp));
	if (!lab_injects_wrong_rip())
		check_eq(rip, bp + 1);
}

static void continue_hits(uint64_t n)
{
	struct counter *injected = counter_start_injected_bp();
	struct inject *vmcb = inject_open();
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start_hit(&l, n);
	lab_run_with_bp(&l, &r);
	for (uint64_t i = 0; i < n; i++) {
		lab_expect_bp(l.c, &ev, 0, hit_bp());
		check_eq(l.v->config->bp_count, i);
		check_kvmi(kvmi_reply_event(l.c, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	}
	runner_done(&r);
	lab_no_event(l.c);
	check_eq(l.v->config->hits, n);
	check_eq(l.v->config->bp_count, n);
	check_eq(counter_read(injected), n);
	check_frame_rip(&l, hit_bp());
	inject_check(vmcb, n, hit_bp());
}

static void test_continue(void)
{
	continue_hits(1);
}

static void test_continue_many(void)
{
	continue_hits(100);
}

/* The tool was not the one to put this int3 there, and another is hit in the handler's stead: both arrive. */
static void test_continue_then_retry(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start_hit(&l, 4);
	lab_run_with_bp(&l, &r);
	for (int i = 0; i < 4; i++) {
		lab_expect_bp(l.c, &ev, 0, hit_bp());
		if (i % 2)
			lab_skip_bp(l.c, &ev);
		else
			check_kvmi(kvmi_reply_event(l.c, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	}
	runner_done(&r);
	check_eq(l.v->config->hits, 4);
	check_eq(l.v->config->bp_count, 2);
}

/* One hit, for which @before_answer does something that takes the INT3 away from RIP. */
static void continue_elsewhere(void (*before_answer)(struct lab *l, struct kvmi_event_msg *ev),
			       uint64_t bp)
{
	struct inject *vmcb = inject_open();
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start_hit(&l, 1);
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, hit_bp());
	before_answer(&l, &ev);
	check_kvmi(kvmi_reply_event(l.c, &ev, KVMI_EVENT_ACTION_CONTINUE), 0);
	runner_done(&r);
	lab_no_event(l.c);
	check_eq(l.v->config->bp_count, 1);
	check_frame_rip(&l, bp);
	inject_check(vmcb, 1, bp);
}

static uint64_t hit_after(void)
{
	return vmm_label(&hit, guest_hit_after);
}

static void move_rip(struct lab *l, struct kvmi_event_msg *ev)
{
	ev->common.arch.regs.rip = hit_after();
	check_kvmi(kvmi_vcpu_set_registers(l->c, 0, &ev->common.arch.regs), 0);
}

static void test_continue_moved(void)
{
	continue_elsewhere(move_rip, hit_after());
}

static void restore_byte(struct lab *l, struct kvmi_event_msg *ev)
{
	const uint8_t nop = 0x90;

	check_kvmi(kvmi_write_physical(l->c, ev->breakpoint.gpa, &nop, 1), 0);
}

static void test_continue_restored(void)
{
	continue_elsewhere(restore_byte, hit_bp());
}

/* --- RETRY --- */

static void test_retry_moved(void)
{
	struct counter *injected = counter_start_injected_bp();
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start_hit(&l, 3);
	lab_run_with_bp(&l, &r);
	for (int i = 0; i < 3; i++) {
		lab_expect_bp(l.c, &ev, 0, hit_bp());
		check_eq(l.v->config->hits, i);
		lab_skip_bp(l.c, &ev);
	}
	runner_done(&r);
	check_eq(l.v->config->hits, 3);
	check_eq(l.v->config->bp_count, 0);
	check_eq(counter_read(injected), 0);
}

/* Neither moved nor removed: the same breakpoint again. */
static void test_retry_in_place(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start_hit(&l, 1);
	lab_run_with_bp(&l, &r);
	for (int i = 0; i < 5; i++) {
		lab_expect_bp(l.c, &ev, 0, hit_bp());
		check_eq(l.v->config->hits, 0);
		check_kvmi(kvmi_reply_event(l.c, &ev, KVMI_EVENT_ACTION_RETRY), 0);
	}
	lab_expect_bp(l.c, &ev, 0, hit_bp());
	lab_skip_bp(l.c, &ev);
	runner_done(&r);
	check_eq(l.v->config->bp_count, 0);
}

/* As a tool does it: its breakpoint over the guest's instruction, which is put back when hit. */
static void test_retry_restored(void)
{
	const struct vmm_guest g = VMM_GUEST(original);
	uint64_t insn = vmm_label(&g, guest_original_insn);
	const uint8_t int3 = 0xcc;
	struct runner r = {0};
	struct kvmi_event_msg ev;
	uint8_t byte;
	struct lab l;

	lab_start(&l, &g);
	byte = *(uint8_t *)vmm_mem(l.vm, insn, 1);
	check_kvmi(kvmi_write_physical(l.c, insn, &int3, 1), 0);
	check_eq(*(uint8_t *)vmm_mem(l.vm, insn, 1), int3);

	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, insn);
	check_eq(l.v->config->arg[0], 0);
	check_kvmi(kvmi_write_physical(l.c, ev.breakpoint.gpa, &byte, 1), 0);
	check_kvmi(kvmi_reply_event(l.c, &ev, KVMI_EVENT_ACTION_RETRY), 0);
	runner_done(&r);
	check_eq(l.v->config->hits, 1);
	check_eq(l.v->config->arg[0], 0x600d);

	/* Gone for good: the next round has no event. */
	runner_start(&r, l.v);
	runner_done(&r);
	lab_no_event(l.c);
	check_eq(l.v->config->hits, 2);
}

/* --- registers set while the vCPU waits --- */

static void test_set_registers(void)
{
	const struct vmm_guest g = VMM_GUEST(registers);
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct kvm_regs regs, seen;
	struct lab l;

	lab_start(&l, &g);
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, vmm_label(&g, guest_registers_bp));
	regs = ev.common.arch.regs;
	regs.rip++;
	regs.rbx = 0xbad;
	regs.r15 = 0xbad;
	check_kvmi(kvmi_vcpu_set_registers(l.c, 0, &regs), 0);
	/* Not before the answer. */
	check_kvmi(kvmi_vcpu_get_registers(l.c, 0, NULL, &seen, NULL, NULL, 0), 0);
	check_regs("GET_REGISTERS after SET", &seen, &ev.common.arch.regs);
	/* The last one counts. */
	regs.rbx = 0x2002;
	regs.r15 = 0x200f;
	check_kvmi(kvmi_vcpu_set_registers(l.c, 0, &regs), 0);
	check_kvmi(kvmi_reply_event(l.c, &ev, KVMI_EVENT_ACTION_RETRY), 0);
	runner_done(&r);
	check_eq(l.v->config->hits, 1);
	check_eq(l.v->config->arg[0], 0x2002);
	check_eq(l.v->config->arg[1], 0x200f);
}

/* SET_REGISTERS and the answer in one write: the order holds, nothing is waited for in between. */
static void test_pipelined(void)
{
	struct {
		struct kvmi_msg_hdr set_hdr;
		struct kvmi_vcpu_hdr set_vcpu;
		struct kvm_regs regs;
		struct kvmi_msg_hdr hdr;
		struct kvmi_vcpu_hdr vcpu;
		struct kvmi_event_reply reply;
	} msg = {
		.set_hdr = {.id = KVMI_VCPU_SET_REGISTERS, .size = 152, .seq = 0x5e7},
		.hdr = {.id = KVMI_EVENT_REPLY, .size = 16},
		.reply = {.action = KVMI_EVENT_ACTION_RETRY, .event = KVMI_EVENT_BREAKPOINT},
	};
	struct kvmi_error_code ec;
	struct kvmi_msg_hdr hdr;
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	_Static_assert(sizeof(msg) == 160 + 24, "two messages, no gap");
	start_hit(&l, 50);
	lab_run_with_bp(&l, &r);
	for (int i = 0; i < 50; i++) {
		lab_expect_bp(l.c, &ev, 0, hit_bp());
		msg.regs = ev.common.arch.regs;
		msg.regs.rip++;
		msg.hdr.seq = ev.hdr.seq;
		check_kvmi(kvmi_send_raw(l.c, &msg, sizeof(msg)), 0);
		check_kvmi(kvmi_recv_msg(l.c, &hdr, &ec, sizeof(ec)), 0);
		check_eq(hdr.id, KVMI_VCPU_SET_REGISTERS);
		check_eq(hdr.seq, 0x5e7);
		check_eq(ec.err, 0);
	}
	runner_done(&r);
	check_eq(l.v->config->hits, 50);
	check_eq(l.v->config->bp_count, 0);
}

/* --- CRASH --- */

static void test_crash(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct kvm_regs regs;
	struct lab l;

	start_hit(&l, 1);
	lab_run_with_bp(&l, &r);
	lab_expect_bp(l.c, &ev, 0, hit_bp());
	check_kvmi(kvmi_reply_event(l.c, &ev, KVMI_EVENT_ACTION_CRASH), 0);
	check_eq(runner_join(&r), RUN_SYSTEM_EVENT);
	check_eq(r.system_event, KVM_SYSTEM_EVENT_CRASH);
	check_eq(l.v->config->hits, 0);
	check_eq(l.v->config->bp_count, 0);
	check_eq(vmm_get_regs(l.v, &regs), 0);
	check_eq(regs.rip, hit_bp());
}

/* All of the VM ends, not just the vCPU that hit the breakpoint. */
static void test_crash_two_vcpus(void)
{
	struct runner r0 = {0}, r1 = {0};
	struct vmm_vcpu *other;
	struct kvmi_event_msg ev;
	uint64_t spun;
	struct lab l;

	lab_open(&l, &hit, 2);
	lab_hook(&l);
	l.v->config->count = 1;
	other = vmm_vcpu(l.vm, 1);
	check_eq(vmm_vcpu_start(other, vmm_label(&hit, guest_hit_spin)), 0);
	runner_start(&r1, other);
	while (!other->config->hits)
		usleep(1000);

	lab_run_with_bp(&l, &r0);
	lab_expect_bp(l.c, &ev, 0, hit_bp());
	check_kvmi(kvmi_reply_event(l.c, &ev, KVMI_EVENT_ACTION_CRASH), 0);
	check_eq(runner_join(&r0), RUN_SYSTEM_EVENT);
	check_eq(runner_join(&r1), RUN_SYSTEM_EVENT);
	check_eq(r0.system_event, KVM_SYSTEM_EVENT_CRASH);
	check_eq(r1.system_event, KVM_SYSTEM_EVENT_CRASH);
	check_eq(l.v->config->hits, 0);
	spun = other->config->hits;
	usleep(10000);
	check_eq(other->config->hits, spun);
}

int main(void)
{
	bool wrong_rip = lab_injects_wrong_rip();
	const struct tap_test tests[] = {
		{"event: sizes, RIP, gpa, insn_len 1, mode", test_layout},
		{"event: gpa where it is not the gva", test_gpa},
		{"event: gpa through a page table of small pages", test_gpa_4k},
		{"event: insn_len 2 of an int3 with prefix", test_prefixed},
		{"event: vCPU index, not id", test_second_vcpu},
		{"event: registers are the guest's", test_registers},
		{"event: sequence numbers", test_sequence},
		{wrong_rip
			 ? "CONTINUE: #BP to the guest's handler once (nRIP checked in the VMCB: Bochs "
			   "does not load it)"
			 : "CONTINUE: #BP to the guest's handler once, RIP behind the int3",
		 test_continue},
		{"CONTINUE: a hundred times", test_continue_many},
		{"CONTINUE and RETRY by turns", test_continue_then_retry},
		{"CONTINUE with RIP moved: #BP as if the int3 were there", test_continue_moved},
		{"CONTINUE with the int3 taken away: #BP all the same", test_continue_restored},
		{"RETRY with RIP moved: no #BP", test_retry_moved},
		{"RETRY with nothing changed: the same breakpoint again", test_retry_in_place},
		{"RETRY with the original byte written back: it is executed", test_retry_restored},
		{"SET_REGISTERS takes effect with the answer, the last one wins",
		 test_set_registers},
		{"SET_REGISTERS and the answer in one write", test_pipelined},
		{"CRASH ends KVM_RUN before the guest goes on", test_crash},
		{"CRASH ends KVM_RUN of the other vCPU", test_crash_two_vcpus},
	};

	inject_say_nrips();
	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

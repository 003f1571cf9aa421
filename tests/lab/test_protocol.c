// SPDX-License-Identifier: BSD-2-Clause
/* The wire protocol: what is answered, what is refused, what ends the connection. */
#include "lab.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define NOWHERE	 0x40000000ULL /* a guest physical address without memory */
#define PAGE	 4096
#define MSR_STAR 0xc0000081
#define MSR_NONE 0xdead0000
#define NOTHING	 0xffff /* an id that is none */

VMM_DECLARE_GUEST(hit);
extern const char guest_hit_bp[], guest_hit_handler[], guest_hit_spin[];

static const struct vmm_guest hit = VMM_GUEST(hit);

/* A hooked VM whose vCPU is not running. */
static void start(struct lab *l)
{
	lab_open_any(l, &hit, 1);
	lab_hook(l);
}

static int command(struct lab *l, uint16_t id, const void *payload, size_t size)
{
	return kvmi_command(l->c, id, payload, size, NULL, 0);
}

/* --- VM commands --- */

static void test_version(void)
{
	uint32_t version = 0;
	struct lab l;

	start(&l);
	check_eq(vmm_introspection_version(l.vm), KVMI_VERSION);
	check_kvmi(kvmi_get_version(l.c, &version), 0);
	check_eq(version, KVMI_VERSION);
}

static void test_check(void)
{
	struct kvmi_vm_check_command req;
	struct lab l;

	start(&l);
	for (uint16_t id = KVMI_VM_CHECK_COMMAND; id <= KVMI_VM_CHECK_EVENT; id++) {
		bool command_ids = id == KVMI_VM_CHECK_COMMAND;
		uint16_t known = command_ids ? KVMI_VCPU_GET_REGISTERS : KVMI_EVENT_BREAKPOINT;

		req = (struct kvmi_vm_check_command){.id = known};
		check_kvmi(command(&l, id, &req, sizeof(req)), 0);
		req.padding1 = 1;
		check_kvmi(command(&l, id, &req, sizeof(req)), KVM_EINVAL);
		req.padding1 = 0;
		req.padding2 = 1;
		check_kvmi(command(&l, id, &req, sizeof(req)), KVM_EINVAL);
		req.padding2 = 0;
		req.id = command_ids ? KVMI_NUM_MESSAGES : KVMI_NUM_EVENTS;
		check_kvmi(command(&l, id, &req, sizeof(req)), KVM_EINVAL);
		req.id = NOTHING;
		check_kvmi(command(&l, id, &req, sizeof(req)), KVM_EINVAL);
	}
	/* These two are nobody's to send. */
	check_kvmi(kvmi_check_command(l.c, KVMI_EVENT_REPLY), KVM_EPERM);
	check_kvmi(kvmi_check_command(l.c, KVMI_EVENT), KVM_EPERM);
}

/* Unknown ids are answered, and what comes with them is read away. */
static void test_unknown(void)
{
	static const uint16_t ids[] = {KVMI_EVENT, KVMI_NUM_MESSAGES, 64, 0x8000, NOTHING};
	static const uint8_t payload[KVMI_MSG_SIZE];
	struct lab l;

	start(&l);
	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		check_kvmi(command(&l, ids[i], NULL, 0), KVM_ENOSYS);
		check_kvmi(command(&l, ids[i], payload, 1), KVM_ENOSYS);
		check_kvmi(command(&l, ids[i], payload, sizeof(payload)), KVM_ENOSYS);
	}
	lab_no_event(l.c);
}

/* Every message cut short everywhere. The vCPU does not run: the receiver has to see it. */
static void test_short(void)
{
	static const struct {
		uint16_t id;
		uint16_t size;
	} cases[] = {
		{KVMI_VM_CHECK_COMMAND, sizeof(struct kvmi_vm_check_command)},
		{KVMI_VM_CHECK_EVENT, sizeof(struct kvmi_vm_check_event)},
		{KVMI_VM_CONTROL_EVENTS, sizeof(struct kvmi_vm_control_events)},
		{KVMI_VM_READ_PHYSICAL, sizeof(struct kvmi_vm_read_physical)},
		{KVMI_VM_WRITE_PHYSICAL, sizeof(struct kvmi_vm_write_physical)},
		{KVMI_VCPU_GET_INFO, 8},
		{KVMI_VCPU_PAUSE, 16},
		{KVMI_VCPU_CONTROL_EVENTS, 16},
		{KVMI_VCPU_GET_REGISTERS, 16},
		{KVMI_VCPU_SET_REGISTERS, 152},
		{KVMI_VCPU_GET_CPUID, 16},
	};
	static const uint8_t zero[160];
	struct lab l;

	start(&l);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
		for (uint16_t size = 0; size < cases[i].size; size++)
			if (command(&l, cases[i].id, zero, size) != KVM_EINVAL)
				fail("message %u with %u of %u bytes is not refused", cases[i].id,
				     size, cases[i].size);
	lab_no_event(l.c);
}

static void test_write_physical(void)
{
	static const struct {
		uint64_t gpa, size;
		uint16_t sent; /* bytes of data */
		int err;
	} cases[] = {
		{GUEST_LOG, 1, 1, 0},
		{GUEST_LOG + PAGE - 1, 1, 1, 0},
		{GUEST_LOG, PAGE, PAGE, 0},
		{GUEST_LOG + 5, 100, 200, 0},
		{GUEST_LOG, 0, 0, KVM_EINVAL},
		{GUEST_LOG, 0, 8, KVM_EINVAL},
		{GUEST_LOG, 1, 0, KVM_EINVAL},
		{GUEST_LOG, 100, 99, KVM_EINVAL},
		{GUEST_LOG, PAGE + 1, PAGE + 1, KVM_EINVAL},
		{GUEST_LOG + 1, PAGE, PAGE, KVM_EINVAL},
		{GUEST_LOG + PAGE - 1, 2, 2, KVM_EINVAL},
		{GUEST_LOG, ~0ULL, 8, KVM_EINVAL},
		{GUEST_LOG, ~0ULL - 15, 8, KVM_EINVAL},
		{GUEST_LOG + 8, ~0ULL - 7, 8, KVM_EINVAL},
		{NOWHERE, 1, 1, KVM_ENOENT},
		{~0ULL, 1, 1, KVM_ENOENT},
		{1ULL << 52, 1, 1, KVM_ENOENT},
	};
	struct {
		struct kvmi_vm_write_physical req;
		uint8_t data[PAGE + 1];
	} msg;
	struct lab l;
	uint8_t *mem;

	start(&l);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int got;

		msg.req.gpa = cases[i].gpa;
		msg.req.size = cases[i].size;
		memset(msg.data, 0x30 + i, sizeof(msg.data));
		mem = vmm_mem(l.vm, GUEST_LOG, 2 * PAGE);
		memset(mem, 0xee, 2 * PAGE);
		got = command(&l, KVMI_VM_WRITE_PHYSICAL, &msg, sizeof(msg.req) + cases[i].sent);
		if (got != cases[i].err)
			fail("gpa %#llx size %#llx with %u bytes: %s",
			     (unsigned long long)cases[i].gpa, (unsigned long long)cases[i].size,
			     cases[i].sent, kvmi_strerror(got));
		for (uint64_t j = 0; j < 2 * PAGE; j++) {
			uint64_t gpa = GUEST_LOG + j;
			bool written = !cases[i].err && gpa >= cases[i].gpa &&
				       gpa < cases[i].gpa + cases[i].size;

			if (mem[j] != (written ? 0x30 + i : 0xee))
				fail("gpa %#llx size %#llx: wrong byte at %#llx",
				     (unsigned long long)cases[i].gpa,
				     (unsigned long long)cases[i].size, (unsigned long long)gpa);
		}
	}
}

/* --- vCPU commands --- */

static void test_vcpu_header(void)
{
	static const struct {
		struct kvmi_vcpu_hdr hdr;
		int err;
	} cases[] = {
		{{.vcpu = 0}, 0},
		{{.vcpu = 1}, KVM_EINVAL},
		{{.vcpu = VMM_VCPU_ID(0)}, KVM_EINVAL},
		{{.vcpu = 256}, KVM_EINVAL},
		{{.vcpu = 0xffff}, KVM_EINVAL},
		{{.padding1 = 1}, KVM_EINVAL},
		{{.padding2 = 1}, KVM_EINVAL},
		{{.padding2 = 0x80000000}, KVM_EINVAL},
	};
	struct {
		struct kvmi_vcpu_hdr hdr;
		struct kvmi_vcpu_get_registers cmd;
	} req = {0};
	struct runner r = {0};
	struct lab l;

	lab_spin(&l, &r, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		req.hdr = cases[i].hdr;
		check_kvmi(command(&l, KVMI_VCPU_GET_REGISTERS, &req, sizeof(req)), cases[i].err);
	}
	runner_stop(&r);
}

static void test_control_events(void)
{
	static const struct {
		struct kvmi_vcpu_control_events cmd;
		int err;
	} cases[] = {
		{{.event_id = KVMI_EVENT_BREAKPOINT, .enable = 1}, 0},
		{{.event_id = KVMI_EVENT_BREAKPOINT, .enable = 1}, 0},
		{{.event_id = KVMI_EVENT_BREAKPOINT, .enable = 0}, 0},
		{{.event_id = KVMI_EVENT_BREAKPOINT, .enable = 0}, 0},
		{{.event_id = KVMI_EVENT_UNHOOK, .enable = 1}, KVM_EINVAL},
		{{.event_id = KVMI_NUM_EVENTS, .enable = 1}, KVM_EINVAL},
		{{.event_id = 64, .enable = 1}, KVM_EINVAL},
		{{.event_id = NOTHING, .enable = 1}, KVM_EINVAL},
		{{.event_id = KVMI_EVENT_BREAKPOINT, .padding1 = 1}, KVM_EINVAL},
		{{.event_id = KVMI_EVENT_BREAKPOINT, .padding2 = 1}, KVM_EINVAL},
	};
	struct {
		struct kvmi_vcpu_hdr hdr;
		struct kvmi_vcpu_control_events cmd;
	} req = {0};
	struct runner r = {0};
	struct lab l;

	lab_spin(&l, &r, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int got;

		req.cmd = cases[i].cmd;
		got = command(&l, KVMI_VCPU_CONTROL_EVENTS, &req, sizeof(req));
		if (got != cases[i].err)
			fail("case %zu, event %u: %s", i, req.cmd.event_id, kvmi_strerror(got));
	}
	runner_stop(&r);
}

static void test_get_registers(void)
{
	struct {
		struct kvmi_vcpu_hdr hdr;
		struct kvmi_vcpu_get_registers cmd;
		uint32_t msrs[KVMI_MAX_GET_MSRS + 1];
	} req = {0};
	struct kvm_msr_entry msrs[KVMI_MAX_GET_MSRS];
	struct runner r = {0};
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	struct lab l;
	uint32_t mode;

	lab_spin(&l, &r, 1);
	check_kvmi(kvmi_vcpu_get_registers(l.c, 0, &mode, &regs, &sregs, NULL, 0), 0);
	check_eq(mode, 8);
	check_eq(sregs.cr3, GUEST_PML4);
	check(regs.rip >= GUEST_CODE && regs.rip < GUEST_CODE + PAGE);

	for (size_t i = 0; i < KVMI_MAX_GET_MSRS; i++)
		msrs[i] = (struct kvm_msr_entry){.index = MSR_STAR, .data = 1};
	check_kvmi(kvmi_vcpu_get_registers(l.c, 0, NULL, NULL, NULL, msrs, KVMI_MAX_GET_MSRS), 0);
	for (size_t i = 0; i < KVMI_MAX_GET_MSRS; i++) {
		check_eq(msrs[i].index, MSR_STAR);
		check_eq(msrs[i].data, 0);
	}

	for (size_t i = 0; i <= KVMI_MAX_GET_MSRS; i++)
		req.msrs[i] = MSR_STAR;
	req.cmd.nmsrs = KVMI_MAX_GET_MSRS + 1;
	check_kvmi(command(&l, KVMI_VCPU_GET_REGISTERS, &req, sizeof(req)), KVM_ENOMEM);
	/* A list that is not there counts first. */
	check_kvmi(command(&l, KVMI_VCPU_GET_REGISTERS, &req, sizeof(req) - 4), KVM_EINVAL);
	req.cmd.nmsrs = 0xffff;
	check_kvmi(command(&l, KVMI_VCPU_GET_REGISTERS, &req, sizeof(req)), KVM_EINVAL);
	req.cmd.nmsrs = 2;
	check_kvmi(command(&l, KVMI_VCPU_GET_REGISTERS, &req, 16 + 2 * 4), 0);
	check_kvmi(command(&l, KVMI_VCPU_GET_REGISTERS, &req, 16 + 2 * 4 - 1), KVM_EINVAL);
	req.msrs[1] = MSR_NONE;
	check_kvmi(command(&l, KVMI_VCPU_GET_REGISTERS, &req, 16 + 2 * 4), KVM_EINVAL);
	req.cmd.nmsrs = 0;
	req.cmd.padding1 = 1;
	check_kvmi(command(&l, KVMI_VCPU_GET_REGISTERS, &req, 16), KVM_EINVAL);
	req.cmd.padding1 = 0;
	req.cmd.padding2 = 1;
	check_kvmi(command(&l, KVMI_VCPU_GET_REGISTERS, &req, 16), KVM_EINVAL);
	runner_stop(&r);
}

static void test_set_registers_outside(void)
{
	struct kvm_regs regs = {.rip = NOWHERE};
	struct runner r = {0};
	struct lab l;

	lab_spin(&l, &r, 1);
	check_kvmi(kvmi_vcpu_set_registers(l.c, 0, &regs), KVM_EOPNOTSUPP);
	usleep(1000);
	check_kvmi(kvmi_vcpu_get_registers(l.c, 0, NULL, &regs, NULL, NULL, 0), 0);
	check(regs.rip >= GUEST_CODE && regs.rip < GUEST_CODE + PAGE);
	runner_stop(&r);
}

/* Commands sent before the vCPU runs are answered in their order once it does. */
static void test_vcpu_order(void)
{
	static const struct {
		struct kvmi_vcpu_hdr hdr;
		struct kvmi_vcpu_get_registers cmd;
	} req;
	struct iovec iov = {.iov_base = (void *)&req, .iov_len = sizeof(req)};
	struct runner r = {0};
	struct kvmi_msg_hdr hdr;
	struct kvmi_error_code ec;
	uint32_t seq[30], version;
	struct lab l;

	start(&l);
	check_eq(vmm_vcpu_start(l.v, vmm_label(&hit, guest_hit_spin)), 0);
	for (int i = 0; i < 30; i++)
		check_kvmi(kvmi_command_send(l.c, KVMI_VCPU_GET_REGISTERS, &iov, 1, &seq[i]), 0);
	check_kvmi(kvmi_get_version(l.c, &version), 0);
	check(!kvmi_client_pending(l.c));
	runner_start(&r, l.v);
	for (int i = 0; i < 30; i++) {
		check_kvmi(kvmi_recv_msg(l.c, &hdr, &ec, sizeof(ec)), 0);
		check_eq(hdr.id, KVMI_VCPU_GET_REGISTERS);
		check_eq(hdr.seq, seq[i]);
		check_eq(ec.err, 0);
	}
	runner_stop(&r);
}

/* --- the stream --- */

static void test_pieces(void)
{
	struct {
		struct kvmi_msg_hdr hdr;
		struct kvmi_vm_check_command req;
	} msg = {
		.hdr = {.id = KVMI_VM_CHECK_COMMAND, .size = 8, .seq = 0xabc},
		.req.id = KVMI_GET_VERSION,
	};
	struct kvmi_msg_hdr hdr;
	struct kvmi_error_code ec;
	struct lab l;

	start(&l);
	for (size_t i = 0; i < sizeof(msg); i++) {
		check_kvmi(kvmi_send_raw(l.c, (uint8_t *)&msg + i, 1), 0);
		usleep(1000);
		check(!kvmi_client_pending(l.c));
	}
	check_kvmi(kvmi_recv_msg(l.c, &hdr, &ec, sizeof(ec)), 0);
	check_eq(hdr.id, KVMI_VM_CHECK_COMMAND);
	check_eq(hdr.seq, 0xabc);
	check_eq(hdr.size, 8);
	check_eq(ec.err, 0);
}

/* Hundreds of messages in one write, more than KVM reads at once. */
static void test_batch(void)
{
	enum { N = 2000 };
	static struct kvmi_msg_hdr msg[N];
	struct kvmi_get_version_reply rpl;
	struct kvmi_msg_hdr hdr;
	uint8_t payload[16];
	struct lab l;

	start(&l);
	for (uint32_t i = 0; i < N; i++)
		msg[i] = (struct kvmi_msg_hdr){.id = KVMI_GET_VERSION, .seq = i};
	check_kvmi(kvmi_send_raw(l.c, msg, sizeof(msg)), 0);
	for (uint32_t i = 0; i < N; i++) {
		check_kvmi(kvmi_recv_msg(l.c, &hdr, payload, sizeof(payload)), 0);
		check_eq(hdr.seq, i);
		check_eq(hdr.size, 16);
		memcpy(&rpl, payload + 8, sizeof(rpl));
		check_eq(rpl.version, KVMI_VERSION);
	}
}

static void expect_close_after(const struct kvmi_msg_hdr *hdr)
{
	struct lab l;

	start(&l);
	check_kvmi(kvmi_send_raw(l.c, hdr, sizeof(*hdr)), 0);
	lab_expect_close(l.c);
	/* And the VM is none the worse for it. */
	check_eq(vmm_unhook(l.vm), 0);
	vmm_destroy(l.vm);
}

static void test_oversized(void)
{
	static const uint16_t ids[] = {KVMI_GET_VERSION, KVMI_VM_WRITE_PHYSICAL, KVMI_EVENT_REPLY,
				       NOTHING};

	for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
		expect_close_after(&(struct kvmi_msg_hdr){.id = ids[i], .size = KVMI_MSG_SIZE + 1});
		expect_close_after(&(struct kvmi_msg_hdr){.id = ids[i], .size = 0xffff});
	}
}

/* The tool leaves in the middle of a message. */
static void test_truncated(void)
{
	static const struct kvmi_msg_hdr hdr = {.id = KVMI_VM_CHECK_COMMAND, .size = 8};

	for (size_t size = 1; size <= sizeof(hdr); size++) {
		struct lab l;

		start(&l);
		check_kvmi(kvmi_send_raw(l.c, &hdr, size), 0);
		kvmi_client_free(l.c);
		check_eq(vmm_unhook(l.vm), 0);
		vmm_destroy(l.vm);
	}
}

/* A tool that only writes: KVM's receiver is stuck with its replies, which must not hold up UNHOOK. */
static void test_tool_does_not_read(void)
{
	struct lab l;

	start(&l);
	note("%u messages until both directions were full", lab_stuff(l.c));
	check_eq(vmm_unhook(l.vm), 0);
}

/* --- answers that are none --- */

struct answer {
	struct kvmi_msg_hdr hdr;
	struct kvmi_vcpu_hdr vcpu;
	struct kvmi_event_reply reply;
	uint8_t more[8];
};

static void start_event(struct lab *l, struct runner *r, struct kvmi_event_msg *ev)
{
	lab_start(l, &hit);
	l->v->config->count = 2;
	check_eq(vmm_set_handler(l->vm, 3, vmm_label(&hit, guest_hit_handler)), 0);
	lab_run_with_bp(l, r);
	lab_expect_bp(l->c, ev, 0, vmm_label(&hit, guest_hit_bp));
}

#define CONTINUE KVMI_EVENT_ACTION_CONTINUE
#define RETRY	 KVMI_EVENT_ACTION_RETRY

/* Any of them ends the connection, and the guest gets its #BP as if nobody had asked. */
static void test_bad_answers(void)
{
	static const struct {
		const char *what;
		size_t offset;
		uint8_t change; /* added to the byte there */
		uint8_t action; /* one that is allowed with what the change makes of it */
	} cases[] = {
		{"the next seq", offsetof(struct answer, hdr.seq), 1, RETRY},
		{"the previous seq", offsetof(struct answer, hdr.seq), 0xff, RETRY},
		{"a size of 15", offsetof(struct answer, hdr.size), 0xff, RETRY},
		{"a size of 24", offsetof(struct answer, hdr.size), 8, RETRY},
		{"no payload", offsetof(struct answer, hdr.size), (uint8_t)-16, RETRY},
		{"vCPU 1", offsetof(struct answer, vcpu.vcpu), 1, RETRY},
		{"vcpu_hdr.padding1", offsetof(struct answer, vcpu.padding1), 1, RETRY},
		{"vcpu_hdr.padding2", offsetof(struct answer, vcpu.padding2), 1, RETRY},
		{"action 3", offsetof(struct answer, reply.action), 2, RETRY},
		{"action 255", offsetof(struct answer, reply.action), 254, RETRY},
		{"another event", offsetof(struct answer, reply.event), 0xff, CONTINUE},
		{"event 255", offsetof(struct answer, reply.event), 252, CONTINUE},
		{"reply.padding1", offsetof(struct answer, reply.padding1), 1, RETRY},
		{"reply.padding2", offsetof(struct answer, reply.padding2), 1, RETRY},
	};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct answer a = {
			.hdr = {.id = KVMI_EVENT_REPLY, .size = 16},
			.reply = {.action = cases[i].action, .event = KVMI_EVENT_BREAKPOINT},
		};
		struct runner r = {0};
		struct kvmi_event_msg ev;
		struct lab l;

		start_event(&l, &r, &ev);
		a.hdr.seq = ev.hdr.seq;
		((uint8_t *)&a)[cases[i].offset] += cases[i].change;
		check_kvmi(kvmi_send_raw(l.c, &a, sizeof(a.hdr) + a.hdr.size), 0);
		lab_expect_close(l.c);
		if (runner_join(&r))
			fail("answer with %s: the vCPU does not go on: %s", cases[i].what, r.error);
		if (l.v->config->bp_count != 2)
			fail("answer with %s: #BP %llu times, not twice", cases[i].what,
			     (unsigned long long)l.v->config->bp_count);
		vmm_destroy(l.vm);
	}
}

static void test_answer_without_event(void)
{
	struct answer a = {
		.hdr = {.id = KVMI_EVENT_REPLY, .size = 16},
		.reply.event = KVMI_EVENT_BREAKPOINT,
	};
	struct runner r = {0};
	struct lab l;

	/* Neither with the vCPU at rest, nor with it in the guest, nor with the seq nothing has had. */
	for (uint32_t i = 0; i < 4; i++) {
		if (i & 1)
			lab_spin(&l, &r, 1);
		else
			start(&l);
		a.hdr.seq = i >> 1;
		check_kvmi(kvmi_send_raw(l.c, &a, sizeof(a.hdr) + a.hdr.size), 0);
		lab_expect_close(l.c);
		if (i & 1)
			runner_stop(&r);
		vmm_destroy(l.vm);
	}
}

static void test_second_answer(void)
{
	struct answer a[2] = {{
		.hdr = {.id = KVMI_EVENT_REPLY, .size = 16},
		.reply = {.action = KVMI_EVENT_ACTION_RETRY, .event = KVMI_EVENT_BREAKPOINT},
	}};
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct kvm_regs regs;
	uint8_t both[48];
	struct lab l;

	start_event(&l, &r, &ev);
	l.v->config->count = 1;
	regs = ev.common.arch.regs;
	regs.rip++;
	check_kvmi(kvmi_vcpu_set_registers(l.c, 0, &regs), 0);
	a[0].hdr.seq = ev.hdr.seq;
	memcpy(both, &a[0], 24);
	memcpy(both + 24, &a[0], 24);
	check_kvmi(kvmi_send_raw(l.c, both, sizeof(both)), 0);
	lab_expect_close(l.c);
	runner_done(&r);
	/* The first answer held: one hit stepped over, and the other was the guest's. */
	check_eq(l.v->config->hits, 2);
	check_eq(l.v->config->bp_count, 1);
}

int main(void)
{
	const struct tap_test tests[] = {
		{"GET_VERSION", test_version},
		{"VM_CHECK_COMMAND, VM_CHECK_EVENT", test_check},
		{"unknown ids: ENOSYS, payload drained", test_unknown},
		{"short messages: EINVAL", test_short},
		{"VM_WRITE_PHYSICAL: what is written and what refused", test_write_physical},
		{"vCPU header: index and padding", test_vcpu_header},
		{"VCPU_CONTROL_EVENTS: ids and padding", test_control_events},
		{"VCPU_GET_REGISTERS: 482 MSRs, not 483, none that is not there",
		 test_get_registers},
		{"VCPU_SET_REGISTERS outside of an event: EOPNOTSUPP", test_set_registers_outside},
		{"vCPU commands wait for the vCPU, and keep their order", test_vcpu_order},
		{"a message in pieces", test_pieces},
		{"2000 messages in one write", test_batch},
		{"oversized messages close the connection", test_oversized},
		{"a tool that leaves within a message", test_truncated},
		{"a tool that does not read its replies: UNHOOK works", test_tool_does_not_read},
		{"bad answers close the connection, the guest gets its #BP", test_bad_answers},
		{"an answer without event closes the connection", test_answer_without_event},
		{"a second answer closes the connection, the first holds", test_second_answer},
	};

	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

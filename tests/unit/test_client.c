// SPDX-License-Identifier: BSD-2-Clause
/* Unit tests of the client library: what commands and events look like on the wire. */
#include "client_fixture.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>

/* --- commands --- */

static void test_get_version(void **state)
{
	struct fixture *f = *state;
	struct kvmi_get_version_reply rpl = {.version = 1};
	struct kvmi_msg_hdr hdr;
	uint32_t version = 0;

	k_reply(f, KVMI_GET_VERSION, 1, 0, &rpl, sizeof(rpl));
	assert_int_equal(kvmi_get_version(f->c, &version), 0);
	assert_int_equal(version, 1);
	hdr = k_read(f, NULL, 0);
	assert_int_equal(hdr.id, KVMI_GET_VERSION);
	assert_int_equal(hdr.seq, 1);
}

static void test_kvm_error(void **state)
{
	struct fixture *f = *state;

	k_reply(f, KVMI_VM_CHECK_COMMAND, 1, -KVM_EPERM, NULL, 0);
	k_reply(f, KVMI_VM_CHECK_EVENT, 2, -KVM_ENOSYS, NULL, 0);
	assert_int_equal(kvmi_check_command(f->c, KVMI_EVENT), KVM_EPERM);
	assert_int_equal(kvmi_check_event(f->c, 77), KVM_ENOSYS);
	assert_non_null(strstr(kvmi_strerror(KVM_ENOSYS), "KVM_ENOSYS"));
}

static void test_command_layouts(void **state)
{
	struct fixture *f = *state;
	uint8_t buf[256];
	struct kvm_regs regs = {.rip = 0x1234, .rax = 7}, sent;
	struct kvmi_msg_hdr hdr;

	k_reply(f, KVMI_VM_CHECK_EVENT, 1, 0, NULL, 0);
	assert_int_equal(kvmi_check_event(f->c, 3), 0);
	k_read(f, buf, 8);
	assert_memory_equal(buf, ((uint8_t[8]){3}), 8);

	k_reply(f, KVMI_VCPU_CONTROL_EVENTS, 2, 0, NULL, 0);
	assert_int_equal(kvmi_vcpu_control_events(f->c, 0x102, KVMI_EVENT_BREAKPOINT, true), 0);
	k_read(f, buf, 16);
	assert_memory_equal(buf, ((uint8_t[16]){2, 1, 0, 0, 0, 0, 0, 0, 3, 0, 1}), 16);

	k_reply(f, KVMI_VCPU_SET_REGISTERS, 3, -KVM_EOPNOTSUPP, NULL, 0);
	assert_int_equal(kvmi_vcpu_set_registers(f->c, 1, &regs), KVM_EOPNOTSUPP);
	hdr = k_read(f, buf, 152);
	assert_int_equal(hdr.id, KVMI_VCPU_SET_REGISTERS);
	assert_memory_equal(buf, ((uint8_t[8]){1}), 8);
	memcpy(&sent, buf + 8, sizeof(sent));
	assert_memory_equal(&sent, &regs, sizeof(regs));

	k_reply(f, KVMI_VM_WRITE_PHYSICAL, 4, 0, NULL, 0);
	assert_int_equal(kvmi_write_physical(f->c, 0x40123, "\xcc", 1), 0);
	k_read(f, buf, 17);
	assert_memory_equal(buf, ((uint8_t[17]){0x23, 1, 4, 0, 0, 0, 0, 0, 1, [16] = 0xcc}), 17);

	assert_int_equal(kvmi_write_physical(f->c, 0, buf, KVMI_MSG_SIZE), -EINVAL);
}

/* Every command there is: what is sent, and what becomes of the reply. */
static void test_more_commands(void **state)
{
	struct fixture *f = *state;
	struct kvmi_vm_get_info_reply info = {.vcpu_count = 3};
	struct kvmi_vcpu_get_info_reply vinfo = {.tsc_speed = 2000000000};
	struct kvmi_vcpu_get_cpuid_reply cpuid = {1, 2, 3, 4}, leaf;
	uint8_t buf[256];
	struct kvmi_msg_hdr hdr;
	uint32_t n = 0;
	uint64_t hz = 0;

	k_reply(f, KVMI_VM_GET_INFO, 1, 0, &info, sizeof(info));
	assert_int_equal(kvmi_get_info(f->c, &n), 0);
	assert_int_equal(n, 3);
	k_read(f, NULL, 0);

	k_reply(f, KVMI_VM_CONTROL_EVENTS, 2, 0, NULL, 0);
	assert_int_equal(kvmi_control_events(f->c, KVMI_EVENT_UNHOOK, true), 0);
	hdr = k_read(f, buf, 8);
	assert_int_equal(hdr.id, KVMI_VM_CONTROL_EVENTS);
	assert_memory_equal(buf, ((uint8_t[8]){[2] = 1}), 8);

	k_reply(f, KVMI_VM_READ_PHYSICAL, 3, 0, "guest", 5);
	assert_int_equal(kvmi_read_physical(f->c, 0x40ffb, buf, 5), 0);
	assert_memory_equal(buf, "guest", 5);
	hdr = k_read(f, buf, 16);
	assert_int_equal(hdr.id, KVMI_VM_READ_PHYSICAL);
	assert_memory_equal(buf, ((uint8_t[16]){0xfb, 0xf, 4, [8] = 5}), 16);

	k_reply(f, KVMI_VM_READ_PHYSICAL, 4, -KVM_ENOENT, NULL, 0);
	assert_int_equal(kvmi_read_physical(f->c, ~0ULL, buf, 1), KVM_ENOENT);
	k_read(f, buf, 16);

	k_reply(f, KVMI_VCPU_GET_INFO, 5, 0, &vinfo, sizeof(vinfo));
	assert_int_equal(kvmi_vcpu_get_info(f->c, 2, &hz), 0);
	assert_int_equal(hz, 2000000000);
	k_read(f, buf, 8);
	assert_memory_equal(buf, ((uint8_t[8]){2}), 8);

	k_reply(f, KVMI_VCPU_PAUSE, 6, -KVM_EBUSY, NULL, 0);
	assert_int_equal(kvmi_vcpu_pause(f->c, 0x101, true), KVM_EBUSY);
	hdr = k_read(f, buf, 16);
	assert_int_equal(hdr.id, KVMI_VCPU_PAUSE);
	assert_memory_equal(buf, ((uint8_t[16]){1, 1, [8] = 1}), 16);

	k_reply(f, KVMI_VCPU_GET_CPUID, 7, 0, &cpuid, sizeof(cpuid));
	assert_int_equal(kvmi_vcpu_get_cpuid(f->c, 1, 0x80000001, 9, &leaf), 0);
	assert_int_equal(leaf.edx, 4);
	k_read(f, buf, 16);
	assert_memory_equal(buf, ((uint8_t[16]){1, [8] = 1, [11] = 0x80, [12] = 9}), 16);
}

static void test_get_registers(void **state)
{
	struct fixture *f = *state;
	static struct {
		struct kvmi_vcpu_get_registers_reply r;
		struct kvm_msr_entry msrs[KVMI_MAX_GET_MSRS];
	} rpl;
	static struct kvm_msr_entry msrs[KVMI_MAX_GET_MSRS + 1];
	uint32_t req[2 + 2 + KVMI_MAX_GET_MSRS], mode;
	struct kvm_regs regs;
	struct kvm_sregs sregs;

	rpl.r.mode = 8;
	rpl.r.regs.rip = 0xabcd;
	rpl.r.sregs.cr3 = 0x3000;
	k_reply(f, KVMI_VCPU_GET_REGISTERS, 1, 0, &rpl, sizeof(rpl.r));
	assert_int_equal(kvmi_vcpu_get_registers(f->c, 0, &mode, &regs, &sregs, NULL, 0), 0);
	assert_int_equal(mode, 8);
	assert_int_equal(regs.rip, 0xabcd);
	assert_int_equal(sregs.cr3, 0x3000);
	k_read(f, req, 16);

	/* As many MSRs as fit one message. */
	rpl.r.msrs.nmsrs = KVMI_MAX_GET_MSRS;
	for (unsigned int i = 0; i < KVMI_MAX_GET_MSRS; i++) {
		msrs[i].index = 0x1000 + i;
		rpl.msrs[i] = (struct kvm_msr_entry){.index = 0x1000 + i, .data = ~(uint64_t)i};
	}
	k_reply(f, KVMI_VCPU_GET_REGISTERS, 2, 0, &rpl, sizeof(rpl));
	assert_int_equal(
		kvmi_vcpu_get_registers(f->c, 0, NULL, NULL, NULL, msrs, KVMI_MAX_GET_MSRS), 0);
	assert_true(msrs[481].data == ~(uint64_t)481);
	k_read(f, req, sizeof(req));
	assert_int_equal(req[2], KVMI_MAX_GET_MSRS);
	assert_int_equal(req[4 + 481], 0x1000 + 481);
	assert_int_equal(
		kvmi_vcpu_get_registers(f->c, 0, NULL, NULL, NULL, msrs, KVMI_MAX_GET_MSRS + 1),
		-EINVAL);

	/* An answer with fewer MSRs than asked for breaks the protocol. */
	rpl.r.msrs.nmsrs = 0;
	k_reply(f, KVMI_VCPU_GET_REGISTERS, 3, 0, &rpl, sizeof(rpl.r));
	assert_int_equal(kvmi_vcpu_get_registers(f->c, 0, NULL, NULL, NULL, msrs, 1), -EPROTO);
}

/* Replies in another order than the commands: each finds its own. */
static void test_pipelined(void **state)
{
	struct fixture *f = *state;
	struct iovec iov = {.iov_base = "01234567", .iov_len = 8};
	struct kvmi_get_version_reply a = {.version = 10}, b = {.version = 20}, got;
	uint32_t s1, s2;

	assert_int_equal(kvmi_command_send(f->c, KVMI_GET_VERSION, NULL, 0, &s1), 0);
	assert_int_equal(kvmi_command_send(f->c, KVMI_GET_VERSION, &iov, 1, &s2), 0);
	assert_int_not_equal(s1, s2);
	k_reply(f, KVMI_GET_VERSION, s2, 0, &b, sizeof(b));
	k_reply(f, KVMI_GET_VERSION, s1, 0, &a, sizeof(a));
	assert_int_equal(kvmi_command_wait(f->c, KVMI_GET_VERSION, s1, &got, sizeof(got)), 0);
	assert_int_equal(got.version, 10);
	assert_int_equal(kvmi_command_wait(f->c, KVMI_GET_VERSION, s2, &got, sizeof(got)), 0);
	assert_int_equal(got.version, 20);
	assert_false(kvmi_client_pending(f->c));
}

/* Nothing of a batch is sent before its end; then all of it is, in order, in one piece. */
static void test_batch(void **state)
{
	struct fixture *f = *state;
	struct kvmi_event_msg ev = {.hdr.seq = 41, .common = {.vcpu = 3, .event = 3}};
	struct kvmi_vcpu_pause pause = {.wait = 1};
	uint8_t buf[256], filler[4000] = {0};
	struct kvmi_msg_hdr hdr;
	uint32_t s1, s2;

	assert_int_equal(kvmi_batch_begin(f->c), 0);
	assert_int_equal(kvmi_batch_begin(f->c), -EINVAL);
	assert_int_equal(kvmi_vcpu_command_send(f->c, KVMI_VCPU_PAUSE, 1, &pause, 8, &s1), 0);
	assert_int_equal(kvmi_reply_event(f->c, &ev, KVMI_EVENT_ACTION_RETRY), 0);
	assert_int_equal(kvmi_vcpu_command_send(f->c, KVMI_VCPU_GET_INFO, 2, NULL, 0, &s2), 0);
	assert_int_equal(recv(f->kernel, buf, 1, MSG_DONTWAIT), -1);
	assert_int_equal(kvmi_batch_send(f->c), 0);
	assert_int_equal(recv(f->kernel, buf, sizeof(buf), MSG_DONTWAIT), 24 + 24 + 16);
	memcpy(&hdr, buf, 8);
	assert_int_equal(hdr.id, KVMI_VCPU_PAUSE);
	assert_int_equal(hdr.seq, s1);
	memcpy(&hdr, buf + 24, 8);
	assert_int_equal(hdr.id, KVMI_EVENT_REPLY);
	assert_int_equal(hdr.seq, 41);
	memcpy(&hdr, buf + 48, 8);
	assert_int_equal(hdr.id, KVMI_VCPU_GET_INFO);
	assert_int_equal(hdr.seq, s2);

	/* A batch dropped leaves no trace, and one may be larger than what is reserved for it at first. */
	assert_int_equal(kvmi_batch_begin(f->c), 0);
	assert_int_equal(kvmi_send_raw(f->c, "x", 1), 0);
	kvmi_batch_drop(f->c);
	assert_int_equal(kvmi_batch_begin(f->c), 0);
	assert_int_equal(kvmi_send_raw(f->c, filler, sizeof(filler)), 0);
	assert_int_equal(kvmi_send_raw(f->c, filler, sizeof(filler)), 0);
	assert_int_equal(kvmi_batch_send(f->c), 0);
	for (int i = 0; i < 2; i++)
		assert_int_equal(recv(f->kernel, filler, sizeof(filler), MSG_DONTWAIT), 4000);
	assert_int_equal(recv(f->kernel, buf, 1, MSG_DONTWAIT), -1);

	/* An empty one sends nothing. */
	assert_int_equal(kvmi_batch_begin(f->c), 0);
	assert_int_equal(kvmi_batch_send(f->c), 0);
}

/* Whoever waits in a batch sends it: else the wait would be for ever. */
static void test_batch_and_wait(void **state)
{
	struct fixture *f = *state;
	struct kvmi_get_version_reply rpl = {.version = 7};
	uint32_t s1, version = 0;

	k_reply(f, KVMI_VM_CHECK_EVENT, 1, -KVM_EPERM, NULL, 0);
	k_reply(f, KVMI_GET_VERSION, 2, 0, &rpl, sizeof(rpl));
	assert_int_equal(kvmi_batch_begin(f->c), 0);
	assert_int_equal(kvmi_command_send(f->c, KVMI_VM_CHECK_EVENT, NULL, 0, &s1), 0);
	assert_int_equal(kvmi_get_version(f->c, &version), 0);
	assert_int_equal(version, 7);
	assert_int_equal(kvmi_command_wait(f->c, KVMI_VM_CHECK_EVENT, s1, NULL, 0), KVM_EPERM);
	assert_int_equal(kvmi_batch_begin(f->c), 0);
}

static void test_reply_regs(void **state)
{
	struct fixture *f = *state;
	struct kvmi_event_msg ev = {.hdr.seq = 9, .common = {.vcpu = 1, .event = 3}};
	struct kvmi_event_msg unhook = {.hdr.seq = 10};
	struct kvm_regs regs = {.rip = 0x77};
	uint8_t buf[256];
	struct kvmi_msg_hdr hdr;

	k_reply(f, KVMI_VCPU_SET_REGISTERS, 1, 0, NULL, 0);
	assert_int_equal(kvmi_reply_event_regs(f->c, &ev, &regs, KVMI_EVENT_ACTION_RETRY), 0);
	assert_int_equal(recv(f->kernel, buf, sizeof(buf), MSG_DONTWAIT), 8 + 152 + 24);
	assert_memory_equal(buf + 16, &regs, sizeof(regs));
	memcpy(&hdr, buf + 160, 8);
	assert_int_equal(hdr.id, KVMI_EVENT_REPLY);
	assert_int_equal(hdr.seq, 9);

	/* Nobody waits for an answer to UNHOOK. */
	assert_false(kvmi_event_needs_reply(&unhook));
	assert_int_equal(kvmi_reply_event(f->c, &unhook, 0), -EINVAL);
	assert_int_equal(kvmi_reply_event_regs(f->c, &unhook, &regs, 0), -EINVAL);
	assert_int_equal(recv(f->kernel, buf, 1, MSG_DONTWAIT), -1);
}

static void test_short_replies(void **state)
{
	struct fixture *f = *state;
	struct kvmi_msg_hdr hdr = {.id = KVMI_GET_VERSION, .seq = 1, .size = 4};
	uint8_t buf[12] = {0};
	uint32_t version;

	memcpy(buf, &hdr, sizeof(hdr));
	k_write(f, buf, sizeof(buf));
	assert_int_equal(kvmi_get_version(f->c, &version), -EPROTO);
	/* Final. */
	assert_int_equal(kvmi_get_version(f->c, &version), -EPROTO);
}

static void test_missing_data(void **state)
{
	struct fixture *f = *state;
	uint32_t version;

	k_reply(f, KVMI_GET_VERSION, 1, 0, "1234", 4);
	assert_int_equal(kvmi_get_version(f->c, &version), -EPROTO);
}

static void test_positive_error(void **state)
{
	struct fixture *f = *state;

	k_reply(f, KVMI_VM_CHECK_EVENT, 1, KVM_EPERM, NULL, 0);
	assert_int_equal(kvmi_check_event(f->c, 3), -EPROTO);
}

/* --- events --- */

static void test_event(void **state)
{
	struct fixture *f = *state;
	struct kvmi_event_msg ev;
	struct kvmi_msg_hdr hdr;
	uint8_t reply[16];

	k_event(f, 41);
	assert_int_equal(kvmi_recv_event(f->c, &ev), 0);
	assert_int_equal(ev.hdr.seq, 41);
	assert_int_equal(ev.common.vcpu, 3);
	assert_int_equal(ev.common.event, KVMI_EVENT_BREAKPOINT);
	assert_int_equal(ev.common.arch.regs.rip, 0x40000123);
	assert_int_equal(ev.common.arch.msrs.shadow_gs, 0x5a5a);
	assert_int_equal(ev.breakpoint.gpa, 0x40123);
	assert_int_equal(ev.breakpoint.insn_len, 1);

	assert_int_equal(kvmi_reply_event(f->c, &ev, KVMI_EVENT_ACTION_RETRY), 0);
	hdr = k_read(f, reply, sizeof(reply));
	assert_int_equal(hdr.id, KVMI_EVENT_REPLY);
	assert_int_equal(hdr.seq, 41);
	assert_memory_equal(reply, ((uint8_t[16]){3, [8] = 1, [9] = 3}), 16);
}

static void test_event_while_waiting(void **state)
{
	struct fixture *f = *state;
	struct kvmi_get_version_reply rpl = {.version = 1};
	struct kvmi_event_msg ev;
	uint32_t version;

	k_event(f, 1);
	k_event(f, 2);
	k_reply(f, KVMI_GET_VERSION, 1, 0, &rpl, sizeof(rpl));
	k_event(f, 3);
	assert_int_equal(kvmi_get_version(f->c, &version), 0);
	for (uint32_t seq = 1; seq <= 3; seq++) {
		assert_true(kvmi_client_pending(f->c));
		assert_int_equal(kvmi_recv_event(f->c, &ev), 0);
		assert_int_equal(ev.hdr.seq, seq);
		assert_int_equal(ev.breakpoint.gpa, 0x40123);
	}
	assert_false(kvmi_client_pending(f->c));

	/* The last kept one was taken: keeping goes on in the right order. */
	k_event(f, 4);
	k_reply(f, KVMI_GET_VERSION, 2, 0, &rpl, sizeof(rpl));
	assert_int_equal(kvmi_get_version(f->c, &version), 0);
	assert_int_equal(kvmi_recv_event(f->c, &ev), 0);
	assert_int_equal(ev.hdr.seq, 4);
}

/* A later kernel may lengthen the common part; it says how long it is. */
static void test_event_longer_common(void **state)
{
	struct fixture *f = *state;
	struct wire_bp w = bp_event(5);
	struct kvmi_event_msg ev;
	uint8_t buf[568 + 24] = {0};

	w.hdr.size += 24;
	w.common.size += 24;
	memcpy(buf, &w, 8 + 544);
	memcpy(buf + 8 + 544 + 24, &w.bp, sizeof(w.bp));
	k_write(f, buf, sizeof(buf));
	assert_int_equal(kvmi_recv_event(f->c, &ev), 0);
	assert_int_equal(ev.breakpoint.gpa, 0x40123);
}

/* Events without a part of their own, among them the one that is the VM's. */
static void test_other_events(void **state)
{
	struct fixture *f = *state;
	struct kvmi_event_msg ev = {.breakpoint.gpa = 1};

	for (uint8_t id = KVMI_EVENT_UNHOOK; id <= KVMI_EVENT_HYPERCALL; id++) {
		struct wire_bp w = bp_event(id + 1);

		w.hdr.size = 544;
		w.common.event = id;
		k_write(f, &w, 552);
		assert_int_equal(kvmi_recv_event(f->c, &ev), 0);
		assert_int_equal(ev.common.event, id);
		assert_int_equal(ev.hdr.seq, id + 1);
		assert_int_equal(ev.breakpoint.gpa, 0);
		assert_int_equal(kvmi_event_needs_reply(&ev), id != KVMI_EVENT_UNHOOK);
	}
	assert_string_equal(kvmi_event_name(KVMI_EVENT_HYPERCALL), "HYPERCALL");
	assert_string_equal(kvmi_event_name(KVMI_NUM_EVENTS), "unknown");
}

static void check_bad_event(struct fixture *f, const struct wire_bp *w)
{
	struct kvmi_event_msg ev;

	k_write(f, w, sizeof(w->hdr) + w->hdr.size);
	assert_int_equal(kvmi_recv_event(f->c, &ev), -EPROTO);
	assert_int_equal(kvmi_recv_event(f->c, &ev), -EPROTO);
}

static void test_event_too_short(void **state)
{
	struct wire_bp w = bp_event(1);

	w.hdr.size = 559; /* one byte short of the breakpoint's part */
	check_bad_event(*state, &w);
}

static void test_event_common_too_short(void **state)
{
	struct wire_bp w = bp_event(1);

	w.common.size = 543;
	check_bad_event(*state, &w);
}

static void test_event_common_too_long(void **state)
{
	struct wire_bp w = bp_event(1);

	w.common.size = 561;
	check_bad_event(*state, &w);
}

static void test_event_empty(void **state)
{
	struct wire_bp w = bp_event(1);

	w.hdr.size = 0;
	check_bad_event(*state, &w);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		TEST(test_get_version),
		TEST(test_kvm_error),
		TEST(test_command_layouts),
		TEST(test_more_commands),
		TEST(test_get_registers),
		TEST(test_pipelined),
		TEST(test_batch),
		TEST(test_batch_and_wait),
		TEST(test_reply_regs),
		TEST(test_short_replies),
		TEST(test_missing_data),
		TEST(test_positive_error),
		TEST(test_event),
		TEST(test_event_while_waiting),
		TEST(test_event_longer_common),
		TEST(test_other_events),
		TEST(test_event_too_short),
		TEST(test_event_common_too_short),
		TEST(test_event_common_too_long),
		TEST(test_event_empty),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

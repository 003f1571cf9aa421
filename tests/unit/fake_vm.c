// SPDX-License-Identifier: BSD-2-Clause
/* KVM's end of an introspection socket, for tests of kvmi-trace: a VM of one vCPU that executes nothing. */
#include "fake_vm.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include "kvmi_abi.h"

#define LIMIT_MS 10000
#define NOP	 0x90

void fake_vm_init(struct fake_vm *vm, int sock)
{
	memset(vm, 0, sizeof(*vm));
	vm->sock = sock;
	memset(vm->memory, NOP, sizeof(vm->memory));
}

static void reply(const struct fake_vm *vm, const struct kvmi_msg_hdr *hdr, int32_t err,
		  const void *data, size_t size)
{
	struct kvmi_error_code ec = {.err = err};
	struct kvmi_msg_hdr out = {.id = hdr->id, .seq = hdr->seq, .size = sizeof(ec) + size};
	uint8_t buf[sizeof(out) + KVMI_REPLY_SIZE];

	memcpy(buf, &out, sizeof(out));
	memcpy(buf + sizeof(out), &ec, sizeof(ec));
	if (size)
		memcpy(buf + sizeof(out) + sizeof(ec), data, size);
	/* The tool may have ended. */
	send(vm->sock, buf, sizeof(out) + out.size, MSG_NOSIGNAL);
}

static void reply_registers(const struct fake_vm *vm, const struct kvmi_msg_hdr *hdr)
{
	struct kvmi_vcpu_get_registers_reply registers = {.mode = 4};

	reply(vm, hdr, 0, &registers, sizeof(registers));
}

static bool in_memory(uint64_t gpa, uint64_t size)
{
	return size <= FAKE_VM_MEMORY && gpa <= FAKE_VM_MEMORY - size;
}

static void answer(struct fake_vm *vm, const struct kvmi_msg_hdr *hdr, const uint8_t *payload)
{
	const struct kvmi_vm_get_info_reply info = {.vcpu_count = 1};
	const struct kvmi_vcpu_get_info_reply vcpu_info = {.tsc_speed = 1000000000};
	struct kvmi_vcpu_control_events control;
	struct kvmi_vm_read_physical at;

	vm->commands++;
	memcpy(&at, payload, sizeof(at));
	switch (hdr->id) {
	case KVMI_VM_GET_INFO:
		reply(vm, hdr, 0, &info, sizeof(info));
		break;
	case KVMI_VCPU_GET_INFO:
		reply(vm, hdr, 0, &vcpu_info, sizeof(vcpu_info));
		break;
	case KVMI_VCPU_GET_REGISTERS:
		reply_registers(vm, hdr);
		break;
	case KVMI_VM_READ_PHYSICAL:
		if (in_memory(at.gpa, at.size))
			reply(vm, hdr, 0, vm->memory + at.gpa, at.size);
		else
			reply(vm, hdr, -KVM_ENOENT, NULL, 0);
		break;
	case KVMI_VM_WRITE_PHYSICAL:
		if (in_memory(at.gpa, at.size))
			memcpy(vm->memory + at.gpa, payload + sizeof(at), at.size);
		reply(vm, hdr, in_memory(at.gpa, at.size) ? 0 : -KVM_ENOENT, NULL, 0);
		break;
	case KVMI_VCPU_CONTROL_EVENTS:
		memcpy(&control, payload + sizeof(struct kvmi_vcpu_hdr), sizeof(control));
		if (control.event_id == KVMI_EVENT_BREAKPOINT)
			vm->breakpoint_on = control.enable;
		reply(vm, hdr, 0, NULL, 0);
		break;
	case KVMI_EVENT_REPLY:
		break;
	default:
		reply(vm, hdr, 0, NULL, 0);
	}
}

void fake_vm_hit(const struct fake_vm *vm, uint64_t gpa)
{
	struct {
		struct kvmi_msg_hdr hdr;
		struct kvmi_event common;
		struct kvmi_event_breakpoint bp;
	} event = {
		.hdr = {.id = KVMI_EVENT, .seq = 1},
		.common = {.size = sizeof(event.common), .event = KVMI_EVENT_BREAKPOINT},
		.bp = {.gpa = gpa, .insn_len = 1},
	};

	event.hdr.size = sizeof(event) - sizeof(event.hdr);
	event.common.arch.mode = 4;
	event.common.arch.regs.rip = gpa;
	assert_int_equal(send(vm->sock, &event, sizeof(event), MSG_NOSIGNAL), sizeof(event));
}

bool fake_vm_serve(struct fake_vm *vm, bool (*done)(const struct fake_vm *vm))
{
	struct pollfd pfd = {.fd = vm->sock, .events = POLLIN};

	while (!done || !done(vm)) {
		uint8_t payload[UINT16_MAX] = {0};
		struct kvmi_msg_hdr hdr;

		assert_int_equal(poll(&pfd, 1, LIMIT_MS), 1);
		if (recv(vm->sock, &hdr, sizeof(hdr), MSG_WAITALL) != sizeof(hdr))
			return false;
		if (hdr.size && recv(vm->sock, payload, hdr.size, MSG_WAITALL) != hdr.size)
			return false;
		answer(vm, &hdr, payload);
	}
	return true;
}

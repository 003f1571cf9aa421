// SPDX-License-Identifier: BSD-2-Clause
/* Client library, commands and their replies. */
#include "kvmi_client_priv.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

static int command_iov(struct kvmi_client *c, uint16_t id, const struct iovec *payload, int n,
		       void *data, size_t size)
{
	uint32_t seq;
	int ret = kvmi_command_send(c, id, payload, n, &seq);

	return ret ? ret : kvmi_command_wait(c, id, seq, data, size);
}

int kvmi_command(struct kvmi_client *c, uint16_t id, const void *payload, size_t psize, void *data,
		 size_t size)
{
	struct iovec iov = {.iov_base = (void *)payload, .iov_len = psize};

	return command_iov(c, id, &iov, psize ? 1 : 0, data, size);
}

int kvmi_vcpu_command_send(struct kvmi_client *c, uint16_t id, uint16_t vcpu, const void *payload,
			   size_t psize, uint32_t *seq)
{
	struct kvmi_vcpu_hdr hdr = {.vcpu = vcpu};
	struct iovec iov[] = {
		{.iov_base = &hdr, .iov_len = sizeof(hdr)},
		{.iov_base = (void *)payload, .iov_len = psize},
	};

	return kvmi_command_send(c, id, iov, psize ? 2 : 1, seq);
}

int kvmi_vcpu_command(struct kvmi_client *c, uint16_t id, uint16_t vcpu, const void *payload,
		      size_t psize, void *data, size_t size)
{
	uint32_t seq;
	int ret = kvmi_vcpu_command_send(c, id, vcpu, payload, psize, &seq);

	return ret ? ret : kvmi_command_wait(c, id, seq, data, size);
}

/* --- the VM --- */

int kvmi_get_version(struct kvmi_client *c, uint32_t *version)
{
	struct kvmi_get_version_reply rpl;
	int ret = kvmi_command(c, KVMI_GET_VERSION, NULL, 0, &rpl, sizeof(rpl));

	if (!ret)
		*version = rpl.version;
	return ret;
}

int kvmi_check_command(struct kvmi_client *c, uint16_t id)
{
	struct kvmi_vm_check_command req = {.id = id};

	return kvmi_command(c, KVMI_VM_CHECK_COMMAND, &req, sizeof(req), NULL, 0);
}

int kvmi_check_event(struct kvmi_client *c, uint16_t id)
{
	struct kvmi_vm_check_event req = {.id = id};

	return kvmi_command(c, KVMI_VM_CHECK_EVENT, &req, sizeof(req), NULL, 0);
}

int kvmi_get_info(struct kvmi_client *c, uint32_t *vcpu_count)
{
	struct kvmi_vm_get_info_reply rpl;
	int ret = kvmi_command(c, KVMI_VM_GET_INFO, NULL, 0, &rpl, sizeof(rpl));

	if (!ret)
		*vcpu_count = rpl.vcpu_count;
	return ret;
}

int kvmi_control_events(struct kvmi_client *c, uint16_t event, bool enable)
{
	struct kvmi_vm_control_events req = {.event_id = event, .enable = enable};

	return kvmi_command(c, KVMI_VM_CONTROL_EVENTS, &req, sizeof(req), NULL, 0);
}

int kvmi_read_physical(struct kvmi_client *c, uint64_t gpa, void *data, size_t size)
{
	struct kvmi_vm_read_physical req = {.gpa = gpa, .size = size};

	return kvmi_command(c, KVMI_VM_READ_PHYSICAL, &req, sizeof(req), data, size);
}

int kvmi_write_physical(struct kvmi_client *c, uint64_t gpa, const void *data, size_t size)
{
	struct kvmi_vm_write_physical req = {.gpa = gpa, .size = size};
	struct iovec iov[] = {
		{.iov_base = &req, .iov_len = sizeof(req)},
		{.iov_base = (void *)data, .iov_len = size},
	};

	return command_iov(c, KVMI_VM_WRITE_PHYSICAL, iov, 2, NULL, 0);
}

/* --- vCPUs --- */

int kvmi_vcpu_get_info(struct kvmi_client *c, uint16_t vcpu, uint64_t *tsc_hz)
{
	struct kvmi_vcpu_get_info_reply rpl;
	int ret = kvmi_vcpu_command(c, KVMI_VCPU_GET_INFO, vcpu, NULL, 0, &rpl, sizeof(rpl));

	if (!ret)
		*tsc_hz = rpl.tsc_speed;
	return ret;
}

int kvmi_vcpu_pause(struct kvmi_client *c, uint16_t vcpu, bool wait)
{
	struct kvmi_vcpu_pause req = {.wait = wait};

	return kvmi_vcpu_command(c, KVMI_VCPU_PAUSE, vcpu, &req, sizeof(req), NULL, 0);
}

int kvmi_vcpu_control_events(struct kvmi_client *c, uint16_t vcpu, uint16_t event, bool enable)
{
	struct kvmi_vcpu_control_events req = {.event_id = event, .enable = enable};

	return kvmi_vcpu_command(c, KVMI_VCPU_CONTROL_EVENTS, vcpu, &req, sizeof(req), NULL, 0);
}

int kvmi_vcpu_get_registers(struct kvmi_client *c, uint16_t vcpu, uint32_t *mode,
			    struct kvm_regs *regs, struct kvm_sregs *sregs,
			    struct kvm_msr_entry *msrs, unsigned int nmsrs)
{
	struct {
		struct kvmi_vcpu_hdr hdr;
		struct kvmi_vcpu_get_registers cmd;
	} req = {.hdr.vcpu = vcpu};
	size_t need = sizeof(struct kvmi_vcpu_get_registers_reply) + nmsrs * sizeof(*msrs);
	uint8_t rpl[KVMI_REPLY_SIZE] __attribute__((aligned(8)));
	uint32_t idx[KVMI_MAX_GET_MSRS];
	struct iovec iov[] = {
		{.iov_base = &req, .iov_len = sizeof(req)},
		{.iov_base = idx, .iov_len = nmsrs * sizeof(idx[0])},
	};
	const struct kvmi_vcpu_get_registers_reply *r = (const void *)rpl;
	uint32_t seq;
	int ret;

	if (nmsrs > KVMI_MAX_GET_MSRS)
		return -EINVAL;

	req.cmd.nmsrs = nmsrs;
	for (unsigned int i = 0; i < nmsrs; i++)
		idx[i] = msrs[i].index;

	ret = kvmi_command_send(c, KVMI_VCPU_GET_REGISTERS, iov, nmsrs ? 2 : 1, &seq);
	if (!ret)
		ret = kvmi_command_wait(c, KVMI_VCPU_GET_REGISTERS, seq, rpl, need);
	if (ret)
		return ret;
	if (r->msrs.nmsrs != nmsrs)
		return kvmi_client_fail(c, -EPROTO);

	if (mode)
		*mode = r->mode;
	if (regs)
		*regs = r->regs;
	if (sregs)
		*sregs = r->sregs;
	if (nmsrs)
		memcpy(msrs, rpl + sizeof(*r), nmsrs * sizeof(*msrs));
	return 0;
}

int kvmi_vcpu_set_registers(struct kvmi_client *c, uint16_t vcpu, const struct kvm_regs *regs)
{
	return kvmi_vcpu_command(c, KVMI_VCPU_SET_REGISTERS, vcpu, regs, sizeof(*regs), NULL, 0);
}

int kvmi_vcpu_get_cpuid(struct kvmi_client *c, uint16_t vcpu, uint32_t function, uint32_t index,
			struct kvmi_vcpu_get_cpuid_reply *cpuid)
{
	struct kvmi_vcpu_get_cpuid req = {.function = function, .index = index};

	return kvmi_vcpu_command(c, KVMI_VCPU_GET_CPUID, vcpu, &req, sizeof(req), cpuid,
				 sizeof(*cpuid));
}

int kvmi_reply_event_regs(struct kvmi_client *c, const struct kvmi_event_msg *ev,
			  const struct kvm_regs *regs, uint8_t action)
{
	uint32_t seq;
	int ret;

	if (!kvmi_event_needs_reply(ev))
		return -EINVAL;
	ret = kvmi_batch_begin(c);
	if (ret)
		return ret;
	ret = kvmi_vcpu_command_send(c, KVMI_VCPU_SET_REGISTERS, ev->common.vcpu, regs,
				     sizeof(*regs), &seq);
	if (!ret)
		ret = kvmi_reply_event(c, ev, action);
	if (ret) {
		kvmi_batch_drop(c);
		return ret;
	}
	return kvmi_command_wait(c, KVMI_VCPU_SET_REGISTERS, seq, NULL, 0);
}

/* --- errors --- */

const char *kvmi_strerror(int ret)
{
	static _Thread_local char buf[64];

	if (ret < 0)
		return ret == -EPIPE ? "the other end of the introspection socket is closed"
				     : strerror(-ret);

	switch (ret) {
	case 0:
		return "success";
	case KVM_EPERM:
		return "KVM_EPERM: not allowed by the VMM";
	case KVM_ENOENT:
		return "KVM_ENOENT: no such thing";
	case KVM_E2BIG:
		return "KVM_E2BIG: too big";
	case KVM_EAGAIN:
		return "KVM_EAGAIN: the vCPU is not initialised";
	case KVM_ENOMEM:
		return "KVM_ENOMEM: out of memory, or the reply is too large";
	case KVM_EFAULT:
		return "KVM_EFAULT: bad address";
	case KVM_EBUSY:
		return "KVM_EBUSY: in use, or too many requests pending";
	case KVM_EINVAL:
		return "KVM_EINVAL: malformed message or value out of range";
	case KVM_EOPNOTSUPP:
		return "KVM_EOPNOTSUPP: not possible in this state or on this vCPU";
	case KVM_ENOSYS:
		return "KVM_ENOSYS: this kernel does not know the command";
	default:
		snprintf(buf, sizeof(buf), "unknown KVM error %d", ret);
		return buf;
	}
}

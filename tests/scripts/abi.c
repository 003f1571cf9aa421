// SPDX-License-Identifier: BSD-2-Clause
/* Prints the KVMI interface as one set of headers has it: ours, or with -D SERIES the kernel's. */
#ifdef SERIES
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <linux/kvmi.h>
#else
#include "kvmi_abi.h"
#endif

#include <errno.h>
#include <stddef.h>
#include <stdio.h>

#define VALUE(name) printf("%s %lld\n", #name, (long long)(name))
#define SIZE(type)  printf("%s: %zu bytes\n", #type, sizeof(struct type))
#define FIELD(type, f)                                                                \
	printf("%s.%s: %zu bytes at %zu\n", #type, #f, sizeof(((struct type *)0)->f), \
	       offsetof(struct type, f))
/* The last, of no size of its own. */
#define ARRAY(type, f)                                                                         \
	printf("%s.%s: elements of %zu at %zu\n", #type, #f, sizeof(((struct type *)0)->f[0]), \
	       offsetof(struct type, f))

static void values(void)
{
	VALUE(KVM_CAP_INTROSPECTION);
	VALUE(KVM_INTROSPECTION_HOOK);
	VALUE(KVM_INTROSPECTION_UNHOOK);
	VALUE(KVM_INTROSPECTION_COMMAND);
	VALUE(KVM_INTROSPECTION_EVENT);
	VALUE(KVM_INTROSPECTION_PREUNHOOK);
	VALUE(KVM_EPERM);
	VALUE(KVM_ENOENT);
	VALUE(KVM_E2BIG);
	VALUE(KVM_EAGAIN);
	VALUE(KVM_ENOMEM);
	VALUE(KVM_EFAULT);
	VALUE(KVM_EBUSY);
	VALUE(KVM_EINVAL);
	VALUE(KVM_EOPNOTSUPP);
	VALUE(KVM_ENOSYS);
	VALUE(KVMI_VERSION);
	VALUE(KVMI_MSG_SIZE);
	VALUE(KVMI_EVENT_REPLY);
	VALUE(KVMI_EVENT);
	VALUE(KVMI_GET_VERSION);
	VALUE(KVMI_VM_CHECK_COMMAND);
	VALUE(KVMI_VM_CHECK_EVENT);
	VALUE(KVMI_VM_GET_INFO);
	VALUE(KVMI_VM_CONTROL_EVENTS);
	VALUE(KVMI_VM_READ_PHYSICAL);
	VALUE(KVMI_VM_WRITE_PHYSICAL);
	VALUE(KVMI_VCPU_GET_INFO);
	VALUE(KVMI_VCPU_PAUSE);
	VALUE(KVMI_VCPU_CONTROL_EVENTS);
	VALUE(KVMI_VCPU_GET_REGISTERS);
	VALUE(KVMI_VCPU_SET_REGISTERS);
	VALUE(KVMI_VCPU_GET_CPUID);
	VALUE(KVMI_NUM_MESSAGES);
	VALUE(KVMI_EVENT_UNHOOK);
	VALUE(KVMI_EVENT_PAUSE_VCPU);
	VALUE(KVMI_EVENT_HYPERCALL);
	VALUE(KVMI_EVENT_BREAKPOINT);
	VALUE(KVMI_NUM_EVENTS);
	VALUE(KVMI_EVENT_ACTION_CONTINUE);
	VALUE(KVMI_EVENT_ACTION_RETRY);
	VALUE(KVMI_EVENT_ACTION_CRASH);
}

static void structs(void)
{
	SIZE(kvm_introspection_hook);
	FIELD(kvm_introspection_hook, fd);
	FIELD(kvm_introspection_hook, padding);
	FIELD(kvm_introspection_hook, uuid);
	SIZE(kvm_introspection_feature);
	FIELD(kvm_introspection_feature, allow);
	FIELD(kvm_introspection_feature, id);
	SIZE(kvmi_msg_hdr);
	FIELD(kvmi_msg_hdr, id);
	FIELD(kvmi_msg_hdr, size);
	FIELD(kvmi_msg_hdr, seq);
	SIZE(kvmi_error_code);
	FIELD(kvmi_error_code, err);
	FIELD(kvmi_error_code, padding);
	SIZE(kvmi_vcpu_hdr);
	FIELD(kvmi_vcpu_hdr, vcpu);
	FIELD(kvmi_vcpu_hdr, padding1);
	FIELD(kvmi_vcpu_hdr, padding2);
	SIZE(kvmi_get_version_reply);
	FIELD(kvmi_get_version_reply, version);
	FIELD(kvmi_get_version_reply, padding);
	SIZE(kvmi_vm_check_command);
	FIELD(kvmi_vm_check_command, id);
	FIELD(kvmi_vm_check_command, padding1);
	FIELD(kvmi_vm_check_command, padding2);
	SIZE(kvmi_vm_check_event);
	FIELD(kvmi_vm_check_event, id);
	FIELD(kvmi_vm_check_event, padding1);
	FIELD(kvmi_vm_check_event, padding2);
	SIZE(kvmi_vm_get_info_reply);
	FIELD(kvmi_vm_get_info_reply, vcpu_count);
	FIELD(kvmi_vm_get_info_reply, padding);
	SIZE(kvmi_vm_control_events);
	FIELD(kvmi_vm_control_events, event_id);
	FIELD(kvmi_vm_control_events, enable);
	FIELD(kvmi_vm_control_events, padding1);
	FIELD(kvmi_vm_control_events, padding2);
	SIZE(kvmi_vm_read_physical);
	FIELD(kvmi_vm_read_physical, gpa);
	FIELD(kvmi_vm_read_physical, size);
	SIZE(kvmi_vm_write_physical);
	FIELD(kvmi_vm_write_physical, gpa);
	FIELD(kvmi_vm_write_physical, size);
	ARRAY(kvmi_vm_write_physical, data);
	SIZE(kvmi_vcpu_get_info_reply);
	FIELD(kvmi_vcpu_get_info_reply, tsc_speed);
	SIZE(kvmi_vcpu_pause);
	FIELD(kvmi_vcpu_pause, wait);
	FIELD(kvmi_vcpu_pause, padding1);
	FIELD(kvmi_vcpu_pause, padding2);
	FIELD(kvmi_vcpu_pause, padding3);
	SIZE(kvmi_vcpu_control_events);
	FIELD(kvmi_vcpu_control_events, event_id);
	FIELD(kvmi_vcpu_control_events, enable);
	FIELD(kvmi_vcpu_control_events, padding1);
	FIELD(kvmi_vcpu_control_events, padding2);
	SIZE(kvmi_vcpu_get_registers);
	FIELD(kvmi_vcpu_get_registers, nmsrs);
	FIELD(kvmi_vcpu_get_registers, padding1);
	FIELD(kvmi_vcpu_get_registers, padding2);
	ARRAY(kvmi_vcpu_get_registers, msrs_idx);
	SIZE(kvmi_vcpu_get_registers_reply);
	FIELD(kvmi_vcpu_get_registers_reply, mode);
	FIELD(kvmi_vcpu_get_registers_reply, padding);
	FIELD(kvmi_vcpu_get_registers_reply, regs);
	FIELD(kvmi_vcpu_get_registers_reply, sregs);
	FIELD(kvmi_vcpu_get_registers_reply, msrs);
	SIZE(kvmi_vcpu_get_cpuid);
	FIELD(kvmi_vcpu_get_cpuid, function);
	FIELD(kvmi_vcpu_get_cpuid, index);
	SIZE(kvmi_vcpu_get_cpuid_reply);
	FIELD(kvmi_vcpu_get_cpuid_reply, eax);
	FIELD(kvmi_vcpu_get_cpuid_reply, ebx);
	FIELD(kvmi_vcpu_get_cpuid_reply, ecx);
	FIELD(kvmi_vcpu_get_cpuid_reply, edx);
	SIZE(kvmi_event_arch);
	FIELD(kvmi_event_arch, mode);
	FIELD(kvmi_event_arch, padding);
	FIELD(kvmi_event_arch, regs);
	FIELD(kvmi_event_arch, sregs);
	FIELD(kvmi_event_arch, msrs);
	FIELD(kvmi_event_arch, msrs.sysenter_cs);
	FIELD(kvmi_event_arch, msrs.sysenter_esp);
	FIELD(kvmi_event_arch, msrs.sysenter_eip);
	FIELD(kvmi_event_arch, msrs.efer);
	FIELD(kvmi_event_arch, msrs.star);
	FIELD(kvmi_event_arch, msrs.lstar);
	FIELD(kvmi_event_arch, msrs.cstar);
	FIELD(kvmi_event_arch, msrs.pat);
	FIELD(kvmi_event_arch, msrs.shadow_gs);
	SIZE(kvmi_event);
	FIELD(kvmi_event, size);
	FIELD(kvmi_event, vcpu);
	FIELD(kvmi_event, event);
	FIELD(kvmi_event, padding);
	FIELD(kvmi_event, arch);
	SIZE(kvmi_event_breakpoint);
	FIELD(kvmi_event_breakpoint, gpa);
	FIELD(kvmi_event_breakpoint, insn_len);
	FIELD(kvmi_event_breakpoint, padding);
	SIZE(kvmi_event_reply);
	FIELD(kvmi_event_reply, action);
	FIELD(kvmi_event_reply, event);
	FIELD(kvmi_event_reply, padding1);
	FIELD(kvmi_event_reply, padding2);
}

int main(void)
{
	values();
	structs();
	return 0;
}

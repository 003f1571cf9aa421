/* SPDX-License-Identifier: BSD-2-Clause */
/* The KVM introspection (KVMI) interface as userspace sees it: ioctls, ids, wire layouts, errors. */
#ifndef KVMI_ABI_H
#define KVMI_ABI_H

/*
 * Two sides use this interface.
 *
 * The VMM owns the VM. It hands KVM one end of a connected stream socket by ioctl (HOOK), says
 * which commands and events the other end may use (COMMAND, EVENT) and may take all of it back
 * (PREUNHOOK, UNHOOK).
 *
 * The introspector holds the other end of the socket and talks messages: it sends commands and
 * gets one reply for each; KVM sends events, most of which stop a vCPU until they are replied to.
 *
 * Wire rules: native byte order; every message is a struct kvmi_msg_hdr and hdr.size bytes of
 * payload; padding is sent as zero and refused otherwise. The layouts and ids are those of the
 * KVMI series, RFC v7. This header needs only the stock kernel headers.
 */

#include <linux/ioctl.h>
#include <linux/kvm.h>
#include <linux/kvm_para.h>
#include <linux/types.h>
#include <stddef.h>

/* --- VMM side: capability and ioctls, all on the VM's file descriptor --- */

/*
 * KVM_CHECK_EXTENSION answers KVMI_VERSION (1) on a kernel built with introspection, 0 on any
 * other. It says nothing about the module parameter kvm.introspection: with that off, HOOK fails
 * with EPERM.
 */
#ifndef KVM_CAP_INTROSPECTION
#define KVM_CAP_INTROSPECTION 0x4b564d49 /* "KVMI" */
#endif

#ifndef KVM_INTROSPECTION_HOOK
/**
 * struct kvm_introspection_hook - the argument of KVM_INTROSPECTION_HOOK
 * @fd: a connected stream socket; KVM takes its own reference
 * @padding: 0
 * @uuid: names the VM in the kernel's log lines, nothing else
 */
struct kvm_introspection_hook {
	__s32 fd;
	__u32 padding;
	__u8 uuid[16];
};

/**
 * struct kvm_introspection_feature - the argument of KVM_INTROSPECTION_COMMAND and _EVENT
 * @allow: 1 allow, 0 disallow
 * @id: a KVMI_* message id or KVMI_EVENT_* event id, -1 for all
 */
struct kvm_introspection_feature {
	__u32 allow;
	__s32 id;
};

/*
 * HOOK: EPERM kvm.introspection is off; EINVAL padding, or fd is no socket; EEXIST hooked already
 * (also after the introspector has gone, until UNHOOK); ENOMEM; EFAULT.
 * A new hook starts with every event disallowed and every command disallowed except GET_VERSION,
 * VM_CHECK_COMMAND and VM_CHECK_EVENT.
 */
#define KVM_INTROSPECTION_HOOK _IOW(KVMIO, 0xf0, struct kvm_introspection_hook)
/* UNHOOK: always 0. Waits until the introspection threads have gone. */
#define KVM_INTROSPECTION_UNHOOK _IO(KVMIO, 0xf1)
/*
 * COMMAND, EVENT: EFAULT not hooked; EINVAL unknown id or allow not 0 or 1; EPERM disallowing one of
 * the three commands that are always allowed.
 */
#define KVM_INTROSPECTION_COMMAND _IOW(KVMIO, 0xf2, struct kvm_introspection_feature)
#define KVM_INTROSPECTION_EVENT	  _IOW(KVMIO, 0xf3, struct kvm_introspection_feature)
/*
 * PREUNHOOK: asks the introspector, by KVMI_EVENT_UNHOOK, to clean up and close its socket.
 * EFAULT not hooked; ENOENT the introspector did not enable that event, or it is gone.
 */
#define KVM_INTROSPECTION_PREUNHOOK _IO(KVMIO, 0xf4)
#endif /* KVM_INTROSPECTION_HOOK */

/* --- both sides of the socket --- */

#define KVMI_VERSION 1
/* The largest payload KVM takes, in bytes, and the largest it sends: error code and so much data. */
#define KVMI_MSG_SIZE	(4096 * 2 - 8)
#define KVMI_REPLY_SIZE (KVMI_MSG_SIZE + 8)

/*
 * Errors in replies are these, negated. <linux/kvm_para.h> has KVM_EPERM, KVM_E2BIG, KVM_EFAULT,
 * KVM_EINVAL, KVM_EOPNOTSUPP and KVM_ENOSYS (1000); introspection adds four.
 */
#ifndef KVM_ENOENT
#define KVM_ENOENT 2
#endif
#ifndef KVM_EAGAIN
#define KVM_EAGAIN 11
#endif
#ifndef KVM_ENOMEM
#define KVM_ENOMEM 12
#endif
#ifndef KVM_EBUSY
#define KVM_EBUSY 16
#endif

/* Message ids. VM commands are answered at once, vCPU commands once that vCPU is in KVM_RUN. */
enum {
	KVMI_EVENT_REPLY = 0,	       /* introspector -> KVM */
	KVMI_EVENT = 1,		       /* KVM -> introspector */
	KVMI_GET_VERSION = 2,	       /* VM */
	KVMI_VM_CHECK_COMMAND = 3,     /* VM */
	KVMI_VM_CHECK_EVENT = 4,       /* VM */
	KVMI_VM_GET_INFO = 5,	       /* VM */
	KVMI_VM_CONTROL_EVENTS = 6,    /* VM */
	KVMI_VM_READ_PHYSICAL = 7,     /* VM */
	KVMI_VM_WRITE_PHYSICAL = 8,    /* VM */
	KVMI_VCPU_GET_INFO = 9,	       /* vCPU */
	KVMI_VCPU_PAUSE = 10,	       /* answered at once, though it names a vCPU */
	KVMI_VCPU_CONTROL_EVENTS = 11, /* vCPU */
	KVMI_VCPU_GET_REGISTERS = 12,  /* vCPU */
	KVMI_VCPU_SET_REGISTERS = 13,  /* vCPU */
	KVMI_VCPU_GET_CPUID = 14,      /* vCPU */

	KVMI_NUM_MESSAGES
};

/* Event ids */
enum {
	KVMI_EVENT_UNHOOK = 0,	   /* VM event, gets no reply */
	KVMI_EVENT_PAUSE_VCPU = 1, /* CONTINUE, CRASH */
	KVMI_EVENT_HYPERCALL = 2,  /* CONTINUE, CRASH */
	KVMI_EVENT_BREAKPOINT = 3, /* CONTINUE, RETRY, CRASH */

	KVMI_NUM_EVENTS
};

/* What an event reply asks for */
enum {
	KVMI_EVENT_ACTION_CONTINUE =
		0,		     /* go on as without introspection; a #BP goes to the guest */
	KVMI_EVENT_ACTION_RETRY = 1, /* re-enter the guest where its RIP now is */
	KVMI_EVENT_ACTION_CRASH = 2, /* stop the VM */
};

/**
 * struct kvmi_msg_hdr - begins every message
 * @id: KVMI_* message id
 * @size: bytes of payload, this header excluded; above KVMI_MSG_SIZE KVM closes the socket
 * @seq: command: chosen by the introspector, the reply repeats it; event: chosen by KVM, the event
 *	 reply repeats it. The two number spaces are independent.
 */
struct kvmi_msg_hdr {
	__u16 id;
	__u16 size;
	__u32 seq;
};

/**
 * struct kvmi_error_code - begins the payload of every command reply
 * @err: 0 or a negative KVM_E*; data follows only after 0
 *
 * Any command: -KVM_ENOSYS unknown id; -KVM_EPERM not allowed by the VMM; -KVM_EINVAL too short, or
 * padding not zero. Any vCPU command: -KVM_EINVAL no such vCPU; -KVM_EAGAIN vCPU not initialised.
 */
struct kvmi_error_code {
	__s32 err;
	__u32 padding;
};

/**
 * struct kvmi_vcpu_hdr - begins the payload of vCPU commands and event replies
 * @vcpu: index in order of creation, from 0 (neither the vCPU id nor the APIC id)
 */
struct kvmi_vcpu_hdr {
	__u16 vcpu;
	__u16 padding1;
	__u32 padding2;
};

/* KVMI_GET_VERSION: no payload. */
struct kvmi_get_version_reply {
	__u32 version;
	__u32 padding;
};

/*
 * KVMI_VM_CHECK_COMMAND, KVMI_VM_CHECK_EVENT: may this id be used? Reply: error code only.
 * -KVM_EINVAL no such id, -KVM_EPERM not allowed.
 */
struct kvmi_vm_check_command {
	__u16 id;
	__u16 padding1;
	__u32 padding2;
};

struct kvmi_vm_check_event {
	__u16 id;
	__u16 padding1;
	__u32 padding2;
};

/* KVMI_VM_GET_INFO: no payload. */
struct kvmi_vm_get_info_reply {
	__u32 vcpu_count;
	__u32 padding[3];
};

/* KVMI_VM_CONTROL_EVENTS: only KVMI_EVENT_UNHOOK (else -KVM_EINVAL). Reply: error code only. */
struct kvmi_vm_control_events {
	__u16 event_id;
	__u8 enable; /* 1 on, 0 off */
	__u8 padding1;
	__u32 padding2;
};

/*
 * KVMI_VM_READ_PHYSICAL, reply: size raw bytes. KVMI_VM_WRITE_PHYSICAL, reply: error code only.
 * Within one page: -KVM_EINVAL for size 0, size > 4096 or a page boundary in between;
 * -KVM_ENOENT no memory there.
 */
struct kvmi_vm_read_physical {
	__u64 gpa;  /* guest physical address */
	__u64 size; /* bytes, 1..4096 */
};

struct kvmi_vm_write_physical {
	__u64 gpa;
	__u64 size;
	__u8 data[];
};

/* KVMI_VCPU_GET_INFO: no payload after the vCPU header. */
struct kvmi_vcpu_get_info_reply {
	__u64 tsc_speed; /* Hz; 0 unknown */
};

/* KVMI_VCPU_PAUSE: the vCPU sends one PAUSE_VCPU event. -KVM_EBUSY too many are pending. */
struct kvmi_vcpu_pause {
	__u8 wait; /* 1: reply only once the vCPU has left guest mode */
	__u8 padding1;
	__u16 padding2;
	__u32 padding3;
};

/*
 * KVMI_VCPU_CONTROL_EVENTS: any event but UNHOOK (-KVM_EINVAL). -KVM_EPERM not allowed;
 * -KVM_EOPNOTSUPP this vCPU cannot be intercepted so (protected guest). Reply: error code only.
 */
struct kvmi_vcpu_control_events {
	__u16 event_id;
	__u8 enable; /* 1 on, 0 off */
	__u8 padding1;
	__u32 padding2;
};

/*
 * KVMI_VCPU_GET_REGISTERS: -KVM_EINVAL a MSR cannot be read or the list is shorter than nmsrs;
 * -KVM_ENOMEM the reply would exceed a message (nmsrs > KVMI_MAX_GET_MSRS).
 */
struct kvmi_vcpu_get_registers {
	__u16 nmsrs; /* 0..KVMI_MAX_GET_MSRS */
	__u16 padding1;
	__u32 padding2;
	__u32 msrs_idx[];
};

struct kvmi_vcpu_get_registers_reply {
	__u32 mode; /* bytes: 2, 4 or 8 */
	__u32 padding;
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct kvm_msrs msrs; /* msrs.nmsrs entries follow */
};

#define KVMI_MAX_GET_MSRS 482

/*
 * KVMI_VCPU_SET_REGISTERS: payload after the vCPU header is a struct kvm_regs. Takes effect with
 * the reply to the event the vCPU waits for; -KVM_EOPNOTSUPP if it waits for none. Error code only.
 */

/* KVMI_VCPU_GET_CPUID: -KVM_ENOENT no such leaf. */
struct kvmi_vcpu_get_cpuid {
	__u32 function;
	__u32 index;
};

struct kvmi_vcpu_get_cpuid_reply {
	__u32 eax;
	__u32 ebx;
	__u32 ecx;
	__u32 edx;
};

/* --- events --- */

/**
 * struct kvmi_event_arch - the vCPU's state at the event
 * @mode: operand size of the code that runs, in bytes: 2, 4 or 8
 */
struct kvmi_event_arch {
	__u8 mode;
	__u8 padding[7];
	struct kvm_regs regs;
	struct kvm_sregs sregs;
	struct {
		__u64 sysenter_cs;
		__u64 sysenter_esp;
		__u64 sysenter_eip;
		__u64 efer;
		__u64 star;
		__u64 lstar;
		__u64 cstar;
		__u64 pat;
		__u64 shadow_gs;
	} msrs;
};

/**
 * struct kvmi_event - begins the payload of every event; what is specific to the event follows it
 * @size: bytes of this common part: what is specific begins there
 * @vcpu: index in order of creation (UNHOOK: 0)
 * @event: KVMI_EVENT_*
 */
struct kvmi_event {
	__u16 size;
	__u16 vcpu;
	__u8 event;
	__u8 padding[3];
	struct kvmi_event_arch arch;
};

/**
 * struct kvmi_event_breakpoint - specific part of KVMI_EVENT_BREAKPOINT
 * @gpa: guest physical address of the instruction, ~0 where RIP has no translation
 * @insn_len: its length in bytes; RIP in the event is still at the instruction
 */
struct kvmi_event_breakpoint {
	__u64 gpa;
	__u8 insn_len;
	__u8 padding[7];
};

/* The reply to an event: struct kvmi_vcpu_hdr, then this; hdr.seq as in the event. */
struct kvmi_event_reply {
	__u8 action; /* KVMI_EVENT_ACTION_* */
	__u8 event;  /* KVMI_EVENT_*, as in the event */
	__u16 padding1;
	__u32 padding2;
};

#define KVMI_ABI_ASSERT(cond) _Static_assert(cond, #cond)

#ifndef __cplusplus
KVMI_ABI_ASSERT(sizeof(struct kvm_introspection_hook) == 24);
KVMI_ABI_ASSERT(sizeof(struct kvm_introspection_feature) == 8);
KVMI_ABI_ASSERT(sizeof(struct kvmi_msg_hdr) == 8);
KVMI_ABI_ASSERT(sizeof(struct kvmi_error_code) == 8);
KVMI_ABI_ASSERT(sizeof(struct kvmi_vcpu_hdr) == 8);
KVMI_ABI_ASSERT(sizeof(struct kvmi_get_version_reply) == 8);
KVMI_ABI_ASSERT(sizeof(struct kvmi_vm_check_command) == 8);
KVMI_ABI_ASSERT(sizeof(struct kvmi_vm_check_event) == 8);
KVMI_ABI_ASSERT(sizeof(struct kvmi_vm_get_info_reply) == 16);
KVMI_ABI_ASSERT(sizeof(struct kvmi_vm_control_events) == 8);
KVMI_ABI_ASSERT(sizeof(struct kvmi_vm_read_physical) == 16);
KVMI_ABI_ASSERT(offsetof(struct kvmi_vm_write_physical, data) == 16);
KVMI_ABI_ASSERT(sizeof(struct kvmi_vcpu_get_info_reply) == 8);
KVMI_ABI_ASSERT(sizeof(struct kvmi_vcpu_pause) == 8);
KVMI_ABI_ASSERT(sizeof(struct kvmi_vcpu_control_events) == 8);
KVMI_ABI_ASSERT(offsetof(struct kvmi_vcpu_get_registers, msrs_idx) == 8);
KVMI_ABI_ASSERT(offsetof(struct kvmi_vcpu_get_registers_reply, regs) == 8);
KVMI_ABI_ASSERT(offsetof(struct kvmi_vcpu_get_registers_reply, sregs) == 152);
KVMI_ABI_ASSERT(offsetof(struct kvmi_vcpu_get_registers_reply, msrs) == 464);
KVMI_ABI_ASSERT(sizeof(struct kvmi_vcpu_get_registers_reply) == 472);
KVMI_ABI_ASSERT(sizeof(struct kvmi_vcpu_get_cpuid) == 8);
KVMI_ABI_ASSERT(sizeof(struct kvmi_vcpu_get_cpuid_reply) == 16);
KVMI_ABI_ASSERT(sizeof(struct kvm_regs) == 144);
KVMI_ABI_ASSERT(sizeof(struct kvm_sregs) == 312);
KVMI_ABI_ASSERT(sizeof(struct kvmi_event_arch) == 536);
KVMI_ABI_ASSERT(sizeof(struct kvmi_event) == 544);
KVMI_ABI_ASSERT(offsetof(struct kvmi_event, arch) == 8);
KVMI_ABI_ASSERT(offsetof(struct kvmi_event, arch.regs.rip) == 144);
KVMI_ABI_ASSERT(offsetof(struct kvmi_event, arch.sregs) == 160);
KVMI_ABI_ASSERT(offsetof(struct kvmi_event, arch.msrs) == 472);
KVMI_ABI_ASSERT(sizeof(struct kvmi_event_breakpoint) == 16);
KVMI_ABI_ASSERT(sizeof(struct kvmi_event_reply) == 8);
KVMI_ABI_ASSERT(KVMI_NUM_MESSAGES == 15 && KVMI_NUM_EVENTS == 4);
#endif

#endif /* KVMI_ABI_H */

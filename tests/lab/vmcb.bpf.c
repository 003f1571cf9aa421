// SPDX-License-Identifier: GPL-2.0-only
/* For the tests: what KVM has put into the VMCB when it injects #BP on SVM. */
#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>
#include <bpf/bpf_tracing.h>

#define EVTINJ_VALID  0x80000000U
#define EVTINJ_TYPE   0x00000700U
#define EVTINJ_EXCEPT 0x00000300U
#define EVTINJ_VECTOR 0x000000ffU
#define BP_VECTOR     3
#define REG_RIP	      16

#define CORE __attribute__((preserve_access_index))

struct vmcb_control_area {
	__u32 event_inj;
	__u64 next_rip;
} CORE;

struct vmcb {
	struct vmcb_control_area control;
} CORE;

struct kvm_vcpu_arch {
	unsigned long regs[17];
} CORE;

struct kvm_vcpu {
	struct kvm_vcpu_arch arch;
} CORE;

/* Since 7.2 RIP is not among the others. */
struct kvm_vcpu_arch___rip {
	unsigned long rip;
} CORE;

struct kvm_vcpu___rip {
	struct kvm_vcpu_arch___rip arch;
} CORE;

/* KVM has the vCPU as its first member. */
struct vcpu_svm {
	struct vmcb *vmcb;
} CORE;

/* Injections seen, and RIP and nRIP at the latest of them. */
__u64 injections;
__u64 rip;
__u64 next_rip;

static __u64 read_rip(struct kvm_vcpu *vcpu)
{
	struct kvm_vcpu___rip *apart = (void *)vcpu;

	if (bpf_core_field_exists(apart->arch.rip))
		return BPF_CORE_READ(apart, arch.rip);
	return BPF_CORE_READ(vcpu, arch.regs[REG_RIP]);
}

SEC("raw_tp/kvm_entry")
int on_entry(struct bpf_raw_tracepoint_args *ctx)
{
	struct vcpu_svm *svm = (void *)ctx->args[0];
	struct kvm_vcpu *vcpu = (void *)ctx->args[0];
	struct vmcb *vmcb = BPF_CORE_READ(svm, vmcb);
	__u32 inj = BPF_CORE_READ(vmcb, control.event_inj);

	if ((inj & (EVTINJ_VALID | EVTINJ_TYPE | EVTINJ_VECTOR)) !=
	    (EVTINJ_VALID | EVTINJ_EXCEPT | BP_VECTOR))
		return 0;
	__sync_fetch_and_add(&injections, 1);
	rip = read_rip(vcpu);
	next_rip = BPF_CORE_READ(vmcb, control.next_rip);
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

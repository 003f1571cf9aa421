// SPDX-License-Identifier: GPL-2.0-only
/*
 * For the tests: where a vCPU is in memory, and bits put into its VMCB right after an exit.
 *
 * The vCPU is the one that this process runs. What is written goes to the process's own mapping of the
 * VMCB, as BPF programs may write nothing else.
 */
#include <stddef.h>

#include <linux/bpf.h>
#include <linux/types.h>

#include <bpf/bpf_core_read.h>
#include <bpf/bpf_helpers.h>

#define CORE __attribute__((preserve_access_index))

struct kvm_vcpu_arch {
	_Bool guest_state_protected;
} CORE;

struct kvm_vcpu {
	struct kvm_vcpu_arch arch;
} CORE;

struct vmcb_control_area {
	__u32 int_state;
	__u32 exit_code;
} CORE;

struct vmcb_save_area {
	__u64 rflags;
} CORE;

struct vmcb {
	struct vmcb_control_area control;
	struct vmcb_save_area save;
} CORE;

struct kvm_vmcb_info {
	struct vmcb *ptr;
} CORE;

/* KVM has the vCPU as its first member. */
struct vcpu_svm {
	struct vmcb *vmcb;
} CORE;

/* In: whose vCPU; which vendor; from which exit on to write, where the VMCB is mapped, and what. */
__u32 tgid;
_Bool svm;
__u32 exit_code;
__u64 mapped;
__u64 set_rflags;
__u32 set_int_state;

/* Out: addresses in the kernel, the offset of what is looked for (0: there is no such), writes done. */
__u64 vcpu_at;
__u64 vmcb_at;
__u64 protected_offset;
__u64 writes;

static int look(struct kvm_vcpu *vcpu)
{
	struct vcpu_svm *s = (void *)vcpu;

	vcpu_at = (__u64)vcpu;
	if (bpf_core_field_exists(struct kvm_vcpu, arch.guest_state_protected))
		protected_offset =
			bpf_core_field_offset(struct kvm_vcpu, arch.guest_state_protected);
	if (svm)
		vmcb_at = (__u64)BPF_CORE_READ(s, vmcb);
	return 0;
}

SEC("raw_tp/kvm_entry")
int on_entry(struct bpf_raw_tracepoint_args *ctx)
{
	if (bpf_get_current_pid_tgid() >> 32 != tgid)
		return 0;
	return look((void *)ctx->args[0]);
}

/* On 5.10 the first argument is the exit reason and the vCPU, a kernel address, comes next. */
static void *exit_vcpu(struct bpf_raw_tracepoint_args *ctx)
{
	return (void *)((__s64)ctx->args[0] < 0 ? ctx->args[0] : ctx->args[1]);
}

/* Bits are added to what is there. */
SEC("raw_tp/kvm_exit")
int on_exit(struct bpf_raw_tracepoint_args *ctx)
{
	struct vcpu_svm *s = exit_vcpu(ctx);
	struct vmcb *vmcb;
	__u64 rflags;
	__u32 state;

	if (!mapped || bpf_get_current_pid_tgid() >> 32 != tgid)
		return 0;
	vmcb = BPF_CORE_READ(s, vmcb);
	if ((__u64)vmcb != vmcb_at || BPF_CORE_READ(vmcb, control.exit_code) != exit_code)
		return 0;
	rflags = BPF_CORE_READ(vmcb, save.rflags) | set_rflags;
	state = BPF_CORE_READ(vmcb, control.int_state) | set_int_state;
	if (!bpf_probe_write_user((void *)(mapped + 0x570), &rflags, sizeof(rflags)) &&
	    !bpf_probe_write_user((void *)(mapped + 0x68), &state, sizeof(state)))
		writes++;
	return 0;
}

char LICENSE[] SEC("license") = "GPL";

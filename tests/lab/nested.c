// SPDX-License-Identifier: BSD-2-Clause
/* Sets up the hypervisor in the guest: its VMCS or VMCB, L2's page tables and IDT. */
#include "nested.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>

#define PAGE	   4096UL
#define LARGE_PAGE (2UL << 20)

extern const char guest_nested_vmx[], guest_nested_vmx_exit[], guest_nested_vmx_bp[];
extern const char guest_nested_svm[], guest_nested_svm_bp[], guest_nested_l2_handler[];

static const struct vmm_guest nested = VMM_GUEST(nested);

uint64_t nested_label(const void *label)
{
	return vmm_label(&nested, label);
}

uint64_t nested_l1_bp(void)
{
	return nested_label(lab_is_svm() ? guest_nested_svm_bp : guest_nested_vmx_bp);
}

/* --- what both vendors need --- */

static uint64_t *table(struct lab *l, uint64_t gpa)
{
	return vmm_mem(l->vm, gpa, PAGE);
}

/* Identity, and the same at NESTED_GVA: there by way of L2's "physical" NESTED_GPA with paging in L1. */
static void build_l2_tables(struct lab *l, unsigned int flags)
{
	const uint64_t link = 0x27, large = 0xe7;
	uint64_t alias = flags & NESTED_PAGING ? NESTED_GPA : 0;
	uint64_t *pd = table(l, NESTED_PD);

	table(l, NESTED_PML4)[0] = NESTED_PDPT | link;
	table(l, NESTED_PDPT)[0] = GUEST_PD | link;
	table(l, NESTED_PDPT)[NESTED_GVA >> 30] = NESTED_PD | link;
	for (uint64_t i = 0; i * LARGE_PAGE < VMM_MEM_DEFAULT; i++)
		pd[i] = (alias + i * LARGE_PAGE) | large;
}

/* L1's: L2's physical memory is there twice, at 0 and at NESTED_GPA. */
static void build_l1_tables(struct lab *l)
{
	/* EPT: readable, writable, executable, large, write back; NPT: as page tables are. */
	const uint64_t link = lab_is_svm() ? 0x27 : 0x7;
	const uint64_t large = lab_is_svm() ? 0xe7 : 0x80 | 6 << 3 | 0x7;
	uint64_t *pd = table(l, NESTED_EPD);

	table(l, NESTED_EPML4)[0] = NESTED_EPDPT | link;
	table(l, NESTED_EPDPT)[0] = NESTED_EPD | link;
	table(l, NESTED_EPDPT)[NESTED_GPA >> 30] = NESTED_EPD | link;
	for (uint64_t i = 0; i * LARGE_PAGE < VMM_MEM_DEFAULT; i++)
		pd[i] = i * LARGE_PAGE | large;
}

static void build_l2_idt(struct lab *l)
{
	uint64_t rip = nested_label(guest_nested_l2_handler);
	uint64_t *gate = table(l, NESTED_IDT) + 3 * 2;

	/* L1's for all else: an exception there is told to the host. */
	memcpy(table(l, NESTED_IDT), table(l, GUEST_IDT), 32 * 16);
	gate[0] = (rip & 0xffff) | (uint64_t)GUEST_CS << 16 | 0xef00ULL << 32 |
		  (rip >> 16 & 0xffff) << 48;
	gate[1] = rip >> 32;
}

static uint64_t vcpu_msr(struct lab *l, uint32_t index)
{
	struct {
		struct kvm_msrs hdr;
		struct kvm_msr_entry entry;
	} msr = {.hdr.nmsrs = 1, .entry.index = index};

	if (ioctl(l->v->fd, KVM_GET_MSRS, &msr) != 1)
		fail("KVM_GET_MSRS of %#x: %s", index, strerror(errno));
	return msr.entry.data;
}

/* --- VMX --- */

#define MSR_FEAT_CTL	0x3a
#define MSR_VMX_BASIC	0x480
#define MSR_VMX_PIN	0x481
#define MSR_VMX_PROC	0x482
#define MSR_VMX_EXIT	0x483
#define MSR_VMX_ENTRY	0x484
#define MSR_VMX_PROC2	0x48b
#define FEAT_CTL_LOCKED 0x1
#define FEAT_CTL_VMXON	0x4

#define PROC_SECONDARY (1U << 31)
#define PROC2_EPT      (1U << 1)
#define EXIT_HOST_64   (1U << 9)
#define ENTRY_GUEST_64 (1U << 9)
#define EPTP_WB_4      (6 | 3 << 3)

/* Fields with a value per segment register: ES CS SS DS FS GS LDTR TR, two apart. */
#define SEG_SELECTOR  0x800
#define SEG_LIMIT     0x4800
#define SEG_RIGHTS    0x4814
#define SEG_BASE      0x6806
#define HOST_SELECTOR 0xc00
#define SEG(field, n) ((field) + 2 * (n))
#define SEG_ES	      0
#define SEG_CS	      1
#define SEG_SS	      2
#define SEG_DS	      3
#define SEG_FS	      4
#define SEG_GS	      5
#define SEG_LDTR      6
#define SEG_TR	      7

#define VMCS_EPTP	    0x201a
#define VMCS_LINK	    0x2800
#define VMCS_PIN	    0x4000
#define VMCS_PROC	    0x4002
#define VMCS_EXCEPTIONS	    0x4004
#define VMCS_EXIT	    0x400c
#define VMCS_ENTRY	    0x4012
#define VMCS_PROC2	    0x401e
#define VMCS_INSN_ERROR	    0x4400
#define VMCS_EXIT_REASON    0x4402
#define VMCS_EXIT_INTR_INFO 0x4404
#define VMCS_EXIT_INSN_LEN  0x440c
#define VMCS_GDTR_LIMIT	    0x4810
#define VMCS_IDTR_LIMIT	    0x4812
#define VMCS_CR0	    0x6800
#define VMCS_CR3	    0x6802
#define VMCS_CR4	    0x6804
#define VMCS_GDTR_BASE	    0x6816
#define VMCS_IDTR_BASE	    0x6818
#define VMCS_DR7	    0x681a
#define VMCS_RSP	    0x681c
#define VMCS_RIP	    0x681e
#define VMCS_RFLAGS	    0x6820
#define VMCS_HOST_CR0	    0x6c00
#define VMCS_HOST_CR3	    0x6c02
#define VMCS_HOST_CR4	    0x6c04
#define VMCS_HOST_GS_BASE   0x6c08
#define VMCS_HOST_TR_BASE   0x6c0a
#define VMCS_HOST_GDTR_BASE 0x6c0c
#define VMCS_HOST_IDTR_BASE 0x6c0e
#define VMCS_HOST_RSP	    0x6c14
#define VMCS_HOST_RIP	    0x6c16

#define CR4_VMXE	  0x2000
#define REASON_EXCEPTION  0
#define REASON_CPUID	  10
#define INTR_INFO_SOFT_BP 0x80000603 /* valid, software exception, vector 3 */

/* A list of fields and values, ended by ~0. */
struct field {
	uint64_t field;
	uint64_t value;
};

static void add_field(struct lab *l, uint64_t list, uint64_t field, uint64_t value)
{
	struct field *f = vmm_mem(l->vm, list, PAGE);

	while (f->field != ~0ULL && f->field != field)
		f++;
	if (f->field == ~0ULL)
		f[1].field = ~0ULL;
	*f = (struct field){field, value};
}

static void set_field(struct lab *l, uint64_t field, uint64_t value)
{
	add_field(l, NESTED_WRITE, field, value);
}

static uint64_t field(struct lab *l, uint64_t id)
{
	const struct field *f = vmm_mem(l->vm, NESTED_READ, PAGE);

	for (; f->field != ~0ULL; f++)
		if (f->field == id)
			return f->value;
	fail("VMCS field %#llx is not read", (unsigned long long)id);
}

/* What must be set is, and of the rest what is wanted. */
static uint64_t control(struct lab *l, uint32_t msr, uint32_t wanted)
{
	uint64_t can = vcpu_msr(l, msr);

	if (wanted & ~(can >> 32))
		skip("this KVM lacks VMX control %#x of MSR %#x for guests",
		     (unsigned int)(wanted & ~(can >> 32)), msr);
	return (uint32_t)can | wanted;
}

static void set_vmx_segments(struct lab *l, const struct kvm_sregs *s)
{
	for (unsigned int i = SEG_ES; i <= SEG_GS; i++) {
		bool code = i == SEG_CS;

		set_field(l, SEG(SEG_SELECTOR, i), code ? GUEST_CS : GUEST_DS);
		set_field(l, SEG(SEG_LIMIT, i), 0xffffffff);
		set_field(l, SEG(SEG_RIGHTS, i), code ? 0xa09b : 0xc093);
		set_field(l, SEG(SEG_BASE, i), i == SEG_GS ? s->gs.base : 0);
		set_field(l, SEG(HOST_SELECTOR, i), code ? GUEST_CS : GUEST_DS);
	}
	set_field(l, SEG(SEG_RIGHTS, SEG_LDTR), 0x10000);
	set_field(l, SEG(SEG_SELECTOR, SEG_TR), GUEST_TR);
	set_field(l, SEG(SEG_LIMIT, SEG_TR), s->tr.limit);
	set_field(l, SEG(SEG_RIGHTS, SEG_TR), 0x8b);
	set_field(l, SEG(SEG_BASE, SEG_TR), s->tr.base);
	set_field(l, SEG(HOST_SELECTOR, 6), GUEST_TR);
}

static void build_vmcs(struct lab *l, const struct kvm_sregs *s, unsigned int flags)
{
	uint32_t revision = vcpu_msr(l, MSR_VMX_BASIC) & 0x7fffffff;
	bool paging = flags & NESTED_PAGING;

	*(uint32_t *)vmm_mem(l->vm, NESTED_VMXON, 4) = revision;
	*(uint32_t *)vmm_mem(l->vm, NESTED_VMCS, 4) = revision;
	table(l, NESTED_WRITE)[0] = ~0ULL;
	table(l, NESTED_READ)[0] = ~0ULL;

	set_field(l, VMCS_PIN, control(l, MSR_VMX_PIN, 0));
	set_field(l, VMCS_PROC, control(l, MSR_VMX_PROC, paging ? PROC_SECONDARY : 0));
	set_field(l, VMCS_EXIT, control(l, MSR_VMX_EXIT, EXIT_HOST_64));
	set_field(l, VMCS_ENTRY, control(l, MSR_VMX_ENTRY, ENTRY_GUEST_64));
	if (paging) {
		set_field(l, VMCS_PROC2, control(l, MSR_VMX_PROC2, PROC2_EPT));
		set_field(l, VMCS_EPTP, NESTED_EPML4 | EPTP_WB_4);
	}
	set_field(l, VMCS_EXCEPTIONS, flags & NESTED_BP_EXIT ? 1 << 3 : 0);
	set_field(l, VMCS_LINK, ~0ULL);

	set_vmx_segments(l, s);
	set_field(l, VMCS_CR0, s->cr0);
	set_field(l, VMCS_CR3, NESTED_PML4);
	set_field(l, VMCS_CR4, s->cr4 | CR4_VMXE);
	set_field(l, VMCS_GDTR_BASE, s->gdt.base);
	set_field(l, VMCS_GDTR_LIMIT, s->gdt.limit);
	set_field(l, VMCS_IDTR_BASE, NESTED_IDT);
	set_field(l, VMCS_IDTR_LIMIT, s->idt.limit);
	set_field(l, VMCS_DR7, 0x400);
	set_field(l, VMCS_RFLAGS, 0x202);
	set_field(l, VMCS_RSP, NESTED_STACK + PAGE);

	set_field(l, VMCS_HOST_CR0, s->cr0);
	set_field(l, VMCS_HOST_CR3, s->cr3);
	set_field(l, VMCS_HOST_CR4, s->cr4 | CR4_VMXE);
	set_field(l, VMCS_HOST_GS_BASE, s->gs.base);
	set_field(l, VMCS_HOST_TR_BASE, s->tr.base);
	set_field(l, VMCS_HOST_GDTR_BASE, s->gdt.base);
	set_field(l, VMCS_HOST_IDTR_BASE, s->idt.base);
	set_field(l, VMCS_HOST_RSP, GUEST_STACK + PAGE);
	set_field(l, VMCS_HOST_RIP, nested_label(guest_nested_vmx_exit));

	add_field(l, NESTED_READ, VMCS_INSN_ERROR, 0);
	add_field(l, NESTED_READ, VMCS_EXIT_REASON, 0);
	add_field(l, NESTED_READ, VMCS_EXIT_INTR_INFO, 0);
	add_field(l, NESTED_READ, VMCS_EXIT_INSN_LEN, 0);
	add_field(l, NESTED_READ, VMCS_RIP, 0);
}

/* As firmware does it. */
static void enable_vmx(struct lab *l)
{
	struct {
		struct kvm_msrs hdr;
		struct kvm_msr_entry entry;
	} msr = {
		.hdr.nmsrs = 1,
		.entry = {.index = MSR_FEAT_CTL, .data = FEAT_CTL_LOCKED | FEAT_CTL_VMXON},
	};

	if (ioctl(l->v->fd, KVM_SET_MSRS, &msr) != 1)
		skip("this KVM has no VMX for guests: load kvm_intel with nested=1");
}

static void check_vmx_exit(struct lab *l, enum nested_exit_reason reason, uint64_t rip)
{
	check_eq(field(l, VMCS_RIP), rip);
	switch (reason) {
	case NESTED_EXIT_CPUID:
		check_eq(field(l, VMCS_EXIT_REASON), REASON_CPUID);
		check_eq(field(l, VMCS_EXIT_INSN_LEN), 2);
		break;
	case NESTED_EXIT_BP:
		check_eq(field(l, VMCS_EXIT_REASON), REASON_EXCEPTION);
		check_eq(field(l, VMCS_EXIT_INTR_INFO), INTR_INFO_SOFT_BP);
		check_eq(field(l, VMCS_EXIT_INSN_LEN), 1);
		break;
	}
}

/* --- SVM --- */

struct vmcb_seg {
	uint16_t selector;
	uint16_t attrib;
	uint32_t limit;
	uint64_t base;
};

/* As much of it as is needed. */
struct vmcb_page {
	uint32_t intercept_cr, intercept_dr, intercept_exceptions;
	uint32_t intercept[3];
	uint8_t gap1[0x040 - 0x018];
	uint64_t iopm, msrpm, tsc_offset;
	uint32_t asid, tlb_control;
	uint8_t gap2[0x070 - 0x060];
	uint64_t exit_code, exit_info1, exit_info2, exit_int_info, nested_control;
	uint8_t gap3[0x0b0 - 0x098];
	uint64_t nested_cr3;
	uint8_t gap4[0x0c8 - 0x0b8];
	uint64_t next_rip;
	uint8_t gap5[0x400 - 0x0d0];
	struct vmcb_seg es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
	uint8_t gap6[0x4d0 - 0x4a0];
	uint64_t efer;
	uint8_t gap7[0x548 - 0x4d8];
	uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
	uint8_t gap8[0x5d8 - 0x580];
	uint64_t rsp;
	uint8_t gap9[0x668 - 0x5e0];
	uint64_t pat;
};

_Static_assert(offsetof(struct vmcb_page, iopm) == 0x040, "iopm");
_Static_assert(offsetof(struct vmcb_page, exit_code) == 0x070, "exit_code");
_Static_assert(offsetof(struct vmcb_page, nested_control) == 0x090, "nested_control");
_Static_assert(offsetof(struct vmcb_page, nested_cr3) == 0x0b0, "nested_cr3");
_Static_assert(offsetof(struct vmcb_page, next_rip) == 0x0c8, "next_rip");
_Static_assert(offsetof(struct vmcb_page, gdtr) == 0x460, "gdtr");
_Static_assert(offsetof(struct vmcb_page, efer) == 0x4d0, "efer");
_Static_assert(offsetof(struct vmcb_page, cr4) == 0x548, "cr4");
_Static_assert(offsetof(struct vmcb_page, rip) == 0x578, "rip");
_Static_assert(offsetof(struct vmcb_page, rsp) == 0x5d8, "rsp");
_Static_assert(offsetof(struct vmcb_page, pat) == 0x668, "pat");

#define INTERCEPT_CPUID	   (1U << 18) /* of intercept[0] */
#define INTERCEPT_SHUTDOWN (1U << 31)
#define INTERCEPT_VMRUN	   (1U << 0) /* of intercept[1] */
#define EXIT_CODE_BP	   0x43
#define EXIT_CODE_CPUID	   0x72
#define EFER_SVME	   0x1000

static struct vmcb_page *vmcb(struct lab *l)
{
	return vmm_mem(l->vm, NESTED_VMCS, PAGE);
}

static void build_vmcb(struct lab *l, const struct kvm_sregs *s, unsigned int flags)
{
	const struct vmcb_seg data = {.selector = GUEST_DS, .attrib = 0xc93, .limit = 0xffffffff};
	struct vmcb_page *b = vmcb(l);

	b->intercept[0] = INTERCEPT_CPUID | INTERCEPT_SHUTDOWN;
	b->intercept[1] = INTERCEPT_VMRUN;
	b->intercept_exceptions = flags & NESTED_BP_EXIT ? 1 << 3 : 0;
	b->iopm = NESTED_IO;
	b->msrpm = NESTED_MSR;
	b->asid = 1;
	if (flags & NESTED_PAGING) {
		b->nested_control = 1;
		b->nested_cr3 = NESTED_EPML4;
	}

	b->es = b->ss = b->ds = b->fs = b->gs = data;
	b->gs.base = s->gs.base;
	b->cs = (struct vmcb_seg){.selector = GUEST_CS, .attrib = 0xa9b, .limit = 0xffffffff};
	b->gdtr = (struct vmcb_seg){.limit = s->gdt.limit, .base = s->gdt.base};
	b->idtr = (struct vmcb_seg){.limit = s->idt.limit, .base = NESTED_IDT};
	b->tr = (struct vmcb_seg){
		.selector = GUEST_TR, .attrib = 0x8b, .limit = s->tr.limit, .base = s->tr.base};
	b->efer = s->efer | EFER_SVME;
	b->cr0 = s->cr0;
	b->cr3 = NESTED_PML4;
	b->cr4 = s->cr4;
	b->dr7 = 0x400;
	b->dr6 = 0xffff0ff0;
	b->rflags = 0x202;
	b->rsp = NESTED_STACK + PAGE;
	b->pat = 0x0007040600070406;
}

static void check_svm_exit(struct lab *l, enum nested_exit_reason reason, uint64_t rip)
{
	const struct vmcb_page *b = vmcb(l);

	check_eq(b->rip, rip);
	switch (reason) {
	case NESTED_EXIT_CPUID:
		check_eq(b->exit_code, EXIT_CODE_CPUID);
		break;
	case NESTED_EXIT_BP:
		check_eq(b->exit_code, EXIT_CODE_BP);
		break;
	}
}

/* --- either --- */

void nested_set_rip(struct lab *l, uint64_t rip)
{
	if (lab_is_svm()) {
		vmcb(l)->rip = rip;
		vmcb(l)->rsp = NESTED_STACK + PAGE;
	} else {
		set_field(l, VMCS_RIP, rip);
	}
}

void nested_check_exit(struct lab *l, enum nested_exit_reason reason, uint64_t rip)
{
	if (lab_is_svm()) {
		check_svm_exit(l, reason, rip);
		return;
	}
	if (l->v->config->arg[NESTED_ARG_FAILED])
		fail("VMX instruction %llu of L1 failed, error %llu",
		     (unsigned long long)l->v->config->arg[NESTED_ARG_FAILED],
		     (unsigned long long)field(l, VMCS_INSN_ERROR));
	check_vmx_exit(l, reason, rip);
}

void nested_start(struct lab *l, unsigned int flags)
{
	bool svm = lab_is_svm();
	struct kvm_sregs s;

	lab_open(l, &nested, 1);
	lab_hook(l);
	check_eq(vmm_vcpu_start(l->v, nested_label(svm ? guest_nested_svm : guest_nested_vmx)), 0);
	check_eq(vmm_get_sregs(l->v, &s), 0);
	build_l2_tables(l, flags);
	build_l2_idt(l);
	if (flags & NESTED_PAGING)
		build_l1_tables(l);
	if (svm) {
		build_vmcb(l, &s, flags);
	} else {
		enable_vmx(l);
		build_vmcs(l, &s, flags);
	}
	nested_set_rip(l, nested_label(guest_nested_l2));
}

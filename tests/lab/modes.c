// SPDX-License-Identifier: BSD-2-Clause
/* Builds the tables of all modes, and puts a vCPU into one of them. */
#include "modes.h"

#include <string.h>

#define PAGE	  4096UL
#define REAL_SEG  (GUEST_CODE >> 4)
#define CR0_PE	  0x1
#define CR0_BASE  0x30 /* ET NE */
#define CR0_PG_WP 0x80010000
#define CR4_PSE	  0x10
#define CR4_PAE	  0x20
#define IOPL_3	  0x3000 /* OUT from user mode */

extern const char guest_modes_touch[], guest_modes_64_handler[];
extern const char guest_modes_64_db_handler[], guest_modes_32_handler[], guest_modes_32_trap[];
extern const char guest_modes_16_handler[], guest_modes_16_trap[];

static const struct vmm_guest modes = VMM_GUEST(modes);

uint64_t modes_gpa(const void *label)
{
	return vmm_label(&modes, label);
}

static bool is_paged(enum mode mode)
{
	return mode != MODE_UNPAGED32 && mode != MODE_PROT16 && mode != MODE_REAL;
}

static bool is_long(enum mode mode)
{
	return mode <= MODE_COMPAT16;
}

struct mode_info modes_info(enum mode mode, uint32_t base)
{
	static const struct mode_info info[] = {
		[MODE_LONG] = {8, GUEST_CS, 0},
		[MODE_USER64] = {8, MODES_USER_CS64, 3},
		[MODE_COMPAT32] = {4, MODES_USER_CS32, 3},
		[MODE_COMPAT16] = {2, MODES_CS16, 0},
		[MODE_PAE32] = {4, MODES_CS32, 0},
		[MODE_2LEVEL32] = {4, MODES_CS32, 0},
		[MODE_UNPAGED32] = {4, MODES_CS32, 0},
		[MODE_USER32] = {4, MODES_USER_CS32, 3},
		[MODE_PROT16] = {2, MODES_CS16, 0},
		[MODE_REAL] = {2, REAL_SEG, 0},
	};
	struct mode_info i = info[mode];

	if (base)
		i.cs = MODES_CS_BASED | i.cpl;
	return i;
}

uint64_t modes_rip(enum mode mode, const void *label, uint32_t base)
{
	uint64_t gva = modes_gpa(label) + (is_paged(mode) ? GUEST_ALIAS : 0);

	if (modes_info(mode, base).bytes == 2)
		return modes_gpa(label) - GUEST_CODE;
	return base ? (uint32_t)(gva - base) : gva;
}

/* --- tables --- */

/* A segment as a descriptor has it. */
static uint64_t descriptor(const struct kvm_segment *s)
{
	uint64_t limit = s->g ? s->limit >> 12 : s->limit;
	uint64_t base = s->base;

	return (limit & 0xffff) | (base & 0xffffff) << 16 | (uint64_t)s->type << 40 |
	       (uint64_t)s->s << 44 | (uint64_t)s->dpl << 45 | (uint64_t)s->present << 47 |
	       (limit >> 16 & 0xf) << 48 | (uint64_t)s->l << 53 | (uint64_t)s->db << 54 |
	       (uint64_t)s->g << 55 | (base >> 24 & 0xff) << 56;
}

static struct kvm_segment flat(unsigned int type, unsigned int dpl)
{
	return (struct kvm_segment){.limit = 0xffffffff,
				    .type = type,
				    .present = 1,
				    .dpl = dpl,
				    .db = 1,
				    .s = 1,
				    .g = 1};
}

static struct kvm_segment code_segment(enum mode mode, uint32_t base)
{
	struct mode_info info = modes_info(mode, base);
	struct kvm_segment cs = flat(11, info.cpl);

	cs.selector = info.cs;
	cs.base = base;
	cs.l = info.bytes == 8;
	cs.db = info.bytes == 4;
	if (info.bytes == 2) {
		cs.base = GUEST_CODE + (is_paged(mode) ? GUEST_ALIAS : 0);
		cs.limit = 0xffff;
		cs.g = 0;
	}
	return cs;
}

static void put_descriptor(struct lab *l, unsigned int selector, struct kvm_segment s)
{
	((uint64_t *)vmm_mem(l->vm, MODES_GDT, PAGE))[selector >> 3] = descriptor(&s);
}

static void build_gdt(struct lab *l)
{
	memcpy(vmm_mem(l->vm, MODES_GDT, PAGE), vmm_mem(l->vm, GUEST_GDT, 5 * 8), 5 * 8);
	put_descriptor(l, MODES_USER_CS64, code_segment(MODE_USER64, 0));
	put_descriptor(l, MODES_USER_DS, flat(3, 3));
	put_descriptor(l, MODES_CS32, code_segment(MODE_PAE32, 0));
	put_descriptor(l, MODES_USER_CS32, code_segment(MODE_USER32, 0));
}

static void build_idts(struct lab *l)
{
	uint64_t *idt = vmm_mem(l->vm, MODES_IDT32, PAGE);
	uint32_t *ivt = vmm_mem(l->vm, 0, PAGE);

	for (unsigned int i = 0; i < 32; i++) {
		uint64_t rip = modes_gpa(i == 3 ? guest_modes_32_handler : guest_modes_32_trap);

		/* Trap gate of 32 bits, for user mode as well */
		idt[i] = (rip & 0xffff) | (uint64_t)MODES_CS32 << 16 | 0xef00ULL << 32 |
			 (rip >> 16) << 48;
		rip = modes_gpa(i == 3 ? guest_modes_16_handler : guest_modes_16_trap);
		ivt[i] = REAL_SEG << 16 | (rip - GUEST_CODE);
	}
	check_eq(vmm_set_handler(l->vm, 3, modes_gpa(guest_modes_64_handler)), 0);
	check_eq(vmm_set_handler(l->vm, 1, modes_gpa(guest_modes_64_db_handler)), 0);
}

static void build_page_tables(struct lab *l)
{
	uint64_t *pdpt = vmm_mem(l->vm, MODES_PAE_PDPT, PAGE);
	uint32_t *pd = vmm_mem(l->vm, MODES_PD32, PAGE);
	uint32_t *tss = vmm_mem(l->vm, MODES_TSS32, PAGE);

	pdpt[0] = pdpt[GUEST_ALIAS >> 30] = GUEST_PD | 1;
	pd[0] = pd[GUEST_ALIAS >> 22] = 0xe7; /* 4 MiB */
	tss[1] = GUEST_STACK + PAGE;	      /* ESP0, SS0 */
	tss[2] = GUEST_DS;
}

void modes_start(struct lab *l)
{
	struct runner r = {0};

	lab_start(l, &modes);
	build_gdt(l);
	build_idts(l);
	build_page_tables(l);
	l->v->config->count = VMM_MEM_DEFAULT;
	check_eq(vmm_vcpu_start(l->v, modes_gpa(guest_modes_touch)), 0);
	runner_start(&r, l->v);
	runner_done(&r);
}

/* --- entering --- */

static void set_protected(struct kvm_sregs *s, enum mode mode, unsigned int cpl)
{
	struct kvm_segment ds = flat(3, cpl);

	ds.selector = cpl ? MODES_USER_DS : GUEST_DS;
	s->ds = s->es = s->fs = s->ss = s->gs = ds;
	s->gs.base = GUEST_CONFIG;
	s->gdt.base = MODES_GDT;
	s->gdt.limit = MODES_GDT_SIZE - 1;
	if (is_long(mode))
		return;

	s->idt.base = MODES_IDT32;
	s->idt.limit = 32 * 8 - 1;
	s->tr.selector = MODES_TR32;
	s->tr.base = MODES_TSS32;
	s->efer = 0;
	s->cr0 = CR0_PE | CR0_BASE;
	s->cr3 = 0;
	s->cr4 = 0;
	if (!is_paged(mode))
		return;
	s->cr0 |= CR0_PG_WP;
	s->cr3 = mode == MODE_2LEVEL32 ? MODES_PD32 : MODES_PAE_PDPT;
	s->cr4 = mode == MODE_2LEVEL32 ? CR4_PSE : CR4_PAE;
}

static void set_real(struct kvm_sregs *s)
{
	struct kvm_segment seg = {.limit = 0xffff, .type = 3, .present = 1, .s = 1};

	s->ds = s->es = s->fs = s->gs = s->ss = s->cs = seg;
	s->cs.selector = REAL_SEG;
	s->cs.base = GUEST_CODE;
	s->gs.selector = GUEST_CONFIG >> 4;
	s->gs.base = GUEST_CONFIG;
	s->idt.base = 0;
	s->idt.limit = 32 * 4 - 1;
	s->efer = 0;
	s->cr0 = CR0_BASE;
	s->cr3 = 0;
	s->cr4 = 0;
}

void modes_enter(struct lab *l, enum mode mode, const void *label, uint32_t base)
{
	unsigned int cpl = modes_info(mode, base).cpl;
	struct kvm_regs regs = {.rflags = 0x202 | (cpl ? IOPL_3 : 0)};
	struct kvm_sregs s, unpaged;

	/* From the usual state, whatever was before. */
	check_eq(vmm_vcpu_start(l->v, 0), 0);
	check_eq(vmm_get_sregs(l->v, &s), 0);
	if (mode == MODE_REAL) {
		set_real(&s);
	} else {
		s.cs = code_segment(mode, base);
		put_descriptor(l, s.cs.selector, s.cs);
		set_protected(&s, mode, cpl);
	}
	/*
	 * With paging off in between, as a guest has to do it: KVM 5.10 goes on with the page
	 * tables of long mode otherwise.
	 */
	unpaged = s;
	unpaged.cr0 &= ~CR0_PG_WP;
	if (!is_long(mode))
		check_eq(vmm_set_sregs(l->v, &unpaged), 0);
	check_eq(vmm_set_sregs(l->v, &s), 0);

	regs.rip = modes_rip(mode, label, base);
	if (mode == MODE_REAL)
		regs.rsp = MODES_STACK16 + 0xff0;
	else
		regs.rsp = cpl ? MODES_STACK + PAGE : GUEST_STACK + PAGE;
	check_eq(vmm_set_regs(l->v, &regs), 0);
}

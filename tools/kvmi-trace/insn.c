// SPDX-License-Identifier: BSD-2-Clause
/* kvmi-trace break: decodes the instruction under a breakpoint, emulates the simplest, finds successors. */
#include "insn.h"

#include <errno.h>
#include <string.h>

#define INSN_MAX 15

#define CR0_PE	  (1ULL << 0)
#define CR4_CET	  (1ULL << 23)
#define EFER_LMA  (1ULL << 10)
#define RFLAGS_TF (1ULL << 8)
#define PAGE_SIZE 4096

uint64_t insn_linear(const struct insn *in, uint64_t ip)
{
	return in->mode == 8 ? ip : (in->sregs.cs.base + ip) & 0xffffffff;
}

/* --- decoding --- */

static void init_decoder(ZydisDecoder *d, const struct insn *in)
{
	switch (in->mode) {
	case 8:
		ZydisDecoderInit(d, ZYDIS_MACHINE_MODE_LONG_64, ZYDIS_STACK_WIDTH_64);
		break;
	case 4:
		ZydisDecoderInit(d,
				 in->sregs.efer & EFER_LMA ? ZYDIS_MACHINE_MODE_LONG_COMPAT_32
							   : ZYDIS_MACHINE_MODE_LEGACY_32,
				 in->sregs.ss.db ? ZYDIS_STACK_WIDTH_32 : ZYDIS_STACK_WIDTH_16);
		break;
	default:
		ZydisDecoderInit(d,
				 in->sregs.cr0 & CR0_PE ? ZYDIS_MACHINE_MODE_LEGACY_16
							: ZYDIS_MACHINE_MODE_REAL_16,
				 in->sregs.ss.db ? ZYDIS_STACK_WIDTH_32 : ZYDIS_STACK_WIDTH_16);
		break;
	}
}

int insn_fetch(struct insn *in, const struct tracer *t, const struct breakpoint *bp,
	       const struct kvmi_event_msg *ev)
{
	size_t here = PAGE_SIZE - bp->gpa % PAGE_SIZE, n = here < INSN_MAX ? here : INSN_MAX;
	uint8_t bytes[INSN_MAX];
	ZydisDecoder decoder;
	uint64_t gpa;
	int ret;

	in->c = t->c;
	in->regs = ev->common.arch.regs;
	in->sregs = ev->common.arch.sregs;
	in->mode = ev->common.arch.mode;

	ret = kvmi_read_physical(t->c, bp->gpa, bytes, n);
	if (ret)
		return ret;
	places_hide(t, bp->gpa, bytes, n);
	if (n < INSN_MAX) {
		/* The next page need not be there: the instruction may end on this one. */
		uint64_t gva = insn_linear(in, in->regs.rip + n);

		if (!kvmi_translate(t->c, &in->sregs, gva, &gpa) &&
		    !kvmi_read_physical(t->c, gpa, bytes + n, INSN_MAX - n)) {
			places_hide(t, gpa, bytes + n, INSN_MAX - n);
			n = INSN_MAX;
		}
	}

	init_decoder(&decoder, in);
	return ZYAN_SUCCESS(ZydisDecoderDecodeFull(&decoder, bytes, n, &in->i, in->ops)) ? 0
											 : -EFAULT;
}

/* --- operands --- */

/* The general registers in the order of their numbers in instructions, as Zydis has them. */
static __u64 *reg64(struct kvm_regs *r, unsigned int number)
{
	__u64 *const regs[] = {
		&r->rax, &r->rcx, &r->rdx, &r->rbx, &r->rsp, &r->rbp, &r->rsi, &r->rdi,
		&r->r8,	 &r->r9,  &r->r10, &r->r11, &r->r12, &r->r13, &r->r14, &r->r15,
	};

	return regs[number];
}

/* An operand that is a 64-bit general register; NULL: it is something else. */
static __u64 *operand_reg64(struct insn *in, unsigned int op)
{
	ZydisRegister reg = in->ops[op].reg.value;

	if (in->ops[op].type != ZYDIS_OPERAND_TYPE_REGISTER || reg < ZYDIS_REGISTER_RAX ||
	    reg > ZYDIS_REGISTER_R15)
		return NULL;
	return reg64(&in->regs, reg - ZYDIS_REGISTER_RAX);
}

static void fill_context(const struct insn *in, ZydisRegisterContext *ctx)
{
	struct kvm_regs regs = in->regs;

	memset(ctx, 0, sizeof(*ctx));
	for (unsigned int i = 0; i < 16; i++) {
		uint64_t value = *reg64(&regs, i);

		ctx->values[ZYDIS_REGISTER_RAX + i] = value;
		ctx->values[ZYDIS_REGISTER_EAX + i] = (uint32_t)value;
		ctx->values[ZYDIS_REGISTER_AX + i] = (uint16_t)value;
	}
}

static uint64_t segment_base(const struct insn *in, ZydisRegister segment)
{
	switch (segment) {
	case ZYDIS_REGISTER_FS:
		return in->sregs.fs.base;
	case ZYDIS_REGISTER_GS:
		return in->sregs.gs.base;
	default:
		break;
	}
	if (in->mode == 8)
		return 0;
	switch (segment) {
	case ZYDIS_REGISTER_CS:
		return in->sregs.cs.base;
	case ZYDIS_REGISTER_ES:
		return in->sregs.es.base;
	case ZYDIS_REGISTER_SS:
		return in->sregs.ss.base;
	default:
		return in->sregs.ds.base;
	}
}

static int read_guest(const struct insn *in, uint64_t linear, uint64_t *value, size_t size)
{
	*value = 0;
	if (in->mode != 8)
		linear &= 0xffffffff;
	return kvmi_read_virtual(in->c, &in->sregs, linear, value, size, NULL);
}

/* The target of a near branch. */
static int branch_target(const struct insn *in, uint64_t *target)
{
	const ZydisDecodedOperand *op = &in->ops[0];
	ZydisRegisterContext ctx;
	uint64_t address;

	switch (op->type) {
	case ZYDIS_OPERAND_TYPE_IMMEDIATE:
		return ZYAN_SUCCESS(ZydisCalcAbsoluteAddress(&in->i, op, in->regs.rip, target))
			       ? 0
			       : -EOPNOTSUPP;
	case ZYDIS_OPERAND_TYPE_REGISTER:
		fill_context(in, &ctx);
		*target = ctx.values[op->reg.value];
		return 0;
	case ZYDIS_OPERAND_TYPE_MEMORY:
		fill_context(in, &ctx);
		if (ZYAN_FAILED(
			    ZydisCalcAbsoluteAddressEx(&in->i, op, in->regs.rip, &ctx, &address)))
			return -EOPNOTSUPP;
		return read_guest(in, segment_base(in, op->mem.segment) + address, target,
				  op->size / 8);
	default:
		return -EOPNOTSUPP;
	}
}

static int return_address(const struct insn *in, uint64_t *target)
{
	uint64_t base = in->mode == 8 ? 0 : in->sregs.ss.base;
	uint64_t sp = in->regs.rsp;

	if (in->i.stack_width < 64)
		sp &= in->i.stack_width == 32 ? 0xffffffff : 0xffff;
	return read_guest(in, base + sp, target, in->i.operand_width / 8);
}

/* --- where to --- */

int insn_successors(const struct insn *in, uint64_t next[2], unsigned int *n, const char **why)
{
	bool falls_through = false;
	uint64_t target;
	int ret;

	*n = 0;
	switch (in->i.meta.category) {
	case ZYDIS_CATEGORY_COND_BR:
		falls_through = true;
		/* fallthrough */
	case ZYDIS_CATEGORY_UNCOND_BR:
	case ZYDIS_CATEGORY_CALL:
	case ZYDIS_CATEGORY_RET:
		if (in->i.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR) {
			*why = "a far branch";
			return -EOPNOTSUPP;
		}
		if (in->i.meta.category != ZYDIS_CATEGORY_RET) {
			ret = branch_target(in, &target);
		} else if (in->i.mnemonic == ZYDIS_MNEMONIC_RET) {
			ret = return_address(in, &target);
		} else {
			*why = "a return from an interrupt";
			return -EOPNOTSUPP;
		}
		if (ret == -EFAULT || ret == -EOPNOTSUPP) {
			*why = "a branch whose target cannot be read";
			return -EOPNOTSUPP;
		}
		if (ret)
			return ret;
		next[(*n)++] = insn_linear(in, target);
		break;
	case ZYDIS_CATEGORY_SYSCALL:
	case ZYDIS_CATEGORY_SYSRET:
	case ZYDIS_CATEGORY_INTERRUPT:
	case ZYDIS_CATEGORY_VTX:
		*why = "an instruction that changes the privilege level";
		return -EOPNOTSUPP;
	default:
		falls_through = true;
		break;
	}
	if (falls_through)
		next[(*n)++] = insn_linear(in, in->regs.rip + in->i.length);

	for (unsigned int i = 0; i < *n; i++) {
		if (next[i] == insn_linear(in, in->regs.rip)) {
			*why = "a branch to itself";
			return -EOPNOTSUPP;
		}
	}
	return 0;
}

/* --- emulation, in 64-bit mode --- */

static int push(struct insn *in, uint64_t value)
{
	uint64_t sp = in->regs.rsp - 8;
	int ret = kvmi_write_virtual(in->c, &in->sregs, sp, &value, sizeof(value));

	if (!ret)
		in->regs.rsp = sp;
	return ret == -EFAULT ? -EOPNOTSUPP : ret;
}

static int emulate_ret(struct insn *in, uint64_t *rip)
{
	int ret = return_address(in, rip);

	if (ret)
		return ret == -EFAULT ? -EOPNOTSUPP : ret;
	in->regs.rsp += 8;
	if (in->ops[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE)
		in->regs.rsp += in->ops[0].imm.value.u;
	return 0;
}

static bool is_relative(const struct insn *in)
{
	return in->ops[0].type == ZYDIS_OPERAND_TYPE_IMMEDIATE && in->ops[0].imm.is_relative;
}

int insn_emulate(struct insn *in)
{
	bool shadow_stack = in->sregs.cr4 & CR4_CET;
	uint64_t next = in->regs.rip + in->i.length, value;
	__u64 *a, *b;
	int ret = 0;

	/* The guest single-steps itself: its #DB has to come from the processor. */
	if (in->mode != 8 || in->regs.rflags & RFLAGS_TF)
		return -EOPNOTSUPP;

	switch (in->i.mnemonic) {
	case ZYDIS_MNEMONIC_NOP:
	case ZYDIS_MNEMONIC_ENDBR32:
	case ZYDIS_MNEMONIC_ENDBR64:
		break;
	case ZYDIS_MNEMONIC_MOV:
		a = operand_reg64(in, 0);
		b = operand_reg64(in, 1);
		if (!a || !b)
			return -EOPNOTSUPP;
		*a = *b;
		break;
	case ZYDIS_MNEMONIC_PUSH:
		a = operand_reg64(in, 0);
		if (!a)
			return -EOPNOTSUPP;
		ret = push(in, *a);
		break;
	case ZYDIS_MNEMONIC_CALL:
		if (!is_relative(in) || shadow_stack || branch_target(in, &value))
			return -EOPNOTSUPP;
		ret = push(in, next);
		next = value;
		break;
	case ZYDIS_MNEMONIC_RET:
		if (in->i.meta.branch_type == ZYDIS_BRANCH_TYPE_FAR || shadow_stack ||
		    in->i.operand_width != 64)
			return -EOPNOTSUPP;
		ret = emulate_ret(in, &next);
		break;
	case ZYDIS_MNEMONIC_JMP:
		if (!is_relative(in) || branch_target(in, &next))
			return -EOPNOTSUPP;
		break;
	default:
		return -EOPNOTSUPP;
	}
	if (!ret)
		in->regs.rip = next;
	return ret;
}

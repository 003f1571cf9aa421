// SPDX-License-Identifier: BSD-2-Clause
/* kvmi-trace vcpus, kvmi-trace regs: what a vCPU is at. */
#include "kvmi_trace.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name;
	size_t offset;
} regs_table[] = {
#define REG(n)                                   \
	{                                        \
#n, offsetof(struct kvm_regs, n) \
	}
	REG(rax), REG(rbx), REG(rcx), REG(rdx), REG(rsi), REG(rdi), REG(rsp), REG(rbp), REG(r8),
	REG(r9),  REG(r10), REG(r11), REG(r12), REG(r13), REG(r14), REG(r15), REG(rip), REG(rflags),
#undef REG
};

#define NR_REGS (sizeof(regs_table) / sizeof(regs_table[0]))

const char *trace_reg_name(unsigned int i)
{
	return i < NR_REGS ? regs_table[i].name : NULL;
}

uint64_t trace_reg(const struct kvm_regs *regs, unsigned int i)
{
	uint64_t value;

	memcpy(&value, (const uint8_t *)regs + regs_table[i].offset, sizeof(value));
	return value;
}

int trace_reg_find(const char *name, size_t len)
{
	for (unsigned int i = 0; i < NR_REGS; i++)
		if (strlen(regs_table[i].name) == len && !memcmp(regs_table[i].name, name, len))
			return i;
	return -1;
}

/* Why a command to a vCPU failed that tells something about the vCPU; NULL: it does not. */
static const char *state_of(int ret)
{
	switch (ret) {
	case KVM_EAGAIN:
		return "not started";
	case KVM_EOPNOTSUPP:
		return "protected";
	case -ETIMEDOUT:
		return "not running";
	default:
		return NULL;
	}
}

static int show_vcpu(struct kvmi_client *c, uint16_t vcpu, bool json)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	uint32_t mode;
	uint64_t hz = 0;
	int ret = kvmi_vcpu_get_registers(c, vcpu, &mode, &regs, &sregs, NULL, 0);

	if (!ret)
		ret = kvmi_vcpu_get_info(c, vcpu, &hz);
	if (ret && !state_of(ret))
		return trace_kvmi_error("the vCPU's registers", ret);

	if (ret && json)
		printf("{\"vcpu\":%u,\"state\":\"%s\"}\n", vcpu, state_of(ret));
	else if (ret)
		printf("%4u  %s\n", vcpu, state_of(ret));
	else if (json)
		printf("{\"vcpu\":%u,\"state\":\"running\",\"mode\":%u,\"cpl\":%u,"
		       "\"rip\":\"0x%llx\",\"cr3\":\"0x%llx\",\"tsc_hz\":%llu}\n",
		       vcpu, mode * 8, sregs.ss.dpl, (unsigned long long)regs.rip,
		       (unsigned long long)sregs.cr3, (unsigned long long)hz);
	else
		printf("%4u  %4u  %3u  0x%016llx  0x%016llx  %7.1f\n", vcpu, mode * 8, sregs.ss.dpl,
		       (unsigned long long)regs.rip, (unsigned long long)sregs.cr3, hz / 1e6);
	return 0;
}

int trace_vcpus(struct kvmi_client *c, bool json)
{
	uint32_t n;
	int ret = kvmi_get_info(c, &n);

	if (ret)
		return trace_kvmi_error("KVMI_VM_GET_INFO", ret);
	/* A vCPU that does not answer has a second; the rest is to be seen as well. */
	kvmi_client_set_timeout(c, 1000);
	if (!json)
		puts("VCPU  BITS  CPL  RIP                 CR3                 TSC MHz");
	for (uint32_t i = 0; i < n; i++) {
		ret = show_vcpu(c, i, json);
		if (ret)
			return ret;
	}
	return TRACE_OK;
}

/* --- regs --- */

struct field {
	const char *name;
	uint64_t value;
};

static void print_fields(const struct field *f, size_t n, bool json)
{
	for (size_t i = 0; i < n; i++) {
		if (json)
			printf("%s\"%s\":\"0x%llx\"", i ? "," : "", f[i].name,
			       (unsigned long long)f[i].value);
		else
			printf("%-6s 0x%016llx%s", f[i].name, (unsigned long long)f[i].value,
			       i % 3 == 2 || i == n - 1 ? "\n" : "  ");
	}
}

static void print_general(const struct kvm_regs *regs, bool json)
{
	struct field f[NR_REGS];

	for (unsigned int i = 0; i < NR_REGS; i++)
		f[i] = (struct field){regs_table[i].name, trace_reg(regs, i)};
	print_fields(f, NR_REGS, json);
}

static void print_control(const struct kvm_sregs *s, bool json)
{
	const struct field f[] = {
		{"cr0", s->cr0},      {"cr2", s->cr2},	    {"cr3", s->cr3},
		{"cr4", s->cr4},      {"cr8", s->cr8},	    {"efer", s->efer},
		{"gdt", s->gdt.base}, {"idt", s->idt.base}, {"apic", s->apic_base},
	};

	print_fields(f, sizeof(f) / sizeof(f[0]), json);
}

static void print_segments(const struct kvm_sregs *s, bool json)
{
	const struct {
		const char *name;
		const struct kvm_segment *seg;
	} table[] = {
		{"cs", &s->cs}, {"ds", &s->ds}, {"es", &s->es}, {"fs", &s->fs},
		{"gs", &s->gs}, {"ss", &s->ss}, {"tr", &s->tr}, {"ldt", &s->ldt},
	};

	for (size_t i = 0; i < sizeof(table) / sizeof(table[0]); i++) {
		const struct kvm_segment *seg = table[i].seg;

		if (json)
			printf("%s\"%s\":{\"selector\":\"0x%x\",\"base\":\"0x%llx\",\"limit\":\"0x%x\","
			       "\"type\":%u,\"dpl\":%u}",
			       i ? "," : "", table[i].name, seg->selector,
			       (unsigned long long)seg->base, seg->limit, seg->type, seg->dpl);
		else
			printf("%-6s 0x%04x  base 0x%016llx  limit 0x%08x  type %2u  dpl %u\n",
			       table[i].name, seg->selector, (unsigned long long)seg->base,
			       seg->limit, seg->type, seg->dpl);
	}
}

int trace_regs(struct kvmi_client *c, uint16_t vcpu, bool json)
{
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	uint32_t mode;
	int ret = kvmi_vcpu_get_registers(c, vcpu, &mode, &regs, &sregs, NULL, 0);

	if (ret == KVM_EINVAL)
		return trace_error("there is no vCPU %u", vcpu);
	if (ret && state_of(ret))
		return trace_error("vCPU %u is %s", vcpu, state_of(ret));
	if (ret)
		return trace_kvmi_error("KVMI_VCPU_GET_REGISTERS", ret);

	if (json)
		printf("{\"vcpu\":%u,\"mode\":%u,\"regs\":{", vcpu, mode * 8);
	print_general(&regs, json);
	if (json)
		printf("},\"control\":{");
	print_control(&sregs, json);
	if (json)
		printf("},\"segments\":{");
	print_segments(&sregs, json);
	if (json)
		puts("}}");
	return TRACE_OK;
}

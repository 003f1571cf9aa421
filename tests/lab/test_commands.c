// SPDX-License-Identifier: BSD-2-Clause
/* Commands that ask about VM and vCPU, and VM_CONTROL_EVENTS: what they give, what they refuse. */
#include "lab.h"
#include "raw.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

VMM_DECLARE_GUEST(hit);
extern const char guest_hit_handler[];

static const struct vmm_guest hit = VMM_GUEST(hit);

/* --- VM_GET_INFO --- */

/* The reply as it is on the wire: nothing missing, nothing too much, padding zero. */
static uint32_t vcpu_count(struct kvmi_client *c)
{
	struct {
		struct kvmi_error_code ec;
		struct kvmi_vm_get_info_reply rpl;
		uint8_t more[8];
	} msg;
	struct kvmi_msg_hdr hdr;
	uint32_t seq;

	check_kvmi(kvmi_command_send(c, KVMI_VM_GET_INFO, NULL, 0, &seq), 0);
	check_kvmi(kvmi_recv_msg(c, &hdr, &msg, sizeof(msg)), 0);
	check_eq(hdr.id, KVMI_VM_GET_INFO);
	check_eq(hdr.seq, seq);
	check_eq(hdr.size, 24);
	check_eq(msg.ec.err, 0);
	check_eq(msg.ec.padding, 0);
	for (int i = 0; i < 3; i++)
		check_eq(msg.rpl.padding[i], 0);
	return msg.rpl.vcpu_count;
}

static void test_get_info(void)
{
	struct raw raw;
	struct lab l;

	lab_open_any(&l, &hit, 3);
	lab_hook(&l);
	check_eq(vcpu_count(l.c), 3);
	if (vmm_add_vcpu(l.vm))
		fail("%s", vmm_error());
	check_eq(vcpu_count(l.c), 4);

	raw_open(&raw, RAW_BARE, 0);
	check_eq(vcpu_count(raw.c), 0);
}

/* --- VM_CONTROL_EVENTS --- */

static void test_vm_control_events(void)
{
	static const struct {
		struct kvmi_vm_control_events req;
		int err;
	} cases[] = {
		{{.event_id = KVMI_EVENT_UNHOOK, .enable = 1}, 0},
		{{.event_id = KVMI_EVENT_UNHOOK, .enable = 1}, 0},
		{{.event_id = KVMI_EVENT_UNHOOK, .enable = 0}, 0},
		{{.event_id = KVMI_EVENT_UNHOOK, .enable = 0}, 0},
		{{.event_id = KVMI_EVENT_PAUSE_VCPU, .enable = 1}, KVM_EINVAL},
		{{.event_id = KVMI_EVENT_HYPERCALL, .enable = 1}, KVM_EINVAL},
		{{.event_id = KVMI_EVENT_BREAKPOINT, .enable = 1}, KVM_EINVAL},
		{{.event_id = KVMI_NUM_EVENTS, .enable = 1}, KVM_EINVAL},
		{{.event_id = 64, .enable = 1}, KVM_EINVAL},
		{{.event_id = 0xffff, .enable = 1}, KVM_EINVAL},
		{{.event_id = KVMI_EVENT_UNHOOK, .padding1 = 1}, KVM_EINVAL},
		{{.event_id = KVMI_EVENT_UNHOOK, .padding2 = 1}, KVM_EINVAL},
		{{.event_id = KVMI_EVENT_UNHOOK, .padding2 = 0x80000000}, KVM_EINVAL},
	};
	struct lab l;

	lab_open_any(&l, &hit, 1);
	lab_hook(&l);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int got = kvmi_command(l.c, KVMI_VM_CONTROL_EVENTS, &cases[i].req,
				       sizeof(cases[i].req), NULL, 0);

		if (got != cases[i].err)
			fail("case %zu, event %u: %s", i, cases[i].req.event_id,
			     kvmi_strerror(got));
	}

	check_eq(vmm_allow_event(l.vm, KVMI_EVENT_UNHOOK, false), 0);
	check_kvmi(kvmi_control_events(l.c, KVMI_EVENT_UNHOOK, true), KVM_EPERM);
	check_kvmi(kvmi_control_events(l.c, KVMI_EVENT_UNHOOK, false), KVM_EPERM);
	/* What is no VM event is so whether or not it is allowed. */
	check_eq(vmm_allow_event(l.vm, KVMI_EVENT_BREAKPOINT, false), 0);
	check_kvmi(kvmi_control_events(l.c, KVMI_EVENT_BREAKPOINT, true), KVM_EINVAL);
	check_eq(vmm_allow_event(l.vm, KVMI_EVENT_UNHOOK, true), 0);
	check_kvmi(kvmi_control_events(l.c, KVMI_EVENT_UNHOOK, true), 0);
	lab_no_event(l.c);
}

/* Anything but 0 is on. */
static void test_enable_values(void)
{
	struct {
		struct kvmi_vcpu_hdr hdr;
		struct kvmi_vcpu_control_events cmd;
	} bp = {.cmd.event_id = KVMI_EVENT_BREAKPOINT};
	struct kvmi_vm_control_events req = {.event_id = KVMI_EVENT_UNHOOK};
	static const uint8_t values[] = {1, 0, 2, 0, 0x80, 0, 255};
	struct kvmi_event_msg ev;
	struct runner r = {0};
	struct lab l;

	lab_start(&l, &hit);
	l.v->config->count = 1ULL << 40;
	check_eq(vmm_set_handler(l.vm, 3, vmm_label(&hit, guest_hit_handler)), 0);
	runner_start(&r, l.v);
	for (size_t i = 0; i < sizeof(values); i++) {
		req.enable = values[i];
		check_kvmi(kvmi_command(l.c, KVMI_VM_CONTROL_EVENTS, &req, sizeof(req), NULL, 0),
			   0);
		check_eq(vmm_preunhook(l.vm), values[i] ? 0 : -ENOENT);
		if (values[i])
			lab_expect_event(l.c, &ev, KVMI_EVENT_UNHOOK, 0);

		bp.cmd.enable = values[i];
		check_kvmi(kvmi_command(l.c, KVMI_VCPU_CONTROL_EVENTS, &bp, sizeof(bp), NULL, 0),
			   0);
		if (values[i]) {
			lab_expect_event(l.c, &ev, KVMI_EVENT_BREAKPOINT, 0);
			/* The last of its kind, unless it is switched on again. */
			bp.cmd.enable = 0;
			check_kvmi(kvmi_command(l.c, KVMI_VCPU_CONTROL_EVENTS, &bp, sizeof(bp),
						NULL, 0),
				   0);
			lab_skip_bp(l.c, &ev);
		}
		lab_goes_on(l.v);
		lab_no_event(l.c);
	}
	runner_stop(&r);
}

/* --- more than there is to read --- */

/* What is behind a command's structure does not count. */
static void test_long(void)
{
	static const struct {
		uint16_t id;
		int err;
	} cases[] = {
		{KVMI_GET_VERSION, 0},
		{KVMI_VM_CHECK_COMMAND, KVM_EPERM}, /* id 0 */
		{KVMI_VM_CHECK_EVENT, 0},
		{KVMI_VM_GET_INFO, 0},
		{KVMI_VM_CONTROL_EVENTS, 0},
		{KVMI_VM_READ_PHYSICAL, KVM_EINVAL}, /* size 0 */
		{KVMI_VM_WRITE_PHYSICAL, KVM_EINVAL},
		{KVMI_VCPU_GET_INFO, 0},
		{KVMI_VCPU_CONTROL_EVENTS, KVM_EINVAL}, /* UNHOOK */
		{KVMI_VCPU_GET_REGISTERS, 0},
		{KVMI_VCPU_SET_REGISTERS, KVM_EOPNOTSUPP},
		{KVMI_VCPU_GET_CPUID, 0},
		{KVMI_VCPU_PAUSE, 0},
	};
	static uint8_t payload[KVMI_MSG_SIZE];
	struct kvmi_event_msg ev;
	struct runner r = {0};
	struct lab l;

	/* Zeros as far as any of them reads. */
	memset(payload + 160, 0xff, sizeof(payload) - 160);
	lab_spin(&l, &r, 1);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int got = kvmi_command(l.c, cases[i].id, payload, sizeof(payload), NULL, 0);

		if (got != cases[i].err)
			fail("message %u: %s", cases[i].id, kvmi_strerror(got));
	}
	lab_expect_event(l.c, &ev, KVMI_EVENT_PAUSE_VCPU, 0);
	lab_continue(l.c, &ev);
	lab_goes_on(l.v);
	lab_no_event(l.c);
	runner_stop(&r);
}

/* --- VCPU_GET_INFO --- */

static void test_tsc_speed(void)
{
	struct runner r[2] = {0};
	struct kvmi_msg_hdr hdr;
	uint64_t speed[2];
	uint8_t payload[24];
	uint32_t seq;
	struct lab l;
	long khz;
	bool scales;

	lab_open_any(&l, &hit, 2);
	lab_hook(&l);
	khz = vmm_tsc_khz(l.v);
	check(khz > 0);
	scales = ioctl(vmm_fd(l.vm), KVM_CHECK_EXTENSION, KVM_CAP_TSC_CONTROL) > 0;
	if (scales)
		check_eq(ioctl(vmm_vcpu(l.vm, 1)->fd, KVM_SET_TSC_KHZ, khz / 2), 0);
	for (unsigned int i = 0; i < 2; i++)
		lab_spin_vcpu(&l, &r[i], i);
	for (unsigned int i = 0; i < 2; i++)
		check_kvmi(kvmi_vcpu_get_info(l.c, i, &speed[i]), 0);
	note("TSC scaling: %s; %llu and %llu Hz", scales ? "yes" : "no",
	     (unsigned long long)speed[0], (unsigned long long)speed[1]);
	check_eq(speed[0], scales ? 1000 * khz : 0);
	check_eq(speed[1], scales ? 1000 * (khz / 2) : 0);

	check_kvmi(kvmi_vcpu_command_send(l.c, KVMI_VCPU_GET_INFO, 0, NULL, 0, &seq), 0);
	check_kvmi(kvmi_recv_msg(l.c, &hdr, payload, sizeof(payload)), 0);
	check_eq(hdr.size, 16);
	check_kvmi(kvmi_vcpu_get_info(l.c, 2, &speed[0]), KVM_EINVAL);
	for (unsigned int i = 0; i < 2; i++)
		runner_stop(&r[i]);
}

/* --- VCPU_GET_CPUID --- */

#define MAX_ENTRIES 256
/* Leaves that no CPU has: plain, and with subleaves. */
#define OWN_LEAF     0x4b560000
#define OWN_SUBLEAF  0x4b560001
#define OWN_SUBINDEX 7

static struct kvm_cpuid2 *cpuid_table(void)
{
	struct kvm_cpuid2 *t = calloc(1, sizeof(*t) + MAX_ENTRIES * sizeof(t->entries[0]));

	check(t != NULL);
	return t;
}

/* As KVM has it; older kernels fill in the entries and leave their number alone. */
static void get_cpuid(int fd, struct kvm_cpuid2 *t)
{
	t->nent = MAX_ENTRIES;
	if (ioctl(fd, KVM_GET_CPUID2, t))
		fail("KVM_GET_CPUID2: %s", strerror(errno));
	while (t->nent > 1 && !t->entries[t->nent - 1].function)
		t->nent--;
}

/* The VMM gives the vCPU two leaves of its own; the table is as KVM has it then. */
static struct kvm_cpuid2 *set_up_cpuid(int fd, uint32_t eax)
{
	struct kvm_cpuid2 *t = cpuid_table();

	get_cpuid(fd, t);
	check(t->nent + 2 <= MAX_ENTRIES);
	t->entries[t->nent++] = (struct kvm_cpuid_entry2){
		.function = OWN_LEAF,
		.eax = eax,
		.ebx = 0xb0000001,
		.ecx = 0xc0000001,
		.edx = 0xd0000001,
	};
	t->entries[t->nent++] = (struct kvm_cpuid_entry2){
		.function = OWN_SUBLEAF,
		.index = OWN_SUBINDEX,
		.flags = KVM_CPUID_FLAG_SIGNIFCANT_INDEX,
		.eax = eax + 1,
		.ebx = 0xb0000002,
		.ecx = 0xc0000002,
		.edx = 0xd0000002,
	};
	if (ioctl(fd, KVM_SET_CPUID2, t))
		fail("KVM_SET_CPUID2: %s", strerror(errno));
	get_cpuid(fd, t);
	return t;
}

static void check_entry(struct kvmi_client *c, uint16_t vcpu, const struct kvm_cpuid_entry2 *e,
			uint32_t index)
{
	struct kvmi_vcpu_get_cpuid_reply got;
	int ret = kvmi_vcpu_get_cpuid(c, vcpu, e->function, index, &got);

	if (ret)
		fail("CPUID %#x/%#x: %s", e->function, index, kvmi_strerror(ret));
	if (got.eax != e->eax || got.ebx != e->ebx || got.ecx != e->ecx || got.edx != e->edx)
		fail("CPUID %#x/%#x: %#x %#x %#x %#x, not %#x %#x %#x %#x", e->function, index,
		     got.eax, got.ebx, got.ecx, got.edx, e->eax, e->ebx, e->ecx, e->edx);
}

static void test_cpuid(void)
{
	struct kvmi_vcpu_get_cpuid_reply got;
	const struct kvm_cpuid2 *t[2];
	struct runner r[2] = {0};
	struct lab l;

	lab_open_any(&l, &hit, 2);
	lab_hook(&l);
	for (unsigned int i = 0; i < 2; i++)
		t[i] = set_up_cpuid(vmm_vcpu(l.vm, i)->fd, 0xa0000001 + 0x100 * i);
	for (unsigned int i = 0; i < 2; i++)
		lab_spin_vcpu(&l, &r[i], i);
	for (unsigned int i = 0; i < 2; i++) {
		note("%u entries", t[i]->nent);
		for (unsigned int j = 0; j < t[i]->nent; j++) {
			const struct kvm_cpuid_entry2 *e = &t[i]->entries[j];

			check_entry(l.c, i, e, e->index);
			/* Where subleaves make no difference any will do. */
			if (!(e->flags & KVM_CPUID_FLAG_SIGNIFCANT_INDEX))
				check_entry(l.c, i, e, 5);
		}
	}
	check_kvmi(kvmi_vcpu_get_cpuid(l.c, 0, OWN_SUBLEAF, 0, &got), KVM_ENOENT);
	check_kvmi(kvmi_vcpu_get_cpuid(l.c, 0, OWN_SUBLEAF, OWN_SUBINDEX + 1, &got), KVM_ENOENT);
	check_kvmi(kvmi_vcpu_get_cpuid(l.c, 0, OWN_SUBLEAF + 1, 0, &got), KVM_ENOENT);
	check_kvmi(kvmi_vcpu_get_cpuid(l.c, 0, 0xffffffff, 0xffffffff, &got), KVM_ENOENT);
	check_kvmi(kvmi_vcpu_get_cpuid(l.c, 2, 0, 0, &got), KVM_EINVAL);
	for (unsigned int i = 0; i < 2; i++)
		runner_stop(&r[i]);
}

int main(void)
{
	const struct tap_test tests[] = {
		{"VM_GET_INFO: vCPUs that there are, also none, also a new one", test_get_info},
		{"VM_CONTROL_EVENTS: ids, padding, permission", test_vm_control_events},
		{"CONTROL_EVENTS: any value but 0 is on", test_enable_values},
		{"commands that are longer than they need to be", test_long},
		{"VCPU_GET_INFO: the guest's TSC speed where it can be set, else 0",
		 test_tsc_speed},
		{"VCPU_GET_CPUID: all of KVM_SET_CPUID2, and nothing else", test_cpuid},
	};

	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

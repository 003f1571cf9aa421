// SPDX-License-Identifier: BSD-2-Clause
/* The ioctls, and what the VMM lets a tool do: every command and every event by itself, and all at once. */
#include "lab.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

VMM_DECLARE_GUEST(hit);

static const struct vmm_guest hit = VMM_GUEST(hit);

/* A hooked VM whose vCPU is not running. */
static void start(struct lab *l)
{
	lab_open_any(l, &hit, 1);
	lab_hook(l);
}

/* Hooks without permissions. */
static void start_forbidden(struct lab *l)
{
	int sv[2];

	lab_open_any(l, &hit, 1);
	lab_socketpair(sv);
	if (vmm_hook_only(l->vm, sv[0]))
		fail("%s", vmm_error());
	close(sv[0]);
	check_eq(kvmi_client_new(&l->c, sv[1], TIMEOUT_MS), 0);
}

static int command(struct lab *l, uint16_t id, const void *payload, size_t size)
{
	return kvmi_command(l->c, id, payload, size, NULL, 0);
}

/* --- ioctls --- */

static int hook(struct vmm *vm, const void *arg)
{
	return ioctl(vmm_fd(vm), KVM_INTROSPECTION_HOOK, arg) ? errno : 0;
}

static int feature(struct vmm *vm, unsigned long request, const void *arg)
{
	return ioctl(vmm_fd(vm), request, arg) ? errno : 0;
}

static void test_module_parameter(void)
{
	struct kvm_introspection_hook h = {0};
	struct lab l;
	int sv[2], err;

	lab_open_any(&l, &hit, 1);
	lab_socketpair(sv);
	h.fd = sv[0];
	lab_set_parameter(false);
	err = hook(l.vm, &h);
	/* The capability does not depend on it. */
	check(vmm_introspection_version(l.vm) == KVMI_VERSION);
	lab_set_parameter(true);
	check_eq(err, EPERM);
	check_eq(hook(l.vm, &h), 0);
}

/* What a VM needs for introspection it has from the start, whether or not that was on then. */
static void test_parameter_late(void)
{
	struct runner r[2] = {0};
	struct kvmi_event_msg ev;
	struct lab l, never;

	lab_set_parameter(false);
	lab_open_any(&never, &hit, 1);
	check_eq(vmm_unhook(never.vm), 0);
	lab_open_any(&l, &hit, 2);
	lab_set_parameter(true);

	lab_hook(&l);
	for (unsigned int i = 0; i < 2; i++)
		lab_spin_vcpu(&l, &r[i], i);
	for (unsigned int i = 0; i < 2; i++) {
		check_kvmi(kvmi_vcpu_get_registers(l.c, i, NULL, NULL, NULL, NULL, 0), 0);
		check_kvmi(kvmi_vcpu_pause(l.c, i, true), 0);
		lab_expect_event(l.c, &ev, KVMI_EVENT_PAUSE_VCPU, i);
		lab_continue(l.c, &ev);
		lab_goes_on(vmm_vcpu(l.vm, i));
	}
	/* And off again: what is hooked stays so. */
	lab_set_parameter(false);
	check_kvmi(kvmi_vcpu_get_registers(l.c, 0, NULL, NULL, NULL, NULL, 0), 0);
	check_eq(vmm_unhook(l.vm), 0);
	for (unsigned int i = 0; i < 2; i++)
		runner_stop(&r[i]);
	vmm_destroy(l.vm);
	vmm_destroy(never.vm);
	lab_set_parameter(true);
}

static void test_hook_errors(void)
{
	struct kvm_introspection_hook h = {0};
	struct lab l;
	int sv[2], p[2];

	lab_open_any(&l, &hit, 1);
	lab_socketpair(sv);
	check_eq(pipe(p), 0);

	check_eq(hook(l.vm, NULL), EFAULT);
	check_eq(hook(l.vm, (void *)-1L), EFAULT);
	h.fd = sv[0];
	h.padding = 1;
	check_eq(hook(l.vm, &h), EINVAL);
	h.padding = 0;
	h.fd = p[0];
	check_eq(hook(l.vm, &h), EINVAL);
	h.fd = -1;
	check_eq(hook(l.vm, &h), EINVAL);
	h.fd = 1000;
	check_eq(hook(l.vm, &h), EINVAL);

	h.fd = sv[0];
	check_eq(hook(l.vm, &h), 0);
	check_eq(hook(l.vm, &h), EEXIST);
	/* The tool is gone: still hooked, until the VMM says so. */
	close(sv[1]);
	usleep(20000);
	check_eq(hook(l.vm, &h), EEXIST);
	check_eq(vmm_unhook(l.vm), 0);
	lab_hook(&l);
	lab_no_event(l.c);
}

static void test_unhook_not_hooked(void)
{
	struct kvm_introspection_feature f = {.allow = 1, .id = -1};
	struct lab l;

	lab_open_any(&l, &hit, 1);
	check_eq(vmm_unhook(l.vm), 0);
	check_eq(feature(l.vm, KVM_INTROSPECTION_COMMAND, &f), EFAULT);
	check_eq(feature(l.vm, KVM_INTROSPECTION_EVENT, &f), EFAULT);
	lab_hook(&l);
	check_eq(vmm_unhook(l.vm), 0);
	check_eq(vmm_unhook(l.vm), 0);
	check_eq(feature(l.vm, KVM_INTROSPECTION_COMMAND, &f), EFAULT);
	lab_expect_close(l.c);
}

static void test_permission_ioctls(void)
{
	static const struct {
		unsigned long request;
		struct kvm_introspection_feature f;
		int err;
	} cases[] = {
		{KVM_INTROSPECTION_COMMAND, {1, KVMI_VCPU_GET_REGISTERS}, 0},
		{KVM_INTROSPECTION_COMMAND, {0, KVMI_VCPU_GET_REGISTERS}, 0},
		{KVM_INTROSPECTION_COMMAND, {2, KVMI_VCPU_GET_REGISTERS}, EINVAL},
		{KVM_INTROSPECTION_COMMAND, {1, -2}, EINVAL},
		{KVM_INTROSPECTION_COMMAND, {1, KVMI_EVENT_REPLY}, EINVAL},
		{KVM_INTROSPECTION_COMMAND, {1, KVMI_EVENT}, EINVAL},
		{KVM_INTROSPECTION_COMMAND, {1, KVMI_NUM_MESSAGES}, EINVAL},
		{KVM_INTROSPECTION_COMMAND, {1, 64}, EINVAL},
		{KVM_INTROSPECTION_COMMAND, {1, 0x7fffffff}, EINVAL},
		{KVM_INTROSPECTION_COMMAND, {1, -0x7fffffff - 1}, EINVAL},
		{KVM_INTROSPECTION_COMMAND, {0, KVMI_GET_VERSION}, EPERM},
		{KVM_INTROSPECTION_COMMAND, {0, KVMI_VM_CHECK_COMMAND}, EPERM},
		{KVM_INTROSPECTION_COMMAND, {0, KVMI_VM_CHECK_EVENT}, EPERM},
		{KVM_INTROSPECTION_COMMAND, {1, KVMI_VM_CHECK_EVENT}, 0},
		{KVM_INTROSPECTION_COMMAND, {1, -1}, 0},
		{KVM_INTROSPECTION_EVENT, {1, KVMI_EVENT_UNHOOK}, 0},
		{KVM_INTROSPECTION_EVENT, {0, KVMI_EVENT_PAUSE_VCPU}, 0},
		{KVM_INTROSPECTION_EVENT, {0, KVMI_EVENT_HYPERCALL}, 0},
		{KVM_INTROSPECTION_EVENT, {1, KVMI_EVENT_BREAKPOINT}, 0},
		{KVM_INTROSPECTION_EVENT, {0, KVMI_EVENT_BREAKPOINT}, 0},
		{KVM_INTROSPECTION_EVENT, {2, KVMI_EVENT_BREAKPOINT}, EINVAL},
		{KVM_INTROSPECTION_EVENT, {1, -2}, EINVAL},
		{KVM_INTROSPECTION_EVENT, {1, KVMI_NUM_EVENTS}, EINVAL},
		{KVM_INTROSPECTION_EVENT, {1, 64}, EINVAL},
		{KVM_INTROSPECTION_EVENT, {1, -1}, 0},
	};
	struct lab l;

	start(&l);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int err = feature(l.vm, cases[i].request, &cases[i].f);

		if (err != cases[i].err)
			fail("%s allow %u id %d: errno %d (%s), not %d",
			     cases[i].request == KVM_INTROSPECTION_EVENT ? "EVENT" : "COMMAND",
			     cases[i].f.allow, cases[i].f.id, err, strerror(err), cases[i].err);
	}
	check_eq(feature(l.vm, KVM_INTROSPECTION_COMMAND, NULL), EFAULT);
	check_eq(feature(l.vm, KVM_INTROSPECTION_EVENT, NULL), EFAULT);
}

/* --- permissions on the wire --- */

static void test_default_permissions(void)
{
	static const uint16_t masked[] = {KVMI_VM_GET_INFO,	    KVMI_VM_CONTROL_EVENTS,
					  KVMI_VM_READ_PHYSICAL,    KVMI_VM_WRITE_PHYSICAL,
					  KVMI_VCPU_GET_INFO,	    KVMI_VCPU_PAUSE,
					  KVMI_VCPU_CONTROL_EVENTS, KVMI_VCPU_GET_REGISTERS,
					  KVMI_VCPU_SET_REGISTERS,  KVMI_VCPU_GET_CPUID};
	static const uint16_t always[] = {KVMI_GET_VERSION, KVMI_VM_CHECK_COMMAND,
					  KVMI_VM_CHECK_EVENT};
	uint8_t payload[160] = {0};
	struct lab l;

	start_forbidden(&l);

	for (int round = 0; round < 2; round++) {
		for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
			check_kvmi(kvmi_check_command(l.c, always[i]), 0);
		for (size_t i = 0; i < sizeof(masked) / sizeof(masked[0]); i++) {
			check_kvmi(kvmi_check_command(l.c, masked[i]), KVM_EPERM);
			/* Not even what is malformed gets another answer, and no vCPU is needed for it. */
			check_kvmi(command(&l, masked[i], payload, sizeof(payload)), KVM_EPERM);
			check_kvmi(command(&l, masked[i], NULL, 0), KVM_EPERM);
		}
		for (uint16_t id = 0; id < KVMI_NUM_EVENTS; id++)
			check_kvmi(kvmi_check_event(l.c, id), KVM_EPERM);
		/* All allowed, all taken back: as in the beginning. */
		check_eq(vmm_allow_command(l.vm, -1, true), 0);
		check_eq(vmm_allow_event(l.vm, -1, true), 0);
		for (size_t i = 0; i < sizeof(masked) / sizeof(masked[0]); i++)
			check_kvmi(kvmi_check_command(l.c, masked[i]), 0);
		for (uint16_t id = 0; id < KVMI_NUM_EVENTS; id++)
			check_kvmi(kvmi_check_event(l.c, id), 0);
		check_eq(vmm_allow_command(l.vm, -1, false), 0);
		check_eq(vmm_allow_event(l.vm, -1, false), 0);
	}
}

static void test_event_permission(void)
{
	struct runner r = {0};
	struct lab l;

	lab_spin(&l, &r, 1);
	check_kvmi(kvmi_vcpu_control_events(l.c, 0, KVMI_EVENT_BREAKPOINT, true), 0);
	check_eq(vmm_allow_event(l.vm, KVMI_EVENT_BREAKPOINT, false), 0);
	check_kvmi(kvmi_vcpu_control_events(l.c, 0, KVMI_EVENT_BREAKPOINT, true), KVM_EPERM);
	check_kvmi(kvmi_vcpu_control_events(l.c, 0, KVMI_EVENT_BREAKPOINT, false), KVM_EPERM);
	check_eq(vmm_allow_event(l.vm, KVMI_EVENT_BREAKPOINT, true), 0);
	check_kvmi(kvmi_vcpu_control_events(l.c, 0, KVMI_EVENT_BREAKPOINT, false), 0);
	runner_stop(&r);
}

/* One command at a time: it and none of the others, by VM_CHECK_COMMAND and by what is done about it. */
static void test_one_command(void)
{
	struct lab l;

	start_forbidden(&l);
	for (uint16_t allowed = KVMI_VM_GET_INFO; allowed < KVMI_NUM_MESSAGES; allowed++) {
		check_eq(vmm_allow_command(l.vm, allowed, true), 0);
		for (uint16_t id = 0; id < KVMI_NUM_MESSAGES; id++) {
			bool may = id == allowed ||
				   (id >= KVMI_GET_VERSION && id <= KVMI_VM_CHECK_EVENT);
			int got = kvmi_check_command(l.c, id);

			if (got != (may ? 0 : KVM_EPERM))
				fail("command %u allowed: VM_CHECK_COMMAND of %u: %s", allowed, id,
				     kvmi_strerror(got));
			/* Without payload none but GET_INFO makes sense: EINVAL is for those that may. */
			if (id < KVMI_VM_GET_INFO)
				continue;
			got = command(&l, id, NULL, 0);
			if (got != (!may ? KVM_EPERM : id == KVMI_VM_GET_INFO ? 0 : KVM_EINVAL))
				fail("command %u allowed: command %u: %s", allowed, id,
				     kvmi_strerror(got));
		}
		check_eq(vmm_allow_command(l.vm, allowed, false), 0);
	}
	lab_no_event(l.c);
}

static void test_one_event(void)
{
	struct lab l;

	start_forbidden(&l);
	for (uint16_t allowed = 0; allowed < KVMI_NUM_EVENTS; allowed++) {
		check_eq(vmm_allow_event(l.vm, allowed, true), 0);
		for (uint16_t id = 0; id < KVMI_NUM_EVENTS; id++) {
			int got = kvmi_check_event(l.c, id);

			if (got != (id == allowed ? 0 : KVM_EPERM))
				fail("event %u allowed: VM_CHECK_EVENT of %u: %s", allowed, id,
				     kvmi_strerror(got));
		}
		check_eq(vmm_allow_event(l.vm, allowed, false), 0);
	}
}

int main(void)
{
	const struct tap_test tests[] = {
		{"HOOK with kvm.introspection=0: EPERM", test_module_parameter},
		{"kvm.introspection=1 after the VM was created: it can be hooked",
		 test_parameter_late},
		{"HOOK: EFAULT, EINVAL, EEXIST", test_hook_errors},
		{"UNHOOK of a VM that is not hooked: 0; permissions: EFAULT",
		 test_unhook_not_hooked},
		{"COMMAND and EVENT: ids, values, what cannot be disallowed",
		 test_permission_ioctls},
		{"permissions begin with nothing, and -1 gives and takes all",
		 test_default_permissions},
		{"each command is allowed by itself", test_one_command},
		{"each event is allowed by itself", test_one_event},
		{"VCPU_CONTROL_EVENTS of a disallowed event: EPERM", test_event_permission},
	};

	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

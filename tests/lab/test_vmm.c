// SPDX-License-Identifier: BSD-2-Clause
/* Tests of the VMM that benchmark and kernel tests rest on. They need KVM: they run in the lab. */
#include "../../bench/vmm/vmm.h"

#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define TIMEOUT_MS 10000

VMM_DECLARE_GUEST(count);
VMM_DECLARE_GUEST(bp);
VMM_DECLARE_GUEST(undefined);
VMM_DECLARE_GUEST(page_fault);
VMM_DECLARE_GUEST(own_handler);
VMM_DECLARE_GUEST(triple_fault);
VMM_DECLARE_GUEST(spin);
extern const char guest_bp_after[], guest_undefined_ud2[], guest_page_fault_read[],
	guest_own_handler[];

static struct vmm *vm;
static struct vmm_vcpu *v;

static void start(const struct vmm_guest *g, unsigned int nr_vcpus)
{
	int ret = vmm_create(&vm, VMM_MEM_DEFAULT, nr_vcpus);

	if (ret)
		fail_msg("vmm_create: %d: %s", ret, vmm_error());
	assert_int_equal(vmm_load(vm, g), 0);
	v = vmm_vcpu(vm, 0);
}

static int teardown(void **state)
{
	(void)state;
	vmm_destroy(vm);
	vm = NULL;
	return 0;
}

static void run_ok(struct vmm_vcpu *vcpu, const struct vmm_ops *ops, void *ctx)
{
	int ret = vmm_run(vcpu, ops, ctx, TIMEOUT_MS);

	if (ret)
		fail_msg("vmm_run: %d: %s", ret, vmm_error());
}

static void test_rounds(void **state)
{
	(void)state;
	start(&VMM_GUEST(count), 1);
	for (unsigned int i = 1; i <= 3; i++) {
		run_ok(v, NULL, NULL);
		assert_int_equal(v->config->hits, i);
	}
	assert_int_equal(v->index, 0);
	assert_null(vmm_vcpu(vm, 1));
}

static void test_vcpus_are_apart(void **state)
{
	(void)state;
	start(&VMM_GUEST(count), 3);
	run_ok(vmm_vcpu(vm, 2), NULL, NULL);
	run_ok(vmm_vcpu(vm, 2), NULL, NULL);
	run_ok(vmm_vcpu(vm, 1), NULL, NULL);
	assert_int_equal(vmm_vcpu(vm, 0)->config->hits, 0);
	assert_int_equal(vmm_vcpu(vm, 1)->config->hits, 1);
	assert_int_equal(vmm_vcpu(vm, 2)->config->hits, 2);
}

/* Nobody intercepts #BP: the guest's own handler gets it, with RIP behind the int3. */
static void test_guest_handles_bp(void **state)
{
	const struct vmm_guest g = VMM_GUEST(bp);

	(void)state;
	start(&g, 1);
	v->config->bp_mode = GUEST_BP_COUNT;
	run_ok(v, NULL, NULL);
	assert_int_equal(v->config->hits, 1);
	assert_int_equal(v->config->bp_count, 2);
	assert_int_equal(v->config->bp_rip, vmm_label(&g, guest_bp_after) + 1);
	assert_int_equal(v->config->arg[0], GUEST_CODE);
}

/* The same as a trap: reported, and gone on with. */
static int count_trap(struct vmm_vcpu *vcpu, void *ctx)
{
	(*(int *)ctx)++;
	assert_int_equal(vcpu->config->trap_vector, 3);
	return 0;
}

static void test_bp_trap(void **state)
{
	const struct vmm_ops ops = {.trap = count_trap};
	const struct vmm_guest g = VMM_GUEST(bp);
	int traps = 0;

	(void)state;
	start(&g, 1);
	run_ok(v, &ops, &traps);
	assert_int_equal(traps, 2);
	assert_int_equal(v->config->hits, 1);
	assert_int_equal(v->config->bp_count, 0);

	/* Without a callback it is an error that names vector and place. */
	assert_int_equal(vmm_run(v, NULL, NULL, TIMEOUT_MS), -EFAULT);
	assert_non_null(strstr(vmm_error(), "exception 3"));
}

static int count_debug(struct vmm_vcpu *vcpu, void *ctx)
{
	uint64_t *pc = ctx;

	assert_int_equal(vcpu->run->debug.arch.exception, 3);
	pc[++pc[0]] = vcpu->run->debug.arch.pc;
	vcpu->run->s.regs.regs.rip++;
	vcpu->run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
	return 0;
}

static void test_debug_exit_at_alias(void **state)
{
	const struct vmm_ops ops = {.debug = count_debug};
	const struct vmm_guest g = VMM_GUEST(bp);
	uint64_t after = vmm_label(&g, guest_bp_after) + GUEST_ALIAS;
	uint64_t pc[8] = {0};

	(void)state;
	start(&g, 1);
	assert_int_equal(vmm_vcpu_start(v, GUEST_ALIAS + GUEST_CODE), 0);
	assert_int_equal(vmm_guest_debug(v, KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP), 0);
	run_ok(v, &ops, pc);
	assert_int_equal(pc[0], 2);
	assert_int_equal(pc[1], after - 1);
	assert_int_equal(pc[2], after);
	assert_int_equal(v->config->arg[0], GUEST_ALIAS + GUEST_CODE);

	/* Switched off, the guest has them again. */
	assert_int_equal(vmm_guest_debug(v, 0), 0);
	v->config->bp_mode = GUEST_BP_COUNT;
	run_ok(v, NULL, NULL);
	assert_int_equal(v->config->bp_count, 2);
	assert_int_equal(pc[0], 2);
}

static int skip_ud2(struct vmm_vcpu *vcpu, void *ctx)
{
	(void)ctx;
	(void)vcpu;
	return 77;
}

static void test_undefined(void **state)
{
	const struct vmm_ops ops = {.trap = skip_ud2};
	const struct vmm_guest g = VMM_GUEST(undefined);
	uint64_t frame_rip;

	(void)state;
	start(&g, 1);
	assert_int_equal(vmm_run(v, &ops, NULL, TIMEOUT_MS), 77);
	assert_int_equal(v->config->trap_vector, 6);
	assert_int_equal(v->config->trap_error, 0);
	assert_int_equal(v->config->trap_rip, vmm_label(&g, guest_undefined_ud2));

	/* Move the frame's RIP on: SS, RSP, RFLAGS, CS, RIP lie below the stack's end. */
	frame_rip = *(uint64_t *)vmm_mem(vm, GUEST_STACK + 4096 - 5 * 8, 8);
	assert_int_equal(frame_rip, vmm_label(&g, guest_undefined_ud2));
	*(uint64_t *)vmm_mem(vm, GUEST_STACK + 4096 - 5 * 8, 8) += 2;
	run_ok(v, NULL, NULL);
	assert_int_equal(v->config->arg[0], 0x1234);
}

static void test_page_fault(void **state)
{
	const struct vmm_guest g = VMM_GUEST(page_fault);

	(void)state;
	start(&g, 1);
	assert_int_equal(vmm_run(v, NULL, NULL, TIMEOUT_MS), -EFAULT);
	assert_int_equal(v->config->trap_vector, 14);
	assert_int_equal(v->config->trap_error, 0);
	assert_int_equal(v->config->trap_rip, vmm_label(&g, guest_page_fault_read));
	assert_true(v->config->trap_cr2 == 0x123456789000);
}

static int take_out(struct vmm_vcpu *vcpu, uint16_t port, uint32_t value, void *ctx)
{
	(void)vcpu;
	assert_int_equal(port, GUEST_PORT_USER + 1);
	*(uint32_t *)ctx = value;
	return 0;
}

static void test_own_handler(void **state)
{
	const struct vmm_ops ops = {.out = take_out};
	const struct vmm_guest g = VMM_GUEST(own_handler);
	uint32_t value = 0;

	(void)state;
	start(&g, 1);
	assert_int_equal(vmm_set_handler(vm, 6, vmm_label(&g, guest_own_handler)), 0);
	assert_int_equal(vmm_set_handler(vm, 32, 0), -EINVAL);
	run_ok(v, &ops, &value);
	assert_int_equal(value, 0xabcd);
}

/* Bochs as an AMD machine panics at a guest's triple fault instead of leaving the guest. */
static bool bochs_svm(void)
{
	char line[4096] = "";
	FILE *f = fopen("/proc/cmdline", "r");

	if (f) {
		if (!fgets(line, sizeof(line), f))
			line[0] = '\0';
		fclose(f);
	}
	return strstr(line, "kvmi_lab=bochs") && strstr(line, "kvmi_machine=svm");
}

static void test_triple_fault(void **state)
{
	(void)state;
	if (bochs_svm())
		skip();
	start(&VMM_GUEST(triple_fault), 1);
	assert_int_equal(vmm_run(v, NULL, NULL, TIMEOUT_MS), -ESHUTDOWN);
}

static void test_timeout(void **state)
{
	(void)state;
	start(&VMM_GUEST(spin), 1);
	assert_int_equal(vmm_run(v, NULL, NULL, 20), -ETIMEDOUT);
	assert_true(v->config->hits > 0);
	assert_int_equal(vmm_run(v, NULL, NULL, 20), -ETIMEDOUT);
	assert_int_equal(vmm_run(v, NULL, NULL, 0), -EINVAL);
	/* It can be started afresh. */
	assert_int_equal(vmm_load(vm, &VMM_GUEST(count)), 0);
	v->config->hits = 0;
	run_ok(v, NULL, NULL);
	assert_int_equal(v->config->hits, 1);
}

static void *run_thread(void *arg)
{
	return (void *)(intptr_t)vmm_run(arg, NULL, NULL, TIMEOUT_MS);
}

static void test_kick(void **state)
{
	pthread_t thread;
	void *ret;

	(void)state;
	start(&VMM_GUEST(spin), 1);
	assert_int_equal(pthread_create(&thread, NULL, run_thread, v), 0);
	while (!v->config->hits)
		usleep(1000);
	vmm_kick(v);
	pthread_join(thread, &ret);
	assert_int_equal((intptr_t)ret, -EINTR);

	/* Not running: the next time; and only that. */
	vmm_kick(v);
	assert_int_equal(vmm_run(v, NULL, NULL, TIMEOUT_MS), -EINTR);
	assert_int_equal(vmm_run(v, NULL, NULL, 20), -ETIMEDOUT);
}

static void test_registers(void **state)
{
	struct kvm_regs regs;
	struct kvm_sregs sregs;

	(void)state;
	start(&VMM_GUEST(count), 2);
	v = vmm_vcpu(vm, 1);
	assert_int_equal(vmm_get_sregs(v, &sregs), 0);
	assert_int_equal(sregs.gs.base, GUEST_CONFIG + 4096);
	assert_int_equal(sregs.cs.l, 1);
	run_ok(v, NULL, NULL);
	/* A change of the shared page that was not written back must not undo this one. */
	v->run->s.regs.regs.rbx = 1;
	v->run->kvm_dirty_regs = KVM_SYNC_X86_REGS;
	assert_int_equal(vmm_get_regs(v, &regs), 0);
	regs.rbx = 2;
	assert_int_equal(vmm_set_regs(v, &regs), 0);
	run_ok(v, NULL, NULL);
	assert_int_equal(v->run->s.regs.regs.rbx, 2);
	assert_true(vmm_tsc_khz(v) > 0);
}

static void test_bad_arguments(void **state)
{
	(void)state;
	assert_int_equal(vmm_create(&vm, VMM_MEM_DEFAULT, 0), -EINVAL);
	assert_int_equal(vmm_create(&vm, VMM_MEM_DEFAULT, GUEST_MAX_VCPUS + 1), -EINVAL);
	assert_int_equal(vmm_create(&vm, GUEST_LOG, 1), -EINVAL);
	assert_null(vm);
	start(&VMM_GUEST(count), GUEST_MAX_VCPUS);
	assert_non_null(vmm_mem(vm, VMM_MEM_DEFAULT - 1, 1));
	assert_null(vmm_mem(vm, VMM_MEM_DEFAULT - 1, 2));
	assert_null(vmm_mem(vm, ~0ULL, 2));
}

#define TEST(name) cmocka_unit_test_teardown(name, teardown)

/* An argument selects tests by pattern. */
int main(int argc, char **argv)
{
	const struct CMUnitTest tests[] = {
		TEST(test_rounds),
		TEST(test_vcpus_are_apart),
		TEST(test_guest_handles_bp),
		TEST(test_bp_trap),
		TEST(test_debug_exit_at_alias),
		TEST(test_undefined),
		TEST(test_page_fault),
		TEST(test_own_handler),
		TEST(test_triple_fault),
		TEST(test_timeout),
		TEST(test_kick),
		TEST(test_registers),
		TEST(test_bad_arguments),
	};

	if (argc > 1)
		cmocka_set_test_filter(argv[1]);
	return cmocka_run_group_tests(tests, NULL, NULL);
}

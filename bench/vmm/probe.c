// SPDX-License-Identifier: BSD-2-Clause
/* Finds out, by running one int3 guest, whether #BP exits arrive on this machine. */
#include "vmm_priv.h"

#include <errno.h>
#include <stdio.h>

VMM_DECLARE_GUEST(int3_probe);
extern const char guest_int3_probe_bp[];

/* What came of the int3: a positive return of vmm_run() each. */
enum { INT3_TO_HOST = 1, INT3_TO_GUEST, INT3_LOST, INT3_ERROR };

static int probe_debug(struct vmm_vcpu *v, void *ctx)
{
	const uint64_t *bp = ctx;

	if (v->run->debug.arch.exception != 3 || v->run->debug.arch.pc != *bp)
		return vmm_set_error(-EIO, "exception %u at %#llx instead of 3 at %#llx",
				     v->run->debug.arch.exception,
				     (unsigned long long)v->run->debug.arch.pc,
				     (unsigned long long)*bp);
	return INT3_TO_HOST;
}

static int probe_trap(struct vmm_vcpu *v, void *ctx)
{
	(void)ctx;
	if (v->config->trap_vector != 3)
		return vmm_set_error(-EIO, "the guest took exception %llu",
				     (unsigned long long)v->config->trap_vector);
	return INT3_TO_GUEST;
}

static int probe_exit(struct vmm_vcpu *v, void *ctx)
{
	(void)ctx;
	if (v->run->exit_reason == KVM_EXIT_SHUTDOWN)
		return INT3_LOST;
	if (v->run->exit_reason == KVM_EXIT_INTERNAL_ERROR)
		return INT3_ERROR;
	return vmm_set_error(-EIO, "unexpected exit reason %u", v->run->exit_reason);
}

static int probe_run(void)
{
	const struct vmm_ops ops = {.debug = probe_debug, .trap = probe_trap, .exit = probe_exit};
	const struct vmm_guest g = VMM_GUEST(int3_probe);
	uint64_t bp = vmm_label(&g, guest_int3_probe_bp);
	struct vmm *vm;
	int ret = vmm_create(&vm, VMM_MEM_DEFAULT, 1);

	if (ret)
		return ret;
	ret = vmm_load(vm, &g);
	if (!ret)
		ret = vmm_guest_debug(vmm_vcpu(vm, 0),
				      KVM_GUESTDBG_ENABLE | KVM_GUESTDBG_USE_SW_BP);
	if (!ret)
		ret = vmm_run(vmm_vcpu(vm, 0), &ops, &bp, 10000);
	vmm_destroy(vm);
	return ret;
}

enum vmm_probe vmm_probe_int3(const char **why)
{
	static _Thread_local char text[VMM_ERROR_MAX];
	int ret = probe_run();

	*why = text;
	switch (ret) {
	case INT3_TO_HOST:
		*why = "an int3 in a guest arrives at the host";
		return VMM_PROBE_OK;
	case INT3_TO_GUEST:
		*why = "KVM runs guests here but does not intercept #BP: an int3 went to the guest's "
		       "own handler. Nested virtualisation or an emulator swallows it; use bare "
		       "metal or the lab";
		return VMM_PROBE_NO_BP;
	case INT3_LOST:
		*why = "KVM runs guests here but does not intercept #BP: an int3 shut the guest down. "
		       "Nested virtualisation or an emulator swallows it; use bare metal or the lab";
		return VMM_PROBE_NO_BP;
	case INT3_ERROR:
		*why = "KVM runs guests here but gives up at an int3 with an internal error. Its "
		       "virtualisation is incomplete, as under some nested hypervisors; use bare "
		       "metal or the lab";
		return VMM_PROBE_NO_BP;
	case 0:
		*why = "KVM runs guests here but does not intercept #BP: an int3 was skipped. Nested "
		       "virtualisation or an emulator swallows it; use bare metal or the lab";
		return VMM_PROBE_NO_BP;
	case -ENOENT:
	case -EACCES:
		snprintf(text, sizeof(text), "%s", vmm_error());
		return VMM_PROBE_NO_KVM;
	default:
		snprintf(text, sizeof(text), "the int3 guest did not run: %s", vmm_error());
		return VMM_PROBE_FAILED;
	}
}

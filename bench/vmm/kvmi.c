// SPDX-License-Identifier: BSD-2-Clause
/* The VMM's side of introspection: hooking a VM and saying what is allowed. */
#include "vmm_priv.h"

#include <errno.h>
#include <sys/ioctl.h>

int vmm_introspection_version(const struct vmm *vm)
{
	int ret = ioctl(vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_INTROSPECTION);

	return ret > 0 ? ret : 0;
}

int vmm_hook_only(struct vmm *vm, int sock)
{
	struct kvm_introspection_hook hook = {.fd = sock, .uuid = "kvmi-lat"};

	if (ioctl(vm->fd, KVM_INTROSPECTION_HOOK, &hook)) {
		switch (errno) {
		case EPERM:
			return vmm_set_error(-EPERM,
					     "introspection is switched off: write 1 to "
					     "/sys/module/kvm/parameters/introspection, or boot "
					     "with kvm.introspection=1");
		case ENOTTY:
		case EINVAL:
			if (!vmm_introspection_version(vm))
				return vmm_set_error(-ENOTTY,
						     "this kernel has no KVM introspection");
			/* fallthrough */
		default:
			return vmm_set_errno("KVM_INTROSPECTION_HOOK");
		}
	}
	vm->hooked = true;
	return 0;
}

int vmm_allow_command(struct vmm *vm, int id, bool allow)
{
	struct kvm_introspection_feature feature = {.allow = allow, .id = id};

	return ioctl(vm->fd, KVM_INTROSPECTION_COMMAND, &feature)
		       ? vmm_set_errno("KVM_INTROSPECTION_COMMAND")
		       : 0;
}

int vmm_allow_event(struct vmm *vm, int id, bool allow)
{
	struct kvm_introspection_feature feature = {.allow = allow, .id = id};

	return ioctl(vm->fd, KVM_INTROSPECTION_EVENT, &feature)
		       ? vmm_set_errno("KVM_INTROSPECTION_EVENT")
		       : 0;
}

int vmm_hook(struct vmm *vm, int sock)
{
	int ret = vmm_hook_only(vm, sock);

	if (ret)
		return ret;
	ret = vmm_allow_command(vm, -1, true);
	if (!ret)
		ret = vmm_allow_event(vm, -1, true);
	if (ret) {
		ioctl(vm->fd, KVM_INTROSPECTION_UNHOOK, 0);
		vm->hooked = false;
	}
	return ret;
}

int vmm_preunhook(struct vmm *vm)
{
	return ioctl(vm->fd, KVM_INTROSPECTION_PREUNHOOK, 0)
		       ? vmm_set_errno("KVM_INTROSPECTION_PREUNHOOK")
		       : 0;
}

int vmm_unhook(struct vmm *vm)
{
	if (ioctl(vm->fd, KVM_INTROSPECTION_UNHOOK, 0))
		return vmm_set_errno("KVM_INTROSPECTION_UNHOOK");
	vm->hooked = false;
	return 0;
}

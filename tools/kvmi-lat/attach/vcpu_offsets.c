// SPDX-License-Identifier: BSD-2-Clause
/* Looks up fields of struct kvm_vcpu in the kernel's BTF, so that the BPF object itself needs none. */
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <string.h>

#include "lib/log.h"
#include "vcpu_offsets.h"

/* The offset in bytes of a member of a structure, and its type; -1 if there is no such. */
static int member_offset(const struct btf *btf, int structure, const char *name, int *type)
{
	const struct btf_type *t = btf__type_by_id(btf, structure);
	const struct btf_member *m = btf_members(t);

	for (int i = 0; i < btf_vlen(t); i++, m++) {
		if (strcmp(btf__name_by_offset(btf, m->name_off), name) ||
		    btf_member_bitfield_size(t, i))
			continue;
		if (type)
			*type = m->type;
		return btf_member_bit_offset(t, i) / 8;
	}
	return -1;
}

bool vcpu_offsets_in(const struct btf *btf, struct vcpu_offsets *o)
{
	int vcpu = btf__find_by_name_kind(btf, "kvm_vcpu", BTF_KIND_STRUCT);
	int stat_type = 0, stat, exits;

	if (vcpu <= 0)
		return false;
	o->kvm = member_offset(btf, vcpu, "kvm", NULL);
	o->id = member_offset(btf, vcpu, "vcpu_idx", NULL);
	stat = member_offset(btf, vcpu, "stat", &stat_type);
	if (stat < 0 || !btf_is_struct(btf__type_by_id(btf, stat_type)))
		return true;
	exits = member_offset(btf, stat_type, "exits", NULL);
	if (exits >= 0)
		o->exits = stat + exits;
	return true;
}

struct vcpu_offsets vcpu_offsets_find(void)
{
	struct vcpu_offsets o = {-1, -1, -1};
	struct btf *vmlinux = btf__load_vmlinux_btf(), *kvm;

	if (!vmlinux || libbpf_get_error(vmlinux)) {
		log_debug("the kernel has no type information: vCPUs are known by their threads");
		return o;
	}
	if (!vcpu_offsets_in(vmlinux, &o)) {
		kvm = btf__load_module_btf("kvm", vmlinux);
		if (!kvm || libbpf_get_error(kvm) || !vcpu_offsets_in(kvm, &o))
			log_debug("no type information of KVM: vCPUs are known by their threads");
		if (kvm && !libbpf_get_error(kvm))
			btf__free(kvm);
	}
	btf__free(vmlinux);
	return o;
}

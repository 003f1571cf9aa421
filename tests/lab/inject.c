// SPDX-License-Identifier: BSD-2-Clause
/* Loads the BPF program that looks into the VMCB, and judges what it saw. */
#include "inject.h"
#include "lab.h"
#include "vmcb.skel.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct inject {
	struct vmcb_bpf *skel;
};

bool inject_nrips(void)
{
	FILE *f = fopen("/sys/module/kvm_amd/parameters/nrips", "re");
	int c = f ? fgetc(f) : EOF;

	if (f)
		fclose(f);
	return c == '1' || c == 'Y';
}

void inject_say_nrips(void)
{
	if (lab_is_svm())
		printf("# kvm_amd.nrips=%d\n", inject_nrips());
}

/* The program asks the kernel's BTF where what it reads is; not every kernel has that of its modules. */
static bool vmcb_is_described(void)
{
	return access("/sys/module/kvm_amd/initstate", F_OK) ||
	       !access("/sys/kernel/btf/kvm_amd", F_OK);
}

struct inject *inject_open(void)
{
	struct inject *in;
	int ret;

	if (!lab_is_svm())
		return NULL;
	if (!vmcb_is_described()) {
		note("the VMCB is not looked into: this kernel has no BTF of its modules");
		return NULL;
	}
	in = calloc(1, sizeof(*in));
	if (!in)
		fail("no memory");
	in->skel = vmcb_bpf__open_and_load();
	if (!in->skel)
		fail("the BPF program that looks into the VMCB cannot be loaded");
	ret = vmcb_bpf__attach(in->skel);
	if (ret)
		fail("the BPF program that looks into the VMCB cannot be attached: %s",
		     strerror(-ret));
	return in;
}

void inject_check(struct inject *in, uint64_t n, uint64_t bp)
{
	const struct vmcb_bpf__bss *seen;

	if (!in)
		return;
	seen = in->skel->bss;
	note("VMCB at the injection: RIP int3 %+lld, nRIP int3 %+lld", (long long)(seen->rip - bp),
	     (long long)(seen->next_rip - bp));
	/* An entry that an interrupt ends at once is made again. */
	check(seen->injections >= n);
	if (inject_nrips()) {
		check_eq(seen->rip, bp);
		check_eq(seen->next_rip, bp + 1);
	} else {
		check_eq(seen->rip, bp + 1);
	}
}

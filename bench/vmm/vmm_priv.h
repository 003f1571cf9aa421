/* SPDX-License-Identifier: BSD-2-Clause */
/* What the VMM's own files share and nobody else should use. */
#ifndef VMM_PRIV_H
#define VMM_PRIV_H

#include "vmm.h"

struct vmm {
	int kvm_fd;
	int fd;
	bool hooked;
	uint8_t *mem;
	size_t mem_size;
	uint8_t *pages; /* vmm_add_pages(), NULL none */
	size_t pages_size;
	unsigned int nr_vcpus;
	struct vmm_vcpu vcpus[GUEST_MAX_VCPUS];
	size_t run_size;
};

/* The guest's page table entry of a 2 MiB page: present, writable, user, accessed, dirty. */
#define VMM_PTE_LARGE 0xe7

/* Remember what failed, for vmm_error(); returns @ret for the caller to pass on. */
int vmm_set_error(int ret, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The usual case: @what failed with errno. Returns it negated. */
int vmm_set_errno(const char *what);

#endif /* VMM_PRIV_H */

/* SPDX-License-Identifier: BSD-2-Clause */
/* Client library: guest linear addresses to guest physical ones, and access to memory by them. */
#ifndef KVMI_WALK_H
#define KVMI_WALK_H

/*
 * KVM translates nothing for a tool. These functions walk the guest's own page tables, as its processor
 * does: 4 and 5 levels, PAE, 32 bit with PSE, large pages of all sizes, or no paging at all.
 *
 * @sregs: of the vCPU whose address space is meant, from an event or kvmi_vcpu_get_registers(). A gva is
 * a linear address: CS.base + RIP in 16 and 32-bit code.
 *
 * What they give is true as long as the guest does not change the tables meanwhile.
 *
 * Return values: as in kvmi_client.h, and -EFAULT: the guest has no translation for an address (not
 * present, not canonical, a table outside its memory).
 */

#include "kvmi_client.h"

/**
 * typedef kvmi_read_fn - reads guest physical memory, for kvmi_walk()
 * @size: at most 8 bytes, which do not cross a page
 *
 * Gives 0, or what kvmi_walk() is to return; KVM_ENOENT becomes -EFAULT.
 */
typedef int (*kvmi_read_fn)(void *ctx, uint64_t gpa, void *data, size_t size);

/**
 * struct kvmi_page - where a walk ends
 * @gpa: of the address asked for
 * @writable: by the tables of all levels
 * @user: CPL 3 may use it, by the tables of all levels
 * @dirty: the guest has written it before: writing again changes no table
 */
struct kvmi_page {
	uint64_t gpa;
	bool writable;
	bool user;
	bool dirty;
};

/* The walk by itself, reading tables by @read. */
int kvmi_walk(const struct kvm_sregs *sregs, uint64_t gva, kvmi_read_fn read, void *ctx,
	      struct kvmi_page *page);

/* *@gpa of @gva. */
int kvmi_translate(struct kvmi_client *c, const struct kvm_sregs *sregs, uint64_t gva,
		   uint64_t *gpa);

/* @size bytes at @gva, across pages if need be. *@done (may be NULL) were read before an error. */
int kvmi_read_virtual(struct kvmi_client *c, const struct kvm_sregs *sregs, uint64_t gva,
		      void *data, size_t size, size_t *done);

/*
 * Write @size bytes at @gva as the guest itself could now, without a fault and without a dirty bit to be
 * set: else -EFAULT, and nothing was written. (Protection keys are not looked at.)
 */
int kvmi_write_virtual(struct kvmi_client *c, const struct kvm_sregs *sregs, uint64_t gva,
		       const void *data, size_t size);

#endif /* KVMI_WALK_H */

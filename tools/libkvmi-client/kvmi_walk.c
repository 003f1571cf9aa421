// SPDX-License-Identifier: BSD-2-Clause
/* Client library: the walk through the guest's page tables, in every paging mode of x86. */
#include "kvmi_walk.h"

#include <errno.h>

#define PAGE_SIZE 4096ULL

#define CR0_PG	 (1ULL << 31)
#define CR4_PSE	 (1ULL << 4)
#define CR4_PAE	 (1ULL << 5)
#define CR4_LA57 (1ULL << 12)
#define EFER_LMA (1ULL << 10)

#define CR4_SMAP (1ULL << 21)

#define PTE_PRESENT 1ULL
#define PTE_WRITE   2ULL
#define PTE_USER    4ULL
#define PTE_DIRTY   0x40ULL
#define PTE_LARGE   0x80ULL
/* The address in a table entry of 8 bytes. */
#define PTE_ADDR 0x000ffffffffff000ULL

/* The bits of @gva below @shift. */
static uint64_t offset(uint64_t gva, unsigned int shift)
{
	return gva & ((1ULL << shift) - 1);
}

/* An entry of @size bytes, which must be present. */
static int read_entry(kvmi_read_fn read, void *ctx, uint64_t gpa, uint64_t *entry, size_t size)
{
	int ret;

	*entry = 0;
	ret = read(ctx, gpa, entry, size);
	if (ret == KVM_ENOENT || (!ret && !(*entry & PTE_PRESENT)))
		return -EFAULT;
	return ret;
}

/* What the tables on the way allow is the least that any of them does. */
static void restrict_to(struct kvmi_page *page, uint64_t entry)
{
	page->writable = page->writable && entry & PTE_WRITE;
	page->user = page->user && entry & PTE_USER;
	page->dirty = entry & PTE_DIRTY;
}

/* Tables with entries of 8 bytes, from @level (5, 4; PAE: 2) down, the topmost at @table. */
static int walk_long(uint64_t table, int level, uint64_t gva, kvmi_read_fn read, void *ctx,
		     struct kvmi_page *page)
{
	for (;; level--) {
		unsigned int shift = 12 + 9 * (level - 1);
		uint64_t entry;
		int ret = read_entry(read, ctx, table + (gva >> shift & 511) * 8, &entry,
				     sizeof(entry));

		if (ret)
			return ret;
		restrict_to(page, entry);
		/* In large pages some address bits mean something else: below the offset, that is. */
		if (level == 1 || ((level == 2 || level == 3) && entry & PTE_LARGE)) {
			uint64_t base = entry & PTE_ADDR;

			page->gpa = base - offset(base, shift) + offset(gva, shift);
			return 0;
		}
		table = entry & PTE_ADDR;
	}
}

static int walk_pae(const struct kvm_sregs *sregs, uint64_t gva, kvmi_read_fn read, void *ctx,
		    struct kvmi_page *page)
{
	uint64_t entry;
	int ret = read_entry(read, ctx, (sregs->cr3 & 0xffffffe0) + (gva >> 30) * 8, &entry,
			     sizeof(entry));

	return ret ? ret : walk_long(entry & PTE_ADDR, 2, gva, read, ctx, page);
}

static int walk_32(const struct kvm_sregs *sregs, uint64_t gva, kvmi_read_fn read, void *ctx,
		   struct kvmi_page *page)
{
	uint64_t entry;
	int ret = read_entry(read, ctx, (sregs->cr3 & 0xfffff000) + (gva >> 22) * 4, &entry, 4);

	if (ret)
		return ret;
	restrict_to(page, entry);
	if (entry & PTE_LARGE && sregs->cr4 & CR4_PSE) {
		/* 4 MiB; bits 13 to 20 are 32 to 39 of the address. */
		page->gpa = (entry & 0xffc00000) | (entry >> 13 & 0xff) << 32 | offset(gva, 22);
		return 0;
	}

	ret = read_entry(read, ctx, (entry & 0xfffff000) + (gva >> 12 & 1023) * 4, &entry, 4);
	if (ret)
		return ret;
	restrict_to(page, entry);
	page->gpa = (entry & 0xfffff000) | offset(gva, 12);
	return 0;
}

int kvmi_walk(const struct kvm_sregs *sregs, uint64_t gva, kvmi_read_fn read, void *ctx,
	      struct kvmi_page *page)
{
	*page = (struct kvmi_page){.writable = true, .user = true, .dirty = true};
	if (sregs->efer & EFER_LMA) {
		int levels = sregs->cr4 & CR4_LA57 ? 5 : 4;
		unsigned int unused = 64 - (12 + 9 * levels);

		/* Canonical: the bits above those that are translated all equal the highest of these. */
		if ((uint64_t)((int64_t)(gva << unused) >> unused) != gva)
			return -EFAULT;
		return walk_long(sregs->cr3 & PTE_ADDR, levels, gva, read, ctx, page);
	}

	gva &= 0xffffffff;
	if (!(sregs->cr0 & CR0_PG)) {
		page->gpa = gva;
		return 0;
	}
	if (sregs->cr4 & CR4_PAE)
		return walk_pae(sregs, gva, read, ctx, page);
	return walk_32(sregs, gva, read, ctx, page);
}

static int read_client(void *ctx, uint64_t gpa, void *data, size_t size)
{
	return kvmi_read_physical(ctx, gpa, data, size);
}

int kvmi_translate(struct kvmi_client *c, const struct kvm_sregs *sregs, uint64_t gva,
		   uint64_t *gpa)
{
	struct kvmi_page page;
	int ret = kvmi_walk(sregs, gva, read_client, c, &page);

	if (!ret)
		*gpa = page.gpa;
	return ret;
}

/* How many of @size bytes at @address are on its page. */
static size_t on_page(uint64_t address, size_t size)
{
	size_t left = PAGE_SIZE - offset(address, 12);

	return size < left ? size : left;
}

int kvmi_read_virtual(struct kvmi_client *c, const struct kvm_sregs *sregs, uint64_t gva,
		      void *data, size_t size, size_t *done)
{
	size_t n = 0;
	int ret = 0;

	while (n < size) {
		size_t part = on_page(gva + n, size - n);
		uint64_t gpa;

		ret = kvmi_translate(c, sregs, gva + n, &gpa);
		if (!ret)
			ret = kvmi_read_physical(c, gpa, (uint8_t *)data + n, part);
		if (ret)
			break;
		n += part;
	}
	if (done)
		*done = n;
	return ret == KVM_ENOENT ? -EFAULT : ret;
}

static bool may_write(const struct kvm_sregs *sregs, const struct kvmi_page *page)
{
	bool user = sregs->ss.dpl == 3;

	if (!page->writable || !page->dirty)
		return false;
	return user ? page->user : !(page->user && sregs->cr4 & CR4_SMAP);
}

int kvmi_write_virtual(struct kvmi_client *c, const struct kvm_sregs *sregs, uint64_t gva,
		       const void *data, size_t size)
{
	struct kvmi_page page;

	/* All addresses first: half a write is worse than none. */
	for (size_t n = 0; n < size; n += on_page(gva + n, size - n)) {
		int ret = kvmi_walk(sregs, gva + n, read_client, c, &page);

		if (!ret && !may_write(sregs, &page))
			ret = -EFAULT;
		if (ret)
			return ret;
	}
	for (size_t n = 0; n < size;) {
		size_t part = on_page(gva + n, size - n);
		int ret = kvmi_walk(sregs, gva + n, read_client, c, &page);

		if (!ret)
			ret = kvmi_write_physical(c, page.gpa, (const uint8_t *)data + n, part);
		if (ret)
			return ret == KVM_ENOENT ? -EFAULT : ret;
		n += part;
	}
	return 0;
}

// SPDX-License-Identifier: BSD-2-Clause
/* Maps what the BPF program has found, and changes it. */
#include "peek.h"
#include "lab.h"
#include "peek.skel.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define PAGE	   4096UL
#define DIRECT_MAP 0xffff888000000000UL /* where the kernel sees all memory, without KASLR */
#define EXIT_BP	   0x43

struct peek {
	struct peek_bpf *skel;
	int mem;
};

/* The page of a kernel address, for good. */
static volatile uint8_t *map(struct peek *p, uint64_t address)
{
	uint64_t phys = address - DIRECT_MAP;
	uint8_t *page;

	if (!address)
		fail("the vCPU has not been in the guest yet");
	if (address < DIRECT_MAP || phys >> 46)
		fail("kernel address %#llx is not in the direct map at %#lx",
		     (unsigned long long)address, DIRECT_MAP);
	page = mmap(NULL, PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, p->mem, phys & -PAGE);
	if (page == MAP_FAILED)
		skip("/dev/mem does not give memory (%s): boot a kernel with "
		     "CONFIG_STRICT_DEVMEM off, as the lab's",
		     strerror(errno));
	return page + phys % PAGE;
}

struct peek *peek_open(void)
{
	struct peek *p = calloc(1, sizeof(*p));
	int ret;

	if (!p)
		fail("no memory");
	p->mem = open("/dev/mem", O_RDWR | O_CLOEXEC);
	if (p->mem < 0)
		skip("/dev/mem: %s; boot a kernel with CONFIG_DEVMEM, as the lab's",
		     strerror(errno));
	p->skel = peek_bpf__open_and_load();
	if (!p->skel)
		fail("the BPF program that looks for the vCPU cannot be loaded");
	p->skel->bss->tgid = getpid();
	p->skel->bss->svm = lab_is_svm();
	p->skel->bss->exit_code = EXIT_BP;
	ret = peek_bpf__attach(p->skel);
	if (ret)
		fail("the BPF program that looks for the vCPU cannot be attached: %s",
		     strerror(-ret));
	return p;
}

void peek_protect(struct peek *p, bool on)
{
	volatile uint8_t *flag;

	if (p->skel->bss->vcpu_at && !p->skel->bss->protected_offset)
		skip("this kernel knows no guests with protected state");
	flag = map(p, p->skel->bss->vcpu_at + p->skel->bss->protected_offset);
	/* It must be what it is taken for. */
	check_eq(*flag, !on);
	*flag = on;
	munmap((void *)((uintptr_t)flag & -PAGE), PAGE);
}

void peek_add_at_bp(struct peek *p, uint64_t rflags, uint32_t shadow)
{
	volatile uint8_t *vmcb = map(p, p->skel->bss->vmcb_at);

	/* BPF does not fault pages in. */
	check_eq(*(volatile uint32_t *)(vmcb + 0x70), *(volatile uint32_t *)(vmcb + 0x70));
	p->skel->bss->set_rflags = rflags;
	p->skel->bss->set_int_state = shadow;
	__sync_synchronize();
	p->skel->bss->mapped = (uintptr_t)vmcb;
}

uint64_t peek_added(const struct peek *p)
{
	return p->skel->bss->writes;
}

/* SPDX-License-Identifier: BSD-2-Clause */
/* What the small hypervisor in the guest and the test that sets it up must agree on. */
#ifndef NESTED_GUEST_H
#define NESTED_GUEST_H

/*
 * Guest physical. L1 runs with the tables of any guest; it knows nothing of what it runs: the test
 * writes the VMCB, or the lists of VMCS fields to be written before and read after each run of L2.
 */
#define NESTED_BEGIN 0x180000
#define NESTED_VMXON 0x180000 /* VMX: vmxon region; SVM: host save area */
#define NESTED_VMCS  0x181000 /* VMX: VMCS; SVM: VMCB */
#define NESTED_WRITE 0x182000 /* pairs of field and value; the field ~0 ends them */
#define NESTED_READ  0x183000 /* the same; values are filled in */
#define NESTED_IDT   0x184000 /* L2's */
#define NESTED_STACK 0x185000
#define NESTED_PML4  0x186000 /* L2's */
#define NESTED_PDPT  0x187000
#define NESTED_PD    0x188000
#define NESTED_EPML4 0x189000 /* of L1's EPT or NPT */
#define NESTED_EPDPT 0x18a000
#define NESTED_EPD   0x18b000
#define NESTED_IO    0x18c000 /* three pages: SVM's bitmap of ports, nothing in it */
#define NESTED_MSR   0x18f000 /* two pages: SVM's bitmap of MSRs */
#define NESTED_END   0x191000

/* config.arg[] */
#define NESTED_ARG_L1_BP     0 /* in: how many int3 L1 executes after each run of L2 */
#define NESTED_ARG_L1_PASSED 1 /* out: how many it has passed */
#define NESTED_ARG_STOP	     2 /* in: ends L2's spinning */
#define NESTED_ARG_L2_COUNT  3 /* out: how often L2's #BP handler ran */
#define NESTED_ARG_L2_RIP    4 /* out: RIP in its latest frame */
#define NESTED_ARG_FAILED    5 /* out: VMX instruction that failed: 1 VMXON, 2 VMPTRLD, 3 entry */
#define NESTED_ARG_SPUN	     6 /* out: rounds of L2's spinning */

#endif /* NESTED_GUEST_H */

// SPDX-License-Identifier: BSD-2-Clause
/* Messages that do not fit into the socket at once, whoever else writes or interrupts. */
#include "lab.h"

#include <errno.h>
#include <linux/sockios.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#define MSR_EFER 0xc0000080
#define NR_MSRS	 400 /* makes a reply of 6.9 kB */
#define ROUNDS	 8
#define PAGE	 4096

VMM_DECLARE_GUEST(hit);

static const struct vmm_guest hit = VMM_GUEST(hit);

/* --- a narrow socket --- */

/* What KVM writes goes through in pieces of about 2 kB, and two of them fill it. */
static void open_narrow(struct lab *l)
{
	int sv[2], bytes = 1;

	lab_open_any(l, &hit, 1);
	lab_socketpair(sv);
	check_eq(setsockopt(sv[0], SOL_SOCKET, SO_SNDBUF, &bytes, sizeof(bytes)), 0);
	check_eq(vmm_hook(l->vm, sv[0]), 0);
	close(sv[0]);
	check_eq(kvmi_client_new(&l->c, sv[1], TIMEOUT_MS), 0);
}

struct get_many {
	struct kvmi_vcpu_hdr hdr;
	struct kvmi_vcpu_get_registers cmd;
	uint32_t msrs[NR_MSRS];
};

struct many {
	struct kvmi_vcpu_get_registers_reply head;
	struct kvm_msr_entry msrs[NR_MSRS];
};

static uint32_t ask_many(struct lab *l)
{
	struct get_many req = {.cmd.nmsrs = NR_MSRS};

	for (int i = 0; i < NR_MSRS; i++)
		req.msrs[i] = MSR_EFER;
	return lab_queue(l, KVMI_VCPU_GET_REGISTERS, &req, sizeof(req));
}

static void expect_many(struct lab *l, uint32_t seq)
{
	static struct many rpl;

	memset(&rpl, 0, sizeof(rpl));
	check_kvmi(kvmi_command_wait(l->c, KVMI_VCPU_GET_REGISTERS, seq, &rpl, sizeof(rpl)), 0);
	check_eq(rpl.head.msrs.nmsrs, NR_MSRS);
	for (int i = 0; i < NR_MSRS; i++) {
		check_eq(rpl.msrs[i].index, MSR_EFER);
		check_eq(rpl.msrs[i].data, rpl.head.sregs.efer);
	}
}

static uint32_t ask_page(struct lab *l, uint64_t gpa)
{
	const struct kvmi_vm_read_physical req = {.gpa = gpa, .size = PAGE};

	return lab_queue(l, KVMI_VM_READ_PHYSICAL, &req, sizeof(req));
}

static void expect_page(struct lab *l, uint32_t seq, uint64_t gpa)
{
	static uint8_t page[PAGE];

	memset(page, 0, sizeof(page));
	check_kvmi(kvmi_command_wait(l->c, KVMI_VM_READ_PHYSICAL, seq, page, sizeof(page)), 0);
	check_eq(memcmp(page, vmm_mem(l->vm, gpa, PAGE), PAGE), 0);
}

/* The vCPU and the receiver both have long replies, and both have to wait in the middle of them. */
static void test_write_order(void)
{
	const uint64_t gpa = 2UL << 20;
	uint32_t many[ROUNDS], page[ROUNDS];
	struct runner r = {0};
	struct lab l;

	open_narrow(&l);
	memset(vmm_mem(l.vm, gpa, PAGE), 0xa5, PAGE);
	lab_spin_vcpu(&l, &r, 0);
	for (int i = 0; i < ROUNDS; i++) {
		many[i] = ask_many(&l);
		page[i] = ask_page(&l, gpa);
	}
	usleep(50000);
	for (int i = 0; i < ROUNDS; i++) {
		expect_many(&l, many[i]);
		expect_page(&l, page[i], gpa);
	}
	runner_stop(&r);
}

/* What is not read yet when the VMM takes its vCPU back would wait for the next KVM_RUN. */
static void wait_until_read(struct lab *l)
{
	int unread = 1;

	for (int ms = 0; unread && ms < TIMEOUT_MS; ms += 5) {
		usleep(5000);
		check_eq(ioctl(kvmi_client_fd(l->c), SIOCOUTQ, &unread), 0);
	}
	if (unread)
		fail("KVM does not read what it was sent");
}

/*
 * The VMM wants its vCPU back while that is in the middle of a message: that comes whole, and then EINTR.
 * The other commands are executed in the next KVM_RUN.
 */
static void test_signal_during_send(void)
{
	struct runner r = {0};
	uint32_t seq[ROUNDS];
	uint32_t version;
	struct lab l;
	int done;

	open_narrow(&l);
	lab_spin_vcpu(&l, &r, 0);
	for (int i = 0; i < ROUNDS; i++)
		seq[i] = ask_many(&l);
	wait_until_read(&l);
	for (int i = 0; i < 20; i++) {
		usleep(5000);
		vmm_kick(l.v);
	}
	/* Some have been read with what was waited for above: it is in the middle of one of those after. */
	for (done = 0; done < ROUNDS && l.v->tid; done++) {
		expect_many(&l, seq[done]);
		usleep(5000);
	}
	check_eq(runner_join(&r), -EINTR);
	/* The one that it was in the middle of may have found room for its rest before the loop looked again. */
	check_kvmi(kvmi_get_version(l.c, &version), 0);
	if (kvmi_client_pending(l.c) && done < ROUNDS)
		expect_many(&l, seq[done++]);
	lab_no_event(l.c);
	runner_start(&r, l.v);
	for (; done < ROUNDS; done++)
		expect_many(&l, seq[done]);
	runner_stop(&r);
}

int main(void)
{
	const struct tap_test tests[] = {
		{"vCPU and receiver write long replies: each comes whole", test_write_order},
		{"signals during a send: it comes whole, then EINTR; the rest in the next KVM_RUN",
		 test_signal_during_send},
	};

	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

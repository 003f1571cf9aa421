// SPDX-License-Identifier: BSD-2-Clause
/* Commands for vCPUs that do not run: KVM keeps so many and reads no more. */
#include "waiting.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define VCPU_BYTES (64UL << 10)
#define VM_BYTES   (512UL << 10)
#define RX_BYTES   (sizeof(struct kvmi_msg_hdr) + KVMI_MSG_SIZE) /* read, but not queued yet */
#define HDR_BYTES  (sizeof(struct kvmi_msg_hdr) + sizeof(struct kvmi_vcpu_hdr))
#define SLAB_KB	   3072
#define COMMANDS   12000
#define AT_ONCE_MS 1000

/* KVM's own memory for one queued command is more than what came: a list, pointers, the message. */
#define LEAST_OVERHEAD 32

/* As many VCPUs as reach the VM's limit before any has reached its own. */
#define VCPUS 12

/**
 * struct pipe_in - a hooked VM, by a socket that is written to without waiting
 * @kvm_end: the VMM's copy of KVM's end
 * @sent: commands so far; their seq counts from 1
 * @full: the latest did not go through any more
 */
struct pipe_in {
	struct lab l;
	int kvm_end, fd;
	unsigned int sent;
	bool full;
	unsigned int vcpu_of[COMMANDS + 1];
};

static struct pipe_in in;

static void hook_in(void)
{
	int sv[2];

	lab_socketpair(sv);
	check_eq(vmm_hook(in.l.vm, sv[0]), 0);
	in.kvm_end = sv[0];
	in.fd = sv[1];
	in.sent = 0;
	check_eq(kvmi_client_new(&in.l.c, sv[1], TIMEOUT_MS), 0);
}

static void open_in(unsigned int nr_vcpus)
{
	lab_open_any(&in.l, &VMM_GUEST(waiting), nr_vcpus);
	for (unsigned int i = 0; i < nr_vcpus; i++)
		check_eq(vmm_vcpu_start(vmm_vcpu(in.l.vm, i), waiting_label(guest_waiting_loop)),
			 0);
	hook_in();
}

/* One GET_INFO of @size bytes. False: the socket has been full for some time. */
static bool send_one(unsigned int vcpu, size_t size)
{
	static uint8_t msg[RX_BYTES];
	struct kvmi_msg_hdr hdr = {
		.id = KVMI_VCPU_GET_INFO,
		.size = size - sizeof(hdr),
		.seq = in.sent + 1,
	};
	const struct kvmi_vcpu_hdr to = {.vcpu = vcpu};

	memcpy(msg, &hdr, sizeof(hdr));
	memcpy(msg + sizeof(hdr), &to, sizeof(to));
	for (int tries = 0; tries < 50; tries++) {
		ssize_t n = send(in.fd, msg, size, MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n == (ssize_t)size) {
			in.vcpu_of[++in.sent] = vcpu;
			return true;
		}
		check_eq(n, -1);
		check_eq(errno, EAGAIN);
		usleep(1000);
	}
	in.full = true;
	return false;
}

/* Bytes that KVM has taken out of the socket. */
static unsigned long bytes_read(size_t size)
{
	int unread, before = -1;

	for (;;) {
		check_eq(ioctl(in.kvm_end, FIONREAD, &unread), 0);
		if (unread == before)
			return in.sent * size - unread;
		before = unread;
		usleep(20000);
	}
}

/* Commands to one vCPU until KVM takes no more. */
static void fill(unsigned int vcpu, size_t size)
{
	in.full = false;
	for (int i = 0; i < COMMANDS && send_one(vcpu, size); i++)
		;
	if (!in.full)
		fail("KVM has taken %u commands of %zu bytes for vCPU %u, which does not run",
		     in.sent, size, vcpu);
	note("%u commands of %zu bytes sent, %lu bytes of them read", in.sent, size,
	     bytes_read(size));
}

static unsigned long slab_kb(void)
{
	unsigned long kb = 0;
	char line[128];
	FILE *f = fopen("/proc/meminfo", "re");

	check(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "Slab: %lu kB", &kb) == 1)
			break;
	fclose(f);
	check(kb);
	return kb;
}

static uint64_t now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ULL + t.tv_nsec / 1000000;
}

/* All that was sent, each once; those of a vCPU in order. */
static void expect_all_replies(void)
{
	unsigned int latest[VCPUS] = {0};

	for (unsigned int i = 0; i < in.sent; i++) {
		uint8_t payload[16];
		struct kvmi_msg_hdr hdr;
		unsigned int vcpu;

		check_kvmi(kvmi_recv_msg(in.l.c, &hdr, payload, sizeof(payload)), 0);
		check_eq(hdr.id, KVMI_VCPU_GET_INFO);
		check(hdr.seq >= 1 && hdr.seq <= in.sent);
		vcpu = in.vcpu_of[hdr.seq];
		if (hdr.seq <= latest[vcpu])
			fail("vCPU %u: reply %u after %u", vcpu, hdr.seq, latest[vcpu]);
		for (unsigned int seq = latest[vcpu] + 1; seq < hdr.seq; seq++)
			if (in.vcpu_of[seq] == vcpu)
				fail("vCPU %u: no reply to %u", vcpu, seq);
		latest[vcpu] = hdr.seq;
	}
	lab_no_event(in.l.c);
}

/* --- how much --- */

static void test_limit_vcpu(void)
{
	unsigned long before, after;
	struct runner r = {0};

	open_in(1);
	before = slab_kb();
	fill(0, RX_BYTES);
	after = slab_kb();
	note("slab: %lu kB, then %lu kB", before, after);
	check(bytes_read(RX_BYTES) <= VCPU_BYTES + RX_BYTES);
	check(after < before + SLAB_KB);

	runner_start(&r, in.l.v);
	expect_all_replies();
	lab_goes_on(in.l.v);
	runner_stop(&r);
}

/* What KVM needs besides the message counts. */
static void test_limit_small(void)
{
	unsigned long most =
		VCPU_BYTES / (LEAST_OVERHEAD + HDR_BYTES) * HDR_BYTES + RX_BYTES + HDR_BYTES;
	struct runner r = {0};

	open_in(1);
	fill(0, HDR_BYTES);
	if (bytes_read(HDR_BYTES) > most)
		fail("KVM has read %lu bytes, more than %lu", bytes_read(HDR_BYTES), most);

	runner_start(&r, in.l.v);
	expect_all_replies();
	lab_goes_on(in.l.v);
	runner_stop(&r);
}

/* No vCPU has more than its share, but all together have. */
static void send_to_all(void)
{
	unsigned int each = VCPU_BYTES / RX_BYTES - 1;

	in.full = false;
	for (unsigned int i = 0; i < each * VCPUS && !in.full; i++)
		send_one(i % VCPUS, RX_BYTES);
}

static void test_limit_vm(void)
{
	struct runner r[VCPUS] = {0};

	open_in(VCPUS);
	send_to_all();
	note("%u commands sent, %lu bytes of them read", in.sent, bytes_read(RX_BYTES));
	check(bytes_read(RX_BYTES) <= VM_BYTES + RX_BYTES);
	/* More than one vCPU may have. */
	check(bytes_read(RX_BYTES) > 2 * VCPU_BYTES);

	for (unsigned int i = 0; i < VCPUS; i++)
		runner_start(&r[i], vmm_vcpu(in.l.vm, i));
	expect_all_replies();
	for (unsigned int i = 0; i < VCPUS; i++) {
		lab_goes_on(vmm_vcpu(in.l.vm, i));
		runner_stop(&r[i]);
	}
}

/* What has been executed, or dropped with a connection, counts no more. */
static void test_limit_again(void)
{
	unsigned long first, again;
	struct runner r = {0};

	open_in(1);
	fill(0, RX_BYTES);
	first = bytes_read(RX_BYTES);
	for (int i = 0; i < 5; i++) {
		runner_start(&r, in.l.v);
		expect_all_replies();
		runner_stop(&r);
		in.sent = 0;
		fill(0, RX_BYTES);
		again = bytes_read(RX_BYTES);
		check_eq(again, first);

		check_eq(vmm_unhook(in.l.vm), 0);
		kvmi_client_free(in.l.c);
		close(in.kvm_end);
		hook_in();
		fill(0, RX_BYTES);
		again = bytes_read(RX_BYTES);
		check_eq(again, first);
	}
}

/* --- whose memory it is --- */

#define CGROUPS "/tmp/cgroups"
#define CGROUP	CGROUPS "/hooks"

/* A memory cgroup with this process in it. */
static void enter_cgroup(void)
{
	mkdir(CGROUPS, 0700);
	if (mount("cgroup2", CGROUPS, "cgroup2", 0, NULL) && errno != EBUSY)
		skip("no cgroup2 (%s): needs a kernel with CONFIG_MEMCG, as of make check-debug",
		     strerror(errno));
	if (!lab_write_file(CGROUPS "/cgroup.subtree_control", "+memory"))
		skip("no memory cgroups: needs a kernel with CONFIG_MEMCG, as of make check-debug");
	check(!mkdir(CGROUP, 0700) || errno == EEXIST);
	check(lab_write_file(CGROUP "/cgroup.procs", "0"));
}

/* Bytes of slab that are charged to it. */
static unsigned long charged(void)
{
	unsigned long bytes = -1UL;
	char line[128];
	FILE *f = fopen(CGROUP "/memory.stat", "re");

	check(f);
	while (fgets(line, sizeof(line), f))
		if (sscanf(line, "slab %lu", &bytes) == 1)
			break;
	fclose(f);
	check(bytes != -1UL);
	return bytes;
}

/* To that of who hooks, though a thread of the kernel allocates it. The kernel sums up every two seconds. */
static void test_limit_charged(void)
{
	unsigned long before, after = 0, read;

	enter_cgroup();
	open_in(VCPUS);
	sleep(3);
	before = charged();
	send_to_all();
	read = bytes_read(RX_BYTES);
	for (int i = 0; i < 50 && after < before + read; i++) {
		usleep(100000);
		after = charged();
	}
	note("%lu bytes read; slab: %lu bytes, then %lu bytes", read, before, after);
	if (after < before + read - RX_BYTES)
		fail("not all of it is charged to the process that has hooked");
}

/* --- what goes on with a full queue --- */

static void test_limit_unhook(void)
{
	struct runner r = {0};
	uint64_t begin;

	open_in(1);
	fill(0, RX_BYTES);
	begin = now_ms();
	check_eq(vmm_unhook(in.l.vm), 0);
	check(now_ms() - begin < AT_ONCE_MS);
	kvmi_client_free(in.l.c);

	/* Nothing of it is left. */
	lab_hook(&in.l);
	runner_start(&r, in.l.v);
	lab_goes_on(in.l.v);
	lab_no_event(in.l.c);
	runner_stop(&r);
}

/* Nobody reads from the socket when the introspector goes, but it is noticed. */
static void test_limit_close(void)
{
	struct pollfd hangup;
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct vmm_vcpu *other;

	open_in(2);
	other = vmm_vcpu(in.l.vm, 1);
	runner_start(&r, other);
	check_kvmi(kvmi_vcpu_pause(in.l.c, 1, false), 0);
	lab_expect_event(in.l.c, &ev, KVMI_EVENT_PAUSE_VCPU, 1);
	fill(0, RX_BYTES);
	lab_stands_still(other);
	kvmi_client_free(in.l.c);
	hangup = (struct pollfd){.fd = in.kvm_end};
	check_eq(poll(&hangup, 1, AT_ONCE_MS), 1);
	check(hangup.revents & POLLHUP);
	lab_goes_on(other);
	check_eq(vmm_unhook(in.l.vm), 0);
	runner_stop(&r);

	lab_hook(&in.l);
	runner_start(&r, in.l.v);
	lab_goes_on(in.l.v);
	lab_no_event(in.l.c);
	runner_stop(&r);
}

/* A vCPU that waits with an event executes commands, however many. */
static void test_limit_event(void)
{
	struct kvmi_event_msg ev;
	struct runner r = {0};

	open_in(1);
	check_kvmi(kvmi_vcpu_pause(in.l.c, 0, false), 0);
	fill(0, HDR_BYTES);
	runner_start(&r, in.l.v);
	for (unsigned int i = 0, events = 0; i < in.sent + 1; i++) {
		uint8_t payload[544];
		struct kvmi_msg_hdr hdr;

		check_kvmi(kvmi_recv_msg(in.l.c, &hdr, payload, sizeof(payload)), 0);
		if (hdr.id != KVMI_EVENT) {
			check_eq(hdr.id, KVMI_VCPU_GET_INFO);
			check_eq(hdr.seq, i + 1 - events);
			continue;
		}
		check_eq(events++, 0);
		ev.hdr = hdr;
		memcpy(&ev.common, payload, sizeof(ev.common));
	}
	lab_stands_still(in.l.v);
	lab_continue(in.l.c, &ev);
	lab_goes_on(in.l.v);
	runner_stop(&r);
}

static void test_limit_destroy(void)
{
	unsigned int before = lab_receivers();

	open_in(2);
	fill(1, RX_BYTES);
	check_eq(lab_receivers(), before + 1);
	/* Not by vmm_destroy(), which unhooks first. */
	in.l.c = NULL;
	for (unsigned int i = 0; i < 2; i++) {
		struct vmm_vcpu *v = vmm_vcpu(in.l.vm, i);

		munmap(v->run, LAB_RUN_BYTES);
		close(v->fd);
	}
	close(vmm_fd(in.l.vm));
	for (int ms = 0; lab_receivers() > before; ms += 10) {
		if (ms > AT_ONCE_MS)
			fail("the receiver of a VM that has ended is still there");
		usleep(10000);
	}
}

int main(void)
{
	const struct tap_test tests[] = {
		{"a vCPU that does not run takes 64 KiB of commands", test_limit_vcpu},
		{"the same with small commands", test_limit_small},
		{"a VM takes 512 KiB of commands", test_limit_vm},
		{"what is executed or dropped counts no more", test_limit_again},
		{"commands are charged to the memory cgroup of who hooks", test_limit_charged},
		{"UNHOOK with a full queue", test_limit_unhook},
		{"the introspector goes, with a full queue", test_limit_close},
		{"a full queue and an event", test_limit_event},
		{"the VM ends, with a full queue", test_limit_destroy},
	};

	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

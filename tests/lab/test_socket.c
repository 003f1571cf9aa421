// SPDX-License-Identifier: BSD-2-Clause
/* Messages that do not fit the socket at once, whoever writes or interrupts; an UNHOOK that is killed. */
#include "lab.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
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

/* The VMM wants its vCPU back while that is in the middle of a message: that comes whole, and then EINTR. */
static void test_signal_during_send(void)
{
	struct runner r = {0};
	uint32_t seq[ROUNDS];
	uint32_t version;
	struct lab l;

	open_narrow(&l);
	lab_spin_vcpu(&l, &r, 0);
	for (int i = 0; i < ROUNDS; i++)
		seq[i] = ask_many(&l);
	for (int i = 0; i < 20; i++) {
		usleep(5000);
		vmm_kick(l.v);
	}
	for (int i = 0; i < ROUNDS; i++)
		expect_many(&l, seq[i]);
	check_eq(runner_join(&r), -EINTR);
	check_kvmi(kvmi_get_version(l.c, &version), 0);
}

/* --- UNHOOK, killed --- */

static void run_at(pid_t tid, int policy, int priority)
{
	const struct sched_param param = {.sched_priority = priority};

	check_eq(sched_setscheduler(tid, policy, &param), 0);
}

/* All threads of KVM's receivers, on CPU 0 as we are. */
static void pin_receivers(void)
{
	char path[300], name[32];
	struct dirent *d;
	int found = 0;
	DIR *proc = opendir("/proc");
	cpu_set_t cpu;

	CPU_ZERO(&cpu);
	CPU_SET(0, &cpu);
	while ((d = readdir(proc))) {
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/comm", d->d_name);
		f = fopen(path, "r");
		if (!f)
			continue;
		if (fgets(name, sizeof(name), f) && !strcmp(name, "kvmi-recv\n")) {
			found++;
			check_eq(sched_setaffinity(atoi(d->d_name), sizeof(cpu), &cpu), 0);
		}
		fclose(f);
	}
	closedir(proc);
	check(found);
}

static char state_of(pid_t pid)
{
	char path[64], text[128] = "", *p;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0)
		fail("%s: %s", path, strerror(errno));
	close(fd);
	p = strrchr(text, ')');
	return p ? p[2] : '?';
}

static int unhook_child(void *vm_fd)
{
	syscall(SYS_ioctl, *(int *)vm_fd, KVM_INTROSPECTION_UNHOOK, 0);
	syscall(SYS_exit_group, 0);
	return 0;
}

/*
 * UNHOOK waits for KVM's receiver, and is killed. The receiver still uses what UNHOOK would have freed,
 * so the VM has to stay hooked. That it waits is certain: the receiver gets no CPU as long as somebody
 * more important is busy on it, and all here are.
 */
static void test_unhook_killed(void)
{
	static char stack[65536] __attribute__((aligned(16)));
	int sv[2], vm_fd, status;
	struct lab l;
	pid_t pid;

	lab_open_any(&l, &hit, 1);
	lab_hook(&l);
	vm_fd = vmm_fd(l.vm);
	check_eq(vmm_pin(0), 0);
	pin_receivers();
	run_at(0, SCHED_FIFO, 10);

	pid = clone(unhook_child, stack + sizeof(stack), CLONE_VM | CLONE_FILES | SIGCHLD, &vm_fd);
	check(pid > 0);
	while (state_of(pid) == 'R')
		sched_yield();
	check_eq(state_of(pid), 'D');
	check_eq(kill(pid, SIGKILL), 0);
	while (waitpid(pid, &status, WNOHANG) != pid)
		sched_yield();
	check(WIFSIGNALED(status));

	lab_socketpair(sv);
	check_eq(vmm_hook_only(l.vm, sv[0]), -EEXIST);

	run_at(0, SCHED_OTHER, 0);
	check_eq(vmm_unhook(l.vm), 0);
	check_eq(vmm_hook_only(l.vm, sv[0]), 0);
	check_eq(vmm_unhook(l.vm), 0);
}

int main(void)
{
	const struct tap_test tests[] = {
		{"vCPU and receiver write long replies: each comes whole", test_write_order},
		{"signals during a send: all comes whole, then EINTR", test_signal_during_send},
		{"UNHOOK killed while it waits: still hooked", test_unhook_killed},
	};

	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

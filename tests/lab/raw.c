// SPDX-License-Identifier: BSD-2-Clause
/* Creates a VM by bare ioctls. */
#include "raw.h"
#include "lab.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#define TSS_ADDR   0xfffbd000UL
#define RING_BYTES 65536

static int must(int ret, const char *what)
{
	if (ret < 0)
		fail("%s: %s", what, strerror(errno));
	return ret;
}

static void set_up_kind(struct raw *raw, enum raw_kind kind)
{
	struct kvm_enable_cap ring = {.cap = KVM_CAP_DIRTY_LOG_RING, .args = {RING_BYTES}};

	switch (kind) {
	case RAW_BARE:
		break;
	case RAW_IRQCHIP:
		must(ioctl(raw->vm, KVM_CREATE_IRQCHIP, 0), "KVM_CREATE_IRQCHIP");
		break;
	case RAW_DIRTY_RING:
		if (ioctl(raw->vm, KVM_CHECK_EXTENSION, KVM_CAP_DIRTY_LOG_RING) <= 0)
			skip("this KVM has no dirty ring");
		must(ioctl(raw->vm, KVM_ENABLE_CAP, &ring), "KVM_CAP_DIRTY_LOG_RING");
		break;
	}
}

static void set_up_memory(struct raw *raw)
{
	static const uint8_t code[] = {0xf4, 0xeb, 0xfd}; /* 1: hlt; jmp 1b */
	struct kvm_userspace_memory_region region = {.memory_size = RAW_MEM_SIZE};

	raw->mem =
		mmap(NULL, RAW_MEM_SIZE, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	check(raw->mem != MAP_FAILED);
	memcpy(raw->mem + RAW_CODE, code, sizeof(code));
	region.userspace_addr = (uintptr_t)raw->mem;
	must(ioctl(raw->vm, KVM_SET_TSS_ADDR, TSS_ADDR), "KVM_SET_TSS_ADDR");
	must(ioctl(raw->vm, KVM_SET_USER_MEMORY_REGION, &region), "KVM_SET_USER_MEMORY_REGION");
}

static void set_up_vcpu(struct raw *raw, unsigned int index, size_t run_size)
{
	struct kvm_regs regs = {.rip = RAW_CODE, .rflags = 2};
	struct kvm_sregs sregs;
	int fd = must(ioctl(raw->vm, KVM_CREATE_VCPU, (unsigned long)index), "KVM_CREATE_VCPU");

	raw->vcpu[index] = fd;
	raw->run[index] = mmap(NULL, run_size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	check(raw->run[index] != MAP_FAILED);
	must(ioctl(fd, KVM_GET_SREGS, &sregs), "KVM_GET_SREGS");
	sregs.cs.base = 0;
	sregs.cs.selector = 0;
	must(ioctl(fd, KVM_SET_SREGS, &sregs), "KVM_SET_SREGS");
	must(ioctl(fd, KVM_SET_REGS, &regs), "KVM_SET_REGS");
}

static void hook(struct raw *raw)
{
	const struct kvm_introspection_feature all = {.allow = 1, .id = -1};
	struct kvm_introspection_hook h = {0};
	int sv[2];

	lab_socketpair(sv);
	h.fd = sv[0];
	must(ioctl(raw->vm, KVM_INTROSPECTION_HOOK, &h), "KVM_INTROSPECTION_HOOK");
	must(ioctl(raw->vm, KVM_INTROSPECTION_COMMAND, &all), "KVM_INTROSPECTION_COMMAND");
	must(ioctl(raw->vm, KVM_INTROSPECTION_EVENT, &all), "KVM_INTROSPECTION_EVENT");
	close(sv[0]);
	check_eq(kvmi_client_new(&raw->c, sv[1], TIMEOUT_MS), 0);
}

void raw_open(struct raw *raw, enum raw_kind kind, unsigned int nr_vcpus)
{
	int kvm = must(open("/dev/kvm", O_RDWR | O_CLOEXEC), "/dev/kvm");
	int run_size = must(ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0), "KVM_GET_VCPU_MMAP_SIZE");

	raw->vm = must(ioctl(kvm, KVM_CREATE_VM, 0), "KVM_CREATE_VM");
	if (ioctl(raw->vm, KVM_CHECK_EXTENSION, KVM_CAP_INTROSPECTION) <= 0)
		skip("this kernel has no KVM introspection");
	set_up_kind(raw, kind);
	set_up_memory(raw);
	for (unsigned int i = 0; i < nr_vcpus; i++)
		set_up_vcpu(raw, i, run_size);
	hook(raw);
}

static void on_signal(int sig)
{
	(void)sig;
}

static void *run(void *arg)
{
	struct raw_runner *r = arg;

	r->tid = gettid();
	r->err = ioctl(r->raw->vcpu[r->index], KVM_RUN, 0) ? errno : 0;
	return NULL;
}

void raw_start(struct raw_runner *r, struct raw *raw, unsigned int index)
{
	struct sigaction sa = {.sa_handler = on_signal};

	*r = (struct raw_runner){.raw = raw, .index = index};
	raw->run[index]->immediate_exit = 0;
	check_eq(sigaction(SIGUSR1, &sa, NULL), 0);
	check_eq(pthread_create(&r->thread, NULL, run, r), 0);
	while (!r->tid)
		usleep(100);
}

int raw_join(struct raw_runner *r)
{
	pthread_join(r->thread, NULL);
	return r->err;
}

void raw_stop(struct raw_runner *r)
{
	/* For a thread that is not there yet. */
	r->raw->run[r->index]->immediate_exit = 1;
	check_eq(tgkill(getpid(), r->tid, SIGUSR1), 0);
	check_eq(raw_join(r), EINTR);
}

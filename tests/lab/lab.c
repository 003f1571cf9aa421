// SPDX-License-Identifier: BSD-2-Clause
/* A hooked VM and its vCPUs' threads, for the kernel tests. */
#include "lab.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* --- the machine --- */

static bool file_has(const char *path, const char *word)
{
	char line[4096];
	bool found = false;
	FILE *f = fopen(path, "re");

	if (!f)
		fail("%s: %s", path, strerror(errno));
	while (!found && fgets(line, sizeof(line), f))
		found = strstr(line, word);
	fclose(f);
	return found;
}

bool lab_is_svm(void)
{
	return file_has("/proc/cpuinfo", " svm");
}

static bool is_bochs(void)
{
	return file_has("/proc/cmdline", "kvmi_lab=bochs");
}

bool lab_injects_wrong_rip(void)
{
	const char *nrips = "/sys/module/kvm_amd/parameters/nrips";

	return is_bochs() && lab_is_svm() && (file_has(nrips, "1") || file_has(nrips, "Y"));
}

bool lab_loses_dr6(void)
{
	return is_bochs() && lab_is_svm();
}

void lab_set_parameter(bool on)
{
	static const char path[] = "/sys/module/kvm/parameters/introspection";
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd < 0 || write(fd, on ? "1" : "0", 1) != 1)
		fail("%s: %s", path, strerror(errno));
	close(fd);
}

/* --- the VM and its tool --- */

void lab_open_any(struct lab *l, const struct vmm_guest *g, unsigned int nr_vcpus)
{
	int ret = vmm_create(&l->vm, VMM_MEM_DEFAULT, nr_vcpus);

	if (ret)
		fail("vmm_create: %s", vmm_error());
	if (!vmm_introspection_version(l->vm))
		skip("this kernel has no KVM introspection");
	if (vmm_load(l->vm, g))
		fail("vmm_load: %s", vmm_error());
	l->v = vmm_vcpu(l->vm, 0);
	l->c = NULL;
}

void lab_need_bp(void)
{
	const char *why;

	switch (vmm_probe_int3(&why)) {
	case VMM_PROBE_OK:
		break;
	case VMM_PROBE_NO_BP:
		skip("%s", why);
	default:
		fail("%s", why);
	}
}

void lab_open(struct lab *l, const struct vmm_guest *g, unsigned int nr_vcpus)
{
	lab_need_bp();
	lab_open_any(l, g, nr_vcpus);
}

bool lab_send_fds(int to, const void *buf, size_t len, const int *fds, unsigned int n)
{
	union {
		struct cmsghdr align;
		char buf[CMSG_SPACE(LAB_MAX_FDS * sizeof(int))];
	} control = {0};
	struct iovec iov = {.iov_base = (void *)buf, .iov_len = len};
	struct msghdr msg = {
		.msg_iov = &iov,
		.msg_iovlen = 1,
		.msg_control = control.buf,
		.msg_controllen = CMSG_SPACE(n * sizeof(int)),
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&msg);

	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(n * sizeof(int));
	memcpy(CMSG_DATA(c), fds, n * sizeof(int));
	return sendmsg(to, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) == (ssize_t)len;
}

bool lab_write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	bool ok;

	if (fd < 0)
		return false;
	ok = write(fd, text, strlen(text)) == (ssize_t)strlen(text);
	close(fd);
	return ok;
}

void lab_socketpair(int sv[2])
{
	if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv))
		fail("socketpair: %s", strerror(errno));
}

void lab_hook(struct lab *l)
{
	int sv[2];

	lab_socketpair(sv);
	if (vmm_hook(l->vm, sv[0]))
		fail("vmm_hook: %s", vmm_error());
	close(sv[0]);
	check_eq(kvmi_client_new(&l->c, sv[1], TIMEOUT_MS), 0);
}

void lab_start(struct lab *l, const struct vmm_guest *g)
{
	lab_open(l, g, 1);
	lab_hook(l);
}

unsigned int lab_receivers(void)
{
	DIR *proc = opendir("/proc");
	unsigned int n = 0;
	struct dirent *e;

	check(proc);
	while ((e = readdir(proc))) {
		char path[300], comm[32] = "";
		FILE *f;

		snprintf(path, sizeof(path), "/proc/%s/comm", e->d_name);
		f = e->d_name[0] >= '0' && e->d_name[0] <= '9' ? fopen(path, "re") : NULL;
		if (!f)
			continue;
		n += fgets(comm, sizeof(comm), f) && !strcmp(comm, "kvmi-recv\n");
		fclose(f);
	}
	closedir(proc);
	return n;
}

/* --- vCPUs --- */

static int on_debug(struct vmm_vcpu *v, void *ctx)
{
	struct runner *r = ctx;

	r->debug = v->run->debug.arch;
	r->debug_exits++;
	if (r->on_debug)
		return r->on_debug(r);
	if (r->debug.exception != 3)
		return 0;
	v->run->s.regs.regs.rip++;
	v->run->kvm_dirty_regs |= KVM_SYNC_X86_REGS;
	return 0;
}

static int on_exit_reason(struct vmm_vcpu *v, void *ctx)
{
	struct runner *r = ctx;

	if (v->run->exit_reason == KVM_EXIT_SYSTEM_EVENT) {
		r->system_event = v->run->system_event.type;
		return RUN_SYSTEM_EVENT;
	}
	snprintf(r->error, sizeof(r->error), "exit reason %u at RIP %#llx", v->run->exit_reason,
		 (unsigned long long)v->run->s.regs.regs.rip);
	return -EIO;
}

static void *run_thread(void *arg)
{
	const struct vmm_ops ops = {.debug = on_debug, .exit = on_exit_reason};
	struct runner *r = arg;

	r->ret = vmm_run(r->v, &ops, r, r->timeout_ms);
	if (r->ret && !r->error[0])
		snprintf(r->error, sizeof(r->error), "%s", vmm_error());
	return NULL;
}

void runner_start(struct runner *r, struct vmm_vcpu *v)
{
	int err;

	r->v = v;
	r->ret = 0;
	r->error[0] = 0;
	r->system_event = ~0U;
	if (!r->timeout_ms)
		r->timeout_ms = TIMEOUT_MS;
	err = pthread_create(&r->thread, NULL, run_thread, r);
	if (err)
		fail("pthread_create: %s", strerror(err));
}

int runner_join(struct runner *r)
{
	pthread_join(r->thread, NULL);
	return r->ret;
}

void runner_done(struct runner *r)
{
	if (runner_join(r))
		fail("vCPU %u: vmm_run gave %d: %s", r->v->index, r->ret, r->error);
}

void runner_stop(struct runner *r)
{
	int ret;

	vmm_kick(r->v);
	ret = runner_join(r);
	if (ret != -EINTR)
		fail("vCPU %u, kicked: vmm_run gave %d: %s", r->v->index, ret, r->error);
}

VMM_DECLARE_GUEST(hit);
extern const char guest_hit_spin[];

void lab_spin_vcpu(struct lab *l, struct runner *r, unsigned int index)
{
	const struct vmm_guest hit = VMM_GUEST(hit);
	struct vmm_vcpu *v = vmm_vcpu(l->vm, index);

	check_eq(vmm_vcpu_start(v, vmm_label(&hit, guest_hit_spin)), 0);
	runner_start(r, v);
}

void lab_spin(struct lab *l, struct runner *r, unsigned int nr_vcpus)
{
	lab_open_any(l, &VMM_GUEST(hit), nr_vcpus);
	lab_hook(l);
	for (unsigned int i = 0; i < nr_vcpus; i++)
		lab_spin_vcpu(l, &r[i], i);
	for (unsigned int i = 0; i < nr_vcpus; i++)
		lab_goes_on(vmm_vcpu(l->vm, i));
}

void lab_goes_on(const struct vmm_vcpu *v)
{
	uint64_t hits = v->config->hits;

	for (int us = 0; us < TIMEOUT_MS * 1000; us += 200) {
		if (v->config->hits != hits)
			return;
		usleep(200);
	}
	fail("vCPU %u does not run: %llu for %d ms", v->index, (unsigned long long)hits,
	     TIMEOUT_MS);
}

void lab_stands_still(const struct vmm_vcpu *v)
{
	uint64_t hits = v->config->hits;

	usleep(2000);
	if (v->config->hits != hits)
		fail("vCPU %u runs: it was at %llu and is at %llu", v->index,
		     (unsigned long long)hits, (unsigned long long)v->config->hits);
}

void lab_comes_to_rest(const struct vmm_vcpu *v)
{
	for (int ms = 0; ms < TIMEOUT_MS; ms += 5) {
		uint64_t hits = v->config->hits;

		usleep(5000);
		if (v->config->hits == hits)
			return;
	}
	fail("vCPU %u does not stop within %d ms", v->index, TIMEOUT_MS);
}

/* --- the tool --- */

void tap_check_kvmi(const char *file, int line, const char *what, int got, int want)
{
	char expected[96];

	if (got == want)
		return;
	snprintf(expected, sizeof(expected), "%s", kvmi_strerror(want));
	tap_fail(file, line, "%s gave %d (%s), not %d (%s)", what, got, kvmi_strerror(got), want,
		 expected);
}

uint32_t lab_queue(struct lab *l, uint16_t id, const void *payload, size_t size)
{
	struct iovec iov = {.iov_base = (void *)payload, .iov_len = size};
	uint32_t seq, version;

	check_kvmi(kvmi_command_send(l->c, id, &iov, 1, &seq), 0);
	/* The receiver takes one message after the other: once it answers this, it has had that. */
	check_kvmi(kvmi_get_version(l->c, &version), 0);
	return seq;
}

bool lab_wait_allowed(struct kvmi_client *c)
{
	for (int i = 0; i < 1000; i++) {
		if (!kvmi_check_event(c, KVMI_EVENT_BREAKPOINT))
			return true;
		usleep(1000);
	}
	return false;
}

void lab_run_with_bp(struct lab *l, struct runner *r)
{
	const struct {
		struct kvmi_vcpu_hdr hdr;
		struct kvmi_vcpu_control_events cmd;
	} req = {
		.cmd.event_id = KVMI_EVENT_BREAKPOINT,
		.cmd.enable = 1,
	};
	uint32_t seq = lab_queue(l, KVMI_VCPU_CONTROL_EVENTS, &req, sizeof(req));

	runner_start(r, l->v);
	check_kvmi(kvmi_command_wait(l->c, KVMI_VCPU_CONTROL_EVENTS, seq, NULL, 0), 0);
}

void lab_expect_event(struct kvmi_client *c, struct kvmi_event_msg *ev, uint8_t id, uint16_t vcpu)
{
	check_kvmi(kvmi_recv_event(c, ev), 0);
	if (ev->common.event != id || ev->common.vcpu != vcpu)
		fail("event %u of vCPU %u, not %u of vCPU %u", ev->common.event, ev->common.vcpu,
		     id, vcpu);
}

void lab_continue(struct kvmi_client *c, const struct kvmi_event_msg *ev)
{
	check_kvmi(kvmi_reply_event(c, ev, KVMI_EVENT_ACTION_CONTINUE), 0);
}

void lab_answer_raw(struct kvmi_client *c, const struct kvmi_event_msg *ev, uint8_t action)
{
	const struct {
		struct kvmi_msg_hdr hdr;
		struct kvmi_vcpu_hdr vcpu;
		struct kvmi_event_reply reply;
	} msg = {
		.hdr = {.id = KVMI_EVENT_REPLY, .size = 16, .seq = ev->hdr.seq},
		.vcpu.vcpu = ev->common.vcpu,
		.reply = {.action = action, .event = ev->common.event},
	};

	check_kvmi(kvmi_send_raw(c, &msg, sizeof(msg)), 0);
}

void lab_expect_bp(struct kvmi_client *c, struct kvmi_event_msg *ev, uint16_t vcpu, uint64_t rip)
{
	check_kvmi(kvmi_recv_event(c, ev), 0);
	check_eq(ev->common.event, KVMI_EVENT_BREAKPOINT);
	check_eq(ev->common.vcpu, vcpu);
	check_eq(ev->common.arch.regs.rip, rip);
}

void lab_skip_bp(struct kvmi_client *c, const struct kvmi_event_msg *ev)
{
	struct kvm_regs regs = ev->common.arch.regs;

	regs.rip += ev->breakpoint.insn_len;
	check_kvmi(kvmi_vcpu_set_registers(c, ev->common.vcpu, &regs), 0);
	check_kvmi(kvmi_reply_event(c, ev, KVMI_EVENT_ACTION_RETRY), 0);
}

void lab_no_event(struct kvmi_client *c)
{
	struct kvmi_msg_hdr hdr;
	uint32_t version;
	uint8_t payload[8];

	/* Whatever was sent before this is answered came before the answer. */
	check_kvmi(kvmi_get_version(c, &version), 0);
	if (kvmi_client_pending(c)) {
		check_kvmi(kvmi_recv_msg(c, &hdr, payload, sizeof(payload)), 0);
		fail("message %u of %u bytes, seq %u, nobody expects", hdr.id, hdr.size, hdr.seq);
	}
}

unsigned int lab_stuff(struct kvmi_client *c)
{
	static const struct kvmi_msg_hdr msg = {.id = KVMI_GET_VERSION};
	unsigned int sent = 0, idle = 0;

	while (idle < 20) {
		ssize_t n = send(kvmi_client_fd(c), &msg, sizeof(msg), MSG_DONTWAIT | MSG_NOSIGNAL);

		if (n == sizeof(msg)) {
			sent++;
			idle = 0;
		} else {
			check_eq(errno, EAGAIN);
			idle++;
			usleep(1000);
		}
	}
	return sent;
}

void lab_expect_close(struct kvmi_client *c)
{
	struct kvmi_msg_hdr hdr;
	uint8_t payload[8];
	int ret;

	do
		ret = kvmi_recv_msg(c, &hdr, payload, sizeof(payload));
	while (!ret);
	check_kvmi(ret, -EPIPE);
}

// SPDX-License-Identifier: BSD-2-Clause
/* vCPUs that are many, late, asleep or not yet there. */
#include "lab.h"
#include "raw.h"

#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define HITS 50

VMM_DECLARE_GUEST(hit);
extern const char guest_hit_bp[], guest_hit_handler[];

static const struct vmm_guest hit = VMM_GUEST(hit);

struct vcpu_get_registers {
	struct kvmi_vcpu_hdr hdr;
	struct kvmi_vcpu_get_registers cmd;
};

/* --- two at a time --- */

static void enable_bp(struct lab *l, struct runner r[2])
{
	struct {
		struct kvmi_vcpu_hdr hdr;
		struct kvmi_vcpu_control_events cmd;
	} req = {.cmd.event_id = KVMI_EVENT_BREAKPOINT, .cmd.enable = 1};
	uint32_t seq[2];

	for (int i = 0; i < 2; i++) {
		req.hdr.vcpu = i;
		seq[i] = lab_queue(l, KVMI_VCPU_CONTROL_EVENTS, &req, sizeof(req));
		vmm_vcpu(l->vm, i)->config->count = HITS;
	}
	for (int i = 0; i < 2; i++)
		runner_start(&r[i], vmm_vcpu(l->vm, i));
	for (int i = 0; i < 2; i++)
		check_kvmi(kvmi_command_wait(l->c, KVMI_VCPU_CONTROL_EVENTS, seq[i], NULL, 0), 0);
}

/* Both wait for one tool, which answers as they come. */
static void test_two_vcpus(void)
{
	uint64_t bp = vmm_label(&hit, guest_hit_bp);
	unsigned int hits[2] = {0, 0};
	struct runner r[2] = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	lab_open(&l, &hit, 2);
	lab_hook(&l);
	enable_bp(&l, r);
	for (uint32_t i = 1; i <= 2 * HITS; i++) {
		check_kvmi(kvmi_recv_event(l.c, &ev), 0);
		check_eq(ev.hdr.seq, i);
		check_eq(ev.common.arch.regs.rip, bp);
		check(ev.common.vcpu < 2);
		/* Its own registers: GS base is its configuration's. */
		check_eq(ev.common.arch.sregs.gs.base, GUEST_CONFIG + ev.common.vcpu * 4096);
		hits[ev.common.vcpu]++;
		lab_skip_bp(l.c, &ev);
	}
	for (int i = 0; i < 2; i++) {
		runner_done(&r[i]);
		check_eq(hits[i], HITS);
		check_eq(vmm_vcpu(l.vm, i)->config->hits, HITS);
	}
	lab_no_event(l.c);
}

/* Both events are out; the answers come the other way round, and the first vCPU goes on waiting. */
static void test_answers_crosswise(void)
{
	struct kvmi_event_msg ev[2];
	struct runner r[2] = {0};
	struct lab l;

	lab_open(&l, &hit, 2);
	lab_hook(&l);
	enable_bp(&l, r);
	for (int i = 0; i < HITS; i++) {
		check_kvmi(kvmi_recv_event(l.c, &ev[0]), 0);
		check_kvmi(kvmi_recv_event(l.c, &ev[1]), 0);
		check_eq(ev[0].common.vcpu, !ev[1].common.vcpu);
		lab_skip_bp(l.c, &ev[1]);
		lab_skip_bp(l.c, &ev[0]);
	}
	for (int i = 0; i < 2; i++) {
		runner_done(&r[i]);
		check_eq(vmm_vcpu(l.vm, i)->config->hits, HITS);
	}
}

/* The tool goes with both waiting. */
static void test_close_two_vcpus(void)
{
	struct kvmi_event_msg ev[2];
	struct runner r[2] = {0};
	struct lab l;

	lab_open(&l, &hit, 2);
	lab_hook(&l);
	check_eq(vmm_set_handler(l.vm, 3, vmm_label(&hit, guest_hit_handler)), 0);
	enable_bp(&l, r);
	check_kvmi(kvmi_recv_event(l.c, &ev[0]), 0);
	check_kvmi(kvmi_recv_event(l.c, &ev[1]), 0);
	kvmi_client_free(l.c);
	for (int i = 0; i < 2; i++) {
		runner_done(&r[i]);
		check_eq(vmm_vcpu(l.vm, i)->config->hits, HITS);
		check_eq(vmm_vcpu(l.vm, i)->config->bp_count, HITS);
	}
}

/* --- late --- */

static void test_after_hook(void)
{
	const struct vcpu_get_registers req = {.hdr.vcpu = 1};
	struct kvmi_vcpu_get_registers_reply rpl;
	struct lab l;
	uint32_t seq;
	int fd;

	lab_open_any(&l, &hit, 1);
	lab_hook(&l);
	check_kvmi(kvmi_command(l.c, KVMI_VCPU_GET_REGISTERS, &req, sizeof(req), NULL, 0),
		   KVM_EINVAL);
	fd = ioctl(vmm_fd(l.vm), KVM_CREATE_VCPU, (unsigned long)VMM_VCPU_ID(1));
	if (fd < 0)
		fail("KVM_CREATE_VCPU: %s", strerror(errno));
	seq = lab_queue(&l, KVMI_VCPU_GET_REGISTERS, &req, sizeof(req));
	/* It is at the reset vector, where there is no memory: some exit ends this. */
	alarm(10);
	if (ioctl(fd, KVM_RUN, 0))
		note("KVM_RUN: %s", strerror(errno));
	check_kvmi(kvmi_command_wait(l.c, KVMI_VCPU_GET_REGISTERS, seq, &rpl, sizeof(rpl)), 0);
	check_eq(rpl.mode, 2);
	check_eq(rpl.regs.rip, 0xfff0);
}

/* --- asleep --- */

/* HLT inside KVM_RUN: it serves the tool without waking the guest. */
static void test_halted(void)
{
	struct kvm_mp_state state;
	struct raw_runner r;
	struct kvm_regs regs;
	struct raw raw;
	uint32_t mode;

	raw_open(&raw, RAW_IRQCHIP, 1);
	raw_start(&r, &raw, 0);
	for (int i = 0; i < 20; i++) {
		usleep(2000);
		check_kvmi(kvmi_vcpu_get_registers(raw.c, 0, &mode, &regs, NULL, NULL, 0), 0);
		check_eq(mode, 2);
		check_kvmi(kvmi_vcpu_control_events(raw.c, 0, KVMI_EVENT_BREAKPOINT, i & 1), 0);
	}
	/* Behind the HLT, and it has not gone on from there. */
	check_eq(regs.rip, RAW_CODE + 1);
	raw_stop(&r);
	check_eq(ioctl(raw.vcpu[0], KVM_GET_MP_STATE, &state), 0);
	check_eq(state.mp_state, KVM_MP_STATE_HALTED);
}

/* --- not yet there --- */

static void test_uninitialized(void)
{
	const struct vcpu_get_registers req = {.hdr.vcpu = 1};
	struct kvm_mp_state state = {.mp_state = KVM_MP_STATE_UNINITIALIZED};
	struct raw raw;

	raw_open(&raw, RAW_IRQCHIP, 2);
	check_eq(ioctl(raw.vcpu[1], KVM_SET_MP_STATE, &state), 0);
	check_kvmi(kvmi_command(raw.c, KVMI_VCPU_GET_REGISTERS, &req, sizeof(req), NULL, 0),
		   KVM_EAGAIN);
	check_kvmi(kvmi_vcpu_control_events(raw.c, 1, KVMI_EVENT_BREAKPOINT, true), KVM_EAGAIN);
}

int main(void)
{
	const struct tap_test tests[] = {
		{"two vCPUs, one tool", test_two_vcpus},
		{"two vCPUs, answered the other way round", test_answers_crosswise},
		{"tool gone while two vCPUs wait", test_close_two_vcpus},
		{"vCPU created after HOOK", test_after_hook},
		{"halted vCPU serves commands, and stays halted", test_halted},
		{"vCPU that waits for INIT: EAGAIN", test_uninitialized},
	};

	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

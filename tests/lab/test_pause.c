// SPDX-License-Identifier: BSD-2-Clause
/* VCPU_PAUSE and its event: when it comes, how often, for whom, and what its answers do. */
#include "lab.h"
#include "raw.h"

#include <stdlib.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define MAX_PAUSES 1002
#define PAGE	   4096

VMM_DECLARE_GUEST(hit);
extern const char guest_hit_bp[], guest_hit_spin[];

static const struct vmm_guest hit = VMM_GUEST(hit);

static void expect_pause(struct lab *l, struct kvmi_event_msg *ev, uint16_t vcpu)
{
	lab_expect_event(l->c, ev, KVMI_EVENT_PAUSE_VCPU, vcpu);
}

/* Pauses the spinning vCPU and waits for the event. */
static void pause_vcpu(struct lab *l, struct kvmi_event_msg *ev, uint16_t vcpu)
{
	check_kvmi(kvmi_vcpu_pause(l->c, vcpu, false), 0);
	expect_pause(l, ev, vcpu);
}

/* A hooked VM of which no vCPU runs. */
static void start(struct lab *l, unsigned int nr_vcpus)
{
	lab_open_any(l, &hit, nr_vcpus);
	lab_hook(l);
}

/* --- the event --- */

static void test_pause_event(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct kvm_sregs sregs;
	struct kvm_regs regs;
	struct lab l;

	lab_spin(&l, &r, 1);
	pause_vcpu(&l, &ev, 0);
	check_eq(ev.hdr.id, KVMI_EVENT);
	check_eq(ev.hdr.size, 544);
	check_eq(ev.hdr.seq, 1);
	check_eq(ev.common.size, 544);
	check_eq(ev.common.arch.mode, 8);
	for (size_t i = 0; i < sizeof(ev.common.padding); i++)
		check_eq(ev.common.padding[i], 0);
	lab_stands_still(l.v);
	check_kvmi(kvmi_vcpu_get_registers(l.c, 0, NULL, &regs, &sregs, NULL, 0), 0);
	check_eq(memcmp(&regs, &ev.common.arch.regs, sizeof(regs)), 0);
	check_eq(memcmp(&sregs, &ev.common.arch.sregs, sizeof(sregs)), 0);
	check(regs.rip >= vmm_label(&hit, guest_hit_spin) && regs.rip < GUEST_CODE + PAGE);
	check_eq(sregs.gs.base, GUEST_CONFIG);
	lab_continue(l.c, &ev);
	lab_goes_on(l.v);
	lab_no_event(l.c);
	runner_stop(&r);
}

/* One event for each command, no more. */
static void test_pause_count(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start(&l, 1);
	for (int i = 0; i < 5; i++)
		check_kvmi(kvmi_vcpu_pause(l.c, 0, i & 1), 0);
	lab_no_event(l.c);
	lab_spin_vcpu(&l, &r, 0);
	for (uint32_t i = 1; i <= 5; i++) {
		expect_pause(&l, &ev, 0);
		check_eq(ev.hdr.seq, i);
		lab_no_event(l.c);
		/* Before its first instruction. */
		check_eq(l.v->config->hits, 0);
		lab_continue(l.c, &ev);
	}
	lab_goes_on(l.v);
	lab_no_event(l.c);
	runner_stop(&r);
}

/* Not to be switched on, nor off. */
static void test_pause_not_enabled(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	lab_spin(&l, &r, 1);
	for (int i = 0; i < 3; i++) {
		check_kvmi(kvmi_vcpu_control_events(l.c, 0, KVMI_EVENT_PAUSE_VCPU, i & 1), 0);
		pause_vcpu(&l, &ev, 0);
		lab_continue(l.c, &ev);
	}
	lab_goes_on(l.v);
	runner_stop(&r);
}

/* The receiver answers PAUSE before the vCPU has done anything; its event comes after all commands. */
static void test_pause_after_commands(void)
{
	enum { N = 6, PAUSED = 2 };
	const struct kvmi_vcpu_get_registers get = {0};
	const struct kvmi_vcpu_pause pause = {0};
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct kvmi_error_code ec;
	struct kvmi_msg_hdr hdr;
	uint32_t seq[N];
	struct lab l;

	start(&l, 1);
	check_kvmi(kvmi_batch_begin(l.c), 0);
	for (int i = 0; i < N; i++)
		check_kvmi(i == PAUSED ? kvmi_vcpu_command_send(l.c, KVMI_VCPU_PAUSE, 0, &pause,
								sizeof(pause), &seq[i])
				       : kvmi_vcpu_command_send(l.c, KVMI_VCPU_GET_REGISTERS, 0,
								&get, sizeof(get), &seq[i]),
			   0);
	check_kvmi(kvmi_batch_send(l.c), 0);
	check_kvmi(kvmi_recv_msg(l.c, &hdr, &ec, sizeof(ec)), 0);
	check_eq(hdr.id, KVMI_VCPU_PAUSE);
	check_eq(hdr.seq, seq[PAUSED]);
	check_eq(hdr.size, 8);
	check_eq(ec.err, 0);
	lab_no_event(l.c);

	lab_spin_vcpu(&l, &r, 0);
	for (int i = 0; i < N; i++) {
		if (i == PAUSED)
			continue;
		check_kvmi(kvmi_recv_msg(l.c, &hdr, &ec, sizeof(ec)), 0);
		check_eq(hdr.id, KVMI_VCPU_GET_REGISTERS);
		check_eq(hdr.seq, seq[i]);
	}
	expect_pause(&l, &ev, 0);
	check_eq(l.v->config->hits, 0);
	lab_continue(l.c, &ev);
	lab_goes_on(l.v);
	runner_stop(&r);
}

/* --- wait --- */

/* With the reply to wait=1 in hand the guest does nothing any more. */
static void test_pause_wait(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	lab_spin(&l, &r, 1);
	for (int i = 0; i < 20; i++) {
		check_kvmi(kvmi_vcpu_pause(l.c, 0, true), 0);
		lab_stands_still(l.v);
		expect_pause(&l, &ev, 0);
		lab_stands_still(l.v);
		lab_continue(l.c, &ev);
		lab_goes_on(l.v);
	}
	runner_stop(&r);
}

/* As a tool pauses a VM: all commands, all replies, and then the events. */
static void test_pause_four_vcpus(void)
{
	const struct kvmi_vcpu_pause wait = {.wait = 1};
	struct runner r[4] = {0};
	struct kvmi_event_msg ev[4];
	uint64_t hits[4];
	uint32_t seq[4];
	struct lab l;

	lab_spin(&l, r, 4);
	for (int round = 0; round < 5; round++) {
		unsigned int seen = 0;

		check_kvmi(kvmi_batch_begin(l.c), 0);
		for (unsigned int i = 0; i < 4; i++)
			check_kvmi(kvmi_vcpu_command_send(l.c, KVMI_VCPU_PAUSE, i, &wait,
							  sizeof(wait), &seq[i]),
				   0);
		check_kvmi(kvmi_batch_send(l.c), 0);
		for (unsigned int i = 0; i < 4; i++)
			check_kvmi(kvmi_command_wait(l.c, KVMI_VCPU_PAUSE, seq[i], NULL, 0), 0);
		for (unsigned int i = 0; i < 4; i++)
			hits[i] = vmm_vcpu(l.vm, i)->config->hits;
		usleep(5000);
		for (unsigned int i = 0; i < 4; i++)
			check_eq(vmm_vcpu(l.vm, i)->config->hits, hits[i]);
		for (unsigned int i = 0; i < 4; i++) {
			check_kvmi(kvmi_recv_event(l.c, &ev[i]), 0);
			check_eq(ev[i].common.event, KVMI_EVENT_PAUSE_VCPU);
			check(ev[i].common.vcpu < 4);
			check_eq(ev[i].common.arch.sregs.gs.base,
				 GUEST_CONFIG + ev[i].common.vcpu * PAGE);
			seen |= 1 << ev[i].common.vcpu;
		}
		check_eq(seen, 0xf);
		for (unsigned int i = 0; i < 4; i++)
			lab_continue(l.c, &ev[i]);
		for (unsigned int i = 0; i < 4; i++)
			lab_goes_on(vmm_vcpu(l.vm, i));
	}
	lab_no_event(l.c);
	for (unsigned int i = 0; i < 4; i++)
		runner_stop(&r[i]);
}

/* A vCPU that never was in KVM_RUN, and one that has left it: there is nothing to wait for. */
static void test_pause_not_running(void)
{
	struct runner r = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start(&l, 2);
	check_kvmi(kvmi_vcpu_pause(l.c, 0, true), 0);
	check_kvmi(kvmi_vcpu_pause(l.c, 1, true), 0);
	lab_no_event(l.c);
	lab_spin_vcpu(&l, &r, 0);
	expect_pause(&l, &ev, 0);
	lab_continue(l.c, &ev);
	lab_goes_on(l.v);
	runner_stop(&r);

	check_kvmi(kvmi_vcpu_pause(l.c, 0, true), 0);
	lab_stands_still(l.v);
	lab_no_event(l.c);
	runner_start(&r, l.v);
	expect_pause(&l, &ev, 0);
	lab_stands_still(l.v);
	lab_continue(l.c, &ev);
	lab_goes_on(l.v);
	runner_stop(&r);
}

/* It is woken for the tool, not for the guest. */
static void test_pause_halted(void)
{
	struct kvm_mp_state state;
	struct kvmi_event_msg ev;
	struct raw_runner r;
	struct raw raw;

	raw_open(&raw, RAW_IRQCHIP, 1);
	raw_start(&r, &raw, 0);
	/* To its HLT; the first run takes long on a debug kernel. */
	usleep(200000);
	for (int i = 0; i < 10; i++) {
		usleep(2000);
		check_kvmi(kvmi_vcpu_pause(raw.c, 0, i & 1), 0);
		lab_expect_event(raw.c, &ev, KVMI_EVENT_PAUSE_VCPU, 0);
		check_eq(ev.common.arch.mode, 2);
		check_eq(ev.common.arch.regs.rip, RAW_CODE + 1);
		lab_continue(raw.c, &ev);
	}
	check_kvmi(kvmi_vcpu_get_registers(raw.c, 0, NULL, &ev.common.arch.regs, NULL, NULL, 0), 0);
	check_eq(ev.common.arch.regs.rip, RAW_CODE + 1);
	raw_stop(&r);
	check_eq(ioctl(raw.vcpu[0], KVM_GET_MP_STATE, &state), 0);
	check_eq(state.mp_state, KVM_MP_STATE_HALTED);
}

/* --- which vCPU --- */

static void test_pause_index(void)
{
	struct runner r[3] = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	lab_spin(&l, r, 3);
	for (unsigned int i = 0; i < 3; i++) {
		for (int wait = 0; wait < 2; wait++) {
			check_kvmi(kvmi_vcpu_pause(l.c, i, wait), 0);
			expect_pause(&l, &ev, i);
			for (unsigned int j = 0; j < 3; j++) {
				if (j == i)
					lab_stands_still(vmm_vcpu(l.vm, j));
				else
					lab_goes_on(vmm_vcpu(l.vm, j));
			}
			lab_continue(l.c, &ev);
			lab_goes_on(vmm_vcpu(l.vm, i));
		}
	}
	check_kvmi(kvmi_vcpu_pause(l.c, 3, false), KVM_EINVAL);
	check_kvmi(kvmi_vcpu_pause(l.c, 3, true), KVM_EINVAL);
	check_kvmi(kvmi_vcpu_pause(l.c, 0xffff, false), KVM_EINVAL);
	lab_no_event(l.c);
	for (unsigned int i = 0; i < 3; i++)
		runner_stop(&r[i]);
}

/* An index of more than a byte, each byte of which is an index, too. */
static void test_pause_vcpu_257(void)
{
	struct kvmi_event_msg ev;
	struct raw_runner r;
	struct raw raw;

	raw_open(&raw, RAW_BARE, 258);
	for (int wait = 0; wait < 2; wait++) {
		check_kvmi(kvmi_vcpu_pause(raw.c, 256, wait), 0);
		check_kvmi(kvmi_vcpu_pause(raw.c, 257, wait), 0);
		check_kvmi(kvmi_vcpu_pause(raw.c, 258, wait), KVM_EINVAL);
	}
	lab_no_event(raw.c);
	raw_start(&r, &raw, 257);
	lab_expect_event(raw.c, &ev, KVMI_EVENT_PAUSE_VCPU, 257);
	raw_stop(&r);
	lab_no_event(raw.c);
}

static void test_pause_padding(void)
{
	static const struct {
		struct kvmi_vcpu_hdr hdr;
		struct kvmi_vcpu_pause cmd;
	} cases[] = {
		{{.vcpu = 1}, {.padding1 = 1}},
		{{.vcpu = 1}, {.padding2 = 1}},
		{{.vcpu = 1}, {.padding2 = 0x8000}},
		{{.vcpu = 1}, {.padding3 = 1}},
		{{.vcpu = 1}, {.padding3 = 0x80000000, .wait = 1}},
		{{.padding1 = 1}, {.wait = 0}},
		{{.padding2 = 1}, {.wait = 0}},
		{{.vcpu = 2}, {.wait = 0}},
	};
	struct runner r[2] = {0};
	struct lab l;

	lab_spin(&l, r, 2);
	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		int got = kvmi_command(l.c, KVMI_VCPU_PAUSE, &cases[i], sizeof(cases[i]), NULL, 0);

		if (got != KVM_EINVAL)
			fail("case %zu: %s", i, kvmi_strerror(got));
	}
	usleep(10000);
	lab_no_event(l.c);
	for (unsigned int i = 0; i < 2; i++) {
		lab_goes_on(vmm_vcpu(l.vm, i));
		runner_stop(&r[i]);
	}
}

/* --- how many, and when not --- */

static void test_pause_ebusy(void)
{
	struct runner r[2] = {0};
	struct kvmi_event_msg ev;
	struct lab l;

	start(&l, 2);
	for (int i = 0; i < MAX_PAUSES; i++)
		check_kvmi(kvmi_vcpu_pause(l.c, 0, false), 0);
	check_kvmi(kvmi_vcpu_pause(l.c, 0, false), KVM_EBUSY);
	check_kvmi(kvmi_vcpu_pause(l.c, 0, true), KVM_EBUSY);
	/* Each vCPU has its own count. */
	check_kvmi(kvmi_vcpu_pause(l.c, 1, false), 0);
	lab_spin_vcpu(&l, &r[1], 1);
	expect_pause(&l, &ev, 1);
	lab_continue(l.c, &ev);

	/* The first event is out: there is room for one more. */
	lab_spin_vcpu(&l, &r[0], 0);
	expect_pause(&l, &ev, 0);
	check_kvmi(kvmi_vcpu_pause(l.c, 0, false), 0);
	check_kvmi(kvmi_vcpu_pause(l.c, 0, false), KVM_EBUSY);
	for (int i = 0; i < MAX_PAUSES; i++) {
		check_eq(l.v->config->hits, 0);
		lab_continue(l.c, &ev);
		expect_pause(&l, &ev, 0);
	}
	lab_continue(l.c, &ev);
	lab_goes_on(l.v);
	lab_no_event(l.c);
	for (unsigned int i = 0; i < 2; i++)
		runner_stop(&r[i]);
}

static void test_pause_eagain(void)
{
	struct kvm_mp_state state = {.mp_state = KVM_MP_STATE_UNINITIALIZED};
	struct kvmi_event_msg ev;
	struct raw_runner r;
	struct raw raw;

	raw_open(&raw, RAW_IRQCHIP, 2);
	check_eq(ioctl(raw.vcpu[1], KVM_SET_MP_STATE, &state), 0);
	check_kvmi(kvmi_vcpu_pause(raw.c, 1, false), KVM_EAGAIN);
	check_kvmi(kvmi_vcpu_pause(raw.c, 1, true), KVM_EAGAIN);
	/* No trace of it once the vCPU is there. */
	state.mp_state = KVM_MP_STATE_RUNNABLE;
	check_eq(ioctl(raw.vcpu[1], KVM_SET_MP_STATE, &state), 0);
	raw_start(&r, &raw, 1);
	check_kvmi(kvmi_vcpu_get_registers(raw.c, 1, NULL, NULL, NULL, NULL, 0), 0);
	usleep(5000);
	lab_no_event(raw.c);
	check_kvmi(kvmi_vcpu_pause(raw.c, 1, true), 0);
	lab_expect_event(raw.c, &ev, KVMI_EVENT_PAUSE_VCPU, 1);
	lab_continue(raw.c, &ev);
	raw_stop(&r);
}

static void test_pause_disallowed(void)
{
	struct runner r = {0};
	struct lab l;

	lab_spin(&l, &r, 1);
	check_eq(vmm_allow_event(l.vm, KVMI_EVENT_PAUSE_VCPU, false), 0);
	check_kvmi(kvmi_vcpu_control_events(l.c, 0, KVMI_EVENT_PAUSE_VCPU, true), KVM_EPERM);
	check_kvmi(kvmi_vcpu_pause(l.c, 0, false), -EPIPE);
	lab_goes_on(l.v);
	check_eq(vmm_unhook(l.vm), 0);
	lab_goes_on(l.v);
	runner_stop(&r);
}

int main(void)
{
	const struct tap_test tests[] = {
		{"PAUSE: the event, its registers, CONTINUE", test_pause_event},
		{"PAUSE: one event for each command", test_pause_count},
		{"PAUSE: VCPU_CONTROL_EVENTS makes no difference", test_pause_not_enabled},
		{"PAUSE: answered at once, its event after all commands",
		 test_pause_after_commands},
		{"PAUSE with wait: the guest stands still once it is answered", test_pause_wait},
		{"PAUSE with wait, four vCPUs in one write", test_pause_four_vcpus},
		{"PAUSE of vCPUs outside of KVM_RUN", test_pause_not_running},
		{"PAUSE of a halted vCPU, which stays halted", test_pause_halted},
		{"PAUSE stops the vCPU it names, with and without wait", test_pause_index},
		{"PAUSE of vCPUs 256 and 257", test_pause_vcpu_257},
		{"PAUSE: padding and index: EINVAL", test_pause_padding},
		{"PAUSE: 1002 are due, the 1003rd EBUSY", test_pause_ebusy},
		{"PAUSE before INIT: EAGAIN, and forgotten", test_pause_eagain},
		{"PAUSE of a VM that does not allow the event: closed", test_pause_disallowed},
	};

	return tap_main(tests, sizeof(tests) / sizeof(tests[0]));
}

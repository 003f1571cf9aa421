// SPDX-License-Identifier: BSD-2-Clause
/* kvmi-trace break: lets a vCPU go on behind a breakpoint, by emulation or with the breakpoint lifted. */
#include "insn.h"

#include <errno.h>
#include <poll.h>
#include <string.h>
#include <time.h>

/*
 * There is no single-step in the protocol. Where an instruction is not emulated, the vCPU executes it
 * itself: the others are paused, the original byte is put back, int3s go to wherever the instruction can
 * lead, and the vCPU is let go until it hits one of them. Then everything is put back. So no other vCPU
 * can pass the breakpoint meanwhile.
 *
 * It may take long: the vCPU may first handle an interrupt that waits for a paused vCPU. Then the step is
 * given up after STEP_MS: the breakpoint is planted again, the others run, and when the vCPU comes back to
 * it, it is stepped over without being reported again.
 */
#define STEP_MS 200

#define RFLAGS_RF (1ULL << 16)

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/* --- the others --- */

/* None of them is in the guest when this returns; each sends an event before it is there again. */
static int pause_others(struct tracer *t, uint16_t vcpu)
{
	const struct kvmi_vcpu_pause pause = {.wait = 1};
	uint32_t seq[TRACE_MAX_VCPUS];
	int ret = t->vcpus > 1 ? kvmi_batch_begin(t->c) : 0;

	for (unsigned int i = 0; !ret && i < t->vcpus; i++)
		if (i != vcpu)
			ret = kvmi_vcpu_command_send(t->c, KVMI_VCPU_PAUSE, i, &pause,
						     sizeof(pause), &seq[i]);
	if (t->vcpus > 1 && !ret)
		ret = kvmi_batch_send(t->c);
	for (unsigned int i = 0; !ret && i < t->vcpus; i++) {
		if (i == vcpu)
			continue;
		ret = kvmi_command_wait(t->c, KVMI_VCPU_PAUSE, seq[i], NULL, 0);
		/* Not started: it cannot run into the gap. So many pauses pending: nor can it. */
		if (ret == KVM_EAGAIN || ret == KVM_EBUSY)
			ret = 0;
	}
	return ret;
}

/* --- steps given up --- */

static bool same_regs(const struct kvm_regs *a, const struct kvm_regs *b)
{
	struct kvm_regs x = *a, y = *b;

	x.rflags &= ~RFLAGS_RF;
	y.rflags &= ~RFLAGS_RF;
	return !memcmp(&x, &y, sizeof(x));
}

static void give_up(struct tracer *t, const struct breakpoint *bp, const struct kvmi_event_msg *ev)
{
	t->unfinished[t->next_unfinished++ % MAX_UNFINISHED] = (struct unfinished){
		.gpa = bp->gpa,
		.cr3 = ev->common.arch.sregs.cr3,
		.regs = ev->common.arch.regs,
	};
}

bool step_was_unfinished(struct tracer *t, const struct kvmi_event_msg *ev)
{
	for (unsigned int i = 0; i < MAX_UNFINISHED; i++) {
		struct unfinished *u = &t->unfinished[i];

		if (u->gpa && u->gpa == ev->breakpoint.gpa && u->cr3 == ev->common.arch.sregs.cr3 &&
		    same_regs(&u->regs, &ev->common.arch.regs)) {
			u->gpa = 0;
			return true;
		}
	}
	return false;
}

/* --- the step --- */

/*
 * Waits for the stepping vCPU's hit of one of our int3s. 1: it came, and the vCPU waits at it; 0: it did
 * not come in time. What others send is put off; so is the hit, if the user asked for that breakpoint.
 */
static int wait_for_hit(struct tracer *t, uint16_t vcpu)
{
	struct pollfd pfd = {.fd = kvmi_client_fd(t->c), .events = POLLIN};
	int64_t deadline = now_ms() + STEP_MS;

	for (;;) {
		int64_t left = deadline - now_ms();
		struct kvmi_event_msg ev;
		struct breakpoint *bp;
		int ret;

		if (!kvmi_event_pending(t->c)) {
			if (left <= 0)
				return 0;
			if (poll(&pfd, 1, left) <= 0)
				continue;
		}
		ret = kvmi_recv_event(t->c, &ev);
		if (ret)
			return ret;

		if (ev.common.vcpu != vcpu || ev.common.event == KVMI_EVENT_UNHOOK) {
			ret = put_off(t, &ev, false);
		} else if (ev.common.event != KVMI_EVENT_BREAKPOINT) {
			ret = kvmi_reply_event(t->c, &ev, KVMI_EVENT_ACTION_CONTINUE);
		} else {
			bp = place_find(t, ev.breakpoint.gpa);
			if (bp && (bp->planted || bp->own)) {
				ret = put_off(t, &ev, true);
				return ret ? ret : 1;
			}
			/* An int3 of the guest's own, in an interrupt's handler. */
			ret = kvmi_reply_event(t->c, &ev, KVMI_EVENT_ACTION_CONTINUE);
		}
		if (ret)
			return ret;
	}
}

/* int3s to all the places the instruction may lead to. */
static int plant_successors(struct tracer *t, const struct insn *in, const uint64_t *next,
			    unsigned int n, struct breakpoint **placed, unsigned int *n_placed)
{
	*n_placed = 0;
	for (unsigned int i = 0; i < n; i++) {
		struct breakpoint *bp;
		uint64_t gpa;
		int ret = kvmi_translate(t->c, &in->sregs, next[i], &gpa);

		/* A page that is not there yet: if the vCPU goes there, the step is given up. */
		if (ret == -EFAULT)
			continue;
		if (!ret) {
			bp = place_find(t, gpa);
			if (bp && bp->planted)
				continue;
			ret = place_plant(t, next[i], gpa, &bp);
			if (!ret)
				placed[(*n_placed)++] = bp;
		}
		if (ret)
			return ret;
	}
	return 0;
}

static int step_restored(struct tracer *t, struct breakpoint *bp, const struct kvmi_event_msg *ev,
			 const struct insn *in, const char **why)
{
	struct breakpoint *placed[2];
	unsigned int n, n_placed = 0;
	uint64_t next[2];
	int ret = insn_successors(in, next, &n, why), hit = 0, ret2;

	if (ret)
		return ret;

	ret = pause_others(t, ev->common.vcpu);
	if (!ret)
		ret = plant_successors(t, in, next, n, placed, &n_placed);
	if (!ret)
		ret = place_lift(t, bp);
	if (!ret)
		ret = kvmi_reply_event(t->c, ev, KVMI_EVENT_ACTION_RETRY);
	if (!ret) {
		hit = wait_for_hit(t, ev->common.vcpu);
		if (hit < 0 || hit > 1)
			ret = hit;
	}
	if (!ret && !hit)
		give_up(t, bp, ev);

	/* Whatever went wrong: the guest's memory first. */
	for (unsigned int i = 0; i < n_placed; i++) {
		ret2 = place_lift(t, placed[i]);
		placed[i]->own = false;
		ret = ret ? ret : ret2;
	}
	ret2 = place_arm(t, bp);
	return ret ? ret : ret2;
}

int step_over(struct tracer *t, struct breakpoint *bp, const struct kvmi_event_msg *ev,
	      const char **why)
{
	struct insn in;
	int ret = insn_fetch(&in, t, bp, ev);

	if (ret == -EFAULT) {
		*why = "no instruction";
		return -EOPNOTSUPP;
	}
	if (ret)
		return ret;

	if (t->o->step != STEP_RESTORE) {
		ret = insn_emulate(&in);
		if (!ret)
			return kvmi_reply_event_regs(t->c, ev, &in.regs, KVMI_EVENT_ACTION_RETRY);
		if (ret != -EOPNOTSUPP)
			return ret;
		if (t->o->step == STEP_EMULATE) {
			*why = "an instruction that is not emulated";
			return ret;
		}
	}
	return step_restored(t, bp, ev, &in, why);
}

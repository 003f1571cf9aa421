// SPDX-License-Identifier: BSD-2-Clause
/* kvmi-trace break: plants breakpoints, reports hits, and leaves the guest as it was. */
#include "break.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

/* How often to look for vCPUs that have been added or started. */
#define LOOK_MS 500
/* How long to wait for the connection to end when the guest's memory is gone, and how often to ask. */
#define GOING_MS      2000
#define GOING_STEP_MS 50

/* A vCPU that is not in KVM_RUN does not answer; what it was sent is done before it enters the guest. */
#define VCPU_ANSWER_MS 1000

#define GO_ON 1

static struct timespec start;

/* --- set-up --- */

/* Switch the event of these vCPUs on, or off, all at once. */
static int switch_vcpus(struct tracer *t, unsigned int n, bool enable)
{
	const struct kvmi_vcpu_control_events req = {.event_id = KVMI_EVENT_BREAKPOINT,
						     .enable = enable};
	uint32_t seq[TRACE_MAX_VCPUS];
	int ret = kvmi_batch_begin(t->c);

	for (unsigned int i = 0; !ret && i < n; i++)
		if (t->enabled[i] != enable)
			ret = kvmi_vcpu_command_send(t->c, KVMI_VCPU_CONTROL_EVENTS, i, &req,
						     sizeof(req), &seq[i]);
	if (!ret)
		ret = kvmi_batch_send(t->c);
	kvmi_client_set_timeout(t->c, VCPU_ANSWER_MS);
	for (unsigned int i = 0; !ret && i < n; i++) {
		if (t->enabled[i] == enable)
			continue;
		ret = kvmi_command_wait(t->c, KVMI_VCPU_CONTROL_EVENTS, seq[i], NULL, 0);
		if (!ret || ret == -ETIMEDOUT)
			t->enabled[i] = enable;
		/* Not started yet: there will be another look. */
		if (ret == -ETIMEDOUT || ret == KVM_EAGAIN)
			ret = 0;
	}
	kvmi_client_set_timeout(t->c, TRACE_TIMEOUT_MS);
	return ret;
}

/* vCPUs that have been added, or started, since the last look. */
static int look_for_vcpus(struct tracer *t)
{
	unsigned int i = 0;
	uint32_t n;
	int ret = kvmi_get_info(t->c, &n);

	if (ret)
		return ret;
	if (n > TRACE_MAX_VCPUS)
		n = TRACE_MAX_VCPUS;
	t->vcpus = n;
	while (i < n && t->enabled[i])
		i++;
	return i < n ? switch_vcpus(t, n, true) : 0;
}

/* What the VMM has to allow, before anything is done that needs the rest. */
static int check_allowed(struct kvmi_client *c)
{
	static const struct {
		uint16_t id;
		const char *name;
	} commands[] = {
		{KVMI_VM_GET_INFO, "KVMI_VM_GET_INFO"},
		{KVMI_VM_READ_PHYSICAL, "KVMI_VM_READ_PHYSICAL"},
		{KVMI_VM_WRITE_PHYSICAL, "KVMI_VM_WRITE_PHYSICAL"},
		{KVMI_VCPU_PAUSE, "KVMI_VCPU_PAUSE"},
		{KVMI_VCPU_CONTROL_EVENTS, "KVMI_VCPU_CONTROL_EVENTS"},
		{KVMI_VCPU_GET_REGISTERS, "KVMI_VCPU_GET_REGISTERS"},
		{KVMI_VCPU_SET_REGISTERS, "KVMI_VCPU_SET_REGISTERS"},
	};
	static const uint16_t events[] = {KVMI_EVENT_PAUSE_VCPU, KVMI_EVENT_BREAKPOINT};

	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		int ret = kvmi_check_command(c, commands[i].id);

		if (ret == KVM_EPERM)
			return trace_error("the VMM does not allow %s", commands[i].name);
		if (ret)
			return trace_kvmi_error(commands[i].name, ret);
	}
	for (size_t i = 0; i < sizeof(events) / sizeof(events[0]); i++) {
		int ret = kvmi_check_event(c, events[i]);

		if (ret == KVM_EPERM)
			return trace_error("the VMM does not allow the event %s",
					   kvmi_event_name(events[i]));
		if (ret)
			return trace_kvmi_error(kvmi_event_name(events[i]), ret);
	}
	return 0;
}

static int plant(struct tracer *t, const struct kvm_sregs *sregs, uint64_t gva)
{
	struct breakpoint *bp;
	uint64_t gpa;
	int ret = kvmi_translate(t->c, sregs, gva, &gpa);

	if (ret == -EFAULT)
		return trace_error("0x%llx is not mapped in the address space with CR3 0x%llx",
				   (unsigned long long)gva, (unsigned long long)sregs->cr3);
	if (!ret)
		ret = place_plant(t, gva, gpa, &bp);
	if (ret == KVM_ENOENT)
		return trace_error("0x%llx (gpa 0x%llx) is no memory, or is read-only",
				   (unsigned long long)gva, (unsigned long long)gpa);
	if (ret)
		return trace_kvmi_error("planting a breakpoint", ret);
	bp->asked = true;
	return 0;
}

static int set_up(struct tracer *t)
{
	struct kvm_sregs sregs;
	int ret = check_allowed(t->c);

	if (ret)
		return ret;
	ret = kvmi_vcpu_get_registers(t->c, t->o->vcpu, NULL, NULL, &sregs, NULL, 0);
	if (ret == KVM_EINVAL)
		return trace_error("there is no vCPU %u", t->o->vcpu);
	if (ret == -ETIMEDOUT)
		return trace_error("vCPU %u is not running", t->o->vcpu);
	if (ret == KVM_EOPNOTSUPP)
		return trace_error("this is a protected guest: its state cannot be read");
	if (ret)
		return trace_kvmi_error("KVMI_VCPU_GET_REGISTERS", ret);
	if (t->o->cr3)
		sregs.cr3 = t->o->cr3;

	/* Not every VMM says goodbye. */
	ret = kvmi_control_events(t->c, KVMI_EVENT_UNHOOK, true);
	if (ret && ret != KVM_EPERM)
		return trace_kvmi_error("KVMI_VM_CONTROL_EVENTS", ret);
	ret = look_for_vcpus(t);
	if (ret)
		return trace_kvmi_error("switching the breakpoint event on", ret);

	/* From the first of them on there are hits. */
	clock_gettime(CLOCK_MONOTONIC, &start);
	for (unsigned int i = 0; i < t->o->n; i++) {
		ret = plant(t, &sregs, t->o->gva[i]);
		if (ret)
			return ret;
	}
	return 0;
}

/* --- hits --- */

static void report(const struct tracer *t, const struct breakpoint *bp,
		   const struct kvmi_event_msg *ev)
{
	const struct kvm_regs *regs = &ev->common.arch.regs;
	struct timespec now;
	const char *comma = "";
	double time;

	clock_gettime(CLOCK_MONOTONIC, &now);
	time = now.tv_sec - start.tv_sec + (now.tv_nsec - start.tv_nsec) / 1e9;
	/* Both formats take the same values. */
	printf(t->o->json ? "{\"time\":%.6f,\"vcpu\":%u,\"seq\":%u,\"rip\":\"0x%llx\","
			    "\"gpa\":\"0x%llx\",\"cr3\":\"0x%llx\",\"hit\":%llu,\"regs\":{"
			  : "%12.6f vcpu %u seq %u rip 0x%llx gpa 0x%llx cr3 0x%llx hit %llu",
	       time, ev->common.vcpu, ev->hdr.seq, (unsigned long long)regs->rip,
	       (unsigned long long)ev->breakpoint.gpa,
	       (unsigned long long)ev->common.arch.sregs.cr3, (unsigned long long)bp->hits);
	for (unsigned int i = 0; trace_reg_name(i); i++) {
		if (!(t->o->regs >> i & 1))
			continue;
		if (t->o->json)
			printf("%s\"%s\":\"0x%llx\"", comma, trace_reg_name(i),
			       (unsigned long long)trace_reg(regs, i));
		else
			printf(" %s 0x%llx", trace_reg_name(i),
			       (unsigned long long)trace_reg(regs, i));
		comma = ",";
	}
	puts(t->o->json ? "}}" : "");
}

/* It cannot be stepped over: take it out, so that the guest can go on. */
static int take_out(struct tracer *t, struct breakpoint *bp, const struct kvmi_event_msg *ev,
		    const char *why)
{
	int ret = place_lift(t, bp);

	trace_error("the breakpoint at 0x%llx is taken out again: %s, which cannot be stepped over",
		    (unsigned long long)bp->gva, why);
	return ret ? ret : kvmi_reply_event(t->c, ev, KVMI_EVENT_ACTION_RETRY);
}

static int on_breakpoint(struct tracer *t, const struct kvmi_event_msg *ev, uint64_t *left)
{
	struct breakpoint *bp = place_find(t, ev->breakpoint.gpa);
	const char *why;
	int ret;

	/* Somebody else's: the guest's, or its debugger's. */
	if (!bp)
		return kvmi_reply_event(t->c, ev, KVMI_EVENT_ACTION_CONTINUE);
	if (!bp->planted && !bp->own)
		return place_answer_stray(t, bp, ev);

	if (bp->asked && !step_was_unfinished(t, ev)) {
		bp->hits++;
		report(t, bp, ev);
		if (*left)
			--*left;
	}
	if (bp->own)
		return kvmi_reply_event(t->c, ev, KVMI_EVENT_ACTION_CONTINUE);

	ret = step_over(t, bp, ev, &why);
	return ret == -EOPNOTSUPP ? take_out(t, bp, ev, why) : ret;
}

/* --- waiting --- */

static bool got_signal(const struct tracer *t)
{
	struct signalfd_siginfo info;

	return read(t->o->signals, &info, sizeof(info)) == sizeof(info);
}

/* The next event: GO_ON there is none yet, 0, or an error. *@stop: a signal came. */
static int next_event(struct tracer *t, struct kvmi_event_msg *ev, bool *stop)
{
	struct pollfd pfd[] = {
		{.fd = kvmi_client_fd(t->c), .events = POLLIN},
		{.fd = t->o->signals, .events = POLLIN},
	};
	int ret;

	if (take_put_off(t, ev))
		return 0;
	ret = poll(pfd, 2, kvmi_event_pending(t->c) ? 0 : LOOK_MS);
	if (ret < 0 && errno != EINTR)
		return -errno;
	if (ret > 0 && pfd[1].revents && got_signal(t)) {
		*stop = true;
		return GO_ON;
	}
	if (!kvmi_event_pending(t->c) && (ret <= 0 || !pfd[0].revents))
		return GO_ON;
	ret = kvmi_recv_event(t->c, ev);
	return ret == -ETIMEDOUT ? GO_ON : ret;
}

static bool anything_left(const struct tracer *t)
{
	for (unsigned int i = 0; i < t->n_places; i++)
		if (t->places[i].asked && (t->places[i].planted || t->places[i].own))
			return true;
	return false;
}

static int64_t now_ms(void)
{
	struct timespec ts;

	clock_gettime(CLOCK_MONOTONIC, &ts);
	return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

/*
 * A VMM that is killed loses its memory before its sockets: for a while KVM still answers, but there is
 * nothing to read or write any more.
 */
static bool vm_is_going(struct tracer *t, int ret)
{
	if (ret != KVM_ENOENT)
		return false;
	for (unsigned int ms = 0; ms < GOING_MS; ms += GOING_STEP_MS) {
		if (kvmi_check_event(t->c, KVMI_EVENT_BREAKPOINT) < 0)
			return true;
		poll(NULL, 0, GOING_STEP_MS);
	}
	return false;
}

static int trace(struct tracer *t)
{
	uint64_t left = t->o->count;
	int64_t look = now_ms() + LOOK_MS;
	bool stop = false;
	int ret;

	while (!stop) {
		struct kvmi_event_msg ev;

		if (now_ms() >= look) {
			ret = look_for_vcpus(t);
			if (ret)
				return trace_kvmi_error("looking for new vCPUs", ret);
			look = now_ms() + LOOK_MS;
		}
		ret = next_event(t, &ev, &stop);
		if (ret == GO_ON)
			continue;
		if (!ret && ev.common.event == KVMI_EVENT_UNHOOK)
			break;
		if (!ret && ev.common.event == KVMI_EVENT_BREAKPOINT)
			ret = on_breakpoint(t, &ev, &left);
		else if (!ret)
			ret = kvmi_reply_event(t->c, &ev, KVMI_EVENT_ACTION_CONTINUE);
		if (ret == -EPIPE || vm_is_going(t, ret))
			return trace_error("the VM has gone, or its VMM has taken the connection "
					   "back; breakpoints could not be removed");
		if (ret)
			return trace_kvmi_error("stepping over a breakpoint", ret);
		if (fflush(stdout))
			return trace_error("cannot write: %s", strerror(errno));
		if (t->o->count && !left)
			break;
		if (!anything_left(t))
			return trace_error("no breakpoint is left");
	}
	return TRACE_OK;
}

/* --- the end --- */

/* Events that are still to be answered, none of which is reported any more. */
static int answer_rest(struct tracer *t)
{
	struct kvmi_event_msg ev;
	int ret = 0;

	while (!ret) {
		struct breakpoint *bp = NULL;

		if (!take_put_off(t, &ev)) {
			if (!kvmi_event_pending(t->c))
				return 0;
			ret = kvmi_recv_event(t->c, &ev);
			if (ret)
				return ret;
		}
		if (ev.common.event == KVMI_EVENT_BREAKPOINT)
			bp = place_find(t, ev.breakpoint.gpa);
		if (bp)
			ret = place_answer_stray(t, bp, &ev);
		else if (kvmi_event_needs_reply(&ev))
			ret = kvmi_reply_event(t->c, &ev, KVMI_EVENT_ACTION_CONTINUE);
	}
	return ret;
}

/*
 * Original bytes first. Then the event is switched off: once a vCPU has answered that, it has sent the
 * events of all int3s it has executed, so that after those are answered nobody waits for us.
 */
static int clean_up(struct tracer *t)
{
	bool lifted = places_lift_all(t);
	int ret = switch_vcpus(t, t->vcpus, false);

	if (!ret)
		ret = answer_rest(t);
	if (!ret) {
		ret = kvmi_control_events(t->c, KVMI_EVENT_UNHOOK, false);
		if (ret == KVM_EPERM)
			ret = 0;
	}
	if (ret)
		return trace_kvmi_error("cleaning up", ret);
	return lifted ? TRACE_OK : TRACE_FAILED;
}

int trace_break(struct kvmi_client *c, const struct break_options *o)
{
	struct tracer *t = calloc(1, sizeof(*t));
	int ret, end;

	if (!t)
		return trace_error("out of memory");
	t->c = c;
	t->o = o;
	ret = set_up(t);
	if (!ret)
		ret = trace(t);
	/* With nothing to clean up, and nobody to talk to, there is no second complaint. */
	if (!t->vcpus || kvmi_check_event(c, KVMI_EVENT_BREAKPOINT) < 0)
		end = TRACE_FAILED;
	else
		end = clean_up(t);
	free(t->put_off);
	free(t);
	return ret ? ret : end;
}

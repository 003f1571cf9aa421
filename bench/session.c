// SPDX-License-Identifier: BSD-2-Clause
/* Sets cases up, runs them in rounds, and makes the checks without which a number means nothing. */
#include "session.h"

#include "control.h"
#include "introspector.h"
#include "receivers.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WARMUP_HITS	 100
#define ROUND_TIMEOUT_MS 120000
#define HOOK_TIMEOUT_MS	 10000
/* Longer than any session; see introspector_start(). */
#define INTROSPECTOR_LIMIT_S 300

#define ERROR_MAX 640

extern const char guest_int3_bp[];

/**
 * struct machine - a VM and who looks into it
 * @sock: for KVM, until the VM is hooked; then -1
 * @events: the introspector's counter after the latest round
 */
struct machine {
	struct vmm *vm;
	struct introspector *in;
	int sock;
	uint64_t events;
};

/**
 * struct runner - a vCPU and the thread that runs it, which for the first one is the caller's
 * @go: a round begins
 * @todo: hits of the round
 * @ret: what came of the round; @error says why
 */
struct runner {
	struct case_session *cs;
	struct machine *m;
	struct vmm_vcpu *vcpu;
	const uint64_t *log;
	int cpu;
	pthread_t thread;
	sem_t go;
	uint64_t todo;
	int ret;
	char error[ERROR_MAX];
};

/**
 * struct case_session - a case while it is set up
 * @round: hits that a vCPU's log has room for
 * @bp: guest address of the int3
 * @period: ticks from when a hit is due until the next one is; 0: it is not paced
 * @threads: of @runners behind the first, those whose thread has been started
 * @done: a thread has done its part of the round
 * @leave: instead of a round: the threads are to end
 * @hits, @events, @late: of all rounds
 * @kcounts: of the first runner's thread; it counts in rounds only
 */
struct case_session {
	const struct bench_case *c;
	struct case_setup setup;
	struct machine *machines;
	unsigned int nr_machines;
	struct runner *runners;
	unsigned int nr_runners;
	unsigned int threads;
	sem_t done;
	bool leave;
	uint64_t round;
	uint64_t bp;
	uint64_t period;
	uint64_t hits;
	uint64_t events;
	uint64_t late;
	struct kcounts kcounts;
	long tsc_khz;
};

static char error[ERROR_MAX];

const char *case_error(void)
{
	return error;
}

static int fail(int ret, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

static int fail(int ret, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(error, sizeof(error), fmt, ap);
	va_end(ap);
	return ret;
}

static int vmm_fail(int ret)
{
	return fail(ret, "%s", vmm_error());
}

/* --- rounds --- */

static int runner_fail(struct runner *r, int ret, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

static int runner_fail(struct runner *r, int ret, const char *fmt, ...)
{
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(r->error, sizeof(r->error), fmt, ap);
	va_end(ap);
	return ret;
}

/* The guest ended otherwise than by DONE. */
static int run_fail(struct runner *r, int ret)
{
	unsigned long long hits = r->vcpu->config->hits;
	struct introspector *in = r->m->in;
	const char *why = in ? introspector_error(in) : "";

	if (*why)
		return runner_fail(r, ret, "the introspector failed: %s", why);
	/* It has said all it had to say: now there is only the end of it to be heard. */
	if (in && introspector_ready(in, 100) < 0)
		return runner_fail(
			r, ret,
			"the introspector ended in the middle, after %llu hits of the round", hits);
	return runner_fail(r, ret, "after %llu hits of the round: %s", hits, vmm_error());
}

static int run_guest(struct runner *r)
{
	const struct bench_case *c = r->cs->c;
	int ret;

	if (c->pages) {
		/* With its pages everything else has gone: from the entry, which touches that again. */
		ret = vmm_unmap_pages(r->m->vm);
		if (!ret)
			ret = vmm_vcpu_start(r->vcpu, GUEST_CODE);
		if (ret)
			return runner_fail(r, ret, "%s", vmm_error());
	}
	r->vcpu->config->count = r->todo;
	ret = vmm_run(r->vcpu, &c->ops, &r->cs->bp, ROUND_TIMEOUT_MS);
	if (ret)
		return run_fail(r, ret);
	if (r->vcpu->config->hits != r->todo)
		return runner_fail(r, -EIO, "the guest was to do %llu hits and counted %llu",
				   (unsigned long long)r->todo,
				   (unsigned long long)r->vcpu->config->hits);
	return 0;
}

static void wait_for(sem_t *sem)
{
	while (sem_wait(sem) && errno == EINTR)
		;
}

static void *runner_main(void *arg)
{
	struct runner *r = arg;
	int pinned = vmm_pin(r->cpu);

	if (pinned)
		runner_fail(r, pinned, "%s", vmm_error());
	for (;;) {
		wait_for(&r->go);
		if (r->cs->leave)
			return NULL;
		r->ret = pinned ? pinned : run_guest(r);
		sem_post(&r->cs->done);
	}
}

/* So many hits, shared evenly among the vCPUs. */
static int run_round(struct case_session *cs, uint64_t hits)
{
	unsigned int n = cs->nr_runners;

	for (unsigned int i = 0; i < n; i++)
		cs->runners[i].todo = hits / n + (i < hits % n);
	for (unsigned int i = 1; i <= cs->threads; i++)
		sem_post(&cs->runners[i].go);
	cs->runners[0].ret = run_guest(&cs->runners[0]);
	for (unsigned int i = 1; i <= cs->threads; i++)
		wait_for(&cs->done);

	for (unsigned int i = 0; i < n; i++) {
		const struct runner *r = &cs->runners[i];

		if (r->ret && n > 1)
			return fail(r->ret, "vCPU %u of %u: %s", i, n, r->error);
		if (r->ret)
			return fail(r->ret, "%s", r->error);
	}
	return 0;
}

/* --- set-up --- */

static int cpu_of(const struct case_setup *setup, int before)
{
	for (int i = 1; i <= CPU_SETSIZE; i++) {
		int cpu = (before + i) % CPU_SETSIZE;

		if (CPU_ISSET(cpu, &setup->allowed) &&
		    (cpu != setup->introspector_cpu || cpu == setup->cpu))
			return cpu;
	}
	return before;
}

static int set_up_machine(struct case_session *cs, struct machine *m)
{
	const struct bench_case *c = cs->c;
	unsigned int vcpus = case_vcpus(c) / cs->nr_machines;
	size_t log_size = (cs->round + 1) * sizeof(uint64_t);
	int cpu = cs->setup.cpu;
	int ret = vmm_create(&m->vm, GUEST_LOG + vcpus * log_size, vcpus);

	if (!ret && c->pages)
		ret = vmm_add_pages(m->vm, c->pages);
	if (!ret)
		ret = vmm_load(m->vm, &c->guest);
	if (!ret && c->bp_handler)
		ret = vmm_set_handler(m->vm, 3, vmm_label(&c->guest, c->bp_handler));
	if (ret)
		return vmm_fail(ret);

	for (unsigned int i = 0; i < vcpus; i++) {
		struct runner *r = &cs->runners[cs->nr_runners];
		uint64_t log = GUEST_LOG + i * log_size;

		if (cs->nr_runners)
			cpu = cpu_of(&cs->setup, r[-1].cpu);
		*r = (struct runner){
			.cs = cs,
			.m = m,
			.vcpu = vmm_vcpu(m->vm, i),
			.log = vmm_mem(m->vm, log, log_size),
			.cpu = cpu,
		};
		cs->nr_runners++;
		r->vcpu->config->log = log;
		r->vcpu->config->log_size = log_size;
		ret = c->guest_debug ? vmm_guest_debug(r->vcpu, c->guest_debug) : 0;
		if (ret)
			return vmm_fail(ret);
	}
	return 0;
}

/*
 * Hook the VM and have the event switched on. The introspector's commands are only executed by vCPUs that
 * run, so the guest does rounds of no hits until they are.
 */
static int hook(struct case_session *cs, struct machine *m)
{
	int ret = vmm_hook(m->vm, m->sock);

	if (ret)
		return vmm_fail(ret);
	close(m->sock);
	m->sock = -1;
	if (sched_getscheduler(0) != SCHED_OTHER) {
		ret = receivers_follow();
		if (ret)
			return fail(ret, "cannot set the scheduling policy of KVM's receiver: %s",
				    strerror(-ret));
	}

	ret = introspector_go(m->in);
	for (int ms = 0; !ret && ms < HOOK_TIMEOUT_MS; ms++) {
		ret = run_round(cs, 0);
		if (ret)
			return ret;
		ret = introspector_ready(m->in, 1);
		if (ret > 0)
			return 0;
	}
	if (!ret)
		return fail(-ETIMEDOUT, "the introspector did not get the event switched on");
	return *introspector_error(m->in)
		       ? fail(ret, "the introspector failed: %s", introspector_error(m->in))
		       : fail(ret, "the introspector is gone");
}

static int start_introspector(struct case_session *cs, struct machine *m)
{
	const struct bench_case *c = cs->c;
	const struct introspector_config config = {
		.answer = c->answer,
		.vcpus = case_vcpus(c) / cs->nr_machines,
		.cpu = case_introspector_cpu(c, &cs->setup),
		.thread = c->thread,
		.polls = c->polls,
		.limit_s = INTROSPECTOR_LIMIT_S,
	};
	int ret = introspector_start(&m->in, &config, &m->sock);

	return ret ? fail(ret, "%s", introspector_error(NULL)) : 0;
}

static int start_threads(struct case_session *cs)
{
	int ret;

	sem_init(&cs->done, 0, 0);
	for (unsigned int i = 1; i < cs->nr_runners; i++) {
		struct runner *r = &cs->runners[i];

		sem_init(&r->go, 0, 0);
		ret = pthread_create(&r->thread, NULL, runner_main, r);
		if (ret)
			return fail(-ret, "cannot start a thread for each vCPU: %s", strerror(ret));
		cs->threads++;
	}
	return 0;
}

static void end_threads(struct case_session *cs)
{
	cs->leave = true;
	for (unsigned int i = 1; i <= cs->threads; i++) {
		sem_post(&cs->runners[i].go);
		pthread_join(cs->runners[i].thread, NULL);
	}
}

static int set_up(struct case_session *cs)
{
	const struct bench_case *c = cs->c;
	int ret = vmm_pin(cs->setup.cpu);

	if (ret)
		return vmm_fail(ret);
	for (unsigned int i = 0; i < cs->nr_machines && c->answer; i++) {
		ret = start_introspector(cs, &cs->machines[i]);
		if (ret)
			return ret;
	}
	for (unsigned int i = 0; i < cs->nr_machines; i++) {
		ret = set_up_machine(cs, &cs->machines[i]);
		if (ret)
			return ret;
	}
	cs->bp = vmm_label(&c->guest, guest_int3_bp);
	cs->tsc_khz = vmm_tsc_khz(cs->runners[0].vcpu);
	if (cs->tsc_khz < 0)
		return vmm_fail(cs->tsc_khz);
	if (c->paced)
		cs->period = (uint64_t)cs->tsc_khz * 1000 / cs->setup.rate;
	for (unsigned int i = 0; i < cs->nr_runners; i++)
		cs->runners[i].vcpu->config->arg[0] = cs->period;
	ret = start_threads(cs);
	for (unsigned int i = 0; !ret && i < cs->nr_machines && c->answer; i++)
		ret = hook(cs, &cs->machines[i]);
	return ret;
}

int case_open(struct case_session **out, const struct bench_case *c, const struct case_setup *setup,
	      uint64_t round)
{
	struct case_session *cs = calloc(1, sizeof(*cs));
	unsigned int vcpus = case_vcpus(c);
	int ret;

	if (!cs)
		return fail(-ENOMEM, "out of memory");
	cs->c = c;
	cs->setup = *setup;
	kcounts_open(&cs->kcounts); /* what cannot be counted is left out */
	cs->round = ((round < WARMUP_HITS ? WARMUP_HITS : round) + vcpus - 1) / vcpus;
	cs->nr_machines = case_vms(c);
	cs->machines = calloc(cs->nr_machines, sizeof(*cs->machines));
	cs->runners = calloc(vcpus, sizeof(*cs->runners));
	for (unsigned int i = 0; cs->machines && i < cs->nr_machines; i++)
		cs->machines[i].sock = -1;

	ret = cs->machines && cs->runners ? set_up(cs) : fail(-ENOMEM, "out of memory");
	if (!ret)
		ret = run_round(cs, WARMUP_HITS);
	if (ret) {
		char why[sizeof(error)];

		memcpy(why, error, sizeof(why));
		case_close(cs);
		memcpy(error, why, sizeof(error));
		return ret;
	}
	for (unsigned int i = 0; i < cs->nr_machines && c->answer; i++)
		cs->machines[i].events = introspector_events(cs->machines[i].in);

	*out = cs;
	return 0;
}

/* --- results --- */

static int count_events(struct case_session *cs, struct machine *m)
{
	uint64_t now = introspector_events(m->in), events = now - m->events, hits = 0;

	for (unsigned int i = 0; i < cs->nr_runners; i++)
		if (cs->runners[i].m == m)
			hits += cs->runners[i].todo;
	if (events != hits)
		return fail(-EIO,
			    "the guest hit %llu breakpoints, the introspector received %llu events",
			    (unsigned long long)hits, (unsigned long long)events);
	cs->events += events;
	m->events = now;
	return 0;
}

static int add_times(struct case_session *cs, const struct runner *r, struct stats *s)
{
	int ret;

	for (uint64_t i = 0; i < r->todo; i++)
		if (r->log[i + 1] <= r->log[i])
			return fail(-EIO,
				    "the guest's TSC does not ascend: %llu after %llu at hit %llu",
				    (unsigned long long)r->log[i + 1],
				    (unsigned long long)r->log[i], (unsigned long long)i);
	if (cs->period)
		ret = stats_add_due(s, r->log, r->todo + 1, cs->period, &cs->late);
	else
		ret = stats_add_stamps(s, r->log, r->todo + 1);
	return ret ? fail(ret, "out of memory") : 0;
}

int case_round(struct case_session *cs, uint64_t hits, struct stats *s, bool account)
{
	uint64_t most = cs->round * cs->nr_runners;
	int ret;

	if (!hits || hits > most)
		return fail(-EINVAL, "a round has 1 to %llu hits", (unsigned long long)most);

	if (account && control("begin %s", cs->c->name))
		return fail(-EIO, "%s", control_error());
	/* From the guest's first stamp to its OUT after the last hit: nothing else is in between. */
	kcounts_start(&cs->kcounts);
	ret = run_round(cs, hits);
	kcounts_stop(&cs->kcounts);
	if (account && control("end") && !ret)
		return fail(-EIO, "%s", control_error());
	if (ret)
		return ret;
	cs->hits += hits;

	for (unsigned int i = 0; !ret && i < cs->nr_machines && cs->c->answer; i++)
		ret = count_events(cs, &cs->machines[i]);
	for (unsigned int i = 0; !ret && i < cs->nr_runners; i++)
		ret = add_times(cs, &cs->runners[i], s);
	return ret;
}

int case_cost(struct case_session *cs, uint64_t hits)
{
	uint64_t most = cs->round * cs->nr_runners;
	int ret;

	if (control("cost %s", cs->c->name))
		return fail(-EIO, "%s", control_error());
	ret = run_round(cs, hits < most ? hits : most);
	if (control("cost_end") && !ret)
		return fail(-EIO, "%s", control_error());
	for (unsigned int i = 0; i < cs->nr_machines && cs->c->answer; i++)
		cs->machines[i].events = introspector_events(cs->machines[i].in);
	return ret;
}

uint64_t case_hits(const struct case_session *cs)
{
	return cs->hits;
}

int64_t case_events(const struct case_session *cs)
{
	return cs->c->answer ? (int64_t)cs->events : -1;
}

int64_t case_late(const struct case_session *cs)
{
	return cs->c->paced ? (int64_t)cs->late : -1;
}

long case_tsc_khz(const struct case_session *cs)
{
	return cs->tsc_khz;
}

bool case_kcounts(const struct case_session *cs, struct kcounts_values *values)
{
	double hits = (double)cs->hits / cs->nr_runners;

	if (!kcounts_read(&cs->kcounts, values))
		return false;
	values->instructions /= hits;
	values->cycles /= hits;
	return true;
}

int case_close(struct case_session *cs)
{
	int ret = 0;

	if (!cs)
		return 0;

	end_threads(cs);
	for (unsigned int i = 0; cs->machines && i < cs->nr_machines; i++) {
		struct machine *m = &cs->machines[i];

		/* Unhooks: the introspector sees the end of its socket. */
		vmm_destroy(m->vm);
		if (m->sock >= 0)
			close(m->sock);
		if (m->in && introspector_stop(m->in))
			ret = fail(-EIO, "%s", introspector_error(NULL));
	}
	kcounts_close(&cs->kcounts);
	free(cs->machines);
	free(cs->runners);
	free(cs);
	return ret;
}

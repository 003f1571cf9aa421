// SPDX-License-Identifier: BSD-2-Clause
/* The program under `kvmi-lat record` of several tests: guest, tool and perf count the same hits. */
#include "hits.h"
#include "lab.h"

#include "../../bench/control.h"
#include "../../bench/entries.h"
#include "../../bench/receivers.h"
#include "../../bench/stats.h"

#include <sched.h>
#include <stdio.h>
#include <unistd.h>

VMM_DECLARE_GUEST(int3);
extern const char guest_int3_bp[];

static const struct vmm_guest int3 = VMM_GUEST(int3);

unsigned int hits_of_batch(void)
{
	return access("/proc/lockdep_stats", F_OK) ? 1000 : 100;
}

static void check_control(int ret)
{
	if (ret)
		fail("kvmi-lat: %s", control_error());
}

/* Plays the tool for one batch; the number of events. */
static unsigned int answer(struct kvmi_client *c, const struct hits_batch *batch)
{
	unsigned int events = 0, hits = hits_of_batch();
	struct kvmi_event_msg ev;

	while (events < hits) {
		lab_expect_bp(c, &ev, 0, vmm_label(&int3, guest_int3_bp));
		events++;
		for (unsigned int i = 0; i < batch->commands; i++)
			check_kvmi(kvmi_vcpu_get_registers(c, 0, NULL, NULL, NULL, NULL, 0), 0);
		if (batch->think)
			batch->think();
		lab_skip_bp(c, &ev);
	}
	return events;
}

static void run_batch(struct lab *l, const struct hits_batch *batch)
{
	struct entry e = {.observer = "attached",
			  .introspector_cpu = -1,
			  .late = -1,
			  .vcpus = 1,
			  .vms = 1,
			  .sched = sched_getscheduler(0) == SCHED_FIFO ? "fifo" : "other"};
	struct runner r = {.timeout_ms = 30000};
	struct stats stats = {0};

	check_control(control("begin %s", batch->name));
	if (batch->begin)
		batch->begin();
	runner_start(&r, l->v);
	e.events = answer(l->c, batch);
	runner_done(&r);
	lab_no_event(l->c);
	if (batch->end)
		batch->end();
	check_control(control("end"));

	check_eq(stats_add_stamps(&stats, vmm_mem(l->vm, GUEST_LOG, (hits_of_batch() + 1) * 8),
				  hits_of_batch() + 1),
		 0);
	stats_finish(&stats);
	e.name = batch->name;
	e.stats = &stats;
	e.hits = l->v->config->hits;
	e.tsc_khz = vmm_tsc_khz(l->v);
	check_eq(entries_add(&e), 0);
	stats_free(&stats);
}

int hits_main(const char *path, const struct hits_batch *batches, unsigned int nr)
{
	struct runner r = {0};
	struct counter *sent;
	struct lab l;
	FILE *f;

	if (control_open() || entries_open())
		return 1;
	lab_open(&l, &int3, 1);
	lab_hook(&l);
	check_eq(receivers_follow(), 0);
	l.v->config->log = GUEST_LOG;
	l.v->config->log_size = (hits_of_batch() + 1) * 8;

	/* A round without a hit, to have the event on. */
	l.v->config->count = 0;
	lab_run_with_bp(&l, &r);
	runner_done(&r);

	l.v->config->count = hits_of_batch();
	sent = counter_start("kvmi:kvmi_event_bp_send", NULL);
	for (unsigned int i = 0; i < nr; i++)
		run_batch(&l, &batches[i]);

	f = fopen(path, "we");
	if (!f || fprintf(f, "%llu\n", (unsigned long long)counter_read(sent)) < 0 || fclose(f))
		fail("cannot write %s", path);
	return entries_write() ? 1 : 0;
}

// SPDX-License-Identifier: BSD-2-Clause
/* What kvmi-lat top shows of one interval: stages over all vCPUs, then vCPUs. */
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "lib/task_name.h"
#include "run-file/class_names.h"
#include "stats/summary.h"
#include "top.h"

const char *const top_sort_names[NR_TOP_SORTS] = {
	[TOP_BREAKPOINTS] = "breakpoints",
	[TOP_EXITS] = "exits",
	[TOP_USERSPACE] = "userspace",
	[TOP_TIME] = "time",
	[TOP_PID] = "pid",
};

/* Counts lines and cuts them: the screen has only so many, and a longer one would take two of them. */
struct screen {
	int rows;    /* left; below 0: there is no end */
	int columns; /* 0: there is no end */
};

static bool line(struct screen *s, const char *format, ...)
{
	char text[512];
	va_list args;

	if (!s->rows)
		return false;
	s->rows--;
	va_start(args, format);
	vsnprintf(text, sizeof(text), format, args);
	va_end(args);
	text[strcspn(text, "\n")] = '\0';
	if (s->columns && (size_t)s->columns < sizeof(text))
		text[s->columns] = '\0';
	puts(text);
	return true;
}

static double per_second(uint64_t n, uint64_t ns)
{
	return ns ? n * 1e9 / ns : 0;
}

static uint64_t outside(const struct kvmi_lat_sums *s)
{
	return s->exit_time + s->event_time[STAGE_TOTAL] + s->other_time + sums_user_time(s);
}

/* --- sorting --- */

static double weight(const struct vcpu *v, enum top_sort sort)
{
	switch (sort) {
	case TOP_EXITS:
		return v->sums.exits;
	case TOP_USERSPACE:
		return sums_users(&v->sums);
	case TOP_TIME:
		return outside(&v->sums);
	case TOP_PID:
		return 0;
	default:
		return v->sums.events;
	}
}

static int by_name(const struct vcpu *a, const struct vcpu *b)
{
	if (a->pid != b->pid)
		return a->pid < b->pid ? -1 : 1;
	if (a->vm != b->vm)
		return a->vm < b->vm ? -1 : 1;
	if (a->id != b->id)
		return a->id < b->id ? -1 : 1;
	return a->thread < b->thread ? -1 : a->thread > b->thread;
}

static int compare(const void *a, const void *b, void *sort)
{
	double x = weight(a, *(enum top_sort *)sort), y = weight(b, *(enum top_sort *)sort);

	return x > y ? -1 : x < y ? 1 : by_name(a, b);
}

static bool is_shown(const struct top_view *view, const struct vcpu *v)
{
	return (view->vm < 0 || v->vm == view->vm) && (view->vcpu < 0 || v->id == view->vcpu);
}

static void sort_vcpus(const struct top_view *view, struct vcpus *vcpus)
{
	enum top_sort sort = view->sort;

	if (vcpus->nr)
		qsort_r(vcpus->list, vcpus->nr, sizeof(*vcpus->list), compare, &sort);
}

/* --- the stages --- */

static bool stage_is_shown(const struct top_view *view, unsigned int class)
{
	return !view->stage || !strcmp(view->stage, class_name(class).stage);
}

static void stage_line(struct screen *s, const char *name, const struct hist *h, uint64_t ns,
		       uint64_t whole)
{
	struct figures f = figures_of_hist(h);
	char share[16] = "";

	if (whole)
		snprintf(share, sizeof(share), " %6.1f %%", 100.0 * h->sum / whole);
	line(s, "  %-16s %10.1f %10.0f %10.0f %10.0f %10.0f %10.0f%s\n", name, per_second(f.n, ns),
	     f.mean, f.p50, f.p99, f.p999, f.max, share);
}

static bool stages_begin(struct screen *s, const char *what)
{
	return line(s, "\n") && line(s, "%-18s %10s %10s %10s %10s %10s %10s %8s\n", what, "n/s",
				     "mean", "p50", "p99", "p99.9", "max", "share");
}

/* A stage of the breakpoints, whatever the answer. NULL if memory is short. */
static struct hist *all_actions(const struct measurement *m, unsigned int base, unsigned int nr,
				unsigned int stage)
{
	struct hist *h = calloc(1, sizeof(*h));

	for (unsigned int action = 0; h && action < KVMI_LAT_NR_ACTIONS; action++)
		hist_merge(h, &m->hists[base + action * nr + stage]);
	return h;
}

static uint64_t breakpoint_time(const struct measurement *m)
{
	uint64_t sum = 0;

	for (unsigned int action = 0; action < KVMI_LAT_NR_ACTIONS; action++)
		sum += m->hists[CLASS_BREAKPOINT + action * NR_STAGES + STAGE_TOTAL].sum;
	return sum;
}

static void breakpoint_stages(struct screen *s, const struct top_view *view,
			      const struct snapshot *interval, unsigned int base, unsigned int nr)
{
	uint64_t whole = breakpoint_time(interval->m);

	for (unsigned int i = 0; i < nr; i++) {
		struct hist *h = all_actions(interval->m, base, nr, i);
		char name[32];

		snprintf(name, sizeof(name), "%s%s", base == CLASS_TOOL ? "  " : "",
			 class_name(base + i).stage);
		if (h && h->count && stage_is_shown(view, base + i))
			stage_line(s, name, h, interval->at, whole);
		free(h);
		if (base == CLASS_BREAKPOINT && i == STAGE_INTROSPECTOR)
			breakpoint_stages(s, view, interval, CLASS_TOOL, NR_TOOL_STAGES);
	}
}

static void stages(struct screen *s, const struct top_view *view, const struct snapshot *interval)
{
	const struct hist *hists = interval->m->hists;

	if (breakpoint_time(interval->m) && stages_begin(s, "breakpoints"))
		breakpoint_stages(s, view, interval, CLASS_BREAKPOINT, NR_STAGES);
	if (!stages_begin(s, "other exits"))
		return;
	for (unsigned int i = CLASS_OTHER; i < CLASS_USER; i++) {
		char name[32];

		snprintf(name, sizeof(name), "%s event", class_name(i).event);
		if (hists[i].count && stage_is_shown(view, i))
			stage_line(s, name, &hists[i], interval->at, 0);
	}
	for (unsigned int i = CLASS_USER; i < CLASS_TOOL; i++) {
		unsigned int total = i - (i - CLASS_USER) % NR_USER_STAGES + USER_TOTAL;
		char name[32];

		snprintf(name, sizeof(name), "%s%s", i == total ? class_name(i).event : "  ",
			 i == total ? "" : class_name(i).stage);
		if (hists[i].count && stage_is_shown(view, i))
			stage_line(s, name, &hists[i], interval->at, hists[total].sum);
	}
	if (stage_is_shown(view, CLASS_EXIT))
		stage_line(s, "handled by KVM", &hists[CLASS_EXIT], interval->at, 0);
}

/* --- the vCPUs --- */

/* In which of its stages a vCPU's breakpoints spend most. */
static void slowest_stage(const struct kvmi_lat_sums *s, char *text, size_t size)
{
	int most = 0;

	for (int i = 0; i < STAGE_TOTAL; i++) {
		if (s->event_time[i] > s->event_time[most])
			most = i;
	}
	if (s->event_time[STAGE_TOTAL])
		snprintf(text, size, "%s %.0f %%", stage_names[most],
			 100.0 * s->event_time[most] / s->event_time[STAGE_TOTAL]);
	else
		snprintf(text, size, "-");
}

static void pair(char *text, size_t size, uint64_t n, uint64_t sum, uint64_t ns)
{
	if (n)
		snprintf(text, size, "%10.1f %9.0f", per_second(n, ns), (double)sum / n);
	else
		snprintf(text, size, "%10s %9s", "-", "-");
}

static bool vcpu_line(struct screen *s, const struct vcpu *v, uint64_t ns)
{
	char name[TASK_NAME_SIZE], exits[40], users[40], events[40], slowest[40], id[12] = "-";

	task_name_of(name, v->pid);
	pair(exits, sizeof(exits), v->sums.exits, v->sums.exit_time, ns);
	pair(users, sizeof(users), sums_users(&v->sums), sums_user_time(&v->sums), ns);
	pair(events, sizeof(events), v->sums.events, v->sums.event_time[STAGE_TOTAL], ns);
	slowest_stage(&v->sums, slowest, sizeof(slowest));
	if (v->id >= 0)
		snprintf(id, sizeof(id), "%d", v->id);
	return line(s, "%7d %-15s %3u %4s %s %s %s  %-18s %6.1f %%\n", v->pid, name, v->vm, id,
		    events, exits, users, slowest,
		    ns ? fmin(100, 100.0 * outside(&v->sums) / ns) : 0);
}

static void vcpus(struct screen *s, const struct top_view *view, const struct snapshot *interval)
{
	line(s, "\n");
	line(s, "%28s %4s %20s %20s %20s\n", "", "", "breakpoints/s, mean", "by KVM/s, mean",
	     "userspace/s, mean");
	line(s, "%7s %-15s %3s %4s %20s %20s %20s  %-18s %8s\n", "PID", "COMMAND", "VM", "vCPU", "",
	     "", "", "slowest stage", "outside");
	for (unsigned int i = 0; i < interval->vcpus.nr; i++) {
		if (is_shown(view, &interval->vcpus.list[i]) &&
		    !vcpu_line(s, &interval->vcpus.list[i], interval->at))
			break;
	}
}

/* --- the whole --- */

static void header(struct screen *s, const struct top_view *view, const struct snapshot *interval,
		   const struct measurement *all)
{
	time_t now = time(NULL);
	char clock[16] = "";
	struct tm tm;

	if (localtime_r(&now, &tm))
		strftime(clock, sizeof(clock), "%H:%M:%S", &tm);
	line(s, "kvmi-lat top  %s  Linux %s, %s%s; last %.2f s; vCPUs by %s%s\n", clock,
	     view->kernel, view->unit, view->has_events ? "" : ", no kvmi tracepoints: exits only",
	     interval->at / 1e9, top_sort_names[view->sort],
	     view->keys ? " (keys b e u t p; q ends)" : "");
	line(s, "  since the start: exits %llu, unpaired %llu, dropped %llu, without a slot %llu\n",
	     (unsigned long long)all->exits, (unsigned long long)measurement_unpaired(all),
	     (unsigned long long)measurement_dropped(all),
	     (unsigned long long)all->counters[CNT_MAP_FULL]);
}

void top_text(const struct top_view *view, struct snapshot *interval, const struct measurement *all)
{
	struct screen s = {.rows = view->rows ? view->rows : -1, .columns = view->columns};

	sort_vcpus(view, &interval->vcpus);
	header(&s, view, interval, all);
	stages(&s, view, interval);
	vcpus(&s, view, interval);
}

json_t *top_json(const struct top_view *view, struct snapshot *interval,
		 const struct measurement *all)
{
	json_t *stage_list = json_array(), *vcpu_list = json_array(), *vcpu, *shown = json_array();
	size_t i;

	sort_vcpus(view, &interval->vcpus);
	for (unsigned int id = 0; id < NR_CLASSES; id++) {
		const struct hist *h = &interval->m->hists[id];
		struct class_name name = class_name(id);

		if (!h->count || !stage_is_shown(view, id))
			continue;
		json_array_append_new(stage_list,
				      json_pack("{s:s,s:s,s:s,s:I,s:I,s:f,s:f,s:f}", "event",
						name.event, "action", name.action, "stage",
						name.stage, "count", (json_int_t)h->count, "sum",
						(json_int_t)h->sum, "p50", hist_quantile(h, .5),
						"p99", hist_quantile(h, .99), "p99.9",
						hist_quantile(h, .999)));
	}
	vcpus_to_json(&interval->vcpus, "", vcpu_list);
	json_array_foreach(vcpu_list, i, vcpu) {
		json_object_del(vcpu, "case");
		if (is_shown(view, &interval->vcpus.list[i]))
			json_array_append(shown, vcpu);
	}
	json_decref(vcpu_list);
	return json_pack("{s:I,s:I,s:s,s:o,s:o,s:{s:I,s:I,s:I}}", "time", (json_int_t)time(NULL),
			 "interval_ns", (json_int_t)interval->at, "unit", view->unit, "stages",
			 stage_list, "vcpus", shown, "since_start", "exits", (json_int_t)all->exits,
			 "unpaired", (json_int_t)measurement_unpaired(all), "dropped",
			 (json_int_t)measurement_dropped(all));
}

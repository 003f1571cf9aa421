// SPDX-License-Identifier: BSD-2-Clause
/* Shows a run as the table a person reads. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "lib/text.h"
#include "report.h"
#include "run-file/class_names.h"
#include "stats/summary.h"

/* A report is no wider, unless that is asked for. */
#define COLUMNS 100

static const char *text_of(const json_t *object, const char *key)
{
	const char *text = json_string_value(json_object_get(object, key));

	return text ? text : "unknown";
}

/* A command may well have lines of a script among its words; what else is in there, who knows. */
static void print_word(const char *word)
{
	char *copy = word ? strdup(word) : NULL;

	if (copy)
		text_blank(copy, "");
	printf(" %s", copy ? copy : "?");
	free(copy);
}

static void print_command(const json_t *command)
{
	int column = printf("  command ");
	json_t *word;
	size_t i;

	json_array_foreach(command, i, word) {
		const char *text = json_string_value(word) ? json_string_value(word) : "?";

		if (i && column + 1 + strlen(text) > COLUMNS)
			column = printf("\n          ") - 1;
		print_word(text);
		column += 1 + strlen(text);
	}
	putchar('\n');
}

static void print_header(const struct run *run, const char *title)
{
	const json_t *f = run->fingerprint, *build = json_object_get(f, "kernel_build");
	const json_t *seed = json_object_get(f, "seed");

	printf("%s\n", title);
	printf("  machine  %s: %s, %lld CPU(s), backend %s\n", text_of(f, "machine"),
	       text_of(f, "cpu"), (long long)json_integer_value(json_object_get(f, "cpus")),
	       text_of(f, "backend"));
	printf("  kernel   %s", text_of(f, "kernel"));
	if (json_is_object(build))
		printf(" (source %s, series %.12s, config %.12s,\n           %s)",
		       text_of(build, "source"), text_of(build, "series"), text_of(build, "config"),
		       text_of(build, "compiler"));
	printf("%s\n", run->has_events ? "" : ", no kvmi tracepoints: exits only");
	if (!strcmp(run_unit(run), "instructions"))
		printf("  unit     instructions: path length on an emulated machine, never nanoseconds;\n"
		       "           compares kernels and code paths on one vendor, never vendors\n");
	else
		printf("  unit     ns\n");
	if (json_is_integer(seed))
		printf("  seed     %lld\n", (long long)json_integer_value(seed));
	if (json_array_size(run->command))
		print_command(run->command);
}

/* One digit after the point while that says something. */
static void print_number(int width, double value)
{
	if (isnan(value))
		printf(" %*s", width, "-");
	else
		printf(" %*.*f", width, fabs(value) < 1e6 ? 1 : 0, value);
}

static void print_value(double value)
{
	print_number(10, value);
}

static void print_interval(const struct interval *i)
{
	char text[48] = "-";

	if (isfinite(i->low))
		snprintf(text, sizeof(text), "%.*f-%.*f", fabs(i->high) < 1e6 ? 1 : 0, i->low,
			 fabs(i->high) < 1e6 ? 1 : 0, i->high);
	printf(" %17s", text);
}

/* With these widths a line has 97 columns; --wide adds to that. */
static void print_guest_header(const char *unit, bool wide)
{
	printf("\nGuest's own clock, hit to hit, %s (medians over repetitions%s)\n"
	       "%-20s %-8s %4s %8s %8s %17s %9s %8s %8s",
	       unit, wide ? "" : "; --wide: p90, p99.9, max", "case", "observer", "reps", "n",
	       "mean", "95 % interval", "less loop", "p50", "p99");
	if (wide)
		printf(" %8s %8s %8s", "p90", "p99.9", "max");
	putchar('\n');
}

static void print_guest(const char *name, const char *observer, const struct guest_figures *g,
			bool wide)
{
	if (!g->repetitions)
		return;
	printf("%-20s %-8s %4u %8llu", name, observer, g->repetitions, (unsigned long long)g->f.n);
	print_number(8, g->f.mean);
	print_interval(&g->interval);
	print_number(9, g->net);
	print_number(8, g->f.p50);
	print_number(8, g->f.p99);
	if (wide) {
		print_number(8, g->f.p90);
		print_number(8, g->f.p999);
		print_number(8, g->f.max);
	}
	putchar('\n');
}

static void print_skipped(const struct case_summary *c)
{
	char *reason = strdup(c->skipped), *word, *save = NULL;
	int column = printf("%-20s skipped:", c->name);

	for (word = reason ? strtok_r(reason, " ", &save) : NULL; word;
	     word = strtok_r(NULL, " ", &save)) {
		if (column + 1 + strlen(word) > COLUMNS)
			column = printf("\n%29s", "") - 1;
		column += printf(" %s", word);
	}
	putchar('\n');
	free(reason);
}

static void print_guests(const struct case_summary *cases, unsigned int nr,
			 const struct report_options *options, const char *unit)
{
	bool any = false;

	for (unsigned int i = 0; i < nr; i++) {
		const struct case_summary *c = &cases[i];

		if (!filter_has_case(&options->filter, c->name))
			continue;
		if (!c->skipped && !c->none.repetitions && !c->detached.repetitions &&
		    !c->attached.repetitions)
			continue;
		if (!any)
			print_guest_header(unit, options->wide);
		any = true;
		if (c->skipped)
			print_skipped(c);
		print_guest(c->name, "none", &c->none, options->wide);
		print_guest(c->name, "detached", &c->detached, options->wide);
		print_guest(c->name, "attached", &c->attached, options->wide);
		if (c->has_cost)
			printf("%-20s the observer costs %+.1f (%+.2f %%)\n", "", c->cost,
			       100 * c->cost_share);
	}
}

static void print_class(unsigned int class, const char *label, const struct hist *h, double whole)
{
	struct figures f = figures_of_hist(h);

	printf("  %-16s %9llu", label, (unsigned long long)f.n);
	print_value(f.mean);
	print_value(f.p50);
	print_value(f.p99);
	print_value(f.max);
	if (class >= CLASS_USER || (class >= CLASS_BREAKPOINT && class < CLASS_OTHER))
		printf(" %6.1f %%", whole > 0 ? 100 * (double)h->sum / whole : 0);
	putchar('\n');
}

static void print_class_header(const struct case_summary *c, const char *what, const char *unit)
{
	printf("\n%s%s%s, in the kernel, %s\n  %-16s %9s %10s %10s %10s %10s %8s\n", c->name,
	       *c->name ? ": " : "", what, unit, "stage", "count", "mean", "p50", "p99", "max",
	       "share");
}

/* Of so many that begin with class base. */
static bool has_a_stage(const struct filter *filter, unsigned int base, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		if (filter_has_class(filter, base + i))
			return true;
	}
	return false;
}

/* What the introspector's stage is made of. */
static void print_tool(const struct case_summary *c, const struct filter *filter,
		       unsigned int action)
{
	unsigned int base = CLASS_TOOL + action * NR_TOOL_STAGES;
	double whole = c->m->hists[CLASS_BREAKPOINT + action * NR_STAGES + STAGE_TOTAL].sum;

	for (unsigned int i = 0; c->m->hists[base].count && i < NR_TOOL_STAGES; i++) {
		char label[32];

		snprintf(label, sizeof(label), "  %s", class_name(base + i).stage);
		if (filter_has_class(filter, base + i))
			print_class(base + i, label, &c->m->hists[base + i], whole);
	}
}

static void print_stages(const struct case_summary *c, const struct filter *filter,
			 const char *unit)
{
	const struct hist *hists = c->m->hists;
	char what[64];

	for (unsigned int action = 0; action < KVMI_LAT_NR_ACTIONS; action++) {
		unsigned int base = CLASS_BREAKPOINT + action * NR_STAGES;

		if (!hists[base + STAGE_TOTAL].count ||
		    (!has_a_stage(filter, base, NR_STAGES) &&
		     !has_a_stage(filter, CLASS_TOOL + action * NR_TOOL_STAGES, NR_TOOL_STAGES)))
			continue;
		snprintf(what, sizeof(what), "breakpoint event answered %s", action_names[action]);
		print_class_header(c, what, unit);
		for (unsigned int i = 0; i < NR_STAGES; i++) {
			if (filter_has_class(filter, base + i))
				print_class(base + i, stage_names[i], &hists[base + i],
					    hists[base + STAGE_TOTAL].sum);
			if (i == STAGE_INTROSPECTOR)
				print_tool(c, filter, action);
		}
	}
	for (unsigned int id = CLASS_OTHER; id < CLASS_USER; id++) {
		if (!hists[id].count || !filter_has_class(filter, id))
			continue;
		snprintf(what, sizeof(what), "%s event answered %s", class_name(id).event,
			 class_name(id).action);
		print_class_header(c, what, unit);
		print_class(id, "total", &hists[id], 0);
	}
	for (unsigned int user = 0; user < NR_USERS; user++) {
		unsigned int base = CLASS_USER + user * NR_USER_STAGES;

		if (!hists[base + USER_TOTAL].count || !has_a_stage(filter, base, NR_USER_STAGES))
			continue;
		print_class_header(c,
				   user == USER_DEBUG ? "exits to userspace with KVM_EXIT_DEBUG"
						      : "other exits to userspace",
				   unit);
		for (unsigned int i = 0; i < NR_USER_STAGES; i++)
			if (filter_has_class(filter, base + i))
				print_class(base + i, class_name(base + i).stage, &hists[base + i],
					    hists[base + USER_TOTAL].sum);
	}
	if (hists[CLASS_EXIT].count && filter_has_class(filter, CLASS_EXIT)) {
		print_class_header(c, "exits that KVM handled by itself", unit);
		print_class(CLASS_EXIT, "total", &hists[CLASS_EXIT], 0);
	}
}

static void print_count_and_mean(uint64_t count, uint64_t sum)
{
	printf(" %9llu", (unsigned long long)count);
	print_value(count ? (double)sum / count : NAN);
}

/* One vCPU has nothing to tell that is not above. */
static void print_vcpus(const struct case_summary *c, const char *unit)
{
	if (c->vcpus->nr < 2)
		return;
	printf("\n%s%sby vCPU: how many, and their mean, %s\n"
	       "  %8s %3s %4s %8s %20s %20s %20s\n",
	       c->name, *c->name ? ": " : "", unit, "process", "VM", "vCPU", "thread",
	       "handled by KVM", "to userspace", "breakpoints");
	for (unsigned int i = 0; i < c->vcpus->nr; i++) {
		const struct vcpu *v = &c->vcpus->list[i];
		const struct kvmi_lat_sums *s = &v->sums;

		printf("  %8d %3u", v->pid, v->vm);
		if (v->id < 0)
			printf(" %4s", "-");
		else
			printf(" %4d", v->id);
		printf(" %8d", v->thread);
		print_count_and_mean(s->exits, s->exit_time);
		print_count_and_mean(sums_users(s), sums_user_time(s));
		print_count_and_mean(s->events, s->event_time[STAGE_TOTAL]);
		putchar('\n');
	}
}

/* In a pass of its own: it says what disturbs the others, and disturbs more itself. */
static void print_costs(const struct case_summary *c, const char *unit)
{
	uint64_t time = 0;

	if (!c->costs->nr)
		return;
	printf("\n%s%sthe programs' own time, in a pass of its own, %s\n"
	       "  %-18s %-20s %9s %10s\n",
	       c->name, *c->name ? ": " : "", unit, "program", "tracepoint", "runs", "mean");
	for (unsigned int i = 0; i < c->costs->nr; i++) {
		const struct hook_cost *h = &c->costs->list[i];

		printf("  %-18s %-20s %9llu", h->program, h->tracepoint,
		       (unsigned long long)h->runs);
		print_value((double)h->time / h->runs);
		putchar('\n');
		time += h->time;
	}
	printf("  together %llu\n", (unsigned long long)time);
}

static void print_remainder(const struct case_summary *c)
{
	const struct remainder *r = &c->remainder;

	if (!c->has_remainder)
		return;
	printf("  remainder: hit to hit less exit to entry is %.1f at the mean, %.1f at the minimum\n"
	       "  (%.2f %% of the total apart)%s\n",
	       r->at_mean, r->at_min, 100 * r->spread,
	       c->main_class == CLASS_EXIT ? "; \"exits\" are all of the case's such exits" : "");
}

static void print_counts(const struct case_summary *c)
{
	uint64_t timed = 0;

	for (int i = 0; i < KVMI_LAT_NR_ACTIONS; i++)
		timed += c->m->hists[CLASS_BREAKPOINT + i * NR_STAGES + STAGE_TOTAL].count;
	if (!timed && !c->m->counters[CNT_BP_SEND])
		return;
	printf("  breakpoints:");
	if (c->attached.repetitions)
		printf(" guest's counter %llu,", (unsigned long long)c->attached.hits);
	if (c->attached.has_events)
		printf(" introspector %llu,", (unsigned long long)c->attached.events);
	printf(" bp_send %llu, timed %llu\n", (unsigned long long)c->m->counters[CNT_BP_SEND],
	       (unsigned long long)timed);
}

static void print_counters(const struct case_summary *c)
{
	/* These are shown even when they are zero: that they are is part of the result. */
	static const int always[] = {CNT_OUT_OF_ORDER, CNT_OVERWRITTEN, CNT_NO_REPLY, CNT_MAP_FULL,
				     CNT_CLAMPED};
	const struct measurement *m = c->m;

	print_counts(c);
	printf("  exits %llu, in flight %llu, unaccounted %lld; unpaired %llu, dropped %llu",
	       (unsigned long long)m->exits, (unsigned long long)m->in_flight,
	       (long long)measurement_unaccounted(m), (unsigned long long)measurement_unpaired(m),
	       (unsigned long long)measurement_dropped(m));
	for (size_t i = 0; i < sizeof(always) / sizeof(always[0]); i++)
		printf("%s%s %llu", i ? ", " : "\n  ", counter_names[always[i]].name,
		       (unsigned long long)m->counters[always[i]]);
	putchar('\n');
	for (int i = 0; i < NR_COUNTERS; i++) {
		if (m->counters[i])
			printf("  %-16s %9llu  %s\n", counter_names[i].name,
			       (unsigned long long)m->counters[i], counter_names[i].meaning);
	}
}

static void print_hists(const struct case_summary *c, const struct filter *filter, const char *unit)
{
	for (unsigned int class = 0; class < NR_CLASSES; class ++) {
		if (c->m->hists[class].count && filter_has_class(filter, class))
			report_hist(c->name, class, &c->m->hists[class], unit);
	}
}

/* The case's clock and counters belong to all of its stages: they are shown only with all. */
static void print_case(const struct case_summary *c, const struct report_options *options,
		       const char *unit)
{
	if (options->hist) {
		print_hists(c, &options->filter, unit);
		return;
	}
	print_stages(c, &options->filter, unit);
	if (filter_is_by_class(&options->filter))
		return;
	print_vcpus(c, unit);
	print_costs(c, unit);
	print_remainder(c);
	print_counters(c);
}

int report_text(const struct run *run, const char *title, const struct report_options *options)
{
	const char *unit = run_unit(run);
	bool whole = !options->hist && !filter_is_by_class(&options->filter);
	struct case_summary *cases;
	unsigned int nr, shown = 0;

	cases = summarize(run, &nr);
	if (!cases)
		return -ENOMEM;
	print_header(run, title);
	if (whole)
		print_guests(cases, nr, options, unit);
	for (unsigned int i = 0; i < nr; i++) {
		if (!filter_has_case(&options->filter, cases[i].name))
			continue;
		shown++;
		if (cases[i].m)
			print_case(&cases[i], options, unit);
	}
	if (whole && run->recursion_misses < 0)
		printf("\nrecursion misses: this kernel does not count them\n");
	else if (whole)
		printf("\nrecursion misses: %lld\n", run->recursion_misses);
	free(cases);
	return options->filter.only_case && !shown ? -ENOENT : 0;
}

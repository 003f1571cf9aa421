// SPDX-License-Identifier: BSD-2-Clause
/* Collects the entries and writes them as JSON. */
#include "entries.h"

#include <errno.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* By case an array of its entries, in the order of the table of cases: jansson keeps the order of keys. */
static json_t *by_case;
static FILE *output;

bool entries_wanted(void)
{
	return getenv("KVMI_LAT_ENTRIES");
}

static int cannot_write(int err)
{
	fprintf(stderr, "kvmi-bench: cannot write the entries to %s (KVMI_LAT_ENTRIES): %s\n",
		getenv("KVMI_LAT_ENTRIES"), strerror(-err));
	return err;
}

int entries_open(void)
{
	if (!entries_wanted())
		return 0;
	/* What is in there stays until there is something else to be written. */
	output = fopen(getenv("KVMI_LAT_ENTRIES"), "ae");
	return output ? 0 : cannot_write(-errno);
}

int entries_add_case(const char *name)
{
	if (!entries_wanted())
		return 0;
	if (!by_case)
		by_case = json_object();
	return json_object_set_new(by_case, name, json_array()) ? -ENOMEM : 0;
}

/* Takes the reference, NULL included. */
static int append(const char *name, json_t *entry)
{
	/* If not, json_array_append_new() below fails, and frees the entry. */
	if (!json_object_get(by_case, name))
		entries_add_case(name);
	return json_array_append_new(json_object_get(by_case, name), entry) ? -ENOMEM : 0;
}

/* Ticks to nanoseconds; whole numbers stay whole, as in the lab where a tick is a nanosecond. */
static json_t *ns(double ticks, long tsc_khz)
{
	double v = ticks * 1e6 / tsc_khz;

	return v == (json_int_t)v ? json_integer((json_int_t)v) : json_real(v);
}

static json_t *quantiles(const struct stats *s, long tsc_khz)
{
	json_t *array = json_array();
	const double *q;
	size_t n;

	q = stats_quantile_list(&n);
	for (size_t i = 0; i < n; i++) {
		json_t *pair = json_array();

		json_array_append_new(pair, json_real(q[i]));
		json_array_append_new(pair, ns(stats_quantile(s, q[i]), tsc_khz));
		json_array_append_new(array, pair);
	}
	return array;
}

int entries_add(const struct entry *e)
{
	json_t *o;

	if (!entries_wanted())
		return 0;

	o = json_pack("{s:s, s:s, s:i, s:I, s:I, s:I, s:o, s:o, s:o, s:o, s:i, s:s}", "case",
		      e->name, "observer", e->observer, "repetition", (int)e->repetition, "n",
		      (json_int_t)e->stats->n, "hits", (json_int_t)e->hits, "tsc_khz",
		      (json_int_t)e->tsc_khz, "mean", ns(stats_mean(e->stats), e->tsc_khz), "min",
		      ns(stats_quantile(e->stats, 0), e->tsc_khz), "max",
		      ns(stats_quantile(e->stats, 1), e->tsc_khz), "quantiles",
		      quantiles(e->stats, e->tsc_khz), "cpu", e->cpu, "sched", e->sched);
	if (!o)
		return -ENOMEM;
	if (e->events >= 0)
		json_object_set_new(o, "events", json_integer(e->events));
	if (e->introspector_cpu >= 0)
		json_object_set_new(o, "introspector_cpu", json_integer(e->introspector_cpu));
	if (e->have_kcounts) {
		json_object_set_new(o, "kernel_instructions", json_real(e->kcounts.instructions));
		json_object_set_new(o, "kernel_cycles", json_real(e->kcounts.cycles));
	}
	if (e->vcpus > 1)
		json_object_set_new(o, "nr_vcpus", json_integer(e->vcpus));
	if (e->vms > 1)
		json_object_set_new(o, "nr_vms", json_integer(e->vms));
	if (e->late >= 0)
		json_object_set_new(o, "late", json_integer(e->late));
	return append(e->name, o);
}

int entries_add_skipped(const char *name, const char *reason)
{
	if (!entries_wanted())
		return 0;
	return append(name, json_pack("{s:s, s:s}", "case", name, "skipped", reason));
}

static int write_and_close(const json_t *doc)
{
	struct stat st;
	int ret = 0;

	errno = 0;
	if (!doc)
		ret = -ENOMEM;
	else if (!fstat(fileno(output), &st) && S_ISREG(st.st_mode) && ftruncate(fileno(output), 0))
		ret = -errno;
	else if (json_dumpf(doc, output, JSON_COMPACT | JSON_REAL_PRECISION(15)))
		ret = errno ? -errno : -ENOMEM;
	if (fclose(output) && !ret)
		ret = -errno;
	output = NULL;
	return ret;
}

int entries_write(void)
{
	json_t *doc, *list, *entries;
	const char *name;
	int ret;

	if (!output)
		return 0;

	list = json_array();
	json_object_foreach(by_case, name, entries)
		json_array_extend(list, entries);
	doc = json_pack("{s:o}", "entries", list);
	json_decref(by_case);
	by_case = NULL;
	ret = write_and_close(doc);
	json_decref(doc);
	return ret ? cannot_write(ret) : 0;
}

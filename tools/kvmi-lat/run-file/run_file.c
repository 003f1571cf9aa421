// SPDX-License-Identifier: BSD-2-Clause
/* Run files: one JSON document per run, described by results/run-schema.json. */
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "class_names.h"
#include "lib/text.h"
#include "lib/whole_file.h"
#include "limits.h"
#include "run_file.h"

int run_init(struct run *run)
{
	memset(run, 0, sizeof(*run));
	run->fingerprint = json_object();
	run->command = json_array();
	run->entries = json_array();
	run->recursion_misses = -1;
	return run->fingerprint && run->command && run->entries ? 0 : -ENOMEM;
}

void run_free(struct run *run)
{
	for (unsigned int i = 0; i < run->nr_cases; i++) {
		free(run->cases[i].name);
		free(run->cases[i].m);
		vcpus_free(&run->cases[i].vcpus);
	}
	free(run->cases);
	json_decref(run->fingerprint);
	json_decref(run->command);
	json_decref(run->entries);
	memset(run, 0, sizeof(*run));
}

struct run_case *run_case(struct run *run, const char *name)
{
	struct run_case *cases, new = {};

	for (unsigned int i = 0; i < run->nr_cases; i++) {
		if (!strcmp(run->cases[i].name, name))
			return &run->cases[i];
	}
	cases = reallocarray(run->cases, run->nr_cases + 1, sizeof(*cases));
	if (!cases)
		return NULL;
	run->cases = cases;
	new.name = strdup(name);
	new.m = calloc(1, sizeof(*new.m));
	if (!new.name || !new.m) {
		free(new.name);
		free(new.m);
		return NULL;
	}
	cases[run->nr_cases] = new;
	return &cases[run->nr_cases++];
}

const char *run_unit(const struct run *run)
{
	const char *unit = json_string_value(json_object_get(run->fingerprint, "unit"));

	return unit && !strcmp(unit, "instructions") ? "instructions" : "ns";
}

/* Writing */

static json_t *stage_json(const char *name, unsigned int class, const struct hist *h)
{
	struct class_name names = class_name(class);
	json_t *buckets = json_array();

	for (unsigned int i = 0; i < HIST_NR_BUCKETS; i++) {
		if (h->buckets[i])
			json_array_append_new(buckets, json_pack("[I,I]", (json_int_t)i,
								 (json_int_t)h->buckets[i]));
	}
	return json_pack("{s:s,s:s,s:s,s:s,s:I,s:I,s:I,s:I,s:o}", "case", name, "event",
			 names.event, "action", names.action, "stage", names.stage, "count",
			 (json_int_t)h->count, "sum", (json_int_t)h->sum, "min", (json_int_t)h->min,
			 "max", (json_int_t)h->max, "buckets", buckets);
}

static json_t *counters_json(const struct measurement *m)
{
	json_t *counters = json_object();

	json_object_set_new(counters, "exits", json_integer(m->exits));
	json_object_set_new(counters, "in_flight", json_integer(m->in_flight));
	json_object_set_new(counters, "unaccounted", json_integer(measurement_unaccounted(m)));
	json_object_set_new(counters, "unpaired", json_integer(measurement_unpaired(m)));
	json_object_set_new(counters, "dropped", json_integer(measurement_dropped(m)));
	for (int i = 0; i < NR_COUNTERS; i++)
		json_object_set_new(counters, counter_names[i].name, json_integer(m->counters[i]));
	return counters;
}

static json_t *run_json(const struct run *run)
{
	json_t *stages = json_array(), *counters = json_object(), *vcpus = json_array();
	json_t *costs = json_array();

	for (unsigned int i = 0; i < run->nr_cases; i++) {
		const struct run_case *c = &run->cases[i];

		for (unsigned int class = 0; class < NR_CLASSES; class ++) {
			if (c->m->hists[class].count)
				json_array_append_new(
					stages, stage_json(c->name, class, &c->m->hists[class]));
		}
		json_object_set_new(counters, c->name, counters_json(c->m));
		vcpus_to_json(&c->vcpus, c->name, vcpus);
		hook_costs_to_json(&c->costs, c->name, costs);
	}
	json_object_set_new(counters, RUN_MISSES_KEY,
			    run->recursion_misses < 0 ? json_null()
						      : json_integer(run->recursion_misses));
	return json_pack("{s:s,s:O,s:O,s:b,s:O,s:o,s:o,s:o,s:o,s:{s:s,s:i,s:i,s:i}}", "schema",
			 RUN_SCHEMA, "fingerprint", run->fingerprint, "command", run->command,
			 "kvmi_tracepoints", run->has_events, "entries", run->entries, "stages",
			 stages, "vcpus", vcpus, "hooks", costs, "counters", counters, "histogram",
			 "kind", "log-linear", "sub_buckets", HIST_SUB_BUCKETS, "max_bits",
			 HIST_MAX_BITS, "buckets", HIST_NR_BUCKETS);
}

/* One line per element, so that a person and diff can find their way about. */
static int dump(FILE *file, const void *root)
{
	const size_t flags = JSON_COMPACT | JSON_ENCODE_ANY;
	const char *key, *separator = "{\n";
	json_t *value, *element;
	size_t i;

	/* A cast, because jansson's iterator wants to be able to change what it walks over. */
	json_object_foreach((json_t *)root, key, value) {
		fprintf(file, "%s\"%s\":", separator, key);
		separator = ",\n";
		if (!json_is_array(value) || !json_array_size(value) || !strcmp(key, "command")) {
			if (json_dumpf(value, file, flags))
				return -EIO;
			continue;
		}
		json_array_foreach(value, i, element) {
			fputs(i ? ",\n" : "[\n", file);
			if (json_dumpf(element, file, flags))
				return -EIO;
		}
		fputs("\n]", file);
	}
	fputs("\n}\n", file);
	return 0;
}

int run_write(const struct run *run, const char *path)
{
	json_t *root = run_json(run);
	int err;

	if (!root)
		return -ENOMEM;
	err = whole_file_write(path, dump, root);
	json_decref(root);
	return err;
}

/* Reading */

struct reader {
	char *why;
	size_t size;
};

__attribute__((format(printf, 2, 3))) static int wrong(struct reader *r, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(r->why, r->size, format, args);
	va_end(args);
	return -EINVAL;
}

static int read_number(struct reader *r, const json_t *object, const char *key, uint64_t *value)
{
	json_t *number = json_object_get(object, key);

	/* A sum may be as large as it gets: check_hist() holds it against the others. */
	if (!json_is_integer(number) || json_integer_value(number) < 0 ||
	    (json_integer_value(number) > RUN_MOST && strcmp(key, "sum")))
		return wrong(r, "\"%s\" is not a number from 0 up", key);
	*value = json_integer_value(number);
	return 0;
}

static int read_buckets(struct reader *r, const json_t *buckets, struct hist *h)
{
	json_int_t before = -1;
	json_t *pair;
	size_t i;

	if (!json_is_array(buckets))
		return wrong(r, "a stage has no buckets");
	json_array_foreach(buckets, i, pair) {
		json_int_t index = json_integer_value(json_array_get(pair, 0));
		json_int_t count = json_integer_value(json_array_get(pair, 1));

		if (json_array_size(pair) != 2 || index < 0 || index >= HIST_NR_BUCKETS ||
		    count <= 0 || count > RUN_MOST)
			return wrong(r, "a stage has a bucket that is none");
		if (index <= before)
			return wrong(r, "a stage's buckets are not in order, each once");
		h->buckets[index] = count;
		before = index;
	}
	return check_hist(h, r->why, r->size);
}

static int read_stage(struct reader *r, struct run *run, const json_t *stage)
{
	const char *name = json_string_value(json_object_get(stage, "case"));
	const char *event = json_string_value(json_object_get(stage, "event"));
	const char *action = json_string_value(json_object_get(stage, "action"));
	const char *stage_name = json_string_value(json_object_get(stage, "stage"));
	struct run_case *c;
	struct hist h = {};
	int class;

	if (!name || !event || !action || !stage_name)
		return wrong(r, "a stage lacks its case, event, action or name");
	class = class_find(event, action, stage_name);
	if (class < 0)
		return wrong(r, "this version knows no stage %s of %s, %s", stage_name, event,
			     action);
	if (read_number(r, stage, "sum", &h.sum) || read_number(r, stage, "count", &h.count) ||
	    read_number(r, stage, "min", &h.min) || read_number(r, stage, "max", &h.max) ||
	    read_buckets(r, json_object_get(stage, "buckets"), &h))
		return -EINVAL;
	c = run_case(run, name);
	if (!c)
		return -ENOMEM;
	if (run->nr_cases > RUN_MOST_CASES)
		return wrong(r, "it has more than %d cases", RUN_MOST_CASES);
	if (c->m->hists[class].count)
		return wrong(r, "stage %s of %s, %s is there twice", stage_name, event, action);
	c->m->hists[class] = h;
	return 0;
}

/* What is computed from the others is in the file for other readers' sake. */
static int check_sum(struct reader *r, const json_t *counters, const char *key, json_int_t is)
{
	const json_t *value = json_object_get(counters, key);

	if (!json_is_integer(value) || json_integer_value(value) != is)
		return wrong(r, "\"%s\" is not what the other counters make it: %lld", key,
			     (long long)is);
	return 0;
}

static int read_counters(struct reader *r, struct run *run, const json_t *counters)
{
	const char *name;
	json_t *value;

	if (!json_is_object(counters))
		return wrong(r, "it has no counters");
	/* A cast, because jansson's iterator wants to be able to change what it walks over. */
	json_object_foreach((json_t *)counters, name, value) {
		struct run_case *c;

		if (!strcmp(name, RUN_MISSES_KEY) && !json_is_object(value)) {
			if (json_is_integer(value) && json_integer_value(value) >= 0)
				run->recursion_misses = json_integer_value(value);
			else if (!json_is_null(value))
				return wrong(r, "\"%s\" is not a number from 0 up", name);
			continue;
		}
		c = run_case(run, name);
		if (!c)
			return -ENOMEM;
		if (run->nr_cases > RUN_MOST_CASES)
			return wrong(r, "it has more than %d cases", RUN_MOST_CASES);
		if (read_number(r, value, "exits", &c->m->exits) ||
		    read_number(r, value, "in_flight", &c->m->in_flight))
			return -EINVAL;
		for (int i = 0; i < NR_COUNTERS; i++) {
			if (counter_names[i].later &&
			    !json_object_get(value, counter_names[i].name))
				continue;
			if (read_number(r, value, counter_names[i].name, &c->m->counters[i]))
				return -EINVAL;
		}
		if (check_sum(r, value, "unpaired", measurement_unpaired(c->m)) ||
		    check_sum(r, value, "dropped", measurement_dropped(c->m)) ||
		    check_sum(r, value, "unaccounted", measurement_unaccounted(c->m)))
			return -EINVAL;
	}
	return 0;
}

static int add_vcpu(struct run_case *c, const json_t *vcpu)
{
	return vcpus_add_json(&c->vcpus, vcpu);
}

static int add_cost(struct run_case *c, const json_t *cost)
{
	return hook_costs_add_json(&c->costs, cost);
}

/* What cases have besides: files of earlier versions have none, nor need others. */
static int read_parts(struct reader *r, struct run *run, const json_t *parts, const char *what,
		      int (*add)(struct run_case *c, const json_t *part))
{
	struct run_case *c;
	const char *name;
	json_t *part;
	size_t i;

	json_array_foreach(parts, i, part) {
		name = json_string_value(json_object_get(part, "case"));
		if (!name)
			return wrong(r, "%s %zu names no case", what, i);
		c = run_case(run, name);
		if (!c)
			return -ENOMEM;
		if (run->nr_cases > RUN_MOST_CASES)
			return wrong(r, "it has more than %d cases", RUN_MOST_CASES);
		if (add(c, part))
			return wrong(r, "%s %zu of case \"%s\" is not described as one", what, i,
				     name);
	}
	return 0;
}

static int take(struct reader *r, const json_t *root, const char *key, json_type type, json_t **to)
{
	json_t *value = json_object_get(root, key);

	if (!value || json_typeof(value) != type)
		return wrong(r, "it has no %s", key);
	json_decref(*to);
	*to = json_incref(value);
	return 0;
}

static int read_root(struct reader *r, struct run *run, const json_t *root)
{
	const char *schema = json_string_value(json_object_get(root, "schema"));
	const json_t *histogram = json_object_get(root, "histogram");
	json_t *stages = json_object_get(root, "stages"), *stage;
	uint64_t sub_buckets = 0, buckets = 0;
	size_t i;
	int err;

	if (!schema)
		return wrong(r, "not a run file: it does not name its schema");
	if (strcmp(schema, RUN_SCHEMA))
		return wrong(r, "its schema is %.40s, this version reads %s", schema, RUN_SCHEMA);
	if (take(r, root, "fingerprint", JSON_OBJECT, &run->fingerprint) ||
	    take(r, root, "command", JSON_ARRAY, &run->command) ||
	    take(r, root, "entries", JSON_ARRAY, &run->entries))
		return -EINVAL;
	run->has_events = json_is_true(json_object_get(root, "kvmi_tracepoints"));
	if (check_strings(run->fingerprint, r->why, r->size) ||
	    check_strings(run->entries, r->why, r->size) ||
	    check_strings(stages, r->why, r->size) ||
	    check_strings(json_object_get(root, "vcpus"), r->why, r->size) ||
	    check_strings(json_object_get(root, "hooks"), r->why, r->size) ||
	    check_strings(json_object_get(root, "counters"), r->why, r->size) ||
	    check_entries(run->entries, r->why, r->size))
		return -EINVAL;
	if (read_number(r, histogram, "sub_buckets", &sub_buckets) ||
	    read_number(r, histogram, "buckets", &buckets))
		return -EINVAL;
	if (sub_buckets != HIST_SUB_BUCKETS || buckets != HIST_NR_BUCKETS)
		return wrong(r, "its histograms have buckets of another width");
	if (!json_is_array(stages))
		return wrong(r, "it has no stages");
	json_array_foreach(stages, i, stage) {
		err = read_stage(r, run, stage);
		if (err)
			return err;
	}
	err = read_parts(r, run, json_object_get(root, "vcpus"), "vCPU", add_vcpu);
	if (!err)
		err = read_parts(r, run, json_object_get(root, "hooks"), "hook", add_cost);
	if (err)
		return err;
	return read_counters(r, run, json_object_get(root, "counters"));
}

int run_parse(struct run *run, const char *text, size_t length, char *why, size_t size)
{
	struct reader r = {why, size};
	json_error_t error;
	json_t *root;
	int err;

	snprintf(why, size, "out of memory");
	err = run_init(run);
	if (err)
		return err;
	root = json_loadb(text, length, JSON_REJECT_DUPLICATES, &error);
	if (root)
		err = json_is_object(root) ? read_root(&r, run, root)
					   : wrong(&r, "not a run file: no JSON object");
	else if (json_error_code(&error) == json_error_premature_end_of_input)
		err = wrong(&r, "it ends too early, at line %d: not all of it was written",
			    error.line);
	else
		err = wrong(&r, "not a run file: line %d: %s", error.line, error.text);
	json_decref(root);
	/* Pieces of the file may be in there. */
	text_blank(why, "");
	return err;
}

static char *slurp(struct reader *r, const char *path, size_t *length, int *err)
{
	FILE *file = fopen(path, "r");
	char *text = NULL, *more;
	size_t room = 0;

	*length = 0;
	*err = -errno;
	if (!file) {
		wrong(r, "%s", strerror(-*err));
		return NULL;
	}
	do {
		room = room ? 2 * room : 1 << 16;
		more = realloc(text, room);
		if (!more) {
			*err = -ENOMEM;
			goto fail;
		}
		text = more;
		errno = 0;
		/* There is room for a NUL. */
		*length += fread(text + *length, 1, room - 1 - *length, file);
	} while (*length == room - 1 && *length <= RUN_MOST_BYTES);
	if (ferror(file)) {
		*err = errno ? -errno : -EIO;
		wrong(r, "%s", strerror(-*err));
	} else if (*length > RUN_MOST_BYTES) {
		*err = wrong(r, "not a run file: it has more than %d MiB", RUN_MOST_BYTES >> 20);
	} else {
		fclose(file);
		text[*length] = '\0';
		return text;
	}
fail:
	fclose(file);
	free(text);
	return NULL;
}

char *run_slurp(const char *path, size_t *length, char *why, size_t size)
{
	struct reader r = {why, size};
	int err;

	snprintf(why, size, "out of memory");
	return slurp(&r, path, length, &err);
}

int run_read(struct run *run, const char *path, char *why, size_t size)
{
	struct reader r = {why, size};
	size_t length;
	char *text;
	int err;

	memset(run, 0, sizeof(*run));
	snprintf(why, size, "out of memory");
	text = slurp(&r, path, &length, &err);
	if (!text)
		return err;
	err = run_parse(run, text, length, why, size);
	free(text);
	return err;
}

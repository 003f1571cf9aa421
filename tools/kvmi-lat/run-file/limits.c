// SPDX-License-Identifier: BSD-2-Clause
/* What run files may hold: of entries, of text, and how much of it. */
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "lib/text.h"
#include "limits.h"

__attribute__((format(printf, 3, 4))) static int wrong(char *why, size_t size, const char *format,
						       ...)
{
	va_list args;

	va_start(args, format);
	vsnprintf(why, size, format, args);
	va_end(args);
	return -EINVAL;
}

int check_case_name(const char *name, char *why, size_t size)
{
	if (!text_is_plain(name))
		return wrong(why, size,
			     "a name of a case has to be UTF-8 without control characters");
	/* The run file's counters have this key besides the cases. */
	if (!strcmp(name, RUN_MISSES_KEY))
		return wrong(why, size, "no case can have the name " RUN_MISSES_KEY);
	return 0;
}

int check_strings(const json_t *value, char *why, size_t size)
{
	const char *key;
	json_t *element;
	size_t i;

	if (json_is_string(value) && !text_is_plain(json_string_value(value)))
		return wrong(why, size, "a text in it has control characters");
	/* A cast, because jansson's iterator wants to be able to change what it walks over. */
	json_object_foreach((json_t *)value, key, element) {
		if (!text_is_plain(key))
			return wrong(why, size, "a key in it has control characters");
		if (check_strings(element, why, size))
			return -EINVAL;
	}
	json_array_foreach(value, i, element) {
		if (check_strings(element, why, size))
			return -EINVAL;
	}
	return 0;
}

static bool is_figure(const json_t *value)
{
	double number = json_number_value(value);

	return json_is_number(value) && number >= -RUN_MOST && number <= RUN_MOST;
}

static bool is_count(const json_t *value)
{
	return json_is_integer(value) && is_figure(value) && json_integer_value(value) >= 0;
}

static bool are_quantiles(const json_t *quantiles)
{
	double before = -1;
	json_t *pair;
	size_t i;

	json_array_foreach(quantiles, i, pair) {
		const json_t *q = json_array_get(pair, 0), *value = json_array_get(pair, 1);
		double at = json_number_value(q);

		if (json_array_size(pair) != 2 || !json_is_number(q) || !is_figure(value) ||
		    at <= before || at < 0 || at > 1)
			return false;
		before = at;
	}
	return json_is_array(quantiles);
}

static bool is_observer(const json_t *value)
{
	const char *name = json_string_value(value);

	return name &&
	       (!strcmp(name, "none") || !strcmp(name, "detached") || !strcmp(name, "attached"));
}

static int check_entry(const json_t *entry, size_t i, char *why, size_t size)
{
	static const char *const figures[] = {"mean", "min", "max"};
	static const char *const counts[] = {"n", "hits", "events"};
	const json_t *value = json_object_get(entry, "skipped");

	if (!json_is_string(json_object_get(entry, "case")))
		return wrong(why, size, "entry %zu names no case", i);
	if (json_is_string(value))
		return 0;
	if (value)
		return wrong(why, size, "entry %zu is skipped for no reason", i);
	if (!is_observer(json_object_get(entry, "observer")))
		return wrong(why, size, "entry %zu has no observer", i);
	for (size_t j = 0; j < sizeof(figures) / sizeof(figures[0]); j++) {
		value = json_object_get(entry, figures[j]);
		if ((value || !j) && !is_figure(value))
			return wrong(why, size, "entry %zu has a %s that is none", i, figures[j]);
	}
	for (size_t j = 0; j < sizeof(counts) / sizeof(counts[0]); j++) {
		value = json_object_get(entry, counts[j]);
		if ((value || !j) && !is_count(value))
			return wrong(why, size, "entry %zu: \"%s\" is no count", i, counts[j]);
	}
	value = json_object_get(entry, "quantiles");
	if (value && !are_quantiles(value))
		return wrong(why, size, "entry %zu has quantiles that are none", i);
	return 0;
}

int check_entries(const json_t *entries, char *why, size_t size)
{
	json_t *names = json_object(), *entry;
	int err = 0;
	size_t i;

	json_array_foreach(entries, i, entry) {
		err = check_entry(entry, i, why, size);
		if (err)
			break;
		json_object_set_new(names, json_string_value(json_object_get(entry, "case")),
				    json_true());
	}
	if (!err && json_object_size(names) > RUN_MOST_CASES)
		err = wrong(why, size, "its entries have %zu cases, more than %d",
			    json_object_size(names), RUN_MOST_CASES);
	json_decref(names);
	return err;
}

int check_hist(const struct hist *h, char *why, size_t size)
{
	unsigned int first = 0, last = HIST_NR_BUCKETS - 1;

	if (!h->count)
		return wrong(why, size, "a stage has a count of 0");
	if (!hist_consistent(h))
		return wrong(why, size, "a stage's buckets do not add up to its count");
	while (!h->buckets[first])
		first++;
	while (!h->buckets[last])
		last--;
	if (h->min > h->max || hist_index(h->min) != first || hist_index(h->max) != last)
		return wrong(why, size, "a stage's min and max are not those of its buckets");
	if (h->sum < (unsigned __int128)h->count * h->min ||
	    h->sum > (unsigned __int128)h->count * h->max)
		return wrong(why, size, "a stage's sum is not between count times min and max");
	return 0;
}

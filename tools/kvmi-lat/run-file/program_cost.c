// SPDX-License-Identifier: BSD-2-Clause
/* What the BPF programs themselves take, by the kernel's own count: of a pass in which nothing else is measured. */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "limits.h"
#include "program_cost.h"

/* The entry of that program, a new one if there is none, NULL if there is no room. */
static struct hook_cost *find(struct hook_costs *costs, const char *program, const char *tracepoint)
{
	struct hook_cost *c;

	for (unsigned int i = 0; i < costs->nr; i++) {
		if (!strcmp(costs->list[i].program, program))
			return &costs->list[i];
	}
	if (costs->nr == HOOK_COSTS_MAX)
		return NULL;
	c = &costs->list[costs->nr++];
	*c = (struct hook_cost){};
	snprintf(c->program, sizeof(c->program), "%s", program);
	snprintf(c->tracepoint, sizeof(c->tracepoint), "%s", tracepoint);
	return c;
}

void hook_costs_add(struct hook_costs *costs, const struct hook_costs *before,
		    const struct hook_costs *after)
{
	for (unsigned int i = 0; i < after->nr; i++) {
		const struct hook_cost *was = &before->list[i], *is = &after->list[i];
		struct hook_cost *c;

		if (is->runs <= was->runs)
			continue;
		c = find(costs, is->program, is->tracepoint);
		if (!c)
			return;
		c->runs += is->runs - was->runs;
		c->time += is->time - was->time;
	}
}

void hook_costs_to_json(const struct hook_costs *costs, const char *case_name, json_t *array)
{
	for (unsigned int i = 0; i < costs->nr; i++) {
		const struct hook_cost *c = &costs->list[i];

		json_array_append_new(array, json_pack("{s:s,s:s,s:s,s:I,s:I}", "case", case_name,
						       "program", c->program, "tracepoint",
						       c->tracepoint, "runs", (json_int_t)c->runs,
						       "time", (json_int_t)c->time));
	}
}

int hook_costs_add_json(struct hook_costs *costs, const json_t *object)
{
	const char *program = json_string_value(json_object_get(object, "program"));
	const char *tracepoint = json_string_value(json_object_get(object, "tracepoint"));
	const json_t *runs = json_object_get(object, "runs"),
		     *time = json_object_get(object, "time");
	struct hook_cost *c;

	if (!program || !*program || strlen(program) >= sizeof(c->program) || !tracepoint ||
	    strlen(tracepoint) >= sizeof(c->tracepoint) || !json_is_integer(runs) ||
	    json_integer_value(runs) <= 0 || json_integer_value(runs) > RUN_MOST ||
	    !json_is_integer(time) || json_integer_value(time) < 0)
		return -EINVAL;
	c = find(costs, program, tracepoint);
	/* Twice the same, or more than there are. */
	if (!c || c->runs)
		return -EINVAL;
	c->runs = json_integer_value(runs);
	c->time = json_integer_value(time);
	return 0;
}

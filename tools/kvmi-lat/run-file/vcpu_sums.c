// SPDX-License-Identifier: BSD-2-Clause
/* Sums by vCPU: adds them up, takes them into run files and out again. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "class_names.h"
#include "vcpu_sums.h"

void vcpu_sums(struct kvmi_lat_sums *sums, struct vcpu_sum named[NR_VCPU_SUMS])
{
	unsigned int n = 0;

	named[n++] = (struct vcpu_sum){"exit", "total", (uint64_t *)&sums->exits,
				       (uint64_t *)&sums->exit_time};
	for (int i = 0; i < NR_STAGES; i++)
		named[n++] =
			(struct vcpu_sum){"breakpoint", stage_names[i], (uint64_t *)&sums->events,
					  (uint64_t *)&sums->event_time[i]};
	named[n++] = (struct vcpu_sum){"other", "total", (uint64_t *)&sums->others,
				       (uint64_t *)&sums->other_time};
	for (int user = 0; user < NR_USERS; user++) {
		for (int i = 0; i < NR_USER_STAGES; i++) {
			struct class_name name = class_name(CLASS_USER + user * NR_USER_STAGES + i);

			named[n++] = (struct vcpu_sum){name.event, name.stage,
						       (uint64_t *)&sums->users[user],
						       (uint64_t *)&sums->user_time[user][i]};
		}
	}
}

uint64_t sums_users(const struct kvmi_lat_sums *sums)
{
	uint64_t n = 0;

	for (int user = 0; user < NR_USERS; user++)
		n += sums->users[user];
	return n;
}

uint64_t sums_user_time(const struct kvmi_lat_sums *sums)
{
	uint64_t time = 0;

	for (int user = 0; user < NR_USERS; user++)
		time += sums->user_time[user][USER_TOTAL];
	return time;
}

static bool same_vm(const struct vcpu *a, const struct vcpu *b)
{
	return a->pid == b->pid && (a->kvm || b->kvm ? a->kvm == b->kvm : a->vm == b->vm);
}

/* Without an id a vCPU is known by its thread. */
static bool same_vcpu(const struct vcpu *a, const struct vcpu *b)
{
	return same_vm(a, b) && a->id == b->id && (a->id >= 0 || a->thread == b->thread);
}

unsigned int vcpus_vm_number(const struct vcpus *vcpus, const struct vcpu *v)
{
	unsigned int next = 0;

	for (unsigned int i = 0; i < vcpus->nr; i++) {
		if (same_vm(&vcpus->list[i], v))
			return vcpus->list[i].vm;
		if (vcpus->list[i].pid == v->pid && vcpus->list[i].vm >= next)
			next = vcpus->list[i].vm + 1;
	}
	return next;
}

int vcpus_add(struct vcpus *vcpus, const struct vcpu *v)
{
	const uint64_t *from = (const uint64_t *)&v->sums;
	uint64_t *to;
	struct vcpu *list;

	for (unsigned int i = 0; i < vcpus->nr; i++) {
		if (!same_vcpu(&vcpus->list[i], v))
			continue;
		to = (uint64_t *)&vcpus->list[i].sums;
		for (size_t j = 0; j < sizeof(v->sums) / sizeof(*to); j++)
			to[j] += from[j];
		vcpus->list[i].thread = v->thread;
		return 0;
	}
	list = reallocarray(vcpus->list, vcpus->nr + 1, sizeof(*list));
	if (!list)
		return -ENOMEM;
	vcpus->list = list;
	list[vcpus->nr++] = *v;
	return 0;
}

void vcpus_free(struct vcpus *vcpus)
{
	free(vcpus->list);
	*vcpus = (struct vcpus){};
}

int vcpus_copy(struct vcpus *vcpus, const struct vcpus *from)
{
	int err = 0;

	for (unsigned int i = 0; !err && i < from->nr; i++) {
		struct vcpu v = from->list[i];

		err = vcpus_add(vcpus, &v);
	}
	return err;
}

int vcpus_copy_names(struct vcpus *vcpus, const struct vcpus *from)
{
	int err = vcpus_copy(vcpus, from);

	for (unsigned int i = 0; i < vcpus->nr; i++)
		vcpus->list[i].sums = (struct kvmi_lat_sums){};
	return err;
}

void vcpus_remove(struct vcpus *vcpus, bool (*unwanted)(const struct vcpu *v))
{
	unsigned int kept = 0;

	for (unsigned int i = 0; i < vcpus->nr; i++) {
		if (!unwanted(&vcpus->list[i]))
			vcpus->list[kept++] = vcpus->list[i];
	}
	vcpus->nr = kept;
}

static void subtract(struct kvmi_lat_sums *sums, const struct kvmi_lat_sums *before)
{
	uint64_t *to = (uint64_t *)sums;
	const uint64_t *from = (const uint64_t *)before;

	for (size_t i = 0; i < sizeof(*sums) / sizeof(*to); i++) {
		if (to[i] < from[i])
			return;
	}
	for (size_t i = 0; i < sizeof(*sums) / sizeof(*to); i++)
		to[i] -= from[i];
}

void vcpus_subtract(struct vcpus *vcpus, const struct vcpus *before)
{
	for (unsigned int i = 0; i < vcpus->nr; i++) {
		for (unsigned int j = 0; j < before->nr; j++) {
			if (same_vcpu(&vcpus->list[i], &before->list[j]))
				subtract(&vcpus->list[i].sums, &before->list[j].sums);
		}
	}
}

void vcpus_to_json(const struct vcpus *vcpus, const char *case_name, json_t *array)
{
	for (unsigned int i = 0; i < vcpus->nr; i++) {
		struct vcpu *v = &vcpus->list[i];
		struct vcpu_sum named[NR_VCPU_SUMS];
		json_t *sums = json_array();

		vcpu_sums(&v->sums, named);
		for (unsigned int j = 0; j < NR_VCPU_SUMS; j++) {
			if (*named[j].count)
				json_array_append_new(
					sums, json_pack("{s:s,s:s,s:I,s:I}", "event",
							named[j].event, "stage", named[j].stage,
							"count", (json_int_t)*named[j].count, "sum",
							(json_int_t)*named[j].sum));
		}
		json_array_append_new(
			array, json_pack("{s:s,s:i,s:i,s:i,s:o?,s:o}", "case", case_name, "pid",
					 v->pid, "thread", v->thread, "vm", v->vm, "vcpu",
					 v->id < 0 ? NULL : json_integer(v->id), "sums", sums));
	}
}

static int take_sum(struct kvmi_lat_sums *sums, const json_t *object)
{
	const char *event = json_string_value(json_object_get(object, "event"));
	const char *stage = json_string_value(json_object_get(object, "stage"));
	const json_t *count = json_object_get(object, "count"),
		     *sum = json_object_get(object, "sum");
	struct vcpu_sum named[NR_VCPU_SUMS];

	if (!event || !stage || !json_is_integer(count) || !json_is_integer(sum) ||
	    json_integer_value(count) < 0 || json_integer_value(sum) < 0)
		return -EINVAL;
	vcpu_sums(sums, named);
	for (unsigned int i = 0; i < NR_VCPU_SUMS; i++) {
		if (strcmp(named[i].event, event) || strcmp(named[i].stage, stage))
			continue;
		*named[i].count = json_integer_value(count);
		*named[i].sum = json_integer_value(sum);
		return 0;
	}
	return -EINVAL;
}

static bool take_number(const json_t *object, const char *key, json_int_t most, json_int_t *to)
{
	const json_t *number = json_object_get(object, key);

	*to = json_integer_value(number);
	return json_is_integer(number) && *to >= 0 && *to <= most;
}

int vcpus_add_json(struct vcpus *vcpus, const json_t *object)
{
	json_t *sums = json_object_get(object, "sums"), *sum;
	json_int_t pid, thread, vm, id = -1;
	struct vcpu v = {};
	size_t i;

	if (vcpus->nr >= NR_VCPUS || !take_number(object, "pid", INT32_MAX, &pid) ||
	    !take_number(object, "thread", INT32_MAX, &thread) ||
	    !take_number(object, "vm", INT32_MAX, &vm) || !json_is_array(sums))
		return -EINVAL;
	if (!json_is_null(json_object_get(object, "vcpu")) &&
	    !take_number(object, "vcpu", INT32_MAX, &id))
		return -EINVAL;
	v.pid = pid;
	v.thread = thread;
	v.vm = vm;
	v.id = id;
	json_array_foreach(sums, i, sum) {
		if (take_sum(&v.sums, sum))
			return -EINVAL;
	}
	return vcpus_add(vcpus, &v);
}

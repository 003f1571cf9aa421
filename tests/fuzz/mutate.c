// SPDX-License-Identifier: BSD-2-Clause
/* Changes JSON as JSON for libFuzzer: what is changed byte by byte seldom gets past the parser. */
#include <jansson.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

size_t LLVMFuzzerMutate(uint8_t *data, size_t size, size_t most);
size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned int seed);

static json_t *odd_value(unsigned int which)
{
	static const json_int_t integers[] = {0,    -1,	       1,	  64,	     2239,
					      2240, 1LL << 40, 1LL << 53, INT64_MAX, INT64_MIN};
	static const double reals[] = {0, -0.0, 1e-308, 0.5, 1e15, 1.7e308, -1.7e308};
	static const char *const texts[] = {"",	     "none",  "detached",	  "attached",
					    "retry", "total", "int3_event_retry", "\x1b[2J"};

	switch (which % 4) {
	case 0:
		return json_integer(integers[which / 4 % (sizeof(integers) / sizeof(*integers))]);
	case 1:
		return json_real(reals[which / 4 % (sizeof(reals) / sizeof(*reals))]);
	case 2:
		return json_string(texts[which / 4 % (sizeof(texts) / sizeof(*texts))]);
	default:
		return which & 8 ? json_array() : which & 16 ? json_object() : json_null();
	}
}

/* A number near the one that is there; else something odd. */
static json_t *changed(const json_t *value, unsigned int how)
{
	if (json_is_integer(value) && how % 3)
		return json_integer((uint64_t)json_integer_value(value) + how / 3 % 5 - 2);
	if (json_is_real(value) && how % 3)
		return json_real(json_real_value(value) * (how / 3 % 4));
	return odd_value(how / 3);
}

static void change_array(json_t *array, unsigned int how)
{
	size_t n = json_array_size(array), at = n ? rand() % n : 0;

	switch (n ? how % 4 : 3) {
	case 0:
		json_array_remove(array, at);
		break;
	case 1:
		json_array_insert_new(array, rand() % n, json_deep_copy(json_array_get(array, at)));
		break;
	case 2:
		json_array_set_new(array, at, changed(json_array_get(array, at), how / 4));
		break;
	default:
		json_array_append_new(array, odd_value(how / 4));
	}
}

static void change_object(json_t *object, unsigned int how)
{
	size_t n = json_object_size(object), at = n ? rand() % n : 0;
	void *iterator = json_object_iter(object);
	const char *key;

	if (!n)
		return;
	while (at--)
		iterator = json_object_iter_next(object, iterator);
	key = json_object_iter_key(iterator);
	switch (how % 6) {
	case 0:
		json_object_del(object, key);
		break;
	case 1:
		json_object_set_new(object, "another",
				    json_deep_copy(json_object_iter_value(iterator)));
		break;
	default:
		json_object_set_new(object, key,
				    changed(json_object_iter_value(iterator), how / 6));
	}
}

/* Goes down at random, and changes what it arrives at. */
static void change(json_t *value)
{
	for (;;) {
		json_t *next = NULL;

		if (json_is_array(value) && json_array_size(value)) {
			next = json_array_get(value, rand() % json_array_size(value));
		} else if (json_is_object(value) && json_object_size(value)) {
			size_t at = rand() % json_object_size(value);
			void *iterator = json_object_iter(value);

			while (at--)
				iterator = json_object_iter_next(value, iterator);
			next = json_object_iter_value(iterator);
		}
		if (!(json_is_array(next) || json_is_object(next)) || rand() % 4 == 0)
			break;
		value = next;
	}
	if (json_is_array(value))
		change_array(value, rand());
	else if (json_is_object(value))
		change_object(value, rand());
}

size_t LLVMFuzzerCustomMutator(uint8_t *data, size_t size, size_t most, unsigned int seed)
{
	json_t *root = seed % 8 ? json_loadb((char *)data, size, 0, NULL) : NULL;
	char *text;

	if (!root)
		return LLVMFuzzerMutate(data, size, most);
	srand(seed);
	for (int i = rand() % 3; i >= 0; i--)
		change(root);
	text = json_dumps(root, JSON_COMPACT);
	json_decref(root);
	size = text ? strlen(text) : 0;
	if (size && size <= most)
		memcpy(data, text, size);
	else
		size = LLVMFuzzerMutate(data, 0, most);
	free(text);
	return size;
}

// SPDX-License-Identifier: BSD-2-Clause
/* Tests of text from outside: what is UTF-8, what is a control character, what becomes of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#include "lib/text.h"

static const struct {
	const char *text, *blank;
} texts[] = {
	{"", ""},
	{"int3 plain", "int3 plain"},
	{"größe \xe2\x82\xac \xf0\x9f\x90\x9b \xf4\x8f\xbf\xbf",
	 "größe \xe2\x82\xac \xf0\x9f\x90\x9b \xf4\x8f\xbf\xbf"},
	{"a\tb\nc\x1b[2J\x7f", "a?b?c?[2J?"},
	{"\xc2\x85\xc2\x9b\xc2\xa0", "????\xc2\xa0"},
	{"\xff\xfe\x80", "???"},
	{"\xc3", "?"},
	{"\xc3(", "?("},
	{"\xe2\x82", "??"},
	{"\xe2\x82z", "??z"},
	{"\xf0\x9f\x90", "???"},
	/* too long, surrogates, beyond the last */
	{"\xc0\xaf\xc1\xbf", "????"},
	{"\xe0\x9f\xbf", "???"},
	{"\xf0\x8f\xbf\xbf", "????"},
	{"\xed\xa0\x80", "???"},
	{"\xf4\x90\x80\x80", "????"},
	{"\xf5\x80\x80\x80", "????"},
};

static void blanked(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		bool plain = !strcmp(texts[i].text, texts[i].blank);
		char *copy = strdup(texts[i].text);

		assert_non_null(copy);
		assert_int_equal(text_is_plain(copy), plain);
		assert_int_equal(text_blank(copy, ""), !plain);
		assert_string_equal(copy, texts[i].blank);
		assert_true(text_is_plain(copy));
		free(copy);
	}
}

static void kept(void **state)
{
	char text[] = "a\tb\nc\x01";

	(void)state;
	assert_true(text_blank(text, "\t\n"));
	assert_string_equal(text, "a\tb\nc?");
}

/* jansson takes what is plain, and nothing that is not UTF-8. */
static void as_json(void **state)
{
	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		json_t *direct = json_string(texts[i].text), *string = text_json(texts[i].text);

		assert_non_null(string);
		assert_string_equal(json_string_value(string), texts[i].blank);
		if (text_is_plain(texts[i].text))
			assert_non_null(direct);
		json_decref(direct);
		json_decref(string);
	}
}

static void within_json(void **state)
{
	json_t *value =
		json_loads("{\"a\\u0001\":[\"x\\u001b\",{\"b\":\"y\\u0085\"}],\"c\":1}", 0, NULL);
	char *text;

	(void)state;
	assert_non_null(value);
	assert_true(text_blank_json(value));
	text = json_dumps(value, JSON_COMPACT);
	assert_string_equal(text, "{\"a?\":[\"x?\",{\"b\":\"y??\"}],\"c\":1}");
	assert_false(text_blank_json(value));
	free(text);
	json_decref(value);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(blanked),
		cmocka_unit_test(kept),
		cmocka_unit_test(as_json),
		cmocka_unit_test(within_json),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

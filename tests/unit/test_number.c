// SPDX-License-Identifier: BSD-2-Clause
/* Tests of numbers on command lines. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "number.h"

static void is(const char *text, uint64_t expected)
{
	uint64_t value = ~expected;

	assert_true(number_parse(text, UINT64_MAX, &value));
	assert_int_equal(value, expected);
}

static void numbers(void **state)
{
	(void)state;
	is("0", 0);
	is("10", 10);
	is("010", 10);
	is("08", 8);
	is("0x10", 16);
	is("0XfF", 255);
	is("18446744073709551615", UINT64_MAX);
	is("0xffffffffffffffff", UINT64_MAX);
}

static void none(void **state)
{
	static const char *const texts[] = {
		"",
		" 1",
		"1 ",
		"+1",
		"-1",
		"x1",
		"0x",
		"0x ",
		"0x-1",
		"0x0x1",
		"0b1",
		"1e3",
		"18446744073709551616",
		"0x10000000000000000",
	};

	(void)state;
	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
		uint64_t value = 5;

		assert_false(number_parse(texts[i], UINT64_MAX, &value));
		assert_int_equal(value, 5);
	}
}

static void limits(void **state)
{
	uint64_t value;

	(void)state;
	assert_true(number_parse("255", 255, &value));
	assert_false(number_parse("256", 255, &value));
}

static void lists(void **state)
{
	const char *end;
	uint64_t value;

	(void)state;
	assert_true(number_parse_next("0x1f,2", &end, &value));
	assert_int_equal(value, 0x1f);
	assert_string_equal(end, ",2");
	assert_false(number_parse_next(",2", &end, &value));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(numbers),
		cmocka_unit_test(none),
		cmocka_unit_test(limits),
		cmocka_unit_test(lists),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

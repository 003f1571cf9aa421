/* SPDX-License-Identifier: BSD-2-Clause */
/* Test harness for programs that run in the lab: a process per test, a time limit, results as TAP. */
#ifndef TAP_H
#define TAP_H

#include <stdbool.h>
#include <stddef.h>

/*
 * Each test runs in a process of its own, which begins and ends with nothing open, so that neither a
 * crash nor a hang takes the rest along, and a test need not clean up. Any thread of it may fail.
 *
 *	static void test_it(void) { check_eq(f(), 3); }
 *	int main(void) { return tap_main((struct tap_test[]){{"it is three", test_it}}, 1); }
 */
struct tap_test {
	const char *name;
	void (*run)(void);
};

/* Seconds a test may take; it is ended and has failed then. */
extern unsigned int tap_limit_s;

/* Runs them and prints TAP. Exit status for main(): 0 if none failed. */
int tap_main(const struct tap_test *tests, size_t n);

/* Ends the test. The text says what was found and, where that helps, what was expected. */
#define fail(...) tap_fail(__FILE__, __LINE__, __VA_ARGS__)
_Noreturn void tap_fail(const char *file, int line, const char *fmt, ...)
	__attribute__((format(printf, 3, 4)));

/* Ends the test: it cannot be done here; @fmt says why. */
_Noreturn void skip(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

/* A line to be shown with the result, whatever that is. */
void note(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#define check(cond)                                \
	do {                                       \
		if (!(cond))                       \
			fail("not so: %s", #cond); \
	} while (0)

/* Integers; both values are shown, as decimal and hex. */
#define check_eq(got, want) \
	tap_check_eq(__FILE__, __LINE__, #got, (long long)(got), (long long)(want))
void tap_check_eq(const char *file, int line, const char *what, long long got, long long want);

#endif /* TAP_H */

// SPDX-License-Identifier: BSD-2-Clause
/* Tests of the fingerprint, on machines made up of files that are mounted over those of procfs and sysfs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sched.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "run-file/fingerprint.h"

/* In a mount namespace of its own, so that nothing is left of it. */
static int set_up(void **state)
{
	static char dir[] = "/tmp/test_fingerprint.XXXXXX";

	*state = NULL;
	if (unshare(CLONE_NEWNS) || mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL) ||
	    !mkdtemp(dir))
		return 0;
	if (!mount("none", dir, "tmpfs", 0, NULL) && !chdir(dir) &&
	    !mount("none", "/sys/module", "tmpfs", 0, NULL))
		*state = dir;
	return 0;
}

static int tear_down(void **state)
{
	if (*state && (chdir("/") || umount2(*state, MNT_DETACH) || rmdir(*state)))
		return -1;
	return 0;
}

/* Has the file hold this text, until the next call. */
static void mount_over(const char *path, const char *name, const char *text)
{
	FILE *file = fopen(name, "w");

	assert_non_null(file);
	fputs(text, file);
	fclose(file);
	umount(path);
	assert_int_equal(mount(name, path, NULL, MS_BIND, NULL), 0);
}

static void has_module(const char *name, bool present)
{
	char path[100];

	snprintf(path, sizeof(path), "/sys/module/%s", name);
	rmdir(path);
	if (present)
		assert_int_equal(mkdir(path, 0755), 0);
}

static void is(const char *key, const char *expected)
{
	json_t *f = fingerprint_collect();
	const char *value;

	assert_non_null(f);
	value = json_string_value(json_object_get(f, key));
	if (expected)
		assert_string_equal(value ? value : "(none)", expected);
	else
		assert_true(json_is_null(json_object_get(f, key)));
	json_decref(f);
}

static void machine_is(const char *flags, bool intel, bool amd, const char *machine)
{
	char text[200];

	snprintf(text, sizeof(text), "processor\t: 0\nmodel name\t: A CPU\nflags\t\t: fpu %s sse\n",
		 flags);
	mount_over("/proc/cpuinfo", "cpuinfo", text);
	has_module("kvm_intel", intel);
	has_module("kvm_amd", amd);
	is("machine", machine);
}

static void vendor(void **state)
{
	if (!*state)
		skip();
	mount_over("/proc/cmdline", "cmdline", "quiet\n");
	machine_is("svm", true, true, "svm");
	machine_is("vmx", true, true, "vmx");
	machine_is("svm", true, false, "svm");
	machine_is("vmx", false, true, "vmx");
	machine_is("svm", false, false, "svm");
	machine_is("", true, false, "vmx");
	machine_is("", false, true, "svm");
	machine_is("", true, true, NULL);
	machine_is("", false, false, NULL);
	mount_over("/proc/cmdline", "cmdline", "quiet kvmi_machine=svm\n");
	machine_is("vmx", true, true, "svm");
}

/* What the kernel's command line and the processor's name hold is somebody else's. */
static void foreign_text(void **state)
{
	if (!*state)
		skip();
	mount_over("/proc/cmdline", "cmdline", "quiet name=\xff\tend\n");
	is("cmdline", "quiet name=??end");
	mount_over("/proc/cpuinfo", "cpuinfo", "model name\t: CPU\x1b[2J \xc3\n");
	is("cpu", "CPU?[2J ?");
}

static void seed_is(const char *text, json_int_t expected)
{
	char line[100];
	json_t *f;

	snprintf(line, sizeof(line), "kvmi_seed=%s\n", text);
	mount_over("/proc/cmdline", "cmdline", line);
	f = fingerprint_collect();
	assert_int_equal(json_integer_value(json_object_get(f, "seed")), expected);
	json_decref(f);
}

static void seed(void **state)
{
	if (!*state)
		skip();
	seed_is("17", 17);
	seed_is("010", 10);
	seed_is("0x10", 16);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vendor),
		cmocka_unit_test(foreign_text),
		cmocka_unit_test(seed),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}

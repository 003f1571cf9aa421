// SPDX-License-Identifier: BSD-2-Clause
/* Collects what a result depends on: kernel, CPU, backend, clock, mitigations. */
#include <dirent.h>
#include <fcntl.h>
#include <linux/kvm.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "fingerprint.h"
#include "lib/text.h"
#include "number.h"
#include "version.h"

#define KERNEL_JSON	"/etc/kvmi-lat/kernel.json"
#define VULNERABILITIES "/sys/devices/system/cpu/vulnerabilities"

/* The first line of a file, without its newline: false if there is none. */
static bool first_line(const char *path, char *line, size_t size)
{
	FILE *file = fopen(path, "r");
	bool ok;

	if (!file)
		return false;
	ok = fgets(line, size, file);
	fclose(file);
	if (ok)
		line[strcspn(line, "\n")] = '\0';
	return ok;
}

static json_t *line_json(const char *path)
{
	char line[4096];

	if (!first_line(path, line, sizeof(line)))
		return json_null();
	for (size_t end = strlen(line); end && line[end - 1] == ' '; end--)
		line[end - 1] = '\0';
	return text_json(line);
}

/* The value of "name=value" on the kernel command line. */
static bool cmdline_value(const char *name, char *value, size_t size)
{
	char line[4096], *word, *save = NULL;
	size_t length = strlen(name);

	if (!first_line("/proc/cmdline", line, sizeof(line)))
		return false;
	for (word = strtok_r(line, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		if (!strncmp(word, name, length) && word[length] == '=') {
			snprintf(value, size, "%s", word + length + 1);
			return true;
		}
	}
	return false;
}

/* The value of "name : value" in /proc/cpuinfo, of the first CPU. */
static bool cpuinfo_value(const char *name, char *value, size_t size)
{
	FILE *file = fopen("/proc/cpuinfo", "r");
	size_t length = strlen(name);
	char line[8192];
	bool found = false;

	if (!file)
		return false;
	while (!found && fgets(line, sizeof(line), file)) {
		char *colon = strchr(line, ':');

		if (strncmp(line, name, length) || !colon || !strchr("\t :", line[length]))
			continue;
		line[strcspn(line, "\n")] = '\0';
		snprintf(value, size, "%s", colon[1] == ' ' ? colon + 2 : colon + 1);
		found = true;
	}
	fclose(file);
	return found;
}

static bool cpu_has(const char *flag)
{
	char flags[8192], *word, *save = NULL;

	if (!cpuinfo_value("flags", flags, sizeof(flags)))
		return false;
	for (word = strtok_r(flags, " ", &save); word; word = strtok_r(NULL, " ", &save)) {
		if (!strcmp(word, flag))
			return true;
	}
	return false;
}

/* By what the CPU has: of a kernel with both built in, both modules are there on any machine. */
static json_t *machine(void)
{
	bool intel = !access("/sys/module/kvm_intel", F_OK);
	bool amd = !access("/sys/module/kvm_amd", F_OK);
	char value[32];

	if (cmdline_value("kvmi_machine", value, sizeof(value)))
		return text_json(value);
	if (cpu_has("vmx"))
		return json_string("vmx");
	if (cpu_has("svm"))
		return json_string("svm");
	/* The flag may be hidden, by a hypervisor or because the firmware has switched it off. */
	if (intel != amd)
		return json_string(intel ? "vmx" : "svm");
	return json_null();
}

static json_t *cpu_model(void)
{
	char value[256];

	return cpuinfo_value("model name", value, sizeof(value)) ? text_json(value) : json_null();
}

static json_t *seed(void)
{
	char value[32];
	uint64_t number;

	if (!cmdline_value("kvmi_seed", value, sizeof(value)))
		return json_null();
	return number_parse(value, INT64_MAX, &number) ? json_integer(number) : text_json(value);
}

/* A module parameter which is a bool, shown as Y/N or 1/0. */
static json_t *parameter(const char *path)
{
	char line[32];

	/* With KVM built in kvm_amd's parameters are there on an Intel machine too. */
	if (strstr(path, "kvm_amd") && !cpu_has("svm"))
		return json_null();
	if (!first_line(path, line, sizeof(line)))
		return json_null();
	return json_boolean(line[0] == 'Y' || line[0] == '1');
}

static json_t *mitigations(void)
{
	json_t *all = json_object();
	struct dirent *entry;
	DIR *dir;

	dir = opendir(VULNERABILITIES);
	while (dir && (entry = readdir(dir))) {
		char path[512];

		if (entry->d_name[0] == '.')
			continue;
		snprintf(path, sizeof(path), VULNERABILITIES "/%s", entry->d_name);
		json_object_set_new(all, entry->d_name, line_json(path));
	}
	if (dir)
		closedir(dir);
	return all;
}

/* KVM tells a vCPU's TSC frequency, which is the host's unless somebody asked for another. */
static json_t *tsc_khz(void)
{
	int kvm, vm = -1, vcpu = -1, khz = -1;

	kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	if (kvm >= 0)
		vm = ioctl(kvm, KVM_CREATE_VM, 0);
	if (vm >= 0)
		vcpu = ioctl(vm, KVM_CREATE_VCPU, 0);
	if (vcpu >= 0)
		khz = ioctl(vcpu, KVM_GET_TSC_KHZ, 0);
	if (vcpu >= 0)
		close(vcpu);
	if (vm >= 0)
		close(vm);
	if (kvm >= 0)
		close(kvm);
	return khz > 0 ? json_integer(khz) : json_null();
}

json_t *fingerprint_collect(void)
{
	char backend[32] = "host";
	json_t *f = json_object(), *build;
	struct utsname uts;
	bool bochs;

	if (!f)
		return NULL;
	cmdline_value("kvmi_lab", backend, sizeof(backend));
	bochs = !strcmp(backend, "bochs");
	build = json_load_file(KERNEL_JSON, 0, NULL);
	text_blank_json(build);

	json_object_set_new(f, "kvmi_lat", json_string(KVMI_LAT_VERSION));
	json_object_set_new(f, "kernel", uname(&uts) ? json_null() : text_json(uts.release));
	json_object_set_new(f, "kernel_build", build ? build : json_null());
	json_object_set_new(f, "machine", machine());
	json_object_set_new(f, "cpu", cpu_model());
	json_object_set_new(f, "cpus", json_integer(sysconf(_SC_NPROCESSORS_ONLN)));
	json_object_set_new(f, "backend", text_json(backend));
	json_object_set_new(f, "virtualized", json_boolean(cpu_has("hypervisor")));
	json_object_set_new(f, "unit", json_string(bochs ? "instructions" : "ns"));
	json_object_set_new(f, "clocksource",
			    line_json("/sys/devices/system/clocksource/clocksource0/"
				      "current_clocksource"));
	json_object_set_new(f, "tsc_khz", tsc_khz());
	json_object_set_new(f, "seed", seed());
	json_object_set_new(f, "nrips", parameter("/sys/module/kvm_amd/parameters/nrips"));
	json_object_set_new(f, "introspection",
			    parameter("/sys/module/kvm/parameters/introspection"));
	json_object_set_new(f, "mitigations", mitigations());
	json_object_set_new(f, "cmdline", line_json("/proc/cmdline"));
	return f;
}

// SPDX-License-Identifier: BSD-2-Clause
/* kvmi-lat: where the time of a KVM introspection breakpoint goes. Main program and dispatch. */
#include <stdio.h>
#include <string.h>

#include "attach/libbpf_messages.h"
#include "commands/commands.h"
#include "lib/arguments.h"
#include "lib/log.h"
#include "version.h"

static const char main_help[] =
	"Usage: kvmi-lat COMMAND [OPTION...]\n"
	"\n"
	"Shows where the time of a KVM introspection (KVMI) breakpoint goes: every stage from VM\n"
	"exit to VM entry, timed in the kernel by BPF.\n"
	"\n"
	"  top        show live where the time goes\n"
	"  record     run a command, time what happens meanwhile, write a run file\n"
	"  threshold  wait for an event that takes too long, and show what it was\n"
	"  report     show a run file, or what pinned programs have collected\n"
	"  export     write it for other programs: CSV, JSON, HdrHistogram, Prometheus\n"
	"  compare    say whether one kernel's runs are slower than another's\n"
	"  attach     attach programs that bpftool has loaded and pinned\n"
	"  detach     detach them again\n"
	"\n"
	"  -h, --help     this text; kvmi-lat COMMAND --help: the command's\n"
	"  -V, --version  the version\n"
	"\n"
	"Examples:\n"
	"  kvmi-lat top\n"
	"  kvmi-lat record -o run.json -- kvmi-bench\n"
	"  kvmi-lat threshold --over 50us\n"
	"  kvmi-lat report run.json\n"
	"  kvmi-lat export --format csv -o run.csv run.json\n"
	"  kvmi-lat compare before/ after/\n"
	"  bpftool prog loadall kvmi_lat.bpf.o /sys/fs/bpf/lat pinmaps /sys/fs/bpf/lat\n"
	"  kvmi-lat attach --pinned /sys/fs/bpf/lat\n"
	"  kvmi-lat report --pinned /sys/fs/bpf/lat\n";

static const struct {
	const char *name;
	int (*run)(int argc, char **argv);
} commands[] = {
	{"top", cmd_top},	{"record", cmd_record},	      {"report", cmd_report},
	{"export", cmd_export}, {"compare", cmd_compare},     {"attach", cmd_attach},
	{"detach", cmd_detach}, {"threshold", cmd_threshold},
};

int main(int argc, char **argv)
{
	const char *name = argc > 1 ? argv[1] : "";

	libbpf_messages_init();
	if (!strcmp(name, "-h") || !strcmp(name, "--help") || !strcmp(name, "help")) {
		fputs(main_help, stdout);
		return 0;
	}
	if (!strcmp(name, "-V") || !strcmp(name, "--version")) {
		puts("kvmi-lat " KVMI_LAT_VERSION);
		return 0;
	}
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++) {
		if (!strcmp(name, commands[i].name))
			return commands[i].run(argc - 1, argv + 1);
	}
	if (*name)
		log_error("there is no command %s", name);
	else
		log_error(
			"which command? top, record, threshold, report, export, compare, attach or detach");
	return usage_error("");
}

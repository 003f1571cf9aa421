// SPDX-License-Identifier: BSD-2-Clause
/* kvmi-lat attach and detach: options. */
#include <getopt.h>
#include <stdio.h>

#include "attach/pinned.h"
#include "commands.h"
#include "lib/arguments.h"
#include "lib/log.h"

static const char attach_help[] =
	"Usage: kvmi-lat attach --pinned DIR\n"
	"\n"
	"Attaches the programs pinned in DIR, and pins the links there too, so that they stay.\n"
	"\n"
	"      --pinned DIR  where bpftool has pinned programs and maps\n"
	"  -v, --verbose     more messages\n"
	"  -h, --help        this text\n"
	"\n"
	"Example:\n"
	"  bpftool prog loadall kvmi_lat.bpf.o /sys/fs/bpf/lat pinmaps /sys/fs/bpf/lat\n"
	"  kvmi-lat attach --pinned /sys/fs/bpf/lat\n"
	"  kvmi-lat report --pinned /sys/fs/bpf/lat\n"
	"  kvmi-lat detach --pinned /sys/fs/bpf/lat --unload\n";

static const char detach_help[] =
	"Usage: kvmi-lat detach --pinned DIR [--unload]\n"
	"\n"
	"Detaches what 'kvmi-lat attach' attached. What was collected stays in the maps.\n"
	"\n"
	"      --pinned DIR  where they are pinned\n"
	"      --unload      remove the programs and maps, and DIR, as well\n"
	"  -v, --verbose     more messages\n"
	"  -h, --help        this text\n"
	"\n"
	"Example:\n"
	"  kvmi-lat detach --pinned /sys/fs/bpf/lat --unload\n";

/* Both take --pinned DIR; only detach takes --unload. */
static int attach_or_detach(int argc, char **argv, bool attaching)
{
	static const struct option options[] = {
		{"pinned", required_argument, NULL, 'P'},
		{"unload", no_argument, NULL, 'u'},
		{"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},
		{},
	};
	const char *dir = NULL;
	bool unload = false;
	int option, err;

	while ((option = getopt_long(argc, argv, "vh", options, NULL)) != -1) {
		switch (option) {
		case 'P':
			dir = optarg;
			break;
		case 'u':
			unload = true;
			break;
		case 'v':
			log_more();
			break;
		case 'h':
			fputs(attaching ? attach_help : detach_help, stdout);
			return 0;
		default:
			return usage_error(argv[0]);
		}
	}
	if (!dir || optind != argc || (unload && attaching)) {
		log_error("%s needs --pinned DIR%s", argv[0], attaching ? " and nothing else" : "");
		return usage_error(argv[0]);
	}
	err = attaching ? pinned_attach(dir) : pinned_detach(dir, unload);
	return err ? 2 : 0;
}

int cmd_attach(int argc, char **argv)
{
	return attach_or_detach(argc, argv, true);
}

int cmd_detach(int argc, char **argv)
{
	return attach_or_detach(argc, argv, false);
}

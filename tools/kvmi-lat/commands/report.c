// SPDX-License-Identifier: BSD-2-Clause
/* kvmi-lat report: options, and where the run comes from. */
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>

#include "attach/pinned.h"
#include "commands.h"
#include "lib/arguments.h"
#include "lib/log.h"
#include "lib/text.h"
#include "report.h"

static const char report_help[] =
	"Usage: kvmi-lat report [OPTION...] FILE...\n"
	"       kvmi-lat report [OPTION...] --pinned DIR\n"
	"\n"
	"Shows run files, or what pinned programs have collected since they were loaded.\n"
	"\n" FILTER_HELP
	"      --hist         histograms: the values in rows, with how many and a bar\n"
	"  -w, --wide         all columns: p90, p99.9 and max of the guest's clock, too\n"
	"      --json         JSON instead of a table; an array if there are several files\n"
	"      --pinned DIR   read the maps pinned in DIR instead of a file\n"
	"  -v, --verbose      more messages\n"
	"  -h, --help         this text\n"
	"\n"
	"Examples:\n"
	"  kvmi-lat report run.json\n"
	"  kvmi-lat report --case int3_event_retry vmx.json svm.json\n"
	"  kvmi-lat report --hist --event breakpoint --stage introspector run.json\n"
	"  kvmi-lat report --json run.json | jq '.cases[].observer_cost'\n"
	"  kvmi-lat report --pinned /sys/fs/bpf/lat\n";

/* Histograms are asked for, but there is none. */
static bool nothing_to_show(const struct run *run, const struct report_options *options)
{
	return (options->hist || filter_is_by_class(&options->filter)) &&
	       !filter_count(&options->filter, run);
}

/* Shows one run, or appends it to list. */
static int show(const struct run *run, const char *path, const struct report_options *options,
		json_t *list)
{
	char *title = text_copy(path);
	json_t *object;
	int err;

	if (!title)
		return -ENOMEM;
	if (nothing_to_show(run, options)) {
		log_error("%s: it has no such histogram; 'kvmi-lat report' without options shows "
			  "which it has",
			  title);
		free(title);
		return -ENOENT;
	}
	if (options->json) {
		object = report_json(run, title, &options->filter);
		err = object ? json_array_append_new(list, object) : -ENOENT;
	} else {
		err = report_text(run, title, options);
	}
	if (err == -ENOENT)
		log_error("%s: it has no case %s", title, options->filter.only_case);
	free(title);
	return err;
}

static int show_file(const char *path, const struct report_options *options, json_t *list)
{
	struct run run;
	char why[200];
	int err;

	err = run_read(&run, path, why, sizeof(why));
	if (err)
		log_error("%s: %s", path, why);
	else
		err = show(&run, path, options, list);
	run_free(&run);
	return err;
}

static int show_pinned(const char *dir, const struct report_options *options, json_t *list)
{
	struct run run;
	int err;

	err = pinned_read(dir, &run);
	if (!err)
		err = show(&run, dir, options, list);
	run_free(&run);
	return err;
}

int cmd_report(int argc, char **argv)
{
	static const struct option options[] = {
		{"case", required_argument, NULL, 'c'},
		{"event", required_argument, NULL, 'e'},
		{"action", required_argument, NULL, 'a'},
		{"stage", required_argument, NULL, 's'},
		{"hist", no_argument, NULL, 'H'},
		{"json", no_argument, NULL, 'j'},
		{"pinned", required_argument, NULL, 'P'},
		{"verbose", no_argument, NULL, 'v'},
		{"wide", no_argument, NULL, 'w'},
		{"help", no_argument, NULL, 'h'},
		{},
	};
	struct report_options how = {};
	const char *pinned = NULL;
	json_t *list = json_array();
	int option, err = 0;

	while ((option = getopt_long(argc, argv, "wvh", options, NULL)) != -1) {
		if (filter_option(&how.filter, option, optarg))
			continue;
		switch (option) {
		case 'H':
			how.hist = true;
			break;
		case 'w':
			how.wide = true;
			break;
		case 'j':
			how.json = true;
			break;
		case 'P':
			pinned = optarg;
			break;
		case 'v':
			log_more();
			break;
		case 'h':
			fputs(report_help, stdout);
			json_decref(list);
			return 0;
		default:
			json_decref(list);
			return usage_error("report");
		}
	}
	if ((optind == argc) == !pinned) {
		log_error("report needs either run files or --pinned DIR");
		json_decref(list);
		return usage_error("report");
	}
	if (how.hist && how.json) {
		log_error(
			"report --hist is text: --json gives the figures, a run file the buckets");
		json_decref(list);
		return usage_error("report");
	}
	if (filter_check(&how.filter)) {
		json_decref(list);
		return usage_error("report");
	}
	if (pinned)
		err = show_pinned(pinned, &how, list);
	for (int i = optind; i < argc; i++) {
		if (i > optind && !how.json)
			putchar('\n');
		if (show_file(argv[i], &how, list))
			err = -EINVAL;
	}
	if (json_array_size(list)) {
		json_dumpf(json_array_size(list) == 1 ? json_array_get(list, 0) : list, stdout,
			   JSON_INDENT(2) | JSON_REAL_PRECISION(12));
		putchar('\n');
	}
	json_decref(list);
	if (fflush(stdout) || ferror(stdout)) {
		log_error("cannot write to standard output");
		return 2;
	}
	return err ? 2 : 0;
}

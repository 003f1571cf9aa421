// SPDX-License-Identifier: BSD-2-Clause
/* kvmi-lat export: options, where the run comes from and where it goes. */
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>

#include "attach/pinned.h"
#include "commands.h"
#include "export.h"
#include "lib/arguments.h"
#include "lib/log.h"
#include "lib/text.h"
#include "lib/whole_file.h"
#include "report.h"

static const char export_help[] =
	"Usage: kvmi-lat export --format FORMAT [OPTION...] FILE\n"
	"       kvmi-lat export --format FORMAT [OPTION...] --pinned DIR\n"
	"\n"
	"Writes a run file, or what pinned programs have collected, for other programs.\n"
	"\n"
	"  csv         a line for each case, event, action and stage\n"
	"  hgrm        one histogram, as HdrHistogram prints percentiles, for its plotter\n"
	"  json        the figures of a report; results/summary-schema.json describes them\n"
	"  prometheus  histograms and counters for the textfile collector of node_exporter\n"
	"\n"
	"  -f, --format NAME  one of these\n"
	"  -o, --output FILE  write this file, whole or not at all, instead of standard output\n"
	"      --pinned DIR   read the maps pinned in DIR instead of a file\n" FILTER_HELP
	"  -v, --verbose      more messages\n"
	"  -h, --help         this text\n"
	"\n"
	"Examples:\n"
	"  kvmi-lat export --format csv -o run.csv run.json\n"
	"  kvmi-lat export --format hgrm --event breakpoint --stage total -o total.hgrm run.json\n"
	"  kvmi-lat export --format json run.json | jq '.cases[].stages[].mean'\n"
	"  kvmi-lat export --format prometheus --pinned /sys/fs/bpf/lat \\\n"
	"          -o /var/lib/prometheus/node-exporter/kvmi_lat.prom\n";

typedef int (*export_function)(FILE *file, const void *what);

static const struct {
	const char *name;
	export_function write;
} formats[] = {
	{"csv", export_csv},
	{"hgrm", export_hgrm},
	{"json", export_json},
	{"prometheus", export_prometheus},
};

static export_function find_format(const char *name)
{
	for (size_t i = 0; i < sizeof(formats) / sizeof(formats[0]); i++) {
		if (!strcmp(formats[i].name, name))
			return formats[i].write;
	}
	return NULL;
}

int export_json(FILE *file, const void *what)
{
	const struct export *e = what;
	json_t *root = report_json(e->run, e->title, &e->filter);
	int err;

	if (!root)
		return -ENOMEM;
	err = json_dumpf(root, file, JSON_INDENT(2) | JSON_REAL_PRECISION(12)) ? -EIO : 0;
	json_decref(root);
	fputc('\n', file);
	return err;
}

static int write_stdout(export_function write, const struct export *e)
{
	int err;

	errno = 0;
	err = write(stdout, e);
	if (!err && (fflush(stdout) || ferror(stdout)))
		err = errno ? -errno : -EIO;
	return err;
}

/* Before anything is written. Where all is asked for, there may be nothing to count yet. */
static int check_selection(export_function write, const struct export *e)
{
	bool chosen = e->filter.only_case || filter_is_by_class(&e->filter);
	unsigned int count = filter_count(&e->filter, e->run);

	if (!count && (chosen || write == export_hgrm)) {
		log_error("%s: it has no such histogram; 'kvmi-lat report' shows which it has",
			  e->title);
		return -ENOENT;
	}
	if (count > 1 && write == export_hgrm) {
		log_error("%s: %u histograms, and hgrm holds one: choose by --case, --event, "
			  "--action and --stage",
			  e->title, count);
		return -EINVAL;
	}
	return 0;
}

static int export_run(export_function write, const struct export *e, const char *output)
{
	int err = check_selection(write, e);

	if (err)
		return err;
	err = output ? whole_file_write(output, write, e) : write_stdout(write, e);
	if (err)
		log_error("cannot write %s: %s", output ? output : "to standard output",
			  strerror(-err));
	return err;
}

static int read_file(struct run *run, const char *path)
{
	char why[200];
	int err = run_read(run, path, why, sizeof(why));

	if (err)
		log_error("%s: %s", path, why);
	return err;
}

int cmd_export(int argc, char **argv)
{
	static const struct option options[] = {
		{"format", required_argument, NULL, 'f'}, {"output", required_argument, NULL, 'o'},
		{"case", required_argument, NULL, 'c'},	  {"event", required_argument, NULL, 'e'},
		{"action", required_argument, NULL, 'a'}, {"stage", required_argument, NULL, 's'},
		{"pinned", required_argument, NULL, 'P'}, {"verbose", no_argument, NULL, 'v'},
		{"help", no_argument, NULL, 'h'},	  {},
	};
	const char *format = NULL, *output = NULL, *pinned = NULL, *from;
	char *title;
	export_function write;
	struct export e = {};
	struct run run;
	int option, err;

	while ((option = getopt_long(argc, argv, "f:o:vh", options, NULL)) != -1) {
		if (filter_option(&e.filter, option, optarg))
			continue;
		switch (option) {
		case 'f':
			format = optarg;
			break;
		case 'o':
			output = optarg;
			break;
		case 'P':
			pinned = optarg;
			break;
		case 'v':
			log_more();
			break;
		case 'h':
			fputs(export_help, stdout);
			return 0;
		default:
			return usage_error("export");
		}
	}
	write = format ? find_format(format) : NULL;
	if (!write) {
		log_error("export needs --format csv, hgrm, json or prometheus");
		return usage_error("export");
	}
	if (argc - optind != !pinned) {
		log_error("export needs either one run file or --pinned DIR");
		return usage_error("export");
	}
	if (filter_check(&e.filter))
		return usage_error("export");

	e.run = &run;
	from = pinned ? pinned : argv[optind];
	title = text_copy(from);
	e.title = title ? title : "?";
	err = pinned ? pinned_read(pinned, &run) : read_file(&run, from);
	if (!err)
		err = export_run(write, &e, output);
	run_free(&run);
	free(title);
	return err ? 2 : 0;
}

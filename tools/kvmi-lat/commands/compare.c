// SPDX-License-Identifier: BSD-2-Clause
/* kvmi-lat compare: options, and which run files make up which side. */
#include <dirent.h>
#include <errno.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "commands.h"
#include "compare.h"
#include "compare_files.h"
#include "lib/arguments.h"
#include "lib/log.h"
#include "number.h"

static const char compare_help[] =
	"Usage: kvmi-lat compare [OPTION...] BASE NEW...\n"
	"       kvmi-lat compare [OPTION...] FILE... --vs FILE... [--vs FILE...]...\n"
	"\n"
	"Says of every case whether NEW is slower than BASE, from 8 runs a side and more, each a\n"
	"process or boot of its own. BASE and NEW are directories of run files, or run files with\n"
	"commas between them; with --vs between the sides a shell's patterns will do, too.\n"
	"\n"
	"      --threshold PERCENT  what is worth calling slower; default 2%\n"
	"      --case NAME          only this case\n"
	"      --json               JSON instead of a table\n"
	"      --markdown           a table in Markdown\n"
	"      --seed N             of the resampling for p99 and p99.9; default 1\n"
	"      --force              compare unlike machines, clocks or kernels all the same\n"
	"  -h, --help               this text\n"
	"\n"
	"Exit status: 0 nothing is slower, 1 something is, 2 that cannot be said.\n"
	"\n"
	"Examples:\n"
	"  kvmi-lat compare before/ after/\n"
	"  kvmi-lat compare --threshold 1% runs/6.1-svm-*.json --vs runs/6.12-svm-*.json\n"
	"  kvmi-lat compare --markdown v1/ v2/ v3/\n";

struct request {
	struct files *sides;
	unsigned int nr_sides;
	bool next; /* --vs: the next file belongs to another side */
	bool vs;
	bool json, markdown, force;
	struct comparison_options options;
};

static int add_path(struct files *files, char *path)
{
	char **paths = path ? reallocarray(files->paths, files->nr + 1, sizeof(*paths)) : NULL;

	if (!paths) {
		free(path);
		return -ENOMEM;
	}
	files->paths = paths;
	paths[files->nr++] = path;
	return 0;
}

static int is_run_file(const struct dirent *entry)
{
	const char *dot = strrchr(entry->d_name, '.');

	return entry->d_name[0] != '.' && dot && !strcmp(dot, ".json");
}

static int add_directory(struct files *files, const char *path)
{
	struct dirent **entries;
	int nr = scandir(path, &entries, is_run_file, versionsort), err = 0;

	if (nr < 0) {
		err = -errno;
		log_error("%s: %s", path, strerror(-err));
		return err;
	}
	for (int i = 0; i < nr; i++) {
		char *file;

		if (asprintf(&file, "%s/%s", path, entries[i]->d_name) < 0)
			file = NULL;
		if (!err)
			err = add_path(files, file);
		else
			free(file);
		free(entries[i]);
	}
	free(entries);
	if (!nr) {
		log_error("%s: no run files are in there: nothing that ends in .json", path);
		err = -ENOENT;
	}
	return err;
}

/* What is no file as it stands is several with commas between them. */
static int add_files(struct files *files, const char *text)
{
	struct stat st;
	int err = 0;

	if (!stat(text, &st)) {
		if (!S_ISDIR(st.st_mode))
			return add_path(files, strdup(text));
		if (!files->nr)
			files->directory = text;
		return add_directory(files, text);
	}
	for (const char *end; *text && !err; text = end + (*end == ',')) {
		end = strchrnul(text, ',');
		if (end > text)
			err = add_path(files, strndup(text, end - text));
	}
	return err;
}

static int add_argument(struct request *r, const char *text)
{
	struct files *sides;

	if (!r->nr_sides || r->next || !r->vs) {
		sides = reallocarray(r->sides, r->nr_sides + 1, sizeof(*sides));
		if (!sides)
			return -ENOMEM;
		r->sides = sides;
		sides[r->nr_sides++] = (struct files){};
		r->next = false;
	}
	return add_files(&r->sides[r->nr_sides - 1], text);
}

static void free_request(struct request *r)
{
	for (unsigned int i = 0; i < r->nr_sides; i++) {
		for (unsigned int j = 0; j < r->sides[i].nr; j++)
			free(r->sides[i].paths[j]);
		free(r->sides[i].paths);
	}
	free(r->sides);
}

static int show(const struct compared *c, const struct request *r)
{
	json_t *object;

	if (r->markdown) {
		compare_markdown(c);
	} else if (r->json) {
		object = compare_json(c);
		if (!object)
			return -ENOMEM;
		json_dumpf(object, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(12));
		putchar('\n');
		json_decref(object);
	} else {
		compare_text(c);
	}
	return 0;
}

static void say_why_not(const struct comparison *c)
{
	if (c->counts[VERDICT_FEW])
		log_note("no verdict on %u case(s): too few runs, of which it takes %d a side and "
			 "more for a large table; measure more with other seeds or boots",
			 c->counts[VERDICT_FEW], FEWEST_RUNS);
	for (unsigned int i = 0; i < c->nr_rows * c->nr_new; i++) {
		const struct row *row = &c->rows[i / c->nr_new];

		if (row->base.runs && !row->cells[i % c->nr_new].hit.runs) {
			log_note("case %s is in the base only: nothing is said of it", row->name);
			break;
		}
	}
}

static int compare(const struct request *r)
{
	struct side *sides = calloc(r->nr_sides, sizeof(*sides));
	struct compared c = {.base = sides, .new = sides + 1, .options = r->options};
	int err = sides ? read_sides(sides, r->sides, r->nr_sides, r->force) : -ENOMEM;
	int status = 2;

	if (!err) {
		err = compare_sides(&c.comparison, c.base, c.new, r->nr_sides - 1, &c.options);
		if (err == -ENOENT)
			log_error("none of the runs has a case %s", c.options.only);
	}
	if (!err)
		err = show(&c, r);
	if (!err) {
		status = comparison_status(&c.comparison);
		say_why_not(&c.comparison);
	}
	comparison_free(&c.comparison);
	for (unsigned int i = 0; sides && i < r->nr_sides; i++)
		side_free(&sides[i]);
	free(sides);
	if (err == -ENOMEM)
		log_error("out of memory");
	if (fflush(stdout) || ferror(stdout)) {
		log_error("cannot write to standard output");
		return 2;
	}
	return status;
}

static int parse_threshold(const char *text, double *threshold)
{
	char *end;
	double percent = strtod(text, &end);

	if (end == text || (*end && strcmp(end, "%")) || !(percent >= 0 && percent < 100)) {
		log_error("a threshold is a percentage from 0 up to 100, as 2%%, not '%s'", text);
		return -EINVAL;
	}
	*threshold = percent / 100;
	return 0;
}

static int parse_seed(const char *text, uint64_t *seed)
{
	if (number_parse(text, INT64_MAX, seed))
		return 0;
	log_error("invalid seed '%s': a number is wanted", text);
	return -EINVAL;
}

/* 1: the help was asked for. */
static int parse(struct request *r, int argc, char **argv)
{
	static const struct option options[] = {
		{"threshold", required_argument, NULL, 't'},
		{"case", required_argument, NULL, 'c'},
		{"json", no_argument, NULL, 'j'},
		{"markdown", no_argument, NULL, 'm'},
		{"seed", required_argument, NULL, 's'},
		{"force", no_argument, NULL, 'f'},
		{"vs", no_argument, NULL, 'V'},
		{"help", no_argument, NULL, 'h'},
		{},
	};
	int option, err = 0;

	/* "-": arguments come in their order, so that --vs stands between them. */
	for (int i = 1; i < argc && strcmp(argv[i], "--"); i++)
		r->vs |= !strcmp(argv[i], "--vs");
	while (!err && (option = getopt_long(argc, argv, "-h", options, NULL)) != -1) {
		switch (option) {
		case 1:
			err = add_argument(r, optarg);
			break;
		case 't':
			err = parse_threshold(optarg, &r->options.threshold);
			break;
		case 'c':
			r->options.only = optarg;
			break;
		case 'j':
			r->json = true;
			break;
		case 'm':
			r->markdown = true;
			break;
		case 's':
			err = parse_seed(optarg, &r->options.seed);
			break;
		case 'f':
			r->force = true;
			break;
		case 'V':
			r->next = true;
			break;
		case 'h':
			return 1;
		default:
			return -EINVAL;
		}
	}
	for (; optind < argc && !err; optind++)
		err = add_argument(r, argv[optind]);
	return err;
}

static int check(const struct request *r)
{
	if (r->nr_sides < 2 || r->next) {
		log_error("compare needs a base and what is new");
		return -EINVAL;
	}
	if (r->json && r->markdown) {
		log_error("--json or --markdown, not both");
		return -EINVAL;
	}
	for (unsigned int i = 0; i < r->nr_sides; i++) {
		if (!r->sides[i].nr) {
			log_error("a side has no run files");
			return -EINVAL;
		}
	}
	return 0;
}

int cmd_compare(int argc, char **argv)
{
	struct request r = {.options = {.threshold = 0.02, .seed = 1}};
	int err = parse(&r, argc, argv), status = 2;

	if (err > 0) {
		fputs(compare_help, stdout);
		status = 0;
	} else if (err == -EINVAL || (!err && check(&r))) {
		usage_error("compare");
	} else if (!err) {
		status = compare(&r);
	} else if (err == -ENOMEM) {
		log_error("out of memory");
	}
	free_request(&r);
	return status;
}

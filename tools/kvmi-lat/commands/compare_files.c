// SPDX-License-Identifier: BSD-2-Clause
/* Reads the run files of every side of a comparison. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "compare_files.h"
#include "lib/log.h"
#include "lib/text.h"
#include "stats/comparable.h"

/* The last part of a directory's name, else the kernel's version. */
static int name_side(struct side *side, const struct files *files)
{
	const char *kernel = json_string_value(json_object_get(side->fingerprint, "kernel"));
	const char *from = files->directory ? files->directory : kernel ? kernel : "unknown";
	const char *last;
	size_t length = strlen(from);

	while (files->directory && length > 1 && from[length - 1] == '/')
		length--;
	last = files->directory && length > 1 ? memrchr(from, '/', length) : NULL;
	if (last)
		length -= ++last - from;
	free(side->name);
	side->name = strndup(last ? last : from, length);
	if (!side->name)
		return -ENOMEM;
	text_blank(side->name, "");
	return 0;
}

/* Sides of one name get a number: that of their place on the command line. */
static int tell_apart(struct side *sides, unsigned int nr)
{
	for (unsigned int i = 0; i < nr; i++) {
		bool twice = false;
		char *name;

		for (unsigned int j = 0; j < nr; j++)
			twice |= j != i && !strcmp(sides[i].name, sides[j].name);
		/* From behind, so that the first is compared with the others as it was. */
		for (unsigned int j = nr; twice && j-- > i;) {
			if (strcmp(sides[j].name, sides[i].name))
				continue;
			if (asprintf(&name, "%u:%s", j + 1, sides[j].name) < 0)
				return -ENOMEM;
			free(sides[j].name);
			sides[j].name = name;
		}
	}
	return 0;
}

/* Whether the key is there already; else it is from now on. */
static bool seen(json_t *keys, char *key)
{
	bool known = key && json_object_get(keys, key);

	if (key && !known)
		json_object_set_new(keys, key, json_true());
	free(key);
	return known;
}

/* A file that is there twice is one run, and so is a seed of the lab. */
static int check_own(json_t *keys, const char *path, const struct run *run, char *what, size_t size)
{
	const char *unit = json_string_value(json_object_get(run->fingerprint, "unit"));
	json_t *seed = json_object_get(run->fingerprint, "seed");
	struct stat st;
	char *key;

	if (!stat(path, &st) && S_ISREG(st.st_mode)) {
		if (asprintf(&key, "%llx:%llx", (unsigned long long)st.st_dev,
			     (unsigned long long)st.st_ino) < 0)
			return -ENOMEM;
		if (seen(keys, key)) {
			snprintf(what, size, "it is there twice on one side");
			return -EINVAL;
		}
	}
	if (unit && !strcmp(unit, "instructions") && seed && !json_is_null(seed)) {
		if (seen(keys, json_dumps(seed, JSON_ENCODE_ANY))) {
			snprintf(what, size,
				 "another run of its side has the same seed, of which "
				 "it is a replay");
			return -EINVAL;
		}
	}
	return 0;
}

/* What stands against comparing this run with the others; -EINVAL if something does. */
static int check_run(const struct side *base, const struct side *side, json_t *keys,
		     const char *path, const struct run *run, char *what, size_t size)
{
	int err = 0;

	if (side->fingerprint)
		err = like_runs(side->fingerprint, run->fingerprint, what, size);
	else if (base->fingerprint)
		err = like_machines(base->fingerprint, run->fingerprint, what, size);
	return err ? err : check_own(keys, path, run, what, size);
}

static int read_run(const struct side *base, struct side *side, json_t *keys, const char *path,
		    bool force)
{
	struct run run;
	char why[200], what[200];
	int err;

	err = run_read(&run, path, why, sizeof(why));
	if (err) {
		log_error("%s: %s", path, why);
		goto out;
	}
	err = check_run(base, side, keys, path, &run, what, sizeof(what));
	if (err == -EINVAL && force) {
		log_note("%s: %s", path, what);
		err = 0;
	} else if (err == -EINVAL) {
		log_error("%s: %s: name only runs of one machine%s, or give --force", path, what,
			  side->fingerprint ? " and kernel a side, each once" : "");
	}
	if (err)
		goto out;
	err = side_add_run(side, &run, why, sizeof(why));
	if (err)
		log_error("%s: %s", path, why);
out:
	run_free(&run);
	return err;
}

static int read_side(const struct side *base, struct side *side, const struct files *files,
		     bool force)
{
	json_t *keys = json_object();
	int err = keys ? side_init(side, "") : -ENOMEM;

	for (unsigned int i = 0; i < files->nr && !err; i++)
		err = read_run(base, side, keys, files->paths[i], force);
	json_decref(keys);
	return err ? err : name_side(side, files);
}

int read_sides(struct side *sides, const struct files *files, unsigned int nr, bool force)
{
	char what[400];
	int err = 0;

	for (unsigned int i = 0; i < nr && !err; i++)
		err = read_side(&sides[0], &sides[i], &files[i], force);
	if (!err)
		err = tell_apart(sides, nr);
	for (unsigned int i = 1; i < nr && !err; i++) {
		like_except(sides[0].fingerprint, sides[i].fingerprint, what, sizeof(what));
		if (*what)
			log_note("%s and %s also differ in %s", sides[0].name, sides[i].name, what);
	}
	return err;
}

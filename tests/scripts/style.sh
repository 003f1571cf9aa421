#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The style of the whole tree: what clang-format and shellcheck say, and a licence line in every file.
# shellcheck disable=SC2317 # conditions are called by name

. "$(dirname "$0")/tap.sh"
cd "$root" || exit 1

files()	# GIT-PATHSPEC...
{
	git -c safe.directory="$root" ls-files -- "$@"
}

if ! files Makefile >/dev/null 2>&1; then
	skip "style of the tree" "this is no git clone, so which files are the project's is not known; run it in one"
	finish
fi

formatted()	{ files '*.c' '*.h' '*.cc' | tr '\n' '\0' | xargs -0 clang-format --dry-run -Werror; }

scripts()
{
	files '*.sh' '*.bash' scripts experiments lab tests .ci/run | while read -r file; do
		if head -n 1 "$file" | grep -q '^#!.*sh$' || [ "${file%.*sh}" != "$file" ]; then echo "$file"; fi
	done
}

checked()	{ scripts | tr '\n' '\0' | xargs -0 shellcheck; }

# Formats without comments, prose, and what other programs have written have none.
licensed()
{
	! files . ':!*.md' ':!*.json' ':!*.png' ':!*.svg' ':!*.patch' ':!*cover-letter.txt' ':!*/series' ':!LICENSES' ':!.gitignore' |
		while read -r file; do
			head -n 3 "$file" | grep -q SPDX-License-Identifier || echo "$file"
		done | grep .
}

no_stray_blanks()	{ ! files . ':!*.patch' ':!*.svg' ':!*.png' | tr '\n' '\0' | xargs -0 grep -nIE '[[:blank:]]+$'; }

# TE ends a table in a manual.
spelled()	{ files . ':!*.patch' ':!*.svg' ':!*.png' | tr '\n' '\0' | xargs -0 codespell --ignore-words-list te; }

run_part formatted
check "clang-format has nothing to change" status_is 0
run_part checked
check "shellcheck has nothing to say" status_is 0
run_part licensed
check "every file names its licence" status_is 0
run_part no_stray_blanks
check "no blanks at the end of a line" status_is 0
run_part spelled
check "codespell finds no misspelling" status_is 0

finish

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# What all programs have in common on the command line: help, version, and what they say of an option that is none.
# shellcheck disable=SC2317 # conditions are called by name

. "$(dirname "$0")/tap.sh"

version=$(sed -n 's/^#define KVMI_LAT_VERSION "\(.*\)"$/\1/p' "$root/tools/lib/version.h")
no_words_in()	{ [ ! -s "$tmp/$1" ] || { echo "# something in $1" && false; }; }

for program in kvmi-lat kvmi-trace kvmi-bench; do
	for option in -V --version; do
		run "$root/build/$program" $option
		check "$program $option: name and version" out_is "$program $version"
		check "$program $option: status 0, nothing else" both "status_is 0" "no_words_in err"
	done
	run "$root/build/$program" --help
	check "$program --help" both "status_is 0" "out_like ^Usage:.$program"
	cp "$tmp/out" "$tmp/long"
	run "$root/build/$program" -h
	check "$program -h says the same" cmp -s "$tmp/out" "$tmp/long"
	run "$root/build/$program" --no-such-option
	check "$program: a wrong option: where help is, on stderr" both "err_has --help" "no_words_in out"
done

finish

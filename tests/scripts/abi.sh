#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Do our header and the kernel's, as the series makes it, describe the same interface?
# shellcheck disable=SC2317 # functions called by run

. "$(dirname "$0")/tap.sh"

patches=$root/kernel-patches
uapi=$tmp/uapi
mkdir -p "$uapi/linux" "$uapi/asm"

# Headers that are the series' own: the patches make them from nothing.
own_header()	# PATH_IN_KERNEL DESTINATION
{
	while IFS= read -r patch; do
		grep -q "^+++ b/$1\$" "$patches/$patch" || continue
		(cd "$tmp" && GIT_CEILING_DIRECTORIES=$tmp git apply --include="$1" "$patches/$patch") || return
	done <"$tmp/series"
	mv "$tmp/$1" "$uapi/$2"
}

# Headers the series adds to: the distribution's, then the lines added. None may be taken away.
extended_header()	# PATH_IN_KERNEL DESTINATION
{
	printf "#pragma once\n#include_next <%s>\n" "$2" >"$uapi/$2"
	while IFS= read -r patch; do
		awk -v path="b/$1" '
			/^diff / { in_it = 0 }
			/^\+\+\+ / { in_it = $2 == path; next }
			/^--- / { next }
			in_it && /^\+/ { print substr($0, 2) }
			in_it && /^-/ { bad = 1 }
			END { exit bad }' "$patches/$patch" >>"$uapi/$2" || return
	done <"$tmp/series"
}

series_headers()
{
	sed 's/[[:space:]]*#.*//; /^[[:space:]]*$/d' "$patches/linux-6.12/series" >"$tmp/series"
	own_header include/uapi/linux/kvmi.h linux/kvmi.h &&
		own_header arch/x86/include/uapi/asm/kvmi.h asm/kvmi.h &&
		extended_header include/uapi/linux/kvm.h linux/kvm.h &&
		extended_header include/uapi/linux/kvm_para.h linux/kvm_para.h
}

dump()	# NAME FLAG...
{
	name=$1
	shift
	${CC:-gcc} -std=gnu11 -Wall -Werror "$@" -o "$tmp/$name" "$root/tests/scripts/abi.c" &&
		"$tmp/$name" >"$tmp/$name.txt"
}

# Every name that the series' headers define has to be in a file.
names_known()	# FILE
{
	sed 's|/\*.*\*/||' "$uapi"/*/kvmi.h |
		grep -ohE '\<(KVMI_[A-Z0-9_]+|kvmi_[a-z0-9_]+)\>' | sort -u >"$tmp/names"
	[ -s "$tmp/names" ] || return
	while IFS= read -r name; do
		grep -qw "$name" "$1" || echo "$name is not there"
	done <"$tmp/names" >"$tmp/missing"
	cat "$tmp/missing"
	[ ! -s "$tmp/missing" ]
}

run series_headers
result "$status" "the series' headers"
run dump series -D SERIES -I "$uapi"
result "$status" "they compile by themselves"
run dump ours -I "$root/tools/libkvmi-client"
result "$status" "tools/libkvmi-client/kvmi_abi.h compiles by itself"
run diff -u "$tmp/series.txt" "$tmp/ours.txt"
result "$status" "sizes, offsets and values are the same"
run names_known "$root/tools/libkvmi-client/kvmi_abi.h"
result "$status" "tools/libkvmi-client/kvmi_abi.h has every name of the series"
run names_known "$root/tests/scripts/abi.c"
result "$status" "and all of them were compared"
finish

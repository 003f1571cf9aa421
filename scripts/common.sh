# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034
# What the scripts share: messages, cleaning up, asking for commands and packages. Sourced with $root set.

set -u

prog=kvmi-lat
: "${root:?common.sh is sourced with \$root set to the top of the tree}"
# shellcheck source=surroundings.sh
. "$root/scripts/surroundings.sh"

say()
{
	printf '%s: %s\n' "$prog" "$*" >&2
}

# die STATUS MESSAGE...
die()
{
	_status=$1
	shift
	say "$@"
	exit "$_status"
}

# need COMMAND...: one line for all that is missing
need()
{
	_missing=
	for _cmd; do
		command -v "$_cmd" >/dev/null 2>&1 || _missing="$_missing $_cmd"
	done
	[ -z "$_missing" ] || die 1 "missing command:$_missing"
}

# install_deps STATUS SET...: the packages of these sets, or end with STATUS
install_deps()
{
	_status=$1
	shift
	"$root/scripts/deps" "$@" || exit "$_status"
}

# make_tmp: $tmp, a private directory that is gone when the script is
make_tmp()
{
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/kvmi-lat.XXXXXXXX") || die 1 "no temporary directory in ${TMPDIR:-/tmp}"
	trap 'rm -rf "$tmp"' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# free_mb DIR: megabytes free where DIR is or would be made
free_mb()
{
	_dir=$1
	while [ ! -d "$_dir" ]; do
		_dir=$(dirname "$_dir")
	done
	df -Pm "$_dir" | awk 'NR == 2 { print $4 }'
}

# in_range NUMBER MIN MAX
in_range()
{
	case $1 in
	'' | *[!0-9]* | ??????????*) return 1 ;;
	esac
	[ "$1" -ge "$2" ] && [ "$1" -le "$3" ]
}

# Draws what $tmp/graphs.gp says with the files of scripts/plot.d, into $tmp. For scripts that have fail MESSAGE.
draw_graphs()
{
	cp "$root"/scripts/plot.d/*.gp "$tmp/" && (cd "$tmp" && gnuplot graphs.gp) 2>"$tmp/gnuplot.log" ||
		fail "gnuplot failed: $(grep -m1 . "$tmp/gnuplot.log")"
}

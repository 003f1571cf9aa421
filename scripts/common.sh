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

# make_tmp: $tmp, a private directory that is gone when the script is; if there can be none, the status is $trouble, or 1
make_tmp()
{
	tmp=$(mktemp -d "${TMPDIR:-/tmp}/kvmi-lat.XXXXXXXX" 2>/dev/null) || die "${trouble:-1}" "no temporary directory in ${TMPDIR:-/tmp}"
	trap 'rm -rf "$tmp"' EXIT
	trap 'exit 129' HUP
	trap 'exit 130' INT
	trap 'exit 143' TERM
}

# can_deliver FILE: whether the user's FILE can be written, to be asked before there is work to lose
can_deliver()
{
	case $1 in
	/dev/stdout | /dev/stderr | /dev/fd/[0-9] | /proc/self/fd/[0-9]) return 0 ;;
	esac
	if [ -e "$1" ]; then
		[ ! -d "$1" ] && [ -w "$1" ]
	else
		# that which a link points to may have to be made
		_at=$(dirname "$(readlink -f "$1")") && [ -d "$_at" ] && [ -w "$_at" ]
	fi
}

# deliver FILE TO: what was made goes where the user said. TO is written as it stands: it may be a device, a pipe, one of our
# descriptors, a link or a file with a mode and owner of its own.
deliver()
{
	case $2 in
	/dev/stdout | /dev/fd/1 | /proc/self/fd/1) cat "$1" ;;
	/dev/stderr | /dev/fd/2 | /proc/self/fd/2) cat "$1" >&2 ;;
	/dev/fd/[3-9] | /proc/self/fd/[3-9]) { cat "$1" >&"${2##*/}"; } 2>/dev/null ;;
	*)
		_before=yes
		[ -e "$2" ] || [ -L "$2" ] || _before=no
		{ cat "$1" >"$2"; } 2>/dev/null && return
		# half of it is worse than nothing
		[ $_before = yes ] || rm -f "$2"
		return 1
		;;
	esac
}

# deliver_into DIR FILE...
deliver_into()
{
	_dir=$1
	shift
	for _file; do
		deliver "$_file" "$_dir/${_file##*/}" || return
	done
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

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034
# TAP for the tests of the scripts. Sourced; leaves $root (the tree) and $tmp (gone at the end).

root=$(CDPATH="" cd "$(dirname "$0")/../.." && pwd) || exit 1
# shellcheck source=../users.sh
. "$root/tests/users.sh"
tap_count=0
tap_failed=0
tmp=$(mktemp -d "${TMPDIR:-/tmp}/kvmi-lat-test.XXXXXXXX") || exit 1
trap 'rm -rf "$tmp"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM

# result STATUS NAME: what the last test came to; its output is in $tmp/out and $tmp/err
result()
{
	tap_count=$((tap_count + 1))
	if [ "$1" -eq 0 ]; then
		printf 'ok %d - %s\n' "$tap_count" "$2"
		return
	fi
	tap_failed=$((tap_failed + 1))
	printf 'not ok %d - %s\n' "$tap_count" "$2"
	for _f in "$tmp/out" "$tmp/err"; do
		[ ! -s "$_f" ] || tail -n 20 "$_f" | sed 's/^/# /'
	done
}

# run COMMAND...: in the user's surroundings; keeps its output, its status in $status
run()
{
	as_the_user "$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
}

# run_part COMMAND...: the same for a part of a script, which has sheltered it
run_part()
{
	"$@" >"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
}

# check NAME CONDITION...: a test of its own
check()
{
	_name=$1
	shift
	"$@"
	result $? "$_name"
}

skip()	# NAME REASON
{
	tap_count=$((tap_count + 1))
	printf 'ok %d - %s # SKIP %s\n' "$tap_count" "$1" "$2"
}

finish()
{
	printf '1..%d\n' "$tap_count"
	[ "$tap_failed" -eq 0 ]
	exit
}

# --- conditions
status_is()	{ [ "$status" -eq "$1" ] || { echo "# status $status, expected $1" && false; }; }
out_is()	{ [ "$(cat "$tmp/out")" = "$1" ]; }
err_has()	{ grep -qF -- "$1" "$tmp/err"; }
out_has()	{ grep -qF -- "$1" "$tmp/out"; }
out_like()	{ grep -q -- "$1" "$tmp/out"; }
err_like()	{ grep -q -- "$1" "$tmp/err"; }
mode_is()	{ [ "$(stat -c %a "$1")" = "$2" ] || { echo "# mode $(stat -c %a "$1")" && false; }; }
one_line()	{ [ "$(wc -l <"$tmp/$1")" -eq 1 ] || { echo "# not one line" && false; }; }
both()		{ $1 && $2; }

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154
# Inside a lab machine: what the test scripts there share. Sourced.
#
# The script has set $dir, where what a test says goes (log). It may set $shown, further files in there to be shown if
# it fails, and how often until_true looks, $patience, with $pause microseconds between; and define clear_up(), called
# after each test.

count=0
failed=0
mkdir -p "$dir"

clear_up() { :; }

# check NAME COMMAND...: a test; what was said is shown if it fails
check()
{
	name=$1
	shift
	count=$((count + 1))
	if "$@" >"$dir/log" 2>&1; then
		echo "ok $count - $name"
	else
		failed=$((failed + 1))
		echo "not ok $count - $name"
		echo "# $*"
		for file in log ${shown:-}; do
			[ ! -f "$dir/$file" ] || sed "s/^/# $file: /" "$dir/$file" | cut -c 1-600 | tail -n 15
		done
	fi
	clear_up
}

# until_true COMMAND...: within 20 seconds or a little more, unless the script says otherwise
until_true()
{
	i=0
	while ! "$@"; do
		i=$((i + 1))
		[ $i -le "${patience:-1000}" ] || { echo "waited in vain: $*" && return 1; }
		usleep "${pause:-20000}"
	done
}

has_lines()	# FILE N
{
	[ "$(wc -l <"$1")" -ge "$2" ]
}

same()	# WHAT GOT WANT
{
	[ "$2" = "$3" ] || { echo "$1: $2 instead of $3" && false; }
}

# The script's last line.
end_checks()
{
	echo "1..$count"
	[ $failed -eq 0 ]
}

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154
# Many boots of the lab, some at a time, for the scripts that measure by them, and what their options have in common.

# Sourced after common.sh by a script that has $job, what it is called; boot NAME, which leaves $tmp/NAME.log; and
# fail MESSAGE. It has made $tmp, and its EXIT trap is clean_up.
running=

clean_up()
{
	trap '' HUP INT TERM
	progress_end
	for _entry in $running; do
		kill -TERM "${_entry##*:}" 2>/dev/null
	done
	for _entry in $running; do
		wait "${_entry##*:}" 2>/dev/null
	done
	rm -rf "$tmp"
}

# What the options of several of these scripts may be: $machines, $seeds, a percentage.
check_machines()
{
	case $machines in
	'vmx svm' | vmx | svm) ;;
	*) fail "--machine is vmx or svm, not '$machines'" ;;
	esac
}

check_seeds()
{
	[ -n "$seeds" ] || fail "--seeds names no seed"
	for _seed in $seeds; do
		in_range "$_seed" 0 999999999 || fail "a seed is a number of at most nine digits, not '$_seed'"
	done
}

check_percent()	# OPTION VALUE
{
	case $2 in
	'' | . | *[!0-9.]* | *.*.*) fail "$1 is a percentage, not '$2'" ;;
	esac
}

# take_means MACHINE-STATE-SEED: lines for boots.awk in $tmp/NAME.tsv, from the benchmark's $tmp/NAME/r.json. A
# case that was skipped or failed has no mean, and is not to go unnoticed.
take_means()
{
	jq -er --arg name "$1" '($name | split("-")) as [$machine, $state, $seed] | .benchmarks[]
		| if .error_occurred then error(.error_message) else . end
		| [$machine, (.run_name / "/")[0], $state, $seed, .real_time] | @tsv' \
		"$tmp/$1/r.json" >"$tmp/$1.tsv" 2>>"$tmp/$1.log"
}

progress_end()
{
	[ ! -t 2 ] || printf '\r\033[K' >&2
}

progress()
{
	[ ! -t 2 ] || printf '\r\033[K%s, %d s: %d of %d boots' "$job" $(($(date +%s) - began)) "$done" "$boots" >&2
}

count()
{
	echo $#
}

finish()	# NAME PID
{
	wait "$2" && done=$((done + 1)) && return
	progress_end
	tail -n 12 "$tmp/$1.log" | sed 's/^/  /' >&2
	fail "$1: the measurement failed, see above"
}

# run_boots NAME...: boots them, a name each, so many at a time as there are processors
run_boots()
{
	boots=$# done=0 began=$(date +%s)
	while [ $# -gt 0 ] || [ -n "$running" ]; do
		# shellcheck disable=SC2086 # words
		while [ $# -gt 0 ] && [ "$(count $running)" -lt "${at_a_time:-$(nproc)}" ]; do
			boot "$1" </dev/null &
			running="$running $1:$!"
			shift
		done
		progress
		sleep 0.5
		_left=
		for _entry in $running; do
			if kill -0 "${_entry##*:}" 2>/dev/null; then
				_left="$_left $_entry"
			else
				finish "${_entry%:*}" "${_entry##*:}"
			fi
		done
		running=$_left
	done
	progress_end
}

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154
# Long work of scripts/kernel: shown while it goes on, ended as a whole, its cause of failure found.

# --- leaving in order --------------------------------------------------------------------------------------

clean_up()
{
	trap '' HUP INT TERM
	progress_end
	if [ -n "$job" ]; then
		kill -TERM "-$job" 2>/dev/null
		wait "$job" 2>/dev/null
	fi
	rm -f "$cache/.index-$$"
	[ -z "$scratch" ] || rm -rf "$scratch"
	[ -z "$described" ] || { rm -f "$described/source" && rmdir "$described" 2>/dev/null; }
}

interrupted()
{
	progress_end
	say "kernel: interrupted; what is finished stays in $cache"
	exit "$1"
}

set_traps()
{
	trap clean_up EXIT
	trap 'interrupted 129' HUP
	trap 'interrupted 130' INT
	trap 'interrupted 143' TERM
}

# One builder at a time: sources and objects are shared. The lock goes with this process.
lock_cache()
{
	[ -z "$locked" ] || return 0
	locked=yes
	case $cache in
	*[[:space:]:]*) fail "kernels cannot be built in $cache: no space or colon may be in it; set XDG_CACHE_HOME" ;;
	esac
	mkdir -p "$cache" || fail "cannot make the cache directory $cache"
	exec 9>"$cache/lock" || fail "cannot write to the cache directory $cache"
	flock -n 9 && return
	say "kernel: waiting for another build in $cache"
	flock 9
}

# --- work that takes long ----------------------------------------------------------------------------------

progress_end()
{
	[ ! -t 2 ] || printf '\r\033[K' >&2
}

progress()	# NAME SECONDS DONE EXPECTED
{
	_what="kernel: $1, $2 s"
	[ "$4" -eq 0 ] || _what="$_what, $3 of about $4 steps"
	if [ -t 2 ]; then
		printf '\r\033[K%s' "$_what" >&2
	elif [ $(($2 % 60)) -eq 0 ]; then
		say "$_what"
	fi
}

# phase NAME EXPECTED_LINES LOG COMMAND...: in a process group of its own, so that it can be ended as a whole
phase()
{
	_name=$1 _expected=$2 _log=$3
	shift 3
	_began=$(date +%s) _shown=0
	[ -t 2 ] || say "kernel: $_name"
	setsid "$@" >"$_log" 2>&1 9>&- &
	job=$!
	while kill -0 "$job" 2>/dev/null; do
		sleep 0.5
		_now=$(($(date +%s) - _began))
		[ "$_now" -ne "$_shown" ] || continue
		_shown=$_now
		progress "$_name" "$_now" "$(wc -l <"$_log")" "$_expected"
	done
	wait "$job"
	_status=$?
	job=
	progress_end
	return $_status
}

# The first line of a log that says what went wrong.
cause_in()	# LOG
{
	grep -m1 -E 'error:|: not found$|: command not found$|: No such file or directory$|Error [0-9]|fatal:|No space left|undefined reference|FAILED' "$1" || tail -n 1 "$1"
}

# Unpacked 1.7 GB, as git objects 1.5, objects of one configuration 1.1: measured with 6.12.
need_space()	# MEGABYTES
{
	_free=$(free_mb "$cache")
	[ "$_free" -ge "$1" ] ||
		fail "needs $1 MB in $cache, which has $_free MB free; set XDG_CACHE_HOME to a directory with more room"
}

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Inside a lab machine: kvmi-lat top and threshold on a guest that hits breakpoints, and what they leave behind when ended.
# shellcheck disable=SC2317,SC2329 # tests are called by name

dir=/tmp/live
shown='out err'
patience=200
# shellcheck source=checks.sh
. /bin/checks.sh
watcher=
# Milliseconds after the start of kvmi-lat: from before anything is loaded to when all of it is attached.
moments='0 20 50 90 150'
# A kernel that looks for faults itself takes seconds to load it, and bpftool, which shares the CPU, takes longer than
# the wait between two looks: fewer moments, from before to amid, and longer waits.
if [ -e /proc/lockdep_stats ]; then
	moments='0 1500'
	pause=200000
fi

clear_up()
{
	[ -z "$watcher" ] || { kill -KILL "$watcher" && wait "$watcher"; } 2>/dev/null
	watcher=
	rm -f $dir/out $dir/err
}

nothing_attached()
{
	! bpftool prog show | grep 'name lat_'
}

# The kernel frees programs some time after their last user is gone.
nothing_left()
{
	until_true nothing_attached && [ -z "$(find /sys/fs/bpf -mindepth 1)" ]
}

programs_attached()
{
	# kvm_exit comes last
	bpftool -j link show 2>/dev/null | grep -q '"kvm_exit"'
}

start()	# ARGUMENT...: kvmi-lat, until its programs are attached
{
	kvmi-lat "$@" >$dir/out 2>$dir/err &
	watcher=$!
	until_true programs_attached
}

watcher_has_ended()
{
	! grep -q '^State:[[:space:]]*[^Z]' "/proc/$watcher/status" 2>/dev/null
}

# finish STATUS: it ends by itself, with that
finish()
{
	until_true watcher_has_ended || return
	wait "$watcher"
	status=$?
	watcher=
	same "exit status" $status "$1"
}

# stop SIGNAL STATUS: it ends when told, with that
stop()
{
	kill "-$1" "$watcher" && finish "$2"
}

batch=$(test_counts batch)

hits()	# BATCHES: of $batch, every other one with a command
{
	test_counts hits /tmp/perf "$1"
}

# --- top ---

# Over all lines: how many breakpoints, by stages and by vCPUs
sum_of_json()	# PATTERN
{
	tr '{' '\n' <$dir/out | sed -n "s/.*$1.*\"count\":\([0-9]*\).*/\1/p" | awk '{ n += $1 } END { print n + 0 }'
}

top_counts()
{
	start top --json -i 100ms && hits 3 && usleep 200000 && stop TERM 0 || return
	json_lines time interval_ns unit since_start.unpaired since_start.dropped <$dir/out | tail -n 1 >$dir/last
	same "unpaired and dropped" "$(cut -d' ' -f4,5 $dir/last)" "0 0" && has_lines $dir/out 3 || return
	same "breakpoints by stage" \
		"$(sum_of_json '"event":"breakpoint","action":"retry","stage":"total"')" $((3 * batch)) &&
	# the vCPUs' sums have no action
	same "breakpoints by vCPU" "$(sum_of_json '"event":"breakpoint","stage":"total"')" $((3 * batch))
}

# Long enough for a table while the process is there and has a name.
top_text()
{
	start top -i 100ms --sort time && hits 6 && usleep 200000 && stop USR1 0 || return
	cat $dir/out
	grep -q '^kvmi-lat top .*vCPUs by time$' $dir/out && grep -q '^breakpoints ' $dir/out &&
	grep -Eq '^  introspector +[0-9.]+ .* %$' $dir/out &&
	# it has made another VM before, to see whether it can
	grep -Eq '^ *[0-9]+ test_counts +[0-9]+ +0 +[0-9]+\.' $dir/out &&
	# nothing of a terminal where there is none
	! grep -q "$(printf '\033')" $dir/out
}

top_filters()
{
	start top -n 5 -i 100ms --stage act --vcpu 7 && hits 2 && finish 0 || return
	same "tables" "$(grep -c '^kvmi-lat top' $dir/out)" 5 && grep -q '^  act ' $dir/out &&
	! grep -q '^  dispatch ' $dir/out && ! grep -q ' test_counts ' $dir/out
}

top_of_another()
{
	start top --json -i 100ms -p 1 && hits 1 && usleep 200000 && stop TERM 0 &&
	same breakpoints "$(sum_of_json '"event":"breakpoint"')" 0
}

closed_pipe()
{
	kvmi-lat top -i 50ms | head -n 1 && nothing_left
}

# --- threshold ---

field()	# PATH...
{
	json_lines "$@" <$dir/out | head -n 1 | sed 's/ $//'
}

# The first batch has only the command that sets RIP, the second has one more.
threshold_catches()
{
	start threshold --over 1us --stage total --json && hits 1 && finish 0 || return
	cat $dir/out
	same "the sum of stages" "$(json_lines stages.dispatch stages.build stages.introspector stages.commands \
		stages.wake stages.act stages.total <$dir/out | awk '{ print $1 + $2 + $3 + $4 + $5 + $6 - $7 }')" 0 &&
	same "action, the vCPU's index, and how far RIP has moved" "$(field action vcpu rip new_rip |
		awk '{ print $1, $2, $4 - $3 }')" "retry 0 1" && has_lines $dir/out 1
}

threshold_acts()
{
	# shellcheck disable=SC2016 # the action's variables
	start threshold --over 1us --stage commands -n 2 -- \
		sh -c 'cat >>/tmp/live/seen; echo "$KVMI_LAT_PID $KVMI_LAT_VCPU $KVMI_LAT_VALUE" >>/tmp/live/env' || return
	hits 4 && finish 0 || return
	cat $dir/out $dir/seen $dir/env
	same "events caught" "$(grep -c '^slow breakpoint: commands over 1000 ' $dir/out)" 2 &&
	same "the action's input" "$(json_lines pid vcpu stages.commands <$dir/seen | sed 's/ $//')" "$(cat $dir/env)" &&
	grep -q '^  CPU [0-9]* (vCPU' $dir/out && grep -Eq '^ +[0-9]+ to +[0-9]+  test_counts/[0-9]+$' $dir/out
}

threshold_waits()
{
	start threshold --over 1000s && hits 1 && stop TERM 1 && nothing_left
}

threshold_action_fails()
{
	start threshold --over 1us -- sh -c 'exit 3' && hits 1 && finish 1 && grep 'sh failed with exit status 3' $dir/err
}

# --- what is left ---

ended_at_any_moment()	# SIGNAL COMMAND...
{
	signal=$1
	shift
	for ms in $moments; do
		"$@" >$dir/out 2>$dir/err &
		watcher=$!
		usleep "${ms}000"
		kill "-$signal" "$watcher"
		wait "$watcher" 2>/dev/null
		watcher=
		nothing_left || { echo "after SIG$signal at $ms ms" && return 1; }
	done
}

check "top --json has each breakpoint once" top_counts
check "top in text" top_text
check "top --count, --stage and --vcpu" top_filters
check "top -p of another process sees none" top_of_another
check "top ends with its reader" closed_pipe
check "threshold catches an event with its stages and addresses" threshold_catches
check "threshold runs the action for each" threshold_acts
check "threshold that has caught nothing ends with 1" threshold_waits
check "threshold says that the action failed" threshold_action_fails
for signal in TERM KILL; do
	check "record ended by SIG$signal leaves nothing" \
		ended_at_any_moment $signal kvmi-lat record -o $dir/run.json -- sleep 1
done
check "top ended by SIGTERM leaves nothing" ended_at_any_moment TERM kvmi-lat top
check "threshold ended by SIGKILL leaves nothing" ended_at_any_moment KILL kvmi-lat threshold --over 1s
end_checks

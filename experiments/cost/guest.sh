#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# For experiments/cost/run, inside a lab machine: the same case under one observer after the other.

# guest.sh CASE:HITS OBSERVER...: leaves /out/CASE-OBSERVER-bench.json, and /out/CASE-run.json under kvmi-lat
case=${1%:*} hits=${1#*:}
shift
events=/sys/kernel/tracing/events/kvm

bench="/bin/kvmi-bench --all --hits=$hits --benchmark_filter=^$case/ --benchmark_out_format=json"

# The benchmark is not to switch the programs off and on: the observer counts as it would for anybody.
alone='env -u KVMI_LAT_CONTROL -u KVMI_LAT_ENTRIES'

ftrace()	# 0|1
{
	echo "$1" >$events/kvm_exit/enable && echo "$1" >$events/kvm_entry/enable
}

# perf's buffers hold all of a run, so that perf itself does not run meanwhile: without that it would count as well.
watched()	# OBSERVER COMMAND...
{
	_observer=$1
	shift
	# shellcheck disable=SC2086 # words
	case $_observer in
	plain) "$@" ;;
	empty | clock) floor "$_observer" "$@" ;;
	ours) kvmi-lat record -o "/out/$case-run.json" -- $alone "$@" ;;
	perf-stat) perf stat -a -e kvm:kvm_exit,kvm:kvm_entry -- "$@" ;;
	perf-kvm) perf kvm stat record -a -m 8192 -o /tmp/perf.data -- "$@" ;;
	ftrace) ftrace 1 && "$@" && ftrace 0 ;;
	*) echo "guest.sh: no such observer: $_observer" && false ;;
	esac
}

for observer; do
	# shellcheck disable=SC2086 # words
	if ! watched "$observer" $bench --benchmark_out="/out/$case-$observer-bench.json"; then
		echo "guest.sh: $case under $observer failed"
		exit 1
	fi
	rm -f /tmp/perf.data
done

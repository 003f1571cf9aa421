#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The table of experiments/perf-check/run, and what makes it fail; what the script refuses.

. "$(dirname "$0")/tap.sh"

# Both give the same, but for perf's count of events: ARGUMENT.
counts()
{
	for source in kvmi-lat perf; do
		for name in kvm_exit kvm_entry kvmi_event_bp_send kvmi_event_reply kvmi_vcpu_command n; do
			printf '%s\t%s\t100\n' $source $name
		done
	done >"$tmp/lines"
	printf 'kvmi-lat\tmean\t900.5\nperf\tmean\t800\nkvmi-lat\tkvmi_event\t50\n' >>"$tmp/lines"
	[ -z "$1" ] || printf 'perf\tkvmi_event\t%s\n' "$1" >>"$tmp/lines"
	run_part awk -F '\t' -v machine=svm -v seed=1 -f "$root/experiments/perf-check/compare.awk" "$tmp/lines"
}

counts 50
check "the same" status_is 0
check "counts side by side" grep -q '^  kvmi_event  *50  *50$' "$tmp/out"
check "means side by side" grep -q '100 by kvmi-lat, mean 900\.5 instructions; 100 by perf record, mean 800\.0$' "$tmp/out"
counts 51
check "one more" status_is 1
check "is said" grep -q '^  kvmi_event  *50  *51  *NOT THE SAME$' "$tmp/out"
counts ''
check "none" status_is 1
check "is said" err_has "no number of kvmi_event from both"

run "$root/experiments/perf-check/run" --machine arm
check "an unknown machine" status_is 1
run "$root/experiments/perf-check/run" --kernel /nonexistent
check "a kernel that is not there" status_is 1
check "and it says so" err_has "no bzImage"

finish

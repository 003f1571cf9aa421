#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The table and the graph of experiments/cost/run: their arithmetic, and what makes it fail; what the script refuses.

. "$(dirname "$0")/tap.sh"

# What both kernels gave, seeds 1 and 2; ARGUMENT: what kvmi-lat's CPUID costs with seed 2.
figures()
{
	while read -r kernel case observer first second; do
		printf 'svm\t%s\t%s\t%s\t1\t%s\n' "$kernel" "$case" "$observer" "$first"
		[ "$second" = - ] || printf 'svm\t%s\t%s\t%s\t2\t%s\n' "$kernel" "$case" "$observer" "$second"
	done >"$tmp/lines" <<F
stock cpuid plain 1000 1002
stock cpuid empty 1100 1102
stock cpuid clock 1200 1202
stock cpuid ours 1310 $1
stock cpuid perf-stat 1700 1702
stock cpuid ftrace 2200 2202
stock cpuid perf-kvm 4000 4002
stock int3_debug plain 3000 3000
stock int3_debug clock 3200 3200
stock int3_debug ours 3600 3600
kvmi cpuid plain 1000 1000
kvmi cpuid ours 1310 1310
kvmi int3_event_retry plain 20000 20000
kvmi int3_event_retry ours 21500 21700
kvmi int3_event_retry hooks 8 8
F
}

table()	# EXIT-LIMIT HOOK-LIMIT
{
	run_part awk -F '\t' -v exit_limit="$1" -v hook_limit="$2" -f "$root/experiments/cost/table.awk" "$tmp/lines"
}

figures 1314
table 120 220
check "within the limits" status_is 0
check "means of the seeds, what is added to plain, and its range" \
	grep -q '^  kvmi-lat record  *1312\.0  *+311\.0   310\.0 to 312\.0$' "$tmp/out"
check "over the clock" grep -q 'over the clock: 111\.0, limit 120$' "$tmp/out"
check "per hook" grep -q 'per hook (8\.00 hooks an event): 200\.0, limit 220$' "$tmp/out"
jq -n --rawfile rows "$tmp/lines" '{
	runs: [{file: "x", run: {fingerprint: {kernel: "6.12.1", machine: "svm", backend: "bochs", unit: "instructions"}}}],
	rows: [$rows | split("\n")[] | select(. != "") | split("\t")]}' |
	jq -r -L "$root/scripts/plot.d" -f "$root/experiments/cost/graph.jq" >"$tmp/out"
check "the graph: what each adds" out_has "'+311'"
check "and in percent" out_has "'+31.1 %'"
check "and what it costs when nobody watches" out_has "stock kernel, CPUID: 1,001 when nobody watches"
table 110 220
check "an exit costs too much" status_is 1
check "and it says so" out_has "111.0, limit 110: TOO MUCH"
table 120 199
check "a hook costs too much" status_is 1
check "and it says so" out_has "200.0, limit 199: TOO MUCH"
figures -
table 120 220
check "a figure is missing" status_is 1
check "and it says so" err_has "not every boot has every case"
: >"$tmp/lines"
table 120 220
check "nothing at all" status_is 1

run "$root/experiments/cost/run" --machine arm
check "an unknown machine" both "status_is 1" 'err_has arm'
run "$root/experiments/cost/run" --exit-limit some
check "a limit that is no number" both "status_is 1" 'err_has some'
run "$root/experiments/cost/run" --seeds
check "an option without its value" status_is 1
check "and it says so" err_has "needs a value"
run "$root/experiments/cost/run" --stock /nonexistent
check "a kernel that is not there" status_is 1
check "and it says so" err_has "no bzImage"
run "$root/experiments/cost/guest.sh" cpuid:1 nobody
check "an unknown observer" both "status_is 1" 'out_has nobody'

finish

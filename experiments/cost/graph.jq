# SPDX-License-Identifier: BSD-2-Clause
# The graph of experiments/cost/run, for gnuplot: what each observer adds to a hit.
#
# Input: {"runs": [{"file", "run"}], "rows": [[machine, kernel, case, observer, seed, mean]]}.

include "draw";

def observers: {
	empty: "two empty BPF programs", clock: "two that read the clock", ours: "kvmi-lat record",
	"perf-stat": "perf stat, both events", ftrace: "ftrace, both events", "perf-kvm": "perf kvm stat record"
};

# [machine, kernel, case] of one observer: the mean over the seeds
def mean_of($which; $observer): [.[] | select(.[:3] == $which and .[3] == $observer) | .[5] | tonumber]
	| select(length > 0) | add / length;

def group($machine; $kernel; $case; $heading):
	. as $rows | [$machine, $kernel, $case] as $which
	| mean_of($which; "plain") as $plain
	| {heading: ($heading + ": \($plain | figure) when nobody watches"),
	   bars: [observers | to_entries | to_entries[] | .key as $look | .value as $o
		| ($rows | mean_of($which; $o.key) - $plain)
		| {name: $o.value, $look, value: ., text: ("+" + figure), note: ("+" + (. / $plain | percent))}]};

.rows as $rows | .runs as $all
| ($rows | map(.[0]) | unique)[] as $machine
| [$all[] | select(.run.fingerprint.machine == $machine)] as $runs
| bars_graph("cost-\($machine)"; "\($runs[0].run.fingerprint | vendor): what watching adds to a hit";
	"means of \($rows | map(.[4]) | unique | length) boots, from hit to hit; each case by its own scale; right: in percent";
	$runs;
	[$rows | group($machine; "stock"; "cpuid"; "stock kernel, CPUID"),
		group($machine; "stock"; "int3_debug"; "stock kernel, int3 to KVM_EXIT_DEBUG"),
		group($machine; "kvmi"; "int3_event_retry"; "with the series, int3 as an event")])

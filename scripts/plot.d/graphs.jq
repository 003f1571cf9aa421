# SPDX-License-Identifier: BSD-2-Clause
# Turns run files into one gnuplot script: per graph a title, labels, data, and a call of the file that draws it.
#
# Input: an array of {"file": name, "run": run file}.

include "draw";

# --- percentiles ---

# Entries of one case and observer -> one curve: figure by figure the median of the repetitions; the maximum is that of all. It
# stands where it begins: a single sample of n is the top 1/n.
def curve($name):
	(map(.n) | min) as $n
	| {
		label: "\($name): n = \(map(.n) | add | thousands), mean \(map(.mean) | median | figure), max \(map(.max) | max | figure)",
		repetitions: length,
		points: ([.[0].quantiles[][0] | select(. < 1 and 1 / (1 - .) <= $n * 0.999)] as $qs
			| [. as $entries | $qs[] as $q
				| {x: (1 / (1 - $q)), q: $q,
				   y: ([$entries[].quantiles[] | select(.[0] == $q)[1]] | median)}]
			+ [{x: ([$n, 2] | max), q: 1, y: (map(.max) | max)}])
	};

def marked: . as $q | [0, 0.5, 0.9, 0.99, 0.999, 0.9999, 0.99999, 1] | index([$q]) != null;

def ticks($lo; $hi):
	(if $hi / $lo > 30 then [1, 2, 5]
		elif $hi / $lo > 6 then [1, 1.5, 2, 3, 4, 5, 6, 8]
		elif $hi / $lo > 2.5 then [1, 1.2, 1.5, 2, 2.5, 3, 3.5, 4, 5, 6, 7, 8, 9]
		else [range(20; 200) | . / 20 | select(. < 2 or . * 20 % 10 == 0)] end) as $m
	| [range(($lo | log10 | floor); ($hi | log10 | floor) + 1) as $e | $m[] * pow(10; $e) | round_to(3)
		| select(. >= $lo and . <= $hi)]
	| map((thousands | quoted) + " \(.)") | join(", ");

def medians: if . == 1 then empty else "medians of \(.) repetitions" end;
def alike: map(.repetitions) | unique | length == 1;
# Said once of all curves if it can be: a line of the key has no more room than a name and three figures take.
def labels: alike as $alike | map([.label, if $alike then empty else .repetitions | medians end] | join(", "));

def percentile_graph($name; $title; $observer; $runs; $curves):
	([$curves[].points[].y] | {lo: ([min, 0.1] | max), hi: ([max, 0.2] | max)}
		| {lo: (.lo * 0.85), hi: ([.hi * 1.3, .lo * 2] | max)}) as $y
	| ([$curves[].points[-1].x] | max * 1.4) as $right
	| "reset session",
	"name = \($name | quoted)",
	"title = \($title | quoted)",
	($runs | common),
	"subtitle2 = \([$observer | select(. != "")] + [if $curves | alike then $curves[0].repetitions | medians else empty end] | join(", ") | quoted)",
	"curves = \($curves | length)",
	"array label[\($curves | length)] = [\($curves | labels | map(quoted) | join(", "))]",
	"set xrange [1:\($right)]",
	"set yrange [\($y.lo):\($y.hi)]",
	"set ytics (\(ticks($y.lo; $y.hi)))",
	"$curve << END",
	($curves[] | (.points[] | "\(.x) \(.y) \(if .q | marked then .y else "NaN" end)"), "", ""),
	"END",
	"load 'percentiles.gp'";

def entries($case; $observer):
	[.[] | .run.entries[]
		| select(.case == $case and .observer == $observer and .skipped == null and (.quantiles // [] | length) > 0)];
# What a case's entries say of it without an observer.
def undisturbed($case): [entries($case; "none", "detached") | select(. != [])][0] | select(. != null);
def observer_label: {none: "not observed", detached: "BPF detached", attached: "BPF attached"}[.];

def cases: reduce (.[] | .run.entries[] | .case) as $c ([]; if index([$c]) then . else . + [$c] end);
# The guest's loop by itself is no hit; the ladder subtracts it.
def cases_with_hits: cases - ["loop"];

# Several kernels are compared as they are without an observer.
def case_curves($case):
	by_kernel
	| if length > 1 then [.[] as $k | $k.runs | undisturbed($case) | curve($k.name)]
	else [.[].runs | ("none", "detached", "attached") as $observer | entries($case; $observer) | select(. != [])
		| curve($observer | observer_label)] end;

# The cases side by side, as they are without an observer; of several kernels versions() has that.
def ladder_curves:
	if (by_kernel | length) > 1 then [] else [cases_with_hits[] as $case | undisturbed($case) | curve($case)] end;

def percentiles($id):
	. as $runs | (.[0].run.fingerprint) as $f
	| (cases_with_hits[] as $case | ($runs | case_curves($case)) as $c | select($c | length > 0)
		| percentile_graph("percentiles-\($case | file_name)-\($id)";
			"\($case), \($f | vendor): guest's own clock, "
				+ if [$runs[].run.entries[] | select(.case == $case and .late != null)] == [] then "hit to hit"
				else "from when a hit was due" end;
			if ($runs | by_kernel | length) > 1 then "BPF detached" else "" end; $runs; $c)),
	(ladder_curves as $c | select($c | length | . > 1 and . <= 8)	# more have no dashes of their own; the ladder has them
		| percentile_graph("percentiles-\($id)";
			"\($f | vendor): guest's own clock, hit to hit"; "BPF detached"; $runs; $c));

# --- the ladder, and several at once ---

def value: map(.mean) | median;

# One vCPU's cases from the cheapest to the dearest, each with how many of the cheapest it makes. What the guest's loop
# takes by itself is subtracted, but where no hit follows another in a loop.
def ladder($id):
	. as $runs | (.[0].run.fingerprint) as $f
	| ([undisturbed("loop") | value][0]) as $loop
	| [cases_with_hits[] as $case | undisturbed($case) | select(.[0].nr_vcpus == null)
		| {name: $case, value: (value - if .[0].late == null then $loop // 0 else 0 end), n: (map(.n) | add)}] | sort_by(.value)
	| select(length > 2 and ($runs | by_kernel | length) == 1) as $rungs
	| bars_graph("ladder-\($id)"; "\($f | vendor): what a hit costs the guest, by its own clock";
		"means, BPF detached, n = \([$rungs[].n] | [min, max] | unique | map(thousands) | join(" to "))\(if $loop
			then "; less the loop's \($loop | figure)" else "" end); right: times the cheapest";
		$runs; [{heading: "", bars: [$rungs[] | {name, value, look: 0, text: (.value | figure),
			note: (.value / $rungs[0].value | figure + " x")}]}]);

# int3_event_retry by one vCPU, and its like by more: of one VM, or of as many VMs.
def crowds($kernel):
	[$kernel.runs | cases[] as $case | undisturbed($case)
		| {case: $case, x: (.[0].nr_vcpus // 1), vms: (.[0].nr_vms // 1), value: value, n: (map(.n) | add), p99: ([.[].quantiles[] | select(.[0] == 0.99)[1]] | median)}
		| select(.case == "int3_event_retry" or .x > 1)]
	| (.[] | select(.x == 1)) as $one
	| [$one] + map(select(.x > 1 and .vms == 1)), [$one] + map(select(.x > 1 and .vms == .x))
	| select(length > 1) | sort_by(.x);

def scaling($id):
	. as $runs | (.[0].run.fingerprint) as $f
	| [by_kernel[] as $k | crowds($k)
		| {points: ., label: ([if .[-1].vms == 1 then "vCPUs of one VM" else "VMs with one vCPU each" end, $k.name]
			| map(select(. != "")) | join(", "))}]
	| select(length > 0) as $curves
	| "reset session",
	"name = \("scaling-\($id)" | quoted)",
	"title = \("\($f | vendor): int3 as an event, from several vCPUs at once" | quoted)",
	($runs | common),
	"subtitle2 = \("int3_event_retry and its like, BPF detached; n = \([$curves[].points[].n] | unique | map(thousands) | join(", ")) hits each; CPUs: \($f.cpus // "?")" | quoted)",
	"per = \((if $f.unit == "instructions" then "million instructions" else "millisecond" end) | quoted)",
	"curves = \($curves | length)",
	"array label[\($curves | length)] = [\($curves | map(.label | quoted) | join(", "))]",
	([$curves[].points[].p99] | max | "most = \(.)", "ticks = \"\(linear_ticks(.))\""),
	([$curves[].points[] | .x / .value * 1e6] | max | "most_rate = \(.)", "ticks_rate = \"\(linear_ticks(.))\""),
	"set xtics (\([$curves[].points[].x] | unique | map("'\(.)' \(.)") | join(", ")))",
	"$curve << END",
	($curves[] | (.points[] | "\(.x) \(.value) \(.p99) \(.x / .value * 1e6)"), "", ""),
	"END",
	"load 'scaling.gp'";

# --- stages ---

def stage_names: ["dispatch", "build", "introspector", "commands", "wake", "act"];

# The means of the stages, over the count of events, not of the stage: so they add up.
def stages_of($class):
	[.[] | .run.stages[] | select({case, event, action} == $class)] as $stages
	| ([$stages[] | select(.stage == "total") | .count] | add) as $n
	| {n: $n, means: [stage_names[] as $s | ([$stages[] | select(.stage == $s) | .sum] | add // 0) / $n]};

# What graphs of a class are called, and headed; most answers are RETRY.
def class_id: (.case | file_name) + (if .action == "retry" or .action == "none" then "" else "-" + .action end);
def class_title: if .case == "" then .event else .case end;

def stage_graph($id; $class):
	. as $runs | (.[0].run.fingerprint) as $f
	| stages_of($class) as {$n, means: $values}
	| [stage_names | to_entries[] | {stage: .value, mean: $values[.key]}] as $means
	| ($means | map(.mean) | add) as $total
	| "reset session",
	"name = \("stages-\($class | class_id)-\($id)" | file_name | quoted)",
	"title = \("\($class | class_title), \($f | vendor): stages from VM exit to VM entry" | quoted)",
	($runs | common),
	"subtitle2 = \("\($class.event) event answered \($class.action | ascii_upcase), mean of n = \($n | thousands) events, BPF attached" | quoted)",
	"set xtics (\(linear_ticks($total)))",
	"total = \($total)",
	"total_text = \($total | figure | quoted)",
	"stages = \($means | length)",
	"array stage[\($means | length)] = [\($means | map(.stage | quoted) | join(", "))]",
	"array mean_text[\($means | length)] = [\($means | map(.mean | figure | quoted) | join(", "))]",
	"array share_text[\($means | length)] = [\($means | map(.mean / $total | percent | quoted) | join(", "))]",
	"$stages << END",
	(foreach $means[] as $m ({end: 0}; {begin: .end, end: (.end + $m.mean)}; "\(.begin) \(.end)")),
	"END",
	"load 'stages.gp'";

def stages($id):
	([.[] | .run.stages[] | select(.stage == "dispatch") | {case, event, action}] | unique) as $classes
	| if $classes == [] then "# no event: " + (map(.file) | join(", ") | clean)
	else stage_graph($id; $classes[]) end;

# --- across kernels ---

# -0.5 -> -0.50 %
def signed_percent: (. * 10000 | round) as $r | ($r | fabs) as $a
	| (if $r < 0 then "-" else "+" end) + "\($a / 100 | floor).\($a % 100 | tostring | if length < 2 then "0" + . else . end) %";
def short_kernel: .kernel // "unknown";

def versions($id):
	. as $runs | (.[0].run.fingerprint) as $f | by_kernel as $kernels
	| [cases_with_hits[] as $case
		| [$kernels[] | .runs as $of | $of | undisturbed($case)
			| {name: ($of[0].run.fingerprint | short_kernel), value: value}]
		| select(length > 1)
		| {heading: $case, bars: [range(length) as $i | .[$i] + {
			text: (.[$i].value | figure),
			note: (if $i == 0 then "" else (.[$i].value / .[$i - 1].value - 1)
				| signed_percent end)}]}]
	| select(length > 0) as $groups
	| bars_graph("versions-\($id)"; "\($f | vendor): guest's own clock from hit to hit, by kernel";
		"medians of means, BPF detached; each case by its own scale; right: against the kernel before"; $runs; $groups);

# One stacked bar for each kernel.
def stage_versions($id):
	. as $runs | (.[0].run.fingerprint) as $f | by_kernel as $kernels
	| ([.[] | .run.stages[] | select(.stage == "dispatch") | {case, event, action}] | unique)[] as $class
	| [$kernels[] | .runs as $of | select([$of[].run.stages[] | select({case, event, action} == $class)] != [])
		| ($of | stages_of($class)) + {name: ($of[0].run.fingerprint | short_kernel)}]
	| select(length > 1) as $bars
	| "reset session",
	"name = \("stages-versions-\($class | class_id)-\($id)" | file_name | quoted)",
	"title = \("\($class | class_title), \($f | vendor): stages from VM exit to VM entry, by kernel" | quoted)",
	($runs | common),
	"subtitle2 = \("\($class.event) event answered \($class.action | ascii_upcase), means of n = \($bars | map(.n | thousands) | unique | join(", ")) events, BPF attached" | quoted)",
	"most = \($bars | map(.means | add) | max)",
	"set xtics (\(linear_ticks($bars | map(.means | add) | max)))",
	"kernels = \($bars | length)",
	($bars | map(.name) | names_end),
	"array kernel[\($bars | length)] = [\($bars | map(.name | quoted) | join(", "))]",
	"array total_text[\($bars | length)] = [\($bars | map(.means | add | figure | quoted) | join(", "))]",
	"stages = \(stage_names | length)",
	"array stage[\(stage_names | length)] = [\(stage_names | map(quoted) | join(", "))]",
	"$stages << END",
	(range(stage_names | length) as $s
		| (range($bars | length) as $k | $bars[$k].means | "\($k) \(.[:$s] | add // 0) \(.[:$s + 1] | add)"), "", ""),
	"END",
	"load 'stages-versions.gp'";

# --- all ---

# Sums of different kernels are no mean of anything: stages go by kernel, too.
def stages_by_kernel($id):
	by_kernel as $kernels
	| $kernels[].runs
	| stages($id + (if ($kernels | length) == 1 then ""
		else "-" + (.[0].run.fingerprint | (.kernel // "unknown") + "-" + (.kernel_build.series // "" | .[:12])) end));

group_by(.run.fingerprint | [machine_id, .cpu, .unit]) as $groups
| ($groups | map(.[0].run.fingerprint | machine_id)) as $ids
| range($groups | length) as $g
| $ids[$g] as $base
# the same kind of machine with another CPU is another machine
| ($base + (if ([$ids[:$g][] | select(. == $base)] | length) == 0 then ""
	else "-\([$ids[:$g][] | select(. == $base)] | length + 1)" end)) as $id
| $groups[$g] | percentiles($id), ladder($id), scaling($id), stages_by_kernel($id), versions($id), stage_versions($id)

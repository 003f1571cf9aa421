# SPDX-License-Identifier: BSD-2-Clause
# Turns run files into one gnuplot script: per graph a title, labels, data, and a call of the file that draws it.
#
# Input: an array of {"file": name, "run": run file}. Whatever comes out of a run file goes into single quotes
# (gnuplot runs what stands between backquotes in double ones) or is a number.

def clean: tostring | gsub("[\\x00-\\x1f]"; " ");
def quoted: "'" + (clean | gsub("'"; "''")) + "'";
def file_name: if . == "" then "command" else gsub("[^A-Za-z0-9._-]"; "_") | sub("^\\."; "_") end;

# 1234567.8 -> 1,234,567.8
def thousands:
	tostring | capture("^(?<sign>-?)(?<whole>[0-9]+)(?<rest>.*)$")
	| .whole as $w
	| [range(($w | length) % 3; ($w | length) + 1; 3) as $stop
		| $w[([$stop - 3, 0] | max):$stop] | select(. != "")] as $groups
	| .sign + ($groups | join(",")) + .rest;
def round_to($digits): pow(10; $digits) as $p | (. * $p | round) / $p;
def figure: (if fabs < 1000 then round_to(1) else round end) | thousands;
def percent: 100 * . | round_to(1) | tostring | (if test("\\.") then . else . + ".0" end) + " %";

def fit($most): if length > $most then .[:$most - 1] + "…" else . end;

def median: sort | length as $n | (.[($n - 1) / 2 | floor] + .[$n / 2 | floor]) / 2;

# --- what a run says about its machine ---

def vendor: {vmx: "VMX (Intel)", svm: "SVM (AMD)"}[.machine // ""] // "unknown machine";
def backend: {
	bochs: "Bochs lab", host: "host", "qemu-tcg": "QEMU (TCG) lab", "qemu-kvm": "QEMU (nested KVM) lab"
	}[.backend // ""] // "unknown backend";
def unit: .unit;
def unit_note: if .unit == "instructions" then "(path length in the lab; not time)" else "" end;
def series: .kernel_build.series // "" | if . == "" or . == "stock" then . else "series " + .[:12] end;
def kernel: "Linux " + (.kernel // "unknown") + (series | if . == "" then "" else ", " + . end);
def cpu: .cpu // "unknown CPU" | gsub("\\((R|TM|tm)\\)"; "") | sub(" CPU @.*"; "") | sub(" Processor$"; "") | gsub(" +"; " ");
def seed: if .seed == null then empty else "seed \(.seed)" end;
def machine_id: (.machine // "unknown") + (if .backend == "bochs" then "" else "-" + (.backend // "unknown") end);

def seeds: [.[] | .seed | select(. != null)] | unique
	| if length == 0 then [] elif length == 1 then ["seed \(.[0])"]
	elif length <= 3 then ["seeds " + (map(tostring) | join(", "))] else ["\(length) seeds"] end;
# one line for all runs of a graph
def where: map(.run.fingerprint)
	| (map(kernel) | unique) as $kernels
	| [if ($kernels | length) == 1 then $kernels[0] else "\($kernels | length) kernels" end,
		(.[0] | backend + ", " + cpu)] + seeds | join("; ") | fit(96);
def footnote: .[0].run.fingerprint
	| if .unit == "instructions"
	then "Path length, not time: it compares kernels and code paths on one vendor, never vendors."
	elif .backend != "host" then "Not bare metal: an emulated or nested machine."
	else "" end;

def common:
	"subtitle = \(where | quoted)",
	"footnote = \(footnote | quoted)",
	"unit = \(.[0].run.fingerprint | unit | quoted)",
	"unit_note = \(.[0].run.fingerprint | unit_note | quoted)";

# Runs of one kernel are repetitions, whatever their seeds, 6.1 before 6.12: [{caption, runs}].
def by_kernel:
	group_by(.run.fingerprint | [(.kernel // "" | [scan("[0-9]+") | tonumber]), kernel])
	| (length > 1) as $several
	| ((map(.[0].run.fingerprint.kernel) | unique | length) < length) as $alike
	| map({runs: ., caption: (.[0].run.fingerprint | if $alike then ", " + kernel
		elif $several then ", Linux " + (.kernel // "unknown") else "" end)});

# --- percentiles ---

# Entries of one case and observer -> one curve: figure by figure the median of the repetitions. The maximum
# stands where it begins: a single sample of n is the top 1/n.
def curve($caption):
	(map(.n) | min) as $n
	| {
		label: ($caption + ": n = " + (map(.n) | add | thousands)
			+ (if length > 1 then ", medians of \(length) repetitions: mean " else ", mean " end)
			+ (map(.mean) | median | figure) + ", max " + (map(.max) | median | figure)),
		points: ([.[0].quantiles[][0] | select(. < 1 and 1 / (1 - .) <= $n * 0.999)] as $qs
			| [. as $entries | $qs[] as $q
				| {x: (1 / (1 - $q)), q: $q,
				   y: ([$entries[].quantiles[] | select(.[0] == $q)[1]] | median)}]
			+ [{x: ([$n, 2] | max), q: 1, y: (map(.max) | median)}])
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

def percentile_graph($name; $title; $runs; $curves):
	([$curves[].points[].y] | {lo: ([min, 0.1] | max), hi: ([max, 0.2] | max)}
		| {lo: (.lo * 0.85), hi: ([.hi * 1.3, .lo * 2] | max)}) as $y
	| ([$curves[].points[-1].x] | max * 1.4) as $right
	| "reset session",
	"name = \($name | quoted)",
	"title = \($title | quoted)",
	($runs | common),
	"curves = \($curves | length)",
	"array label[\($curves | length)] = [\($curves | map(.label | quoted) | join(", "))]",
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
def observer_label: {none: "not observed", detached: "BPF detached", attached: "BPF attached"}[.];

def cases: reduce (.[] | .run.entries[] | .case) as $c ([]; if index([$c]) then . else . + [$c] end);

# Several kernels are compared as they are without an observer.
def case_curves($case):
	by_kernel as $kernels
	| [$kernels[] as $k
		| ("none", "detached", (if ($kernels | length) == 1 then "attached" else empty end)) as $observer
		| $k.runs | entries($case; $observer) | select(. != [])
		| curve(($observer | observer_label) + $k.caption)];

# The cases side by side, as they are without an observer; of several kernels versions() has that.
def ladder_curves:
	by_kernel as $kernels
	| [cases[] as $case | $kernels[] as $k | select(($kernels | length) == 1)
		| [$k.runs | entries($case; "none", "detached") | select(. != [])][0] | select(. != null)
		| curve($case + $k.caption)];

def percentiles($id):
	. as $runs | (.[0].run.fingerprint) as $f
	| (cases[] as $case | ($runs | case_curves($case)) as $c | select($c | length > 0)
		| percentile_graph("percentiles-\($case | file_name)-\($id)";
			"\($case), \($f | vendor): guest's own clock, hit to hit"; $runs; $c)),
	(ladder_curves as $c | select($c | length > 1)
		| percentile_graph("percentiles-\($id)";
			"\($f | vendor): guest's own clock, hit to hit, BPF detached"; $runs; $c));

# --- stages ---

# four to eight of them
def linear_ticks($hi):
	pow(10; $hi / 4 | log10 | floor) as $p
	| ([1, 2, 5] | map(. * $p) | map(select($hi / . >= 4))[-1]) as $step
	| [range(0; $hi / $step | floor + 1) | . * $step | round_to(3) | (thousands | quoted) + " \(.)"] | join(", ");

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

# Several bars below a heading: [{heading, bars: [{name, value, text, note}]}], each group by its own scale.
def bars_graph($name; $title; $note; $runs; $groups):
	"reset session",
	"name = \($name | quoted)",
	"title = \($title | quoted)",
	($runs | common),
	"subtitle2 = \($note | quoted)",
	"rows = \($groups | map(1.3 + (.bars | length)) | add)",
	"groups = \($groups | length)",
	"array heading[\($groups | length)] = [\($groups | map(.heading | quoted) | join(", "))]",
	([$groups[].bars[]] | "bars = \(length)",
		"array bar_name[\(length)] = [\(map(.name | quoted) | join(", "))]",
		"array bar_text[\(length)] = [\(map(.text | quoted) | join(", "))]",
		"array bar_note[\(length)] = [\(map(.note | quoted) | join(", "))]"),
	"$heads << END",
	(foreach $groups[] as $g ({next: 0}; {y: .next, next: (.next + 1.3 + ($g.bars | length))}; "\(.y)")),
	"END",
	"$bars << END",
	(foreach $groups[] as $g ({next: 0}; {y: .next, next: (.next + 1.3 + ($g.bars | length)), g: $g};
		.y as $y | (.g.bars | map(.value) | max) as $most | .g.bars as $b
		| range($b | length) as $i | "\($y + 1 + $i) \($b[$i].value / $most) \($i + 1)")),
	"END",
	"load 'versions.gp'";

def versions($id):
	. as $runs | (.[0].run.fingerprint) as $f | by_kernel as $kernels
	| [cases[] as $case
		| [$kernels[] | .runs as $of | [$of | entries($case; "none", "detached") | select(. != [])][0] | select(. != null)
			| {name: ($of[0].run.fingerprint | short_kernel), value: (map(.mean) | median)}]
		| select(length > 1)
		| {heading: $case, bars: [range(length) as $i | .[$i] + {
			text: (.[$i].value | figure),
			note: (if $i == 0 then "" else (.[$i].value / .[$i - 1].value - 1)
				| signed_percent end)}]}]
	| select(length > 0) as $groups
	| bars_graph("versions-\($id)"; "\($f | vendor): guest's own clock from hit to hit, by kernel";
		"means, BPF detached; each case by its own scale; right: against the kernel before"; $runs; $groups);

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
| $groups[$g] | percentiles($id), stages_by_kernel($id), versions($id), stage_versions($id)

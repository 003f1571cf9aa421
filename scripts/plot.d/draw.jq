# SPDX-License-Identifier: BSD-2-Clause
# What turns run files into gnuplot scripts: figures and names as they are shown, what a run says about its machine, ticks, bars.
#
# Whatever comes out of a run file goes into single quotes (gnuplot runs what stands between backquotes in double ones)
# or is a number.

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
	bochs: "Bochs lab", host: "host", "qemu-tcg": "QEMU (TCG) lab", "qemu-kvm": "QEMU (nested KVM) lab",
	"qemu-parallel": "QEMU (parallel TCG) lab"
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

# Runs of one kernel are repetitions, whatever their seeds, 6.1 before 6.12: [{name, runs}]. A single one has no name.
def by_kernel:
	group_by(.run.fingerprint | [(.kernel // "" | [scan("[0-9]+") | tonumber]), kernel])
	| (length > 1) as $several
	| ((map(.[0].run.fingerprint.kernel) | unique | length) < length) as $alike
	| map({runs: ., name: (.[0].run.fingerprint | if $alike then kernel
		elif $several then "Linux " + (.kernel // "unknown") else "" end)});

# four to eight of them
def linear_ticks($hi):
	pow(10; $hi / 4 | log10 | floor) as $p
	| ([1, 2, 5] | map(. * $p) | map(select($hi / . >= 4))[-1]) as $step
	| [range(0; $hi / $step | floor + 1) | . * $step | round_to(3) | (thousands | quoted) + " \(.)"] | join(", ");

# --- bars ---

# Where the names at the left end, a share of the graph's width.
def names_end: "names_end = \([(map(length) | max) * 0.01 + 0.035, 0.155] | max)";

# Several bars below a heading: [{heading, bars: [{name, value, text, note, look}]}], each group by its own scale. Bars of
# the same look, a number from 0 on, are drawn alike; without one they are so by their place in the group.
def bars_graph($name; $title; $note; $runs; $groups):
	"reset session",
	"name = \($name | quoted)",
	"title = \($title | quoted)",
	($runs | common),
	"subtitle2 = \($note | quoted)",
	([$groups[].bars[].name] | names_end),
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
		| range($b | length) as $i | "\($y + 1 + $i) \($b[$i].value / $most) \(($b[$i].look // $i) + 1)")),
	"END",
	"load 'bars.gp'";

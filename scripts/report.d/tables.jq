# SPDX-License-Identifier: BSD-2-Clause
# The tables of the page of scripts/report, from an array of what kvmi-lat report --json says of each run.

import "draw" as draw;

def text: if . == null then "unknown" else tostring end | @html;
# One digit after the point, which is all that a mean of thousands says.
def figure: if . == null then "–" else (fabs * 10 | round) as $n
	| "\(if . < 0 and $n > 0 then "−" else "" end)\($n / 10 | floor | draw::thousands).\($n % 10)" end;
def count: draw::thousands;
def percent: if . == null then "–" else (if . > 0 then "+" elif . < 0 then "−" else "" end)
	+ (fabs * 10000 | round | . as $n | "\($n / 100 | floor).\($n % 100 | tostring | if length < 2 then "0" + . else . end) %") end;
def version: (.fingerprint.kernel // "0") | split(".") | map(split("-")[0] | tonumber? // 0);
def machine: ({vmx: "Intel (VMX)", svm: "AMD (SVM)"}[.fingerprint.machine // ""] // "unknown machine")
	+ ", " + (.fingerprint.backend // "unknown backend");
def unit: .fingerprint.unit;

def cell: "<td>\(.)</td>";
def name: "<td class=\"name\">\(text)</td>";
def head($names): "<thead><tr>\($names | map("<th scope=\"col\"\(if . == "case" or . == "kernel" or . == "stage" or . == "program" then " class=\"name\"" else "" end)>\(text)</th>") | add)</tr></thead>";
def table($caption; $names; $rows): "<div class=\"wide\" tabindex=\"0\" role=\"region\" aria-label=\"\($caption | text)\"><table><caption>\($caption | text)</caption>\(head($names))<tbody>\($rows | map("<tr>\(.)</tr>") | add // "")</tbody></table></div>";

def guest: .guest.none // .guest.detached;
def interval: if . == null then "–" else map(figure) | join(" to ") end;
# A kernel may have several runs: the median of their means.
def median: sort | if length == 0 then null elif length % 2 == 1 then .[length / 2 | floor]
	else (.[length / 2 - 1] + .[length / 2]) / 2 end;
# [{kernel, runs}] in order of version
def by_kernel: group_by([version, .fingerprint.kernel]) | map({kernel: .[0].fingerprint.kernel, runs: .});
def case_names: [.[].cases[].case] | reduce .[] as $c ([]; if index($c) then . else . + [$c] end);
def of_case($c): [.runs[].cases[] | select(.case == $c)];

def hit_rows: by_kernel as $kernels | [case_names[] as $case
	| [$kernels[] | .kernel as $kernel | (of_case($case) | map(guest | select(. != null))) as $g | select($g | length > 0)
		| {$kernel, runs: ($g | length), n: ([$g[].n] | add), mean: ([$g[].mean] | median),
			interval: (if ($g | length) == 1 then $g[0].interval else null end), p50: ([$g[].p50] | median),
			p99: ([$g[].p99] | median), p999: ([$g[]["p99.9"]] | median)}] as $rows
	| range($rows | length) as $i | $rows[$i] as $r
	| (if $i == 0 then $case else "" end | name) + ($r.kernel | name)
		+ ($r.mean | figure | cell) + ($r.interval | interval | cell)
		+ ([$r.p50, $r.p99, $r.p999] | map(figure | cell) | add)
		+ (if $i == 0 then null else $r.mean / $rows[$i - 1].mean - 1 end | percent | cell)
		+ ($r.n | count | cell) + ($r.runs | count | cell)];

def stages_table($event; $names): by_kernel as $kernels | [case_names[] as $case | $kernels[] | .kernel as $kernel
	| (of_case($case) | map(.stages[]? | select(.event == $event))) as $s | select($s | length > 0)
	| ($names | map(. as $n | [$s[] | select(.stage == $n)])) as $by
	| ($case | name) + ($kernel | name)
		+ ($by | map(if length == 0 then null else ([.[].sum] | add) / ([.[].n] | add) end | figure | cell) | add)
		+ ([$by[-1][].n] | add | count | cell)];

def cost_rows: by_kernel as $kernels | [case_names[] as $case | $kernels[] | .kernel as $kernel
	| (of_case($case) | map(.observer_cost | select(. != null))) as $c | select($c | length > 0)
	| ($case | name) + ($kernel | name) + ([$c[].mean] | median | figure | cell) + ([$c[].share] | median | percent | cell)];

# A column for each kernel.
def hook_rows: by_kernel as $kernels | [case_names[] as $case
	| [$kernels[] | of_case($case) | map(.hooks[]?)] as $hooks
	| ([$hooks[][].program] | unique)[] as $program
	| [$hooks[] | map(select(.program == $program)) | {time: (map(.time) | add), runs: (map(.runs) | add)}] as $by
	| ($case | name) + ($program | name)
		+ ($by | map(if .runs == null then null else .time / .runs end | figure | cell) | add)
		+ ([$by[].runs | select(. != null)] | unique | if length == 1 then .[0] | count else "\(.[0] | count) to \(.[-1] | count)" end | cell)];

def counters: [.[].cases[] | .counters // {}] as $all
	| "Over all of these runs: \([$all[].exits // 0] | add | count) exits seen, \([$all[].dropped // 0] | add) dropped, \([$all[].unpaired // 0] | add) unpaired, \([$all[].unaccounted // 0] | add) unaccounted; recursion misses \([.[].recursion_misses // 0] | add).";

group_by(machine)[] | sort_by(version) | .[0] as $one | ($one | unit) as $unit | ($one | machine) as $machine
| "<section><h2>\($machine | text)</h2>",
  "<p class=\"note\">\($one.fingerprint.cpu | text); unit: \($unit). \(counters)</p>",
  table("Guest's own clock from hit to hit, nobody watching, \($unit)";
	["case", "kernel", "mean", "95 % interval", "p50", "p99", "p99.9", "to the former", "n", "runs"]; hit_rows),
  (stages_table("breakpoint"; ["dispatch", "build", "introspector", "commands", "wake", "act", "total"]) as $rows
	| select($rows | length > 0)
	| table("Stages of the breakpoint event in the kernel, means, \($unit)";
		["case", "kernel", "dispatch", "build", "introspector", "commands", "wake", "act", "total", "n"]; $rows)),
  (stages_table("debug_exit"; ["kernel", "userspace", "total"]) as $rows | select($rows | length > 0)
	| table("Breakpoints that go to userspace by KVM_EXIT_DEBUG, means, \($unit)";
		["case", "kernel", "in the kernel", "in userspace", "total", "n"]; $rows)),
  (cost_rows as $rows | select($rows | length > 0)
	| table("What watching adds to a hit: attached less detached, \($unit)"; ["case", "kernel", "mean", "share"]; $rows)),
  (hook_rows as $rows | select($rows | length > 0)
	| table("What each program takes by itself, of a pass of its own, the kernel's clock around it, \($unit)";
		["case", "program"] + (by_kernel | map(.kernel)) + ["runs"]; $rows)),
  "<h3>Runs</h3>",
  table("What each run is from"; ["kernel", "source", "series", "config", "compiler", "seed", "clocksource", "file"];
	map((.fingerprint.kernel | name) + (.fingerprint.kernel_build // {} | [.source, (.series // "" | .[:12]), (.config // "" | .[:12]), .compiler]
		| map("<td class=\"name\">\(text)</td>") | add)
		+ (.fingerprint.seed | text | cell) + (.fingerprint.clocksource | name) + (.run | split("/")[-1] | name))),
  "</section>"

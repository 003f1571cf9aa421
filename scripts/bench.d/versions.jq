# SPDX-License-Identifier: BSD-2-Clause
# What a run file has for the table across kernels, a line per case: machine and unit, case, kernel, hit to hit without
# the observer, and what of a hit no tracepoint covers (with the observer: hit to hit less the total of its stages).

.fingerprint as $f
| def mean($case; $observer): [.entries[] | select(.case == $case and .observer == $observer and .mean != null) | .mean]
	| if length == 0 then null else add / length end;
  def hits($case): [.entries[] | select(.case == $case and .observer == "attached") | .n] | add // 0;
  def total($case): hits($case) as $hits | [.stages[] | select(.case == $case and .stage == "total")] | max_by(.count)
	| if . == null or 10 * .count < $hits then null else .sum / .count end;
  . as $run
| [.entries[] | select(.mean != null) | .case] | reduce .[] as $c ([]; if index($c) then . else . + [$c] end) | .[]
| . as $case
| ($run | mean($case; "detached")) as $hit
| select($hit != null)
| ($run | mean($case; "attached")) as $attached
| ($run | total($case)) as $total
| ["\($f.machine // "unknown"), \($f.unit)", $case, $f.kernel, $hit,
	(if $attached and $total then $attached - $total else "-" end)]
| @tsv

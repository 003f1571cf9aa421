# SPDX-License-Identifier: BSD-2-Clause
# What a run file has for the table across kernels, a line per case: machine and unit, case, kernel, hit to hit without
# the observer (the median of the repetitions' means, as in the report and in the graph), and what of a hit no tracepoint
# covers (with the observer: hit to hit less the total of its stages, both in the mean of all hits).

.fingerprint as $f
| def means($case; $observer): [.entries[] | select(.case == $case and .observer == $observer and .mean != null) | .mean];
  def mean: if length == 0 then null else add / length end;
  def median: if length == 0 then null else sort | (.[(length - 1) / 2 | floor] + .[length / 2 | floor]) / 2 end;
  def hits($case): [.entries[] | select(.case == $case and .observer == "attached") | .n] | add // 0;
  def total($case): hits($case) as $hits | [.stages[] | select(.case == $case and .stage == "total")] | max_by(.count)
	| if . == null or 10 * .count < $hits then null else .sum / .count end;
  . as $run
| [.entries[] | select(.mean != null) | .case] | reduce .[] as $c ([]; if index($c) then . else . + [$c] end) | .[]
| . as $case
| ($run | means($case; "detached") | median) as $hit
| select($hit != null)
| ($run | means($case; "attached") | mean) as $attached
| ($run | total($case)) as $total
| ["\($f.machine // "unknown"), \($f.unit)", $case, $f.kernel, $hit,
	(if $attached and $total then $attached - $total else "-" end)]
| @tsv

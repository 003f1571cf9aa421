# SPDX-License-Identifier: BSD-2-Clause
# The means of a run file, a line each: run, machine with its kernel, case, what, mean, n. Of guest's clock and of every stage.

.fingerprint as $f
| ([.entries[] | select(.mean != null)] | group_by([.case, .observer])[]
	| [.[0].case, "hit to hit, \(.[0].observer)", (map(.mean) | add / length), (map(.n) | add)]),
(.stages[] | [.case, "\(.event)\(if .action == "none" then "" else " " + .action end): \(.stage)", .sum / .count, .count])
| [$run, "\($f.machine // "unknown"), \($f.kernel), \($f.unit)"] + . | @tsv

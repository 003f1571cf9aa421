# SPDX-License-Identifier: BSD-2-Clause
# The means of a run, a line each, from `kvmi-lat report --json`: run, machine with its kernel, case, what, mean, n. Of the
# guest's clock and of every stage.

.fingerprint as $f
| .cases[] | .case as $case
| (.guest | to_entries[] | [$case, "hit to hit, \(.key)", .value.mean, .value.n]),
  (.stages // [] | .[] | [$case, "\(.event)\(if .action == "none" then "" else " " + .action end): \(.stage)", .mean, .n])
| select(.[2] != null)
| [$run, "\($f.machine // "unknown"), \($f.kernel), \($f.unit)"] + . | @tsv

# SPDX-License-Identifier: BSD-2-Clause
# What a run has for the table across kernels, a line per case, from `kvmi-lat report --json`: machine and unit, case, kernel,
# hit to hit without the observer, and what of a hit no tracepoint covers.

.fingerprint as $f
| .cases[]
| select(.guest.detached.mean != null)
| ["\($f.machine // "unknown"), \($f.unit)", .case, $f.kernel, .guest.detached.mean, .remainder.at_mean // "-"]
| @tsv

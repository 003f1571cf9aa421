#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Inside a lab machine: the BPF object by bpftool instead of by kvmi-lat, on patched and on stock kernels.

dir=/tmp/checks
# shellcheck source=checks.sh
. /bin/checks.sh
object=/kvmi_lat.bpf.o
pins=/sys/fs/bpf/lat

# What 5.10 does not count is null.
no_misses=0
case $(uname -r) in 5.10.*) no_misses= ;; esac

report()
{
	kvmi-lat report --json --pinned $pins >/tmp/report.json
}

# How many events were timed, answered retry: "n" of their total.
timed()
{
	awk '/"action":/ { retry = /"retry"/ } /"stage":/ { total = /"total"/ }
		/"n":/ && retry && total { gsub(/[^0-9]/, ""); print }' /tmp/report.json
}

counter()	# NAME
{
	awk -v key="\"$1\":" '$1 == key { gsub(/[^0-9]/, ""); print }' /tmp/report.json
}

# What perf has counted of the same events is in /tmp/perf.
counts()	# EVENTS
{
	report && cat /tmp/report.json &&
	same "by perf" "$(cat /tmp/perf)" "$batch" &&
	same "bp_send" "$(counter bp_send)" "$1" &&
	same "timed" "$(timed)" "$1" &&
	same "unpaired" "$(counter unpaired)" 0 &&
	same "dropped" "$(counter dropped)" 0 &&
	same "recursion_misses" "$(counter recursion_misses)" "$no_misses"
}

exits_seen()
{
	report && cat /tmp/report.json && [ "$(counter exits)" -gt 0 ]
}

refused()	# COMMAND...
{
	! "$@"
}

check "bpftool prog load" bpftool prog load $object /sys/fs/bpf/x
check "one program is pinned" [ -f /sys/fs/bpf/x ]
rm -f /sys/fs/bpf/x
check "bpftool prog loadall, pinmaps" bpftool prog loadall $object $pins pinmaps $pins
check "kvmi-lat attach --pinned" kvmi-lat attach --pinned $pins
check "a second attach is refused" refused kvmi-lat attach --pinned $pins
if [ -d /sys/kernel/tracing/events/kvmi ]; then
	batch=$(test_counts batch)
	check "a run of $batch hits" test_counts hits /tmp/perf 1
	check "report --pinned has all $batch" counts "$batch"
	check "detach" kvmi-lat detach --pinned $pins
	check "another run, detached" test_counts hits /tmp/perf 1
	check "report --pinned still has $batch" counts "$batch"
	check "attach again" kvmi-lat attach --pinned $pins
	check "and a run" test_counts hits /tmp/perf 1
	check "report --pinned has $((2 * batch))" counts $((2 * batch))
else
	# the guest that finds out whether #BP exits arrive is enough to have some
	check "stock kernel: a guest runs" kvmi-bench --probe-int3
	check "stock kernel: its exits are in the report" exits_seen
fi
check "detach --unload" kvmi-lat detach --unload --pinned $pins
check "nothing is left" [ ! -e $pins ]
end_checks

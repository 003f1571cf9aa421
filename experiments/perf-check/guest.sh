#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# For experiments/perf-check/run, inside a lab machine: perf, started after kvmi-lat has attached and ended before it detaches.

# The benchmark is not to switch kvmi-lat off and on; perf's buffers hold all of a run.
bench='env -u KVMI_LAT_CONTROL -u KVMI_LAT_ENTRIES /bin/kvmi-bench --all'

# Counts. perf's command is the only one that runs a VM.
# shellcheck disable=SC2086 # words
kvmi-lat record -o /out/counts.json -- perf stat -a -x, -o /out/counts.csv \
	-e kvm:kvm_exit,kvm:kvm_entry,kvmi:kvmi_event_bp_send,kvmi:kvmi_event,kvmi:kvmi_event_reply,kvmi:kvmi_vcpu_command \
	-- $bench --hits=3000 '--benchmark_filter=^(cpuid|int3_debug|int3_event_retry)/' || exit

# Times: from each kvm_exit to the kvm_entry that follows it, if userspace is not in between: there the one vCPU
# may have become another.
# shellcheck disable=SC2086 # words
kvmi-lat record -o /out/times.json -- perf record -q -a -m 4096 -e kvm:kvm_exit,kvm:kvm_entry,kvm:kvm_userspace_exit -o /tmp/perf.data \
	-- $bench --hits=5000 '--benchmark_filter=^cpuid/' || exit
perf script --ns -F time,event -i /tmp/perf.data | awk '
	{ split($1, t, /[.:]/); now = t[1] * 1e9 + t[2] }
	/kvm_exit/ { left = now }
	/kvm_userspace_exit/ { left = 0 }
	/kvm_entry/ && left { n++; sum += now - left; left = 0 }
	END { printf "%d %.0f\n", n, sum }' >/out/times

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Inside a machine whose emulator swallows int3: the benchmark must say so instead of measuring.

dir=/tmp/checks
# shellcheck source=checks.sh
. /bin/checks.sh

probe_says_no()
{
	kvmi-bench --probe-int3
	[ $? -eq 1 ]
}

# Every case of int3 is named, with the reason, and CPUID is measured.
bench_skips()
{
	kvmi-bench --hits=1000 >/tmp/bench 2>&1
	status=$?
	cat /tmp/bench
	[ $status -eq 0 ] && grep -q '^cpuid' /tmp/bench &&
	for case in int3_debug int3_event_retry; do
		grep "$case" /tmp/bench | grep -q 'does not intercept #BP' || return
	done
}

if kvmi-bench --probe-int3 >/dev/null; then
	echo "ok 1 - kvmi-bench without breakpoints # SKIP #BP exits arrive here: QEMU has nested KVM"
	echo 1..1
	exit 0
fi
check "the probe says that #BP exits do not arrive" probe_says_no
check "kvmi-bench skips the int3 cases, and says why" bench_skips
end_checks

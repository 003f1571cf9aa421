#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tests/lab/races.sh, which judges KCSAN's reports, with logs that are made up.

. "$(dirname "$0")/tap.sh"

mkdir "$tmp/bin"
printf '#!/bin/sh\ncat "%s/log"\n' "$tmp" >"$tmp/bin/dmesg"
chmod +x "$tmp/bin/dmesg"
printf 'enabled: 1\nused_watchpoints: 0\nsetup_watchpoints: 812\n' >"$tmp/kcsan"

races()
{
	run env PATH="$tmp/bin:$PATH" TMPDIR="$tmp" kcsan="$tmp/kcsan" "$root/tests/lab/races.sh"
}

report()	# TITLE FUNCTION
{
	cat <<L
[    1.000100] ==================================================================
[    1.000200] BUG: KCSAN: data-race in $1

[    1.000300] read to 0xffff888003a14c28 of 4 bytes by task 77 on cpu 1:
[    1.000400]  $2+0x1c/0x120
[    1.000500] Reported by Kernel Concurrency Sanitizer on:
[    1.000600] ==================================================================
L
}

echo '[    0.100000] Linux version 6.12' >"$tmp/log"
races
check "no report: all is well" both "status_is 0" "out_has ok 2"
check "no report: none is counted" out_has "no failures: 0"

report 'kvm_vcpu_kick / vcpu_enter_guest' kvm_vcpu_kick >>"$tmp/log"
report 'kvm_vcpu_kick / vcpu_enter_guest' kvm_vcpu_kick >>"$tmp/log"
races
check "KVM's own races are no failure" status_is 0
check "KVM's own races are counted" both "out_like failures:.2$" "out_like 2.x.*kvm_vcpu_kick"

report 'kvmi_recv_thread / vcpu_enter_guest' kvmi_recv_thread >>"$tmp/log"
echo '[    2.000000] something else' >>"$tmp/log"
races
check "a race with introspection on one side: failed" both "status_is 1" "out_like ^not.ok.2"
check "its report is shown, and nothing but it" [ "$(grep -c -e '^#  kvmi_recv_thread+0x1c' -e 'something else' "$tmp/out")" -eq 1 ]
check "beside it the others are counted as before" grep -q 'failures: 2$' "$tmp/out"

printf 'enabled: 1\nsetup_watchpoints: 0\n' >"$tmp/kcsan"
: >"$tmp/log"
races
check "a KCSAN that has watched nothing: failed" both "status_is 1" "out_like ^not.ok.1"
rm "$tmp/kcsan"
races
check "no KCSAN: failed" both "status_is 1" "out_like ^not.ok.1"

finish

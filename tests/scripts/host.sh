#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# scripts/host-check against a /sys and a /proc that are made up: each thing that can be wrong, and that it says what mends it.
# shellcheck disable=SC2016 # stubs are single-quoted on purpose

. "$(dirname "$0")/tap.sh"

fake=$tmp/root
tree=$tmp/tree
mkdir -p "$tree/scripts" "$tree/build" "$tmp/bin"
cp "$root/scripts/common.sh" "$root/scripts/surroundings.sh" "$root/scripts/host-check" "$tree/scripts/"
cat >"$tree/build/kvmi-bench" <<'S'
#!/bin/sh
case $1 in
--probe-noise) echo "${noise:+noisy: CPU 0 lost $noise}" ;;
*) [ -z "$no_bp" ] || { echo "no #BP exits: the guest's own handler ran"; exit 1; } ;;
esac
S
printf '#!/bin/sh\necho "${uid:-0}"\n' >"$tmp/bin/id"
chmod +x "$tree/build/kvmi-bench" "$tmp/bin/id"

put()	# PATH VALUE
{
	mkdir -p "$(dirname "$fake$1")"
	printf '%s\n' "$2" >"$fake$1"
}

# A machine on which there is nothing to mend.
good()
{
	rm -rf "$fake"
	put /proc/cpuinfo "$(printf 'model name\t: A CPU\nmicrocode\t: 0x2a\nflags\t\t: fpu vmx sse')"
	put /dev/kvm ''
	put /sys/module/kvm/parameters/introspection Y
	put /sys/kernel/btf/vmlinux ''
	mkdir -p "$fake/sys/kernel/tracing/events/kvm"
	put /sys/kernel/security/lockdown '[none] integrity confidentiality'
	put /sys/devices/system/cpu/cpu0/cpufreq/scaling_governor performance
	put /sys/devices/system/cpu/cpu1/cpufreq/scaling_governor performance
	put /sys/devices/system/cpu/intel_pstate/no_turbo 1
	put /sys/devices/system/cpu/cpu0/cpuidle/state1/latency 2
	put /sys/devices/system/cpu/cpu0/cpuidle/state1/disable 0
	put /sys/devices/system/cpu/cpu0/cpuidle/state2/latency 120
	put /sys/devices/system/cpu/cpu0/cpuidle/state2/disable 1
	put /sys/devices/system/cpu/smt/active 0
	put /sys/devices/system/clocksource/clocksource0/current_clocksource tsc
	put /proc/sys/kernel/nmi_watchdog 0
	put /proc/1/comm init
	put /proc/loadavg '0.02 0.1 0.1 1/100 5'
	put /sys/devices/system/cpu/vulnerabilities/meltdown 'Mitigation: PTI'
	put /sys/devices/system/cpu/vulnerabilities/mds 'Not affected'
}

host_check()
{
	run env PATH="$tmp/bin:$PATH" KVMI_LAT_HOST_ROOT="$fake" "$tree/scripts/host-check" "$@"
}

# finds WORD LINE FIX: with what was just put out of order, that and nothing else is told, with what mends it
finds()
{
	host_check
	case $1 in MISSING) _want=1 _count='1 missing, 0 noisy' ;; *) _want=0 _count='0 missing, 1 noisy' ;; esac
	grep -qF "$1  " "$tmp/out" && grep "^$1 " "$tmp/out" | grep -qF -- "$2" && grep -- '->' "$tmp/out" | grep -qF -- "$3" &&
		[ "$(tail -n 1 "$tmp/out")" = "$_count" ] && status_is $_want
	result $? "$1: $2"
	good
}

good
host_check
check "nothing to mend: status 0" status_is 0
check "nothing to mend: says so" out_has "0 missing, 0 noisy"
check "notes what belongs to the result" both "out_has 0x2a" "out_like note.*meltdown"
check "a flaw that it does not have is no mitigation" [ "$(grep -c mds "$tmp/out")" -eq 0 ]
host_check -q
check "-q leaves out what is ok" [ "$(grep -c '^ok' "$tmp/out")" -eq 0 ]
host_check --nonsense
check "an unknown option: one line" both "status_is 1" "one_line err"

put /proc/cpuinfo "$(printf 'flags\t\t: fpu sse vmx_not')"
host_check
check "MISSING: no virtualisation" both "status_is 1" "out_like MISSING.*VMX"
good
rm "$fake/dev/kvm"
finds MISSING "no /dev/kvm" "modprobe kvm_intel"
put /sys/module/kvm/parameters/introspection N
finds MISSING "switched off" "kvm.introspection=1"
rm "$fake/sys/module/kvm/parameters/introspection"
finds MISSING "has no KVM introspection" "scripts/kernel deb"
export no_bp=yes
finds MISSING "the guest's own handler ran" "bare metal"
unset no_bp
rm "$fake/sys/kernel/btf/vmlinux"
finds MISSING "no BTF" CONFIG_DEBUG_INFO_BTF
rm -r "$fake/sys/kernel/tracing/events/kvm"
finds MISSING "tracepoints" CONFIG_FTRACE
rm -r "$fake/sys/kernel/tracing"
host_check
check "tracefs is not mounted: a note, as nothing needs it" both "status_is 0" "out_like ^note.*tracefs"
good
put /sys/kernel/security/lockdown 'none integrity [confidentiality]'
finds MISSING lockdown lockdown=none
export uid=1000
finds MISSING "BPF programs are not for you" "as root"
unset uid
export noise="2 % of 0.1 s"
finds noisy "CPU 0 lost 2 % of 0.1 s" isolcpus
unset noise
put /sys/devices/system/cpu/cpu1/cpufreq/scaling_governor powersave
finds noisy "governor: powersave" "echo performance"
put /sys/devices/system/cpu/intel_pstate/no_turbo 0
finds noisy turbo no_turbo
rm "$fake/sys/devices/system/cpu/intel_pstate/no_turbo"
put /sys/devices/system/cpu/cpufreq/boost 1
finds noisy boost cpufreq/boost
put /sys/devices/system/cpu/cpu0/cpuidle/state2/disable 0
finds noisy "1 idle states" cpupower
put /sys/devices/system/cpu/smt/active 1
finds noisy SMT smt/control
put /sys/devices/system/clocksource/clocksource0/current_clocksource hpet
finds noisy "clock source: hpet" "dmesg"
put /proc/sys/kernel/nmi_watchdog 1
finds noisy "NMI watchdog" nmi_watchdog=0
put /proc/77/comm irqbalance
finds noisy irqbalance "systemctl stop"
put /proc/loadavg '3.10 1 1 1/100 5'
finds noisy "load 3.10" "stop it"

finish

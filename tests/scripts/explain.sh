#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# experiments/explain/run: its count of a trace, its table, and the driver with a lab that is a shell script.
# shellcheck disable=SC2016,SC2317 # scripts are single-quoted on purpose, conditions are called by name

. "$(dirname "$0")/tap.sh"

# --- a trace of four hits, one of them longer than the others
cat >"$tmp/map" <<'M'
ffffffff81000000 T first
ffffffff81000100 T handler
ffffffff81000200 t helper
ffffffff81000300 t helper.cold
ffffffff81000400 T _etext
ffffffff81000500 t __init_function
ffffffff81000600 D data
M
instructions()	# TIME SELECTOR:ADDRESS...
{
	_time=$1
	shift
	for _at; do
		printf '(0).[%d] [0x000001089e60] %s (unk. ctxt): nop ; 90\n' "$_time" "$_at"
		_time=$((_time + 1))
	done
}
hit()	# TIME [ADDRESS...]: six instructions, and a string instruction of five iterations at their end
{
	_begin=$1
	shift
	echo c
	echo "(0) Breakpoint 1, 0xffffffff81000100 in ?? ()"
	instructions "$_begin" 0010:ffffffff81000100 0010:ffffffff81000210 0010:ffffffff81000310 0033:00005555deadbeef \
		0008:0000000000001003 0010:ffffffffa0001000 0010:ffffffff81000104 "$@"
}
{
	instructions 900 0010:ffffffff81000008
	hit 1000 && hit 1011 && hit 1022 0010:ffffffff81000008 && hit 1034 && hit 1045
} >"$tmp/log"
functions()	# FROM
{
	run_part awk -v from="$1" -v logfile="$tmp/log" -f "$root/experiments/explain/functions.awk" "$tmp/map" "$tmp/log"
}
functions handler
check "a trace with whole hits: status 0" status_is 0
check "the handler's instructions, iterations counted" grep -qx "6	handler" "$tmp/out"
check "a function and its .cold part are one" grep -qx "2	helper" "$tmp/out"
check "user space is told by its selector" grep -qx "1	(user space)" "$tmp/out"
check "BPF and the guest are neither" grep -q "^2	(guest, BPF and others)" "$tmp/out"
check "the most frequent length, and how frequent it is" grep -qx "total	11	3	4" "$tmp/out"
check "what the longer hit has is left out" [ "$(grep -c first "$tmp/out")" -eq 0 ]
functions no_such_function
check "a function that the kernel lacks: one line, status 1" both "status_is 1" "one_line err"
functions first
check "a function that comes by once is no hit" both "status_is 1" "one_line err"

# --- the driver
tree="$tmp/a tree"
mkdir -p "$tree/scripts" "$tree/build" "$tree/kernel-patches/linux-6.1" "$tree/kernel-patches/linux-6.12" "$tmp/kernel"
cp "$root/scripts/common.sh" "$root/scripts/surroundings.sh" "$tree/scripts/"
cp -R "$root/experiments" "$tree/"
: >"$tree/kernel-patches/linux-6.1/series"
: >"$tree/kernel-patches/linux-6.12/series"
printf '#!/bin/sh\n' >"$tree/build/kvmi-bench"
sed 's/ handler$/ kvm_emulate_cpuid/' "$tmp/map" >"$tmp/kernel/System.map"
# 6.1 has one more instruction in helper
{
	instructions 1000 0010:ffffffff81000100 0010:ffffffff81000210 0010:ffffffff81000100 0010:ffffffff81000210 0010:ffffffff81000100
} >"$tmp/log-6.12"
{
	instructions 1000 0010:ffffffff81000100 0010:ffffffff81000210 0010:ffffffff81000211 0010:ffffffff81000100
} >"$tmp/log-6.1"
cat >"$tree/scripts/kernel" <<S
#!/bin/sh
[ "\$KERNEL" != "no \$2" ] || exit 77
mkdir -p "$tmp/kernel/\$2" && cp "$tmp/kernel/System.map" "$tmp/kernel/\$2/" && echo "$tmp/kernel/\$2"
S
cat >"$tree/scripts/lab" <<S
#!/bin/sh
[ "\$LAB" != fails ] || { echo "it broke"; exit 1; }
while [ "\$1" != -- ]; do
	case \$1 in
	--kernel) version=\$(basename "\$(dirname "\$2")") ;;
	--out) out=\$2 ;;
	--debugger) grep -qx 'lb 0xffffffff81000100' "\$2" || exit 9 ;;
	esac
	shift
done
cp "$tmp/log-\$version" "\$out/debugger.log"
S
chmod +x "$tree/scripts/kernel" "$tree/scripts/lab" "$tree/build/kvmi-bench"
explain()
{
	run "$tree/experiments/explain/run" --case cpuid --machine vmx "$@"
}
explain 6.12
check "one kernel: its functions" out_has "vmx, cpuid, 6.12: 2 instructions a hit (2 of 2 hits"
explain --out "$tmp/kept" 6.1 6.12
check "two kernels: the difference" out_has "6.1 3 (1 of 1 alike), 6.12 2 (2 of 2 alike), difference -1 (-33.33 %)"
check "and the function that accounts for it" grep -qE '^ +2 +1 +-1  helper$' "$tmp/out"
check "nothing else does" grep -qE ' \+0  0 others$' "$tmp/out"
check "--out keeps the counts" [ -s "$tmp/kept/6.12-vmx-cpuid.tsv" ]
export KERNEL='no 6.1'
explain 6.1 6.12
check "no source of one: it is skipped, and said so" both "status_is 0" "err_has SKIP"
unset KERNEL
export LAB=fails
explain 6.12
check "a lab that fails: status 1, with what it said" both "status_is 1" "err_has broke"
unset LAB
explain 9.9
check "no such series: one line" both "status_is 1" "one_line err"
run "$tree/experiments/explain/run" --case foo 6.12
check "no such case: one line" both "status_is 1" "one_line err"

finish

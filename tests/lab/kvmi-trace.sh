#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Inside a lab machine: kvmi-trace, the tool, and kvmi-bench vm, the VMM, at the ends of a socket.
# shellcheck disable=SC2317,SC2329 # tests are called by name

dir=/tmp/trace
shown='vm.out vm.err err'
# shellcheck source=checks.sh
. /bin/checks.sh
sock=$dir/sock
vm=
tool=
vcpus=$(nproc)
[ "$vcpus" -le 2 ] || vcpus=2

# A test that has failed may leave these behind, and they would talk to those of the next.
clear_up()
{
	for pid in $vm $tool; do
		kill -KILL "$pid" 2>/dev/null && wait "$pid"
	done
	vm=
	tool=
}

skip_all()	# REASON
{
	echo "ok 1 - kvmi-trace # SKIP $1"
	echo "1..1"
	exit 0
}

start_vm()	# OPTION...
{
	rm -f $dir/vm.out $dir/vm.err
	kvmi-bench vm --introspect unix:$sock --vcpus "$vcpus" "$@" >$dir/vm.out 2>$dir/vm.err &
	vm=$!
}

# stop_vm STATUS: it ends when told, with that
stop_vm()
{
	kill -TERM $vm
	wait $vm
	status=$?
	vm=
	[ $status -eq "$1" ] || { echo "kvmi-bench vm: exit status $status instead of $1" && false; }
}

symbol()	# NAME...: their addresses, with commas
{
	for wanted; do
		awk -v wanted="$wanted" '$2 == wanted { print $1 }' $dir/symbols
	done | paste -sd , -
}

# The tool alone, for a VMM that runs: it connects within a second.
trace()	# ARGUMENT...
{
	timeout 120 kvmi-trace -l $sock -w 60 "$@" >$dir/out 2>$dir/err
}

start_trace()	# ARGUMENT...
{
	rm -f $dir/out
	kvmi-trace -l $sock -w 60 "$@" >$dir/out 2>$dir/err &
	tool=$!
	until_true [ -S $sock ]
}

# The tool, and then the VMM, which thus connects at once. The exit status is the tool's.
trace_vm()	# ARGUMENT...
{
	start_trace "$@" && start_vm && wait "$tool"
}

# The hits in $dir/out: N of them or more, each a JSON object. On each vCPU and at each address the guest's own
# count goes up by one from hit to hit: none is missing, none is there twice.
hits_are_whole()	# N
{
	json_lines vcpu rip gpa regs.rdi hit seq time <$dir/out >$dir/fields || return
	awk -v want="$1" '
	function hex(s,  n, i) {
		for (i = 3; i <= length(s); i++)
			n = n * 16 + index("0123456789abcdef", substr(s, i, 1)) - 1
		return n
	}
	{
		key = $1 " " $2
		n = hex($4)
		if (key in last && n != last[key] + 1) {
			print "hit " NR ": vCPU and address " key ": round " n " after " last[key]
			bad = 1
		}
		last[key] = n
		if (hex($2) - hex($3) != 0x40000000) {
			print "hit " NR ": rip " $2 ", gpa " $3
			bad = 1
		}
		if (++hits[$2] != $5) {
			print "hit " NR ": is number " $5 " instead of " hits[$2]
			bad = 1
		}
		if ($6 in seen) {
			print "hit " NR ": event " $6 " a second time"
			bad = 1
		}
		seen[$6] = 1
	}
	END {
		if (NR < want) {
			print NR " hits instead of " want
			bad = 1
		}
		exit bad
	}' $dir/fields
}

# --- tests -------------------------------------------------------------------------------------------------

vcpus_and_regs()
{
	trace_vm vcpus && cat $dir/out $dir/err &&
	same lines "$(wc -l <$dir/out)" $((vcpus + 1)) &&
	trace vcpus --json && cat $dir/out $dir/err &&
	json_lines vcpu state mode cpl rip cr3 tsc_hz <$dir/out >$dir/fields &&
	same vCPUs "$(cut -d' ' -f1-4,6 $dir/fields | tail -n 1)" "$((vcpus - 1)) running 64 0 0x3000" &&
	trace regs --json --vcpu $((vcpus - 1)) && cat $dir/out $dir/err &&
	same "CR3 and CS" "$(json_lines control.cr3 segments.cs.selector <$dir/out)" '0x3000 0x8 ' &&
	stop_vm 0
}

no_such_vcpu()
{
	! trace_vm regs --vcpu 77 && grep "there is no vCPU 77" $dir/err && stop_vm 0
}

not_mapped()
{
	! trace_vm break "$(symbol demo_nop)",0x7fff00000000 &&
	grep "0x7fff00000000 is not mapped" $dir/err && stop_vm 0
}

# breaks N SYMBOL... -- ARGUMENT...: ends after N hits, in order; the guest has all its bytes, and went well
breaks()
{
	n=$1
	names=
	shift
	while [ "$1" != -- ]; do
		names="$names $1"
		shift
	done
	shift
	# shellcheck disable=SC2086 # names
	trace_vm break "$(symbol $names)" --json -n "$n" -r all "$@" &&
	same lines "$(wc -l <$dir/out)" "$n" && hits_are_whole "$n" && stop_vm 0
}

text()
{
	trace_vm break "$(symbol demo_nop)" -n 3 -r rdi,rip && cat $dir/out &&
	same "hits" "$(grep -cE 'vcpu [0-9]+ seq [0-9]+ rip 0x[0-9a-f]+ gpa .* rdi 0x[0-9a-f]+ rip 0x' $dir/out)" 3 &&
	stop_vm 0
}

own_int3()
{
	trace_vm break "$(symbol demo_own)" --json -n 2 &&
	json_lines regs.rdi <$dir/out >$dir/fields && cat $dir/fields &&
	same "in round" "$(grep -cE '^0x[0-9a-f]*[048c]0 $' $dir/fields)" 2 && stop_vm 0
}

not_emulated()
{
	! trace_vm break "$(symbol demo_lea)" --step emulate && cat $dir/err &&
	grep "not emulated, which cannot be stepped over" $dir/err && stop_vm 0
}

start_both()	# ARGUMENT...
{
	start_trace "$@" && start_vm && until_true has_lines $dir/out 20
}

ended_by()	# SIGNAL
{
	start_both break "$(symbol demo_nop demo_lea)" --json &&
	kill "-$1" "$tool" && wait "$tool" && hits_are_whole 20 && stop_vm 0
}

nobody_reads()
{
	# the reader is gone after a line; SIGPIPE must not be the end of it
	{ kvmi-trace -l $sock -w 60 break "$(symbol demo_lea)" --json 2>$dir/err; echo $? >$dir/status; } |
		head -n 1 >$dir/out &
	reader=$!
	start_vm && wait $reader && until_true [ -s $dir/status ] &&
	same "exit status" "$(cat $dir/status)" 1 && grep "cannot write" $dir/err && stop_vm 0
}

vmm_ends()
{
	start_both break "$(symbol demo_push demo_jump)" --json && stop_vm 0 && wait "$tool" && hits_are_whole 20
}

vmm_killed()
{
	start_both break "$(symbol demo_push)" --json || return
	kill -KILL "$vm"
	wait "$vm"
	! wait "$tool" && cat $dir/err && grep "the VM has gone" $dir/err
}

# A tool that is killed cannot remove its breakpoint: from then on it is the guest's, which bears it. The VMM
# connects to the next tool; at the end it finds what the first one has left.
tool_killed()
{
	start_both break "$(symbol demo_nop)" --json || return
	kill -KILL "$tool"
	wait "$tool"
	trace break "$(symbol demo_lea)" --json -n 20 && hits_are_whole 20 && stop_vm 1 &&
	grep "code is not as it was" $dir/vm.err
}

two_tools_in_turn()
{
	trace_vm break "$(symbol demo_jump)" --json -n 10 && hits_are_whole 10 &&
	trace break "$(symbol demo_jump)" --json -n 10 && hits_are_whole 10 && stop_vm 0
}

secrets()
{
	echo sesame >$dir/secret
	echo other >$dir/other
	start_vm --secret $dir/secret --guest nemo
	! trace vcpus && cat $dir/err && grep "refuses this tool" $dir/err || return
	! trace vcpus -s $dir/other && grep "refuses this tool" $dir/err || return
	grep "does not know the secret" $dir/vm.err && trace vcpus -s $dir/secret --guest nemo &&
	grep 'guest "nemo", UUID ' $dir/err || return
	# another one is turned away, and comes again
	! trace vcpus -s $dir/secret --guest other -w 3 && cat $dir/err && grep 'nemo.* not the one wanted' $dir/err &&
	trace vcpus -s $dir/secret && stop_vm 0
}

time_over()
{
	kvmi-bench vm --introspect unix:$sock --time 2 >$dir/vm.out 2>$dir/vm.err &&
	grep "no introspection tool at $sock" $dir/vm.err
}

# How many there were of a stage, whatever the answer, or of what a counter counts; 0 if it is not mentioned.
reported()	# NAME
{
	awk -v name="$1" '$1 == name { n += $2 } END { print n + 0 }' $dir/report
}

# kvmi-lat is told which process the tool is. The first event finds out who in there answers.
split_by_kvmi_lat()
{
	start_trace break "$(symbol demo_nop)" --json -n 60 &&
	kvmi-lat record -t "$tool" -o $dir/split.json -- kvmi-bench vm --introspect unix:$sock --time 3 &&
	wait "$tool" && kvmi-lat report $dir/split.json >$dir/report && cat $dir/report &&
	same "parts and events" "$(reported tool_own)" $(($(reported introspector) - $(reported not_split))) &&
	same "wake-ups" "$(reported tool_wake)" "$(reported tool_own)" &&
	same "replies" "$(reported tool_reply)" "$(reported tool_own)" &&
	[ "$(reported tool_own)" -ge 50 ]
}

one_vcpu()
{
	check "vcpus and regs" vcpus_and_regs
	check "regs of a vCPU that is not there" no_such_vcpu
	check "break: an address that is not mapped" not_mapped
	check "break: hits as text" text
	for symbol in demo_nop demo_push demo_ret; do
		check "break: $symbol, emulated" breaks 60 $symbol -- --step emulate
	done
	for symbol in demo_nop demo_lea demo_jump demo_indirect demo_ret; do
		check "break: $symbol, restored" breaks 60 $symbol -- --step restore
	done
	check "break: many at once" breaks 300 demo_nop demo_push demo_lea demo_jump demo_indirect demo_ret --
	check "break: many at once, restored" breaks 200 demo_nop demo_push demo_lea demo_ret -- --step restore
	check "break: an int3 of the guest's own" own_int3
	check "break: what is not emulated is taken out" not_emulated
	check "break: ended by SIGTERM" ended_by TERM
	check "break: ended by SIGHUP" ended_by HUP
	check "break: ended by SIGUSR1" ended_by USR1
	check "break: nobody reads the output" nobody_reads
	check "break: the VMM asks the tool to go" vmm_ends
	check "break: the VMM is killed" vmm_killed
	check "tools come and go" two_tools_in_turn
	check "a tool is killed, the next one connects" tool_killed
	check "a secret" secrets
	check "a VMM without a tool" time_over
	check "kvmi-lat splits what the tool does" split_by_kvmi_lat
}

several_vcpus()
{
	check "$vcpus vCPUs: restored" breaks 60 demo_lea -- --step restore
	check "$vcpus vCPUs: many breakpoints" breaks 100 demo_nop demo_push demo_lea demo_indirect --
	check "$vcpus vCPUs: ended by SIGTERM" ended_by TERM
	check "$vcpus vCPUs: the VMM asks the tool to go" vmm_ends
}

rm -rf $dir
mkdir $dir
kvmi-bench --probe-int3 >$dir/log || skip_all "$(cat $dir/log)"
kvmi-bench --probe-kvmi >$dir/log || skip_all "$(cat $dir/log)"
kvmi-bench vm --symbols >$dir/symbols

# Emulated machines with two processors are slow: only what depends on that.
if [ "$vcpus" -gt 1 ]; then
	several_vcpus
else
	one_vcpu
fi
end_checks

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Inside a lab machine with several processors: what of the benchmark one is not enough for.

dir=/tmp/checks
# shellcheck source=checks.sh
. /bin/checks.sh

# Its row: all hits done, each an event.
measures()	# CASE OPTION...
{
	case=$1
	shift
	KVMI_LAT_ENTRIES=$dir/entries kvmi-bench --hits=200 --benchmark_filter="^$case/" "$@" >"$dir/out" 2>&1
	status=$?
	cat "$dir/out"
	[ $status -eq 0 ] && grep "^$case/" "$dir/out" | grep -q ' events=200 hits=200 '
}

measures_on()	# CPUS CASE OPTION...
{
	cpus=$1
	shift
	measures "$@" && same "CPUs of vCPU and introspector" \
		"$(sed -n 's/.*"cpu":\([0-9]*\).*"introspector_cpu":\([0-9]*\).*/\1 \2/p' "$dir/entries")" "$cpus"
}

skips()	# CASE REASON OPTION...
{
	case=$1 reason=$2
	shift 2
	kvmi-bench --benchmark_filter="^$case/" "$@" >"$dir/out" 2>&1
	status=$?
	cat "$dir/out"
	[ $status -eq 0 ] && grep "^kvmi-bench: $case is skipped: " "$dir/out" | grep -q "$reason"
}

# In the order of the table, and all repetitions, whatever the order of measuring.
ordered_entries()
{
	KVMI_LAT_ENTRIES=$dir/entries kvmi-bench --hits=200 --benchmark_filter='^(int3_debug|loop|cpuid)/' \
		--benchmark_repetitions=4 --benchmark_enable_random_interleaving=true &&
		same "cases of the entries" "$(grep -o '"case":"[a-z0-9_]*"' "$dir/entries" | uniq -c | awk '{ print $1 $2 }')" \
			"$(printf '4"case":"%s"\n' loop cpuid int3_debug)"
}

# The lab's timer ticks are all there is.
quiet()
{
	kvmi-bench --probe-noise >"$dir/out" 2>&1
	status=$?
	cat "$dir/out"
	[ $status -eq 0 ] && grep -q '^quiet: CPU 0 lost 0\.[0-9]* % .* in [1-9][0-9]* interruptions' "$dir/out"
}

# Field 41 of proc(5)'s stat, while a VM is hooked: 0 is SCHED_OTHER, 1 SCHED_FIFO.
receiver_policy()	# EXPECTED OPTION...
{
	expected=$1 policy=none
	shift
	kvmi-bench --hits=5000 --benchmark_filter=^int3_event_retry/ "$@" >"$dir/out" 2>&1 &
	bench=$!
	# the last that is seen counts: a receiver is there a moment before it is told
	while kill -0 $bench 2>/dev/null; do
		usleep 2000
		seen=$(cat /proc/[0-9]*/stat 2>/dev/null | sed -n 's/^[0-9]* (kvmi-recv) //p' | awk '{ print $39 }')
		[ -z "$seen" ] || policy=$seen
	done
	wait $bench
	status=$?
	cat "$dir/out"
	[ $status -eq 0 ] && same "scheduling policy of KVM's receiver" "$policy" "$expected"
}

check "KVM's receiver is scheduled as its introspector" receiver_policy 1
check "and left alone where that has the default policy" receiver_policy 0 --sched=other
check "an introspector that polls, on another CPU" measures_on "0 1" int3_event_polling
check "it does not poll on the vCPU's own CPU" skips int3_event_polling "own CPU" --introspector_cpu=0
check "an introspector that shares the vCPU's CPU" measures_on "0 0" int3_event_same_cpu
check "it is no case of its own where they share it anyway" skips int3_event_same_cpu "int3_event_retry" --introspector_cpu=0
check "two vCPUs at once" measures int3_event_2vcpus
check "an introspector that is a thread" measures int3_event_thread
check "entries of repetitions taken at random are in the order of the cases" ordered_entries
check "what interrupts a guest that never exits" quiet
check "hits that fall due" measures int3_event_paced --rate=2000
end_checks

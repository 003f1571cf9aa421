# SPDX-License-Identifier: BSD-2-Clause
# The table of experiments/cost/run; fails if kvmi-lat is over a limit, or something is missing.
# Input: lines of machine, kernel, case, observer, seed, mean. Observer "hooks": how many an event passes.

# What an observer adds to plain, as the mean over the seeds, in sum; the smallest and largest of them, in low and high.
function compare(m, k, c, o,	seed, n, d)
{
	n = sum = 0
	for (seed in seeds) {
		if (!((m, k, c, o, seed) in value) || !((m, k, c, "plain", seed) in value))
			continue
		d = value[m, k, c, o, seed] - value[m, k, c, "plain", seed]
		low = !n || d < low ? d : low
		high = !n || d > high ? d : high
		sum += d
		n++
	}
	if (n)
		sum /= n
	return n
}

function mean(m, k, c, o,	seed, n, s)
{
	for (seed in seeds)
		if ((m, k, c, o, seed) in value) {
			s += value[m, k, c, o, seed]
			n++
		}
	return n ? s / n : 0
}

function row(m, k, c, o, label,	line)
{
	if (compare(m, k, c, o) < nr_seeds) {
		incomplete = 1
		return
	}
	line = sprintf("  %-32s %10.1f", label, mean(m, k, c, o))
	if (o != "plain")
		line = line sprintf(" %+10.1f   %.1f to %.1f", sum, low, high)
	print line
}

function verdict(what, is, limit,	over)
{
	over = is > limit
	exceeded += over
	printf "  %s: %.1f, limit %d%s\n", what, is, limit, over ? ": TOO MUCH" : ""
}

function machine(m,	clock, hooks)
{
	printf "%s%s, instructions per hit\n", m == machines[1] ? "" : "\n", m == "vmx" ? "Intel (VMX)" : "AMD (SVM)"
	printf "  %-32s %10s %10s   %s\n", "", "hit to hit", "over plain", "by seed"
	print "stock kernel, CPUID"
	row(m, "stock", "cpuid", "plain", "nobody watches")
	row(m, "stock", "cpuid", "empty", "two empty BPF programs")
	row(m, "stock", "cpuid", "clock", "two that read the clock")
	clock = sum
	row(m, "stock", "cpuid", "ours", "kvmi-lat record")
	exits = sum - clock
	row(m, "stock", "cpuid", "perf-stat", "perf stat, both events")
	row(m, "stock", "cpuid", "ftrace", "ftrace, both events")
	row(m, "stock", "cpuid", "perf-kvm", "perf kvm stat record")
	print "stock kernel, int3 to KVM_EXIT_DEBUG"
	row(m, "stock", "int3_debug", "plain", "nobody watches")
	row(m, "stock", "int3_debug", "clock", "two that read the clock")
	row(m, "stock", "int3_debug", "ours", "kvmi-lat record")
	print "kernel with the series, CPUID"
	row(m, "kvmi", "cpuid", "plain", "nobody watches")
	row(m, "kvmi", "cpuid", "ours", "kvmi-lat record")
	print "kernel with the series, int3 as event, RETRY"
	row(m, "kvmi", "int3_event_retry", "plain", "nobody watches")
	row(m, "kvmi", "int3_event_retry", "ours", "kvmi-lat record")
	hooks = mean(m, "kvmi", "int3_event_retry", "hooks")
	if (incomplete)
		return
	verdict("timing an exit on a stock kernel, over the clock", exits, exit_limit)
	verdict(sprintf("a stage of an event, per hook (%.2f hooks an event)", hooks), sum / hooks, hook_limit)
}

{
	if (!($1 in have_machine)) {
		have_machine[$1]
		machines[++nr_machines] = $1
	}
	if (!($5 in seeds)) {
		seeds[$5]
		nr_seeds++
	}
	value[$1, $2, $3, $4, $5] = $6
}

END {
	if (!nr_machines)
		exit 1
	for (m = 1; m <= nr_machines; m++)
		machine(machines[m])
	printf "means of %d boots with different seeds\n", nr_seeds
	if (incomplete)
		print "kvmi-lat: cost: not every boot has every case" >"/dev/stderr"
	exit (exceeded || incomplete)
}

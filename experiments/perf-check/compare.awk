# SPDX-License-Identifier: BSD-2-Clause
# The table of experiments/perf-check/run; fails if a count is not the same, or missing, or if something was dropped.
# Input: lines of source (kvmi-lat or perf), name, number.

{ value[$1, $2] = $3 }

function row(name,	same)
{
	if (!(("kvmi-lat", name) in value) || !(("perf", name) in value)) {
		printf "kvmi-lat: perf-check: no number of %s from both\n", name >"/dev/stderr"
		bad = 1
		return
	}
	same = value["kvmi-lat", name] == value["perf", name]
	bad = bad || !same
	printf "  %-20s %12d %12d%s\n", name, value["kvmi-lat", name], value["perf", name], same ? "" : "   NOT THE SAME"
}

END {
	printf "%s, seed %d\n  %-20s %12s %12s\n", machine == "vmx" ? "Intel (VMX)" : "AMD (SVM)", seed, "tracepoint", "kvmi-lat", "perf stat"
	row("kvm_exit")
	row("kvm_entry")
	row("kvmi_event_bp_send")
	row("kvmi_event")
	row("kvmi_event_reply")
	row("kvmi_vcpu_command")
	printf "  exits that KVM handled: %d by kvmi-lat, mean %.1f instructions; %d by perf record, mean %.1f\n",
		value["kvmi-lat", "n"], value["kvmi-lat", "mean"], value["perf", "n"], value["perf", "mean"]
	if (value["kvmi-lat", "n"] != value["perf", "n"] || !value["perf", "n"]) {
		print "  the numbers of times are NOT THE SAME"
		bad = 1
	}
	exit bad
}

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2034,SC2154
# The lab's machines by name, and how programs get to run in one. Sourced with $root set.

# machine_args NAME: what makes that machine, as arguments of scripts/lab, or nothing if there is no such
machine_args()
{
	case $1 in
	vmx | svm) echo "--machine $1" ;;
	vmx-modules | svm-modules) echo "--machine ${1%-modules}" ;;
	vmx-smp | svm-smp) echo "--machine ${1%-smp} --cpus 2" ;;
	vmx-smp4 | svm-smp4) echo "--machine ${1%-smp4} --cpus 4" ;;
	vmx-vm86) echo "--machine vmx --append kvm_intel.unrestricted_guest=0" ;;
	svm-nrips0) echo "--machine svm --append kvm_amd.nrips=0" ;;
	stock) echo "--machine svm" ;;
	fuzz) echo "--machine svm --backend qemu --parallel --cpus 2" ;;
	qemu) echo "--machine svm --backend qemu" ;;
	esac
}

# What a debug kernel needs: shadows of its memory, and time. For run_in_machine.
debug_machine='--mem 1024 --timeout 7200'

# A KCSAN kernel: time, and a log with room for all of its reports. On the console, a slow line, they would hold up the machine;
# races.sh reads them.
kcsan_machine='--timeout 3600 --append log_buf_len=4M --append loglevel=2 --allow-races'

# run_in_machine NAME KERNEL "PROGRAM..." [LAB_ARGUMENT]...: boots once, runs these programs in there. What
# they print comes as `parse` of results.sh takes it, the last line being "## machine STATUS". For the kernel's
# own kvmi_test, $selftests is where it is.
run_in_machine()
{
	_machine=$1 _kernel=$2 _programs=$3
	shift 3
	# shellcheck disable=SC2046 # words
	set -- $(machine_args "$_machine") "$@" --kernel "$_kernel/bzImage" \
		--file "$root/tests/lab/suite.sh:/bin/suite.sh" --file "$root/tests/lab/checks.sh:/bin/checks.sh"
	for _program in $_programs; do
		case $_program in
		*.sh) set -- "$@" --file "$root/tests/lab/$_program:/bin/$_program" ;;
		kvmi_test) set -- "$@" --file "$selftests/$_program:/bin/$_program" ;;
		*) set -- "$@" --file "$root/build/tests/lab/$_program:/bin/$_program" ;;
		esac
	done
	case " $_programs" in
	*' bpftool.sh'* | *' no-breakpoints.sh'* | *' live.sh'* | *test_counts* | *test_delays*)
		set -- "$@" --file "$root/build/bpf/kvmi_lat.bpf.o:/kvmi_lat.bpf.o" \
			--file "$root/build/kvmi-lat" --file "$root/build/kvmi-bench" \
			--file "$root/build/tests/lab/test_counts" \
			--file "$(PATH=$PATH:/usr/sbin command -v bpftool):/bin/bpftool"
		;;
	esac
	case " $_programs" in
	*' kvmi-trace.sh'* | *' live.sh'* | *' two-cpus.sh'*)
		set -- "$@" --file "$root/build/kvmi-trace" --file "$root/build/kvmi-bench" \
			--file "$root/build/tests/lab/json_lines"
		;;
	esac
	case " $_programs" in
	*' fuzz.sh'*) set -- "$@" --file "$root/build/tests/fuzz-kvmi/fuzz_kvmi" ;;
	esac
	# shellcheck disable=SC2086 # names without spaces
	"$root/scripts/lab" run --timeout 900 "$@" -- suite.sh $_programs 2>&1
	echo "## machine $?"
}

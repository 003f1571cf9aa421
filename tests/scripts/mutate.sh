#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tests/mutate with kernels and machines that do what the test says: who is caught, who survives, who cannot be judged.
# shellcheck disable=SC2016,SC2317 # stubs are single-quoted on purpose, conditions are called by name

. "$(dirname "$0")/tap.sh"

tree="$tmp/a tree"
mkdir -p "$tree/scripts" "$tree/tests/mutants/debug"
cp "$root/scripts/common.sh" "$root/scripts/surroundings.sh" "$tree/scripts/"
cp "$root/tests/mutate" "$root/tests/results.sh" "$root/tests/machines.sh" "$tree/tests/"
export log="$tmp/log" broken=''

cat >"$tree/scripts/kernel" <<'S'
#!/bin/sh
echo "build $*" >>"$log"
name=baseline
for arg; do
	case $arg in *.patch) name=$(basename "$arg" .patch) ;; esac
done
case $name in
*unfit) echo "kvmi-lat: kernel: $name.patch does not apply" >&2 && exit 1 ;;
esac
mkdir -p "$(dirname "$log")/kernels/$name" && echo "$(dirname "$log")/kernels/$name"
S
# The machine prints what the kernel's name asks for. One that would go on for ever has to be ended.
cat >"$tree/scripts/lab" <<'S'
#!/bin/sh
while [ "$1" != -- ]; do
	case $1 in --kernel) kernel=$(basename "$(dirname "$2")") ;; --machine) machine=$2 ;; esac
	shift
done
echo "run $machine $kernel $3" >>"$log"
case $kernel in *nolab*) exit 125 ;; esac
echo "## begin $3" && echo 1..3
echo "ok 1 - harmless"
[ "$3" != "$broken" ] || echo "not ok 2 - broken anyway"
case $kernel:$machine in
*caught*) echo "not ok 2 - attentive" && exec sleep 77 ;;
*other*:vmx) echo "not ok 2 - unrelated" && echo "ok 3 - attentive" && echo "## end $3 1" && exit 0 ;;
*other*:svm) echo "not ok 2 - unrelated" && echo "not ok 3 - attentive" && echo "## end $3 1" && exit 0 ;;
*hang*) exit 126 ;;
esac
echo "ok 2 - attentive" && echo "ok 3 - idle" && echo "## end $3 0"
S
chmod +x "$tree/scripts/kernel" "$tree/scripts/lab"

mutant()	# NAME HEADER...
{
	_name=$1
	shift
	printf '%s\n' "$@" '' 'diff --git a/x b/x' >"$tree/tests/mutants/$_name.patch"
}

mutate()
{
	: >"$log"
	run "$tree/tests/mutate" "$@"
}

last_line_is()	{ [ "$(tail -n 1 "$tmp/out")" = "$*" ]; }
has()		{ out_has "$*"; }
ran()		{ [ "$(grep -c "$2" "$log")" -eq "$1" ]; }
alive()		{ pgrep -f "^sleep $1\$" >/dev/null; }
gone()		{ ! alive "$1"; }

mutate
check "no mutants: one line" both "status_is 2" "one_line err"

mutant 01-caught 'Fault: it is wrong' 'Run: vmx test_a'
mutate
check "caught" both "status_is 0" "last_line_is 1 passed, 0 failed"
check "caught: by which test" grep -q '^caught    01-caught: vmx/test_a: attentive (' "$tmp/out"
check "caught: the machine is ended at once" gone 77
check "caught: the faultless kernel was tried before" ran 1 "run vmx baseline test_a"
check "caught: what was printed is kept" grep -q 'not ok vmx/test_a: attentive' "$tree/build/mutate/01-caught.log"

mutant 02-idle 'Fault: nobody sees it' 'Run: vmx test_a'
mutate
check "one survives: status 1" both "status_is 1" "last_line_is 1 passed, 1 failed"
check "one survives: named, with its fault" out_has "SURVIVED  02-idle: nobody sees it"
check "one survives: counted" out_has "1 caught, 1 survived"
check "the same machine and programs: one baseline for both" ran 1 "run vmx baseline test_a"

mutant 03-hang 'Fault: it hangs' 'Run: svm test_b'
mutate 3
check "a number is a name" both "status_is 0" "has 03-hang: svm/test_b"
check "a machine that ends badly has caught it" out_has "in the middle of it (the kernel complained)"

mutant 04-unfit 'Fault: of another series' 'Run: vmx test_a'
mutate 04
check "a patch that does not apply is a failure" both "status_is 1" "last_line_is 0 passed, 1 failed"
check "a patch that does not apply: says so" out_has "FAILED    04-unfit: kvmi-lat: kernel: 04-unfit.patch does not apply"

broken=test_a
mutate 01-caught
check "tests that fail anyway cannot catch" both "status_is 1" "has 01-caught: without the fault: vmx/test_a: broken"
broken=

mutant 05-nolab 'Fault: none' 'Run: vmx test_a'
mutate 05-nolab
check "a machine that could not be run has not caught it" both "status_is 1" "has 05-nolab: the machine could not be run"

mutant 06-other 'Fault: one test is meant' 'Run: vmx test_a' 'Expect: : attentive$'
mutate 6
check "Expect: another test's failure does not count" both "status_is 1" "has 06-other: one test is meant"
mutant 06-other 'Fault: one test is meant' 'Run: vmx test_a' 'Run: svm test_a' 'Expect: : attentive$'
mutate 6
check "a second machine is tried after the first" both "status_is 0" "has 06-other: svm/test_a: attentive"

mutate --list
check "--list: names and faults, nothing run" both "has it hangs" "ran 0 ."
mutate 9
check "a name that is none: one line" both "status_is 2" "one_line err"
mutate --lsit
check "an option that is none: one line" both "status_is 2" "one_line err"
mutant 07-headless 'Run: vmx test_a'
mutate 7
check "a mutant without fault is refused" both "status_is 2" "err_has Fault"
mutant 07-headless 'Fault: x'
mutate 7
check "a mutant without tests is refused" both "status_is 2" "err_has Run"
mutant 07-headless 'Fault: x' 'Run: vax test_a'
mutate 7
check "a mutant for no machine of ours is refused" both "status_is 2" "err_has vax"

mutant debug/caught 'Fault: only a debug kernel sees it' 'Run: svm test_a'
mutate --debug
check "--debug: its own mutants" both "status_is 0" "last_line_is 1 passed, 0 failed"
check "--debug: on its own kernels" ran 2 "build 6.12 --debug"

mkdir "$tree/tests/mutants/kcsan"
mutant kcsan/caught 'Fault: a data race' 'Run: svm test_a'
mutate --kcsan
check "--kcsan: its own mutants, on its own kernels" both "last_line_is 1 passed, 0 failed" "ran 2 build.6.12.--kcsan"

mutant 01-caught 'Fault: it is wrong' 'Run: vmx test_a'
sed -i 's/^case \$kernel/sleep 78; &/' "$tree/scripts/lab"
env --default-signal=INT setsid "$tree/tests/mutate" 1 >"$tmp/out" 2>"$tmp/err" &
job=$!
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
	gone 78 || break
	sleep 0.5
done
kill -INT "-$job"
wait "$job"
status=$?
check "Ctrl-C: status 130, and the machine is gone" both "status_is 130" "gone 78"

finish

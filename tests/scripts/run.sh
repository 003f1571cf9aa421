#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Tests of the test runner: a suite that fails, stops short or says nothing must not pass for one that succeeded.

. "$(dirname "$0")/tap.sh"

# run_parse LINE...: what becomes of this output; result in $tmp/out, status that of the summary
run_parse()
{
	printf '%s\n' "$@" >"$tmp/tap"
	# shellcheck disable=SC2016 # for the shell started
	run env tmp="$tmp" root="$root" sh -c '
		. "$root/tests/results.sh"
		: >"$tmp/results"
		parse suite <"$tmp/tap"
		summarise'
}

last_line_is()	{ [ "$(tail -n 1 "$tmp/out")" = "$1" ]; }

# expect NAME STATUS SUMMARY [TEXT]
expect()
{
	[ "$status" -eq "$2" ] && last_line_is "$3" && out_has "${4:-}"
	result $? "$1"
}

run_parse '## begin a' 1..2 'ok 1 - x' 'ok 2 - y' '## end a 0' '## machine 0'
expect "all pass" 0 "2 passed, 0 failed" "suite/a: y"
run_parse '## begin a' 'ok 1 - x' 1..1 '## end a 0'
expect "the plan comes last" 0 "1 passed, 0 failed"
run_parse '## begin a' 1..2 'ok 1 - x' 'ok 2 - y # SKIP no such machine' '## end a 0'
expect "a test is skipped" 0 "1 passed, 0 failed, 1 skipped" "no such machine"
run_parse '## begin a' 1..2 'ok 1 - x' 'not ok 2 # SKIP y' '## end a 0'
expect "a test is skipped by cmocka" 0 "1 passed, 0 failed, 1 skipped" "suite/a: y"
run_parse '## begin a' 1..3 'ok 1 - x # SKIP no breakpoints' 'ok 2 - y' 'ok 3 - z # SKIP no memory' '## end a 0' \
	'## begin b' 1..1 'ok 1 - w # SKIP no breakpoints' '## end b 0'
expect "tests skipped for one reason are one line, and counted" 0 "1 passed, 0 failed, 3 skipped" \
	"skip   suite: 2 tests # SKIP no breakpoints"
check "one that is alone keeps its name" out_has "skip   suite/a: z # SKIP no memory"
check "and that is all that is said of them" [ "$(grep -c SKIP "$tmp/out")" -eq 2 ]
run_parse '## begin a' 1..1 'ok 1 - y # SKIP no such machine' '## end a 0'
expect "nothing but skipped tests is no success" 1 "0 passed, 0 failed, 1 skipped"
run_parse '## begin a' 1..2 'ok 1 - x' 'not ok 2 - y' '# 3 is not 4' '## end a 1'
expect "a test fails, and says why" 1 "1 passed, 1 failed" "3 is not 4"
run_parse '## begin a' 1..1 'not ok 1 - y' 'stray words' '## end a 1'
expect "what a failing program prints besides is shown" 1 "0 passed, 1 failed" "stray words"
run_parse '## begin a' '## end a 0'
expect "no plan" 1 "0 passed, 1 failed" "no plan"
run_parse '## begin a' 'ok 1 - x' '## end a 0'
expect "results, but no plan" 1 "1 passed, 1 failed" "no plan"
run_parse '## begin a' 1..3 'ok 1 - x' 'ok 2 - y' '## end a 0'
expect "fewer tests than planned" 1 "2 passed, 1 failed" "planned 3 tests, ran 2"
run_parse '## begin a' 1..1 'ok 1 - x' '## end a 139'
expect "a crash behind the last test" 1 "1 passed, 1 failed" "status 139"
run_parse '## begin a' 1..1 'not ok 1 - x' '## end a 0'
expect "a program that hides its failure" 1 "0 passed, 2 failed" "status 0"
run_parse '## begin a' 1..2 'ok 1 - x'
expect "output that ends in the middle" 1 "1 passed, 1 failed" "middle"
run_parse '## begin a' 1..2 'ok 1 - x' '## machine 124'
expect "a machine that ran out of time" 1 "1 passed, 2 failed" "time limit"
run_parse '## begin a' 1..1 'ok 1 - x' '## end a 0' 'WARNING: at kvm' '## machine 126'
expect "a kernel that complained" 1 "1 passed, 1 failed" "WARNING: at kvm"
run_parse '## machine 125'
expect "a machine that could not be run" 1 "0 passed, 1 failed" "could not be run"
run_parse ''
expect "nothing at all" 1 "0 passed, 0 failed"
run "$root/tests/run" frobnicate
check "an unknown name: 2, and says so" both "status_is 2" "err_has frobnicate"
for option in --debug --kcsan; do
	run "$root/tests/run" $option unit
	check "$option unit: 2, says what it is for" both "status_is 2" "err_has $option"
done

finish

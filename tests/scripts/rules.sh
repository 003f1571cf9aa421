#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tests/rules: the series' rules all have tests, and what is wrong is noticed.

. "$(dirname "$0")/tap.sh"

run "$root/tests/rules" -q
check "every rule of the series names tests, and all of them exist" status_is 0

run "$root/tests/rules"
check "a rule is shown with its text" out_has "takes a reference"
check "a rule is shown with its tests" out_has "hook_errors"

printf 'A1\n  Something has to be so.\n\nA2\n  And this.\n\n  :Tests: kvmi_test hook; lab no_such_test\n' >"$tmp/rules.rst"
run "$root/tests/rules" -q "$tmp/rules.rst"
check "a rule without a test: status 1" status_is 1
check "a rule without a test is named" out_has "A1 has no test: Something"
check "a test that does not exist is named" out_has "A2 names a test that does not exist: lab no_such_test"

: >"$tmp/rules.rst"
run "$root/tests/rules" "$tmp/rules.rst"
check "no rules at all: status 1" status_is 1

run "$root/tests/rules" "$tmp/none.rst"
check "no such file: status 1" status_is 1
check "no such file: one sentence" one_line err
run "$root/tests/rules" --nonsense
check "unknown option: status 2" status_is 2

finish

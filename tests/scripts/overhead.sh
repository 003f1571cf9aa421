#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The table of experiments/overhead/run: its arithmetic, and what makes it fail; what the scripts of the long runs refuse.

. "$(dirname "$0")/tap.sh"

# lines of machine, case, state, seed, mean, separated by blanks here
lines()
{
	sed 's/^[[:blank:]]*//; /^$/d' | tr ' ' '\t' >"$tmp/lines"
}

table()	# LIMIT JSON
{
	run_part awk -F '\t' -v job=overhead -v limit="$1" -v json="$2" -v what=instructions -v columns='stock|off|hooked' \
		-f "$root/experiments/boots.awk" "$tmp/lines"
}

lines <<'L'
	svm cpuid stock 1 1000
	svm cpuid off 1 1002
	svm cpuid hooked 1 997
	svm cpuid stock 2 1001
	svm cpuid off 2 1003
	svm cpuid hooked 2 997
L
table 0.3 no
check "within the limit" status_is 0
check "means of the seeds, and the difference" grep -q '^cpuid  *1000\.50  *1002\.50  *+0\.200 %  *997\.00  *-0\.350 %' "$tmp/out"
check "the worst of them" out_has "most over stock: 0.200 %, limit 0.3 %"
check "how far the seeds are apart" out_has "2 boots with different seeds, which are at most 0.0500 % off"

table 0.1 no
check "over the limit" status_is 1
check "which is marked" grep -q '+0\.200 %!' "$tmp/out"
check "and counted" out_has "; beyond it: 1"

table 0.3 yes
if command -v jq >/dev/null; then
	cp "$tmp/out" "$tmp/json"
	run jq -e '.limit_percent == 0.3 and .seeds == 2 and (.figures | length) == 3 and
		(.figures[1] | .state == "off" and .instructions == 1002.5 and .percent == 0.1999)' "$tmp/json"
	check "JSON says the same" status_is 0
else
	skip "JSON says the same" "there is no jq; scripts/deps check installs it"
fi

lines <<'L'
	svm cpuid stock 1 1000
	svm cpuid off 1 1000
	svm cpuid stock 2 1000
	svm cpuid off 2 1004
L
table 0.3 no
check "seeds too far apart are no measurement" status_is 1
check "and it says so" err_has "the boots differ too much"

lines <<'L'
	svm cpuid stock 1 1000
	svm cpuid off 1 1000
	svm pio_out stock 1 1000
L
table 0.3 no
check "a figure is missing" status_is 1
check "and it says so" err_has "not every boot has every case"

: >"$tmp/lines"
table 0.3 no
check "nothing at all" status_is 1

run "$root/experiments/overhead/run" --machine arm
check "overhead: an unknown machine" both "status_is 1" 'err_has arm'
run "$root/experiments/overhead/run" --limit 1.2.3
check "overhead: a limit that is no number" both "status_is 1" 'err_has 1.2.3'
run "$root/experiments/drift/run" --limit 1.2.3
check "drift: a limit that is no number" both "status_is 1" 'err_has 1.2.3'
run "$root/experiments/drift/run" --linux 2.4
check "drift: a kernel without a series" both "status_is 1" 'err_has 2.4'
run "$root/experiments/drift/run" nonsense
check "drift: a commit there is not" both "status_is 1" 'err_has commit'
cp -R "$root/scripts" "$root/experiments" "$root/kernel-patches" "$tmp/" && git -C "$tmp" init -q &&
	git -C "$tmp" add scripts experiments kernel-patches &&
	git -C "$tmp" -c user.name=x -c user.email=x commit -qm one && git -C "$tmp" -c user.name=x -c user.email=x commit -q --allow-empty -m two
run "$tmp/experiments/drift/run"
check "drift: a series that has not changed" both "status_is 0" 'err_has nothing'
run "$root/tests/stress" --cycles no
check "stress: cycles that are no number" both "status_is 2" 'err_has cycles'
run "$root/tests/stress" vax
check "stress: an unknown machine" both "status_is 2" 'err_has vax'

finish

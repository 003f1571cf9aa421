#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The page of scripts/report: what is in it, what must not be, and what the script refuses.

. "$(dirname "$0")/tap.sh"

sample=$root/tests/unit/sample-run.json
page=$tmp/page.html

run "$root/scripts/report" --out "$page" "$sample"
check "a page" status_is 0
check "says where it is" out_is "$page"
check "its graphs are in it" [ "$(grep -c '<img alt="[^"]*" src="data:image/svg+xml;base64,' "$page")" -ge 1 ]
check "nothing in it comes from elsewhere" [ "$(tr '<' '\n' <"$page" | grep -Ec '(src|href)="[^d#]|@import|url\(')" = 0 ]
check "its kernel and cases" grep -q '6\.12\.1' "$page"
check "the stages" grep -q 'Stages of the breakpoint event' "$page"

# Names in a run file are anybody's.
jq '(.entries[] | select(.case == "int3").case) = "<b>\"&x" | (.stages[] | select(.case == "int3").case) = "<b>\"&x"
	| .counters["<b>\"&x"] = .counters.int3 | del(.counters.int3)
	| .fingerprint.cpu = "<script>alert(1)</script>"' "$sample" >"$tmp/hostile.json"
run "$root/scripts/report" --out "$page" "$tmp/hostile.json"
check "names with markup" status_is 0
check "are shown" grep -q '&lt;b&gt;&quot;&amp;x' "$page"
check "and are no markup" [ "$(grep -c '<script\|<b>' "$page")" = 0 ]

if command -v xmllint >/dev/null; then
	run xmllint --noout "$page"
	check "every element that begins ends" status_is 0
else
	skip "every element that begins ends" "xmllint is not installed (libxml2-utils)"
fi

jq '(.entries[] | select(.observer == "attached").mean) = 11999.6' "$sample" >"$tmp/less.json"
run "$root/scripts/report" --out "$page" "$tmp/less.json"
check "a negative figure" grep -q '<td>−0\.4</td><td>−0\.00 %</td>' "$page"

# Three kernels of which the middle one has two runs.
for kernel in 6.12.1 5.10.9 6.1.20; do
	jq --arg kernel $kernel '.fingerprint.kernel = $kernel' "$sample" >"$tmp/$kernel.json"
done
jq '.entries[].mean? |= (. // 0) + 1000 | .fingerprint.kernel = "6.1.20"' "$sample" |
	jq 'del(.entries[] | select(.skipped))' >"$tmp/again.json"
run "$root/scripts/report" --out "$page" "$tmp/6.12.1.json" "$tmp/5.10.9.json" "$tmp/6.1.20.json" "$tmp/again.json"
check "several kernels" status_is 0
check "in order, the median of runs, the difference to the former" [ "$(grep -o '<tr><td class="name">[^<]*</td><td class="name">[0-9.]*</td><td>[0-9,.]*</td>.*' "$page" |
	sed 's/<\/tr>/\n/g' | sed -n 's|<tr><td class="name">[^<]*</td><td class="name">\([0-9.]*\)</td><td>\([0-9,.]*\)</td>.*<td>\([^<]*\)</td><td>[0-9,]*</td><td>\([12]\)</td>$|\1 \2 \3 \4|p' |
	head -n 3 | paste -sd ';')" = "5.10.9 12,000.0 – 1;6.1.20 12,500.0 +4.17 % 2;6.12.1 12,000.0 −4.00 % 1" ]

# Two kernels of one version, one of which has no such program.
hooks()	# NAME HOOKS [JQ]
{
	jq --argjson hooks "$2" ".hooks = \$hooks ${3:-}" "$sample" >"$tmp/$1.json"
}
hooks one '[{"case":"int3","program":"lat_event","tracepoint":"kvmi_event","runs":2000,"time":301000},
	{"case":"int3","program":"lat_kvm_exit","tracepoint":"kvm_exit","runs":2000,"time":226000}]'
hooks two '[{"case":"int3","program":"lat_kvm_exit","tracepoint":"kvm_exit","runs":2001,"time":227000}]' \
	'| .fingerprint.kernel += "-mitigations"'
run "$root/scripts/report" --out "$page" "$tmp/one.json" "$tmp/two.json"
check "a column of programs' times for each kernel" grep -qF \
	'<th scope="col">6.12.1</th><th scope="col">6.12.1-mitigations</th><th scope="col">runs</th>' "$page"
check "as they come" grep -qF \
	'<td class="name">lat_event</td><td>150.5</td><td>–</td><td>2,000</td></tr><tr><td class="name">int3</td><td class="name">lat_kvm_exit</td><td>113.0</td><td>113.4</td><td>2,000 to 2,001</td>' "$page"

# Six repetitions are the fewest that give an interval.
jq '(.entries[] | select(.observer == "detached")) as $e
	| .entries += [range(1; 6) as $i | $e + {repetition: $i, mean: ($e.mean + $i * 10)}]' "$sample" >"$tmp/repeated.json"
run "$root/scripts/report" --out "$page" "$tmp/repeated.json"
check "the interval of six repetitions" grep -q '<td>12,025\.0</td><td>12,000\.0 to 12,050\.0</td>' "$page"
run "$root/scripts/report" --out "$page" "$tmp/repeated.json" "$tmp/repeated.json"
check "is of one run" grep -q '<td>12,025\.0</td><td>–</td>' "$page"

run "$root/scripts/report"
check "no run" status_is 1
run "$root/scripts/report" --out "$page" "$root/results/run-schema.json"
check "no run file" status_is 1
check "which one is said" err_has run-schema.json
run "$root/scripts/report" --out "$tmp/not/there.html" "$sample"
check "nowhere to write" status_is 1
check "is said" err_has "cannot write $tmp/not/there.html"

finish

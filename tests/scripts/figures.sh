#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# One repetition of six is much slower: every table, graph and page says the same of that run.
# shellcheck disable=SC2317 # conditions are called by name

. "$(dirname "$0")/tap.sh"

lat=$root/build/kvmi-lat
case=int3_event_retry
run_file=$tmp/slow.json

# slower OBSERVER: the published run, but for the third repetition of the case under that observer
slower()
{
	jq --arg case "$case" --arg observer "$1" '
		(.entries[] | select(.case == $case and .observer == $observer and .repetition == 2))
			|= (.mean *= 1.3 | .min *= 1.3 | .max *= 1.3 | .quantiles |= map([.[0], .[1] * 1.3]))' \
		"$root/results/6.12-vmx-seed1.json" >"$run_file" || exit
	run "$lat" report --json "$run_file"
	cp "$tmp/out" "$tmp/figures.json"
}

# figure PLACES PATH: of what kvmi-lat has computed of the case
figure()
{
	awk -v places="$1" -v x="$(jq ".cases[] | select(.case == \"$case\") | $2" "$tmp/figures.json")" \
		'BEGIN { printf "%.*f\n", places, x }'
}

thousands()	{ sed -e :a -e 's/^\([0-9]*[0-9]\)\([0-9]\{3\}\)\b/\1,\2/' -e ta; }
alike()		{ jq -e --arg case "$case" '.cases[] | select(.case == $case) | .guest.detached | .mean < .interval[0] * 1.01' "$tmp/figures.json" >/dev/null; }
same()		{ [ -n "$1" ] && [ "$1" = "$2" ] || { echo "# '$1', not '$2'" && false; }; }
in_file()	{ grep -qF -- "$2" "$1" || { echo "# no '$2' in there" && false; }; }

slower detached
mean=$(figure 1 .guest.detached.mean) max=$(figure 1 .guest.detached.max)
check "the median is near the five that are alike" alike
check "the maximum is the slow one's" same "$(figure 0 .guest.detached.max)" \
	"$(jq --arg case "$case" '[.entries[] | select(.case == $case and .observer == "detached") | .max] | max | round' "$run_file")"

run "$lat" report --wide "$run_file"
check "report" same "$(awk -v c=$case '$1 == c && $2 == "detached" { print $5 }' "$tmp/out")" "$mean"
check "report: the maximum" same "$(awk -v c=$case '$1 == c && $2 == "detached" { print $NF }' "$tmp/out")" "$max"
check "bench --runs" same "$(jq -r --arg run r -f "$root/scripts/bench.d/means.jq" "$tmp/figures.json" |
	awk -F '\t' -v c=$case '$3 == c && $4 == "hit to hit, detached" { printf "%.1f", $5 }')" "$mean"
check "bench --kernels" same "$(jq -r -f "$root/scripts/bench.d/versions.jq" "$tmp/figures.json" |
	awk -F '\t' -v c=$case '$2 == c { printf "%.1f", $4 }')" "$mean"
run "$root/scripts/plot" --out "$tmp/graphs" "$run_file"
check "the graph" in_file "$tmp/graphs/percentiles-$case-vmx.svg" \
	"mean $(figure 0 .guest.detached.mean | thousands), max $(figure 0 .guest.detached.max | thousands)"
run "$root/scripts/report" --out "$tmp/page.html" "$run_file"
check "the page" in_file "$tmp/page.html" "$(echo "$mean" | thousands)"

slower attached
remainder=$(figure 1 .remainder.at_mean)
run "$lat" report "$run_file"
check "report: what no tracepoint covers" out_has "exit to entry is $remainder at the mean"
check "bench --kernels: what no tracepoint covers" same "$(jq -r -f "$root/scripts/bench.d/versions.jq" "$tmp/figures.json" |
	awk -F '\t' -v c=$case '$2 == c { printf "%.1f", $5 }')" "$remainder"

finish

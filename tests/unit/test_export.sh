#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# kvmi-lat export: each format against the figures of a sample, and what becomes of the output file. From the top.
# shellcheck disable=SC2016,SC2094,SC2317 # dollars are awk's, conditions are called by name

root=$PWD
# shellcheck source=../users.sh
. "$root/tests/users.sh"
kvmi_lat=$PWD/build/kvmi-lat
sample=$PWD/tests/unit/sample-run.json
dir=$(mktemp -d "${TMPDIR:-/tmp}/kvmi lat export.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
count=0
failed=0
cd "$dir" || exit 1
umask 022

# is NAME CONDITION...
is()
{
	name=$1
	shift
	count=$((count + 1))
	if "$@" >said 2>&1; then
		echo "ok $count - $name"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $count - $name"
	sed 's/^/# /' said err
}

skip()	# NAME REASON
{
	count=$((count + 1))
	echo "ok $count - $1 # SKIP $2"
}

# export FORMAT OPTION...: to the file out; status and err
export_as()
{
	format=$1
	shift
	as_the_user "$kvmi_lat" export --format "$format" "$@" "$sample" >out 2>err
	status=$?
}

# fails STATUS WORDS: and says nothing else on either side
fails()
{
	[ "$status" -eq "$1" ] && grep -qF -e "$2" err && [ ! -s out ] || { cat err && false; }
}

# --- usage

export_as lunch
is "a format that is none" fails 2 "csv, hgrm, json or prometheus"
"$kvmi_lat" export "$sample" >out 2>err
status=$?
is "no format" fails 2 "needs --format"
export_as csv --pinned pins
is "a file and pinned maps" fails 2 "either one run file or --pinned DIR"
export_as csv "$sample"
is "two files" fails 2 "one run file"
export_as csv --stage lunch
is "a stage that is none" fails 2 "choose one of total, dispatch"
export_as csv --case lunch
is "a case that is not there" fails 2 "no such histogram"
"$kvmi_lat" export -f csv nothing.json >out 2>err
status=$?
is "no such file" fails 2 "nothing.json: No such file"

# --- CSV

odd_case='"exits, ""quoted""\"'
export_as csv
is "csv: status" [ "$status" -eq 0 ]
is "csv: a header and nine lines" [ "$(wc -l <out)" -eq 10 ]
is "csv: every line ends in CR LF" [ "$(grep -c "$(printf '\r')\$" out)" -eq 10 ]
tr -d '\r' <out >csv
is "csv: the header" [ "$(head -n 1 csv)" = \
	"run,kernel,machine,backend,cpu,seed,case,event,action,stage,unit,n,sum,mean,min,p50,p90,p99,p99.9,p99.99,max" ]
is "csv: what has commas and quotes is quoted" grep -qF ",\"A CPU, 16 cores\",,$odd_case,exit,none,total,ns,9," csv
is "csv: exact figures" grep -q ',int3,hypercall,continue,total,ns,5,20000,4000,4000,4000,4000,4000,4000,4000,4000$' csv
is "csv: the largest value, to the digit" grep -q ',1099511627781$' csv
if command -v python3 >/dev/null; then
	is "csv: a reader of CSV finds 21 fields in each record" python3 -c '
import csv, sys
rows = list(csv.reader(open("out", newline=""), strict=True))
assert {len(row) for row in rows} == {21}, rows
assert rows[1][6] == "exits, \"quoted\"\\", rows[1]
assert all(float(row[13]) == float("%.12g" % (int(row[12]) / int(row[11]))) for row in rows[1:])'
else
	skip "csv: a reader of CSV" "there is no python3; apt-get install python3"
fi
export_as csv --event breakpoint --stage wake
is "csv: filtered" [ "$(wc -l <out)" -eq 2 ]

# --- hgrm

export_as hgrm
is "hgrm: of several histograms" fails 2 "9 histograms, and hgrm holds one"
export_as hgrm --event breakpoint --stage introspector
is "hgrm: status" [ "$status" -eq 0 ]
is "hgrm: column names" [ "$(head -n 1 out | tr -s ' ')" = " Value Percentile TotalCount 1/(1-Percentile)" ]
# Everything is between its neighbours; as many values as said are no larger, and one fewer line are not enough.
is "hgrm: percentiles, counts and values agree" awk '
	function wrong(why) { print NR ": " why; bad = 1; exit 1 }
	/^ +[0-9]/ {
		if (done) wrong("goes on after 100 %")
		if ($1 < value || $2 <= level && lines || $3 < below) wrong("not in order")
		if ($3 < $2 * 1000 - 1e-6) wrong("too few values")
		if (NF == 4 && ($4 - 1 / (1 - $2)) ^ 2 > 1e-4) wrong("1/(1-Percentile)")
		value = $1; level = $2; below = $3; done = NF == 3; lines++
	}
	END { if (!bad && !(done && level == 1 && below == 1000 && value == 89710 && lines > 30)) wrong("the end") }' out
is "hgrm: the smallest value first" grep -qE '^ +5000\.000 +0\.0+ +278 +1\.00$' out
is "hgrm: the median" grep -qE '^ +5119\.000 0\.500000000000 +579 +2\.00$' out
is "hgrm: mean and deviation" grep -qE '^#\[Mean    =     8608\.195, StdDeviation   =    15[0-9]{3}\.[0-9]{3}\]$' out
is "hgrm: maximum and count" grep -qxF '#[Max     =    89710.000, Total count    =         1000]' out
is "hgrm: buckets" grep -qxE '#\[Buckets = +[0-9]+, SubBuckets     = +64\]' out
export_as hgrm --event hypercall
is "hgrm: all values the same" [ "$(grep -cE '^ +4000\.000 1\.000000000000 +5$' out)" -eq 1 ]

# --- Prometheus

export_as prometheus
cp out metrics
is "prometheus: status" [ "$status" -eq 0 ]
# 255, 256, 383, 384, 1023, 1024, 2^34 - 1, 2^34, 2^40 + 5: a bound counts what is equal to it.
series='{case="exits, \"quoted\"\\",event="exit",action="none",stage="total"'
bound()	# LE COUNT
{
	grep -qxF "kvmi_lat_stage_seconds_bucket$series,le=\"$1\"} $2" metrics
}
is "prometheus: the first bound" bound 0.000000255 1
is "prometheus: 256 and 383 are above it" bound 0.000000383 3
is "prometheus: 384 is in the next" bound 0.000000511 4
is "prometheus: 1023 is no larger than 1023" bound 0.000001023 5
is "prometheus: 1024 is" bound 0.000001535 6
is "prometheus: the last bound" bound 17.179869183 7
is "prometheus: everything" bound +Inf 9
is "prometheus: the count" grep -qxF "kvmi_lat_stage_seconds_count$series} 9" metrics
is "prometheus: the sum, to the last digit" grep -qxF "kvmi_lat_stage_seconds_sum$series} 1133.871369473" metrics
is "prometheus: cumulative, and the same bounds everywhere" awk '
	/_bucket/ {
		split($0, part, "le=\"")
		bound = part[2]
		sub(/".*/, "", bound)
		if ($NF < below || bound + 0 <= last && bound != "+Inf") { print; exit bad = 1 }
		below = $NF
		last = bound + 0
		bounds = bounds " " bound
		if (bound == "+Inf") {
			if (first == "") first = bounds
			if (bounds != first) { print; exit bad = 1 }
			below = last = 0
			bounds = ""
			nr++
		}
	}
	END { if (!bad && nr != 9) { print nr " histograms"; exit 1 } }' metrics
is "prometheus: counters" grep -qxF 'kvmi_lat_events_total{case="int3"} 1005' metrics
is "prometheus: what it comes from" grep -q '^kvmi_lat_info{version="0.1.0",kernel="6.12.1",machine="svm",.*} 1$' metrics
is "prometheus: no series twice" [ -z "$(sed 's/ [^ ]*$//' metrics | grep -v '^#' | sort | uniq -d)" ]
if command -v promtool >/dev/null; then
	is "promtool: accepts it" sh -c 'promtool check metrics <metrics'
	is "promtool: warns of nothing" sh -c '[ -z "$(promtool check metrics <metrics 2>&1)" ]'
else
	skip "promtool" "there is no promtool; apt-get install prometheus"
fi
sed 's/"unit":"ns"/"unit":"instructions"/' "$sample" >lab.json
"$kvmi_lat" export -f prometheus lab.json >metrics 2>err
is "prometheus: of the lab, instructions" grep -qxF \
	'kvmi_lat_stage_instructions_sum{case="int3",event="hypercall",action="continue",stage="total"} 20000' metrics
is "prometheus: of the lab, bounds are whole numbers" grep -qF 'stage="total",le="255"} 0' metrics
is "prometheus: of the lab, no seconds" [ "$(grep -c seconds metrics)" -eq 0 ]
! command -v promtool >/dev/null || is "promtool: accepts that too" sh -c 'promtool check metrics <metrics'

# --- JSON

export_as json
is "json: status" [ "$status" -eq 0 ]
if command -v jq >/dev/null; then
	is "json: the largest value, to the digit" sh -c '[ "$(jq ".cases[].stages[]? | select(.event == \"exit\").max" out)" = 1099511627781 ]'
	"$kvmi_lat" report --json "$sample" >reported
	is "json: the same as report --json" sh -c '[ "$(jq -cS . out)" = "$(jq -cS . reported)" ]'
else
	skip "json" "there is no jq; apt-get install jq"
fi

# --- where it goes

echo old >file
export_as csv -o file
is "-o: status, and nothing on standard output" [ "$status" -eq 0 -a ! -s out ]
"$kvmi_lat" export -f csv "$sample" >out
is "-o: the same as on standard output" cmp file out
is "-o: everybody may read it" [ "$(stat -c %a file)" = 644 ]
export_as csv -o no/where
is "-o: no such directory" fails 2 "cannot write no/where: No such file"
echo old >file
(
	ulimit -f 1
	trap '' XFSZ
	export_as prometheus -o file
	echo "$status" >status
) 2>/dev/null
status=$(cat status)
is "-o: no room: says so" fails 2 "cannot write file: File too large"
is "-o: no room: the old file is whole" [ "$(cat file)" = old ]
is "-o: nothing else is left" [ -z "$(find . -name 'file.*')" ]
export_as prometheus -o /dev/full
is "-o: a device that is full" fails 2 "cannot write /dev/full: No space left"
is "-o: a device stays what it is" [ -c /dev/full ]
"$kvmi_lat" export -f csv "$sample" >whole
mkfifo pipe
timeout 30 cat pipe >from_pipe &
export_as csv -o pipe
wait
is "-o: a pipe is written to" cmp from_pipe whole
if "$kvmi_lat" export -f csv "$sample" >/dev/full 2>err; then status=0; else status=$?; fi
: >out
is "standard output is full" fails 2 "cannot write to standard output: No space left"

echo "1..$count"
[ "$failed" -eq 0 ]

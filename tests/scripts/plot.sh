#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# scripts/plot: what is drawn from which run files, what the graphs say, what it says when it cannot.
# shellcheck disable=SC2016,SC2317 # hostile names are quoted on purpose, conditions are called by name

. "$(dirname "$0")/tap.sh"
cd "$tmp" || exit 1
graphs="$tmp/the graphs"

plot()
{
	rm -rf "$graphs"
	run "$root/scripts/plot" --out "$graphs" "$@"
}

# sample FILE MACHINE BACKEND UNIT SEED [JQ]: a run with known figures, changed by JQ
sample()
{
	jq -n --arg machine "$2" --arg backend "$3" --arg unit "$4" --argjson seed "$5" '
		def entry($observer; $rep; $n; $low; $max): {
			case: "int3", observer: $observer, repetition: $rep, n: $n, hits: $n, events: $n, tsc_khz: 1000000,
			mean: ($low + 10), min: $low, max: $max, cpu: 0,
			quantiles: [[0, $low], [0.5, $low + 5], [0.9, $low + 20], [0.99, $low + 70], [0.999, $low + 100],
				[0.9999, $max], [0.99999, $max], [1, $max]]};
		def stage($stage; $mean): {
			case: "int3", event: "breakpoint", action: "retry", stage: $stage, count: 2000,
			sum: ($mean * 2000), min: 1, max: 99999, buckets: [[1, 2000]]};
		{
			schema: "kvmi-lat-run/1",
			fingerprint: {kvmi_lat: "0", kernel: "6.12.1", machine: $machine, backend: $backend, unit: $unit, seed: $seed,
				cpu: "Intel(R) Core(TM) i7 CPU @ 3.40GHz", kernel_build: {series: "0123456789abcdef"}},
			command: [], kvmi_tracepoints: true,
			entries: [entry("detached"; 0; 2000; 4000; 9000), entry("detached"; 1; 2000; 4200; 9100),
				entry("detached"; 2; 2000; 9000; 30000), entry("attached"; 0; 2000; 5000; 12000),
				{case: "other", skipped: "for a reason"}],
			stages: [stage("dispatch"; 500), stage("build"; 1500), stage("introspector"; 2000),
				stage("wake"; 750), stage("act"; 250), stage("total"; 5000)],
			counters: {recursion_misses: 0},
			histogram: {kind: "log-linear", sub_buckets: 64, max_bits: 40, buckets: 2240}
		}' | jq "${6:-.}" >"$1"
}

png_size()	# FILE
{
	od -An -tu1 -j16 -N8 "$1" | awk '{ printf "%dx%d", $3 * 256 + $4, $7 * 256 + $8 }'
}

files_are()	# NAME...
{
	for _f; do
		printf '%s.png\n%s.svg\n' "$_f" "$_f"
	done | LC_ALL=C sort >want
	LC_ALL=C ls "$graphs" >got
	cmp want got || { diff want got; false; }
}

svg_has()	# NAME TEXT...
{
	_svg=$graphs/$1.svg
	shift
	for _text; do
		sed 's/&#39;/'\''/g; s/&quot;/"/g; s/&lt;/</g; s/&gt;/>/g; s/&amp;/\&/g' "$_svg" | grep -qF -- "$_text" ||
			{ echo "# not in $(basename "$_svg"): $_text" && return 1; }
	done
}

# Whatever is written begins and ends in the picture; a character takes about 0.57 of the font's size.
all_inside()
{
	for _svg in "$graphs"/*.svg; do
		awk -v width=1200 '
			match($0, /translate\([0-9.]*/) { x = substr($0, RSTART + 10, RLENGTH - 10); upright = !/rotate/ }
			match($0, /font-size="[0-9.]*/) { size = substr($0, RSTART + 11, RLENGTH - 11) }
			match($0, /text-anchor="[a-z]*/) { anchor = substr($0, RSTART + 13, RLENGTH - 13) }
			match($0, /<text>.*<\/text>/) {
				text = substr($0, RSTART + 6, RLENGTH - 13)
				gsub(/<[^>]*>/, "", text)
				gsub(/&[^;]*;/, "x", text)
				seen++
				left = x - length(text) * size * 0.57 * (anchor == "end" ? 1 : anchor == "middle" ? 0.5 : 0)
				if (upright && text !~ /^ *$/ && (left < 0 || left + length(text) * size * 0.57 > width)) {
					print "# beyond the edge: " text
					beyond++
				}
			}
			END { exit !seen || beyond }' "$_svg" || return
	done
}

svg_lacks()	# NAME TEXT
{
	[ -s "$graphs/$1.svg" ] && ! grep -qF -- "$2" "$graphs/$1.svg"
}

# --- a run of the lab
sample vmx.json vmx bochs instructions 17
sample svm.json svm bochs instructions 18
plot vmx.json svm.json
check "draws: status 0" status_is 0
check "and says nothing on stderr" [ ! -s err ]
check "graphs of two machines are apart" files_are percentiles-int3-vmx percentiles-int3-svm stages-int3-vmx stages-int3-svm
check "every graph is named" [ "$(sed 's/.*\///' out | tr '\n' ' ')" = \
	"percentiles-int3-svm.{png,svg} percentiles-int3-vmx.{png,svg} stages-int3-svm.{png,svg} stages-int3-vmx.{png,svg} " ]
check "a PNG of the size that two curves need" [ "$(png_size "$graphs/percentiles-int3-vmx.png")" = 1200x798 ]
check "a PNG of the size that stages need" [ "$(png_size "$graphs/stages-int3-svm.png")" = 1200x760 ]
for graph in percentiles-int3-vmx stages-int3-svm; do
	check "$graph: kernel, series, backend, CPU" \
		svg_has $graph "Linux 6.12.1, series 0123456789ab" "Bochs lab, Intel Core i7"
	check "$graph: path length is not called time" svg_has $graph "(path length in the lab; not time)" "never vendors"
done
check "the vendor" svg_has percentiles-int3-vmx "int3, VMX (Intel)"
check "the other vendor" svg_has stages-int3-svm "int3, SVM (AMD)"
check "the seed" svg_has percentiles-int3-vmx "seed 17"
check "ticks of the percentiles" svg_has percentiles-int3-vmx "50 %" "99.9 %"
check "n, and the median of repetitions" \
	svg_has percentiles-int3-vmx "BPF detached: n = 6,000, mean 4,210, max 30,000, medians of 3 repetitions"
check "attached beside detached" svg_has percentiles-int3-vmx "BPF attached: n = 2,000, mean 5,010, max 12,000"
check "every stage has its mean and share" svg_has stages-int3-vmx dispatch "10.0 %" build "1,500" "30.0 %" \
	introspector "40.0 %" commands "0.0 %" wake "15.0 %" act "5.0 %" "whole event" "5,000" "100.0 %"
check "of how many events, answered how" svg_has stages-int3-vmx "answered RETRY, mean of n = 2,000 events"

# --- several runs of one machine
sample vmx2.json vmx bochs instructions 19 '.stages |= map(.sum *= 3)'
plot vmx.json vmx2.json
check "runs of one machine share graphs" files_are percentiles-int3-vmx stages-int3-vmx
check "and curves, as repetitions" svg_has percentiles-int3-vmx "BPF attached: n = 4,000, mean 5,010, max 12,000, medians of 2 repetitions" "seeds 17, 19"
check "one mean of all events" svg_has stages-int3-vmx "n = 4,000 events" "10,000" "seeds 17, 19"
sample vmx4.json vmx bochs instructions 17 '.fingerprint.kernel += "-mitigations"'
sample vmx5.json vmx bochs instructions 17 '.fingerprint.kernel_build.series = "ba98765432100"'
sample vmx3.json vmx bochs instructions 17 '.fingerprint.kernel = "7.2.0" | .entries[2].mean = 4020'
plot vmx.json vmx3.json
check "stages of two kernels are never added up" files_are percentiles-int3-vmx \
	stages-int3-vmx-6.12.1-0123456789ab stages-int3-vmx-7.2.0-0123456789ab \
	stages-versions-int3-vmx versions-vmx
check "the curves say which kernel" svg_has percentiles-int3-vmx "Linux 7.2.0: n = 6,000, mean" "2 kernels" "BPF detached, medians of 3 repetitions"
check "every kernel has its mean, and its difference to the one before" svg_has versions-vmx 6.12.1 7.2.0 4,210 4,020 "-4.51 %"
check "and its stages" svg_has stages-versions-int3-vmx 6.12.1 7.2.0 dispatch 5,000 "n = 2,000 events"
check "nothing is cut off" all_inside
plot vmx.json vmx4.json
check "nor are longer names" both all_inside "svg_has stages-versions-int3-vmx 6.12.1-mitigations"
plot vmx.json vmx5.json
check "nor kernels that differ in the series" all_inside
check "which is in their names" svg_has percentiles-int3-vmx "Linux 6.12.1, series ba9876543210: n = 6,000, mean 4,210, max 30,000"

# --- many cases, and several vCPUs and VMs at once
sample many.json vmx bochs instructions 1 '
	def more($name; $times; $with): .entries[:4] | map(.case = $name | .mean *= $times | .quantiles |= map(.[1] *= $times) | . + $with);
	.entries |= map(if .case == "int3" then .case = "int3_event_retry" else . end)
	| .entries += more("cheap"; 0.125; {}) + more("dear"; 2; {}) + more("int3_event_8vcpus"; 4; {nr_vcpus: 8})
		+ more("int3_event_4vms"; 5; {nr_vcpus: 4, nr_vms: 4}) + more("due"; 1; {late: 3})'
plot many.json
check "a ladder from the cheapest to the dearest, each with how many of the cheapest it makes" \
	svg_has ladder-vmx "n = 6,000; right" cheap 526 "1 x" int3_event_retry 4,210 "8 x" dear 8,420 "16 x"
check "crowds are no rungs of it" svg_lacks ladder-vmx vcpus
check "they are curves of their own, with the hits of all of them" \
	svg_has scaling-vmx "n = 6,000 hits each" "vCPUs of one VM" "VMs with one vCPU each" "hits of all, per million instructions" p99
check "what counts from when it was due says so" svg_has percentiles-due-vmx "from when a hit was due"
jq '.entries += (.entries[:3] | map(.case = "loop" | .mean = 26))' many.json >loop.json
plot loop.json
check "the guest's loop is subtracted, and said" svg_has ladder-vmx "less the loop's 26" cheap 500 int3_event_retry 4,184
check "but not where no hit follows another in it" svg_has ladder-vmx due 4,210
check "it is no rung" svg_lacks ladder-vmx ">loop<"
check "and has no curve" [ ! -e "$graphs/percentiles-loop-vmx.svg" ]
jq '(.entries[] | select(.case == "cheap").n) = 480000 | (.entries[] | select(.case == "dear").n) = 150000' loop.json >counts.json
plot counts.json
check "whatever the counts, nothing is cut off" both all_inside "svg_has ladder-vmx 1,440,000"

# --- a host
sample host.json svm host ns null
plot host.json
check "a host has files of its own" files_are percentiles-int3-svm-host stages-int3-svm-host
check "its unit is ns" svg_has percentiles-int3-svm-host "hit to hit, ns"
check "which is time" svg_lacks percentiles-int3-svm-host "path length"

# --- nothing in a run file is a program
sample evil.json vmx bochs instructions 1 '
	.fingerprint.cpu = "a'\''b`touch pwned`c\"; system(\"touch pwned\") \\"
	| .fingerprint.kernel_build = null | (.entries[], .stages[]).case = "../`touch pwned`"'
plot evil.json
check "quotes and backquotes are drawn, not run" both "status_is 0" "[ -z $(find "$tmp" -name pwned) ]"
check "a case is no path" files_are percentiles-_.__touch_pwned_-vmx stages-_.__touch_pwned_-vmx
# shellcheck disable=SC1003 # a backslash, not a quote
check "and come out as they are" svg_has stages-_.__touch_pwned_-vmx 'a'\''b`touch pwned`c"; system("touch pwned") \'

# --- what cannot be drawn
sample plain.json vmx bochs instructions 1 '.stages = []'
plot plain.json
check "no event: the percentiles are drawn" both "status_is 0" "files_are percentiles-int3-vmx"
check "and it says why no more" both "one_line err" "err_has plain:"
sample nothing.json vmx bochs instructions 1 '.stages = [] | .entries |= map({case, skipped: "why"})'
plot nothing.json
check "nothing measured: status 1 and says so" both "status_is 1" "grep -q nothing.to.draw err"
head -c 700 vmx.json >cut.json
plot cut.json
check "a file cut off: one line" both "status_is 1" "one_line err"
check "that says so" err_has "cut.json: not a whole JSON document"
: >empty.json
plot empty.json
check "an empty file: one line" both "status_is 1" "one_line err"
echo '{"schema": "other/1"}' >other.json
plot other.json
check "another kind of file" err_has "not a run file"
plot none.json
check "no file" err_has "none.json: no such file"
run "$root/scripts/plot"
check "no argument: usage" both "status_is 1" "err_has usage"
mkdir bin
for cmd in sh dirname mktemp rm sed; do
	ln -s "$(command -v $cmd)" bin/
done
run env PATH="$tmp/bin" "$root/scripts/plot" vmx.json
check "no gnuplot: one line" both "status_is 1" "one_line err"
check "with the command that gets it" err_has "apt-get install"
mkdir "a tmp"
TMPDIR="$tmp/a tmp" plot vmx.json
check "nothing is left in TMPDIR" both "status_is 0" "[ -z $(ls "$tmp/a tmp") ]"

finish

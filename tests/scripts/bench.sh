#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# scripts/bench: what it chooses, runs, shows and leaves, with a lab and programs that are shell scripts; then its
# host branch for real, inside a lab machine of each vendor.
# KVMI_LAT_TEST_KERNEL=BZIMAGE boots that kernel instead of the one scripts/kernel builds.
# shellcheck disable=SC2016,SC2317 # scripts and guest commands are single-quoted on purpose, conditions are called by name

. "$(dirname "$0")/tap.sh"
cd "$tmp" || exit 1
tree="$tmp/a tree"
results="$tmp/results"

program()	# PATH, text on stdin
{
	mkdir -p "$(dirname "$tree/$1")"
	{ echo '#!/bin/sh' && cat; } >"$tree/$1"
	chmod +x "$tree/$1"
}

# A tree with the real driver and everything below it replaced. $PROBE and $LAB say how the replacements behave.
mkdir -p "$tree/scripts" "a tmp"
cp -R "$root/scripts/bench" "$root/scripts/bench.d" "$root/scripts/plot" "$root/scripts/plot.d" "$root/scripts/common.sh" \
	"$root/scripts/surroundings.sh" "$tree/scripts/"
echo 'exit 0' | program scripts/deps
program scripts/kernel <<'E'
[ "$KERNEL" != fails ] || { echo "kernel: no space" >&2; exit 1; }
[ "$KERNEL" != "no $2" ] || exit 77
echo "/built/$*"
E
for v in 5.10 6.1 6.12; do
	mkdir -p "$tree/kernel-patches/linux-$v" && : >"$tree/kernel-patches/linux-$v/series"
done
program build/kvmi-bench <<'E'
case $1:$PROBE in
--probe-kvmi:kvmi | --probe-kvmi:both) echo "introspection: there" ;;
--probe-kvmi:*) echo "no introspection: not there"; exit 1 ;;
--probe-int3:both) echo "#BP exits arrive: seen" ;;
--probe-int3:*) echo "no #BP exits: not seen"; exit 1 ;;
esac
E
program build/kvmi-lat <<'E'
case $1 in
record) echo "$*" >>calls; mean=1000; . ./fake_run; fake_run host svm ns null >"$3" ;;
report) [ "$2" != --json ] || exec "$LAT" "$@"; shift; for f; do echo "report of $(basename "$f")"; done ;;
esac
E
# fake_run BACKEND MACHINE UNIT SEED, with $mean, 512 to 1023: the bucket is right for those only
cat >fake_run <<'E'
fake_run()
{
	cat <<J
{"schema":"kvmi-lat-run/1","fingerprint":{"kvmi_lat":"0","kernel":"6.12.1","machine":"$2","backend":"$1","unit":"$3","seed":$4},
"command":[],"kvmi_tracepoints":true,"entries":[{"case":"int3","observer":"detached","repetition":0,"n":1000,"hits":1000,
"mean":$mean,"min":900,"max":1500,"quantiles":[[0,900],[0.5,$mean],[0.99,1200],[1,1500]]}],
"stages":[{"case":"int3","event":"exit","action":"none","stage":"total","count":100,"sum":${mean}00,"min":$mean,"max":$mean,"buckets":[[$((192 + mean / 8)),100]]}],
"counters":{"recursion_misses":0},"histogram":{"kind":"log-linear","sub_buckets":64,"max_bits":40,"buckets":2240}}
J
}
E
program scripts/lab <<'E'
echo "$*" >>calls
while [ "$1" != -- ]; do
	case $1 in
	--machine) machine=$2 ;;
	--seed) seed=$2 ;;
	--out) out=$2 ;;
	--kernel) kernel=${2#*build } && kernel=${kernel%/bzImage}.1 ;;
	esac
	shift
done
mean=1000
[ "$kernel" != 6.1.1 ] || mean=900
case $LAB in
spread) mean=$((1000 + seed)) ;;
warns) [ $machine = svm ] || { echo "kvmi-lat: lab: vmx: the kernel warned: WARNING: at foo"; exit 126; } ;;
fails) echo "kvmi-bench: int3 failed: it is broken"; exit 1 ;;
empty) exit 0 ;;
hangs) echo $$ >>lab.pids; sleep 100 & trap "kill $!; echo $machine >>ended; exit 143" TERM; wait ;;
esac
mkdir -p "$out"
. ./fake_run
fake_run bochs $machine instructions $seed | sed "s/6.12.1/$kernel/" >"$out/run.json"
E

bench()	# PROBE LAB ARG...
{
	rm -rf "$results" calls
	_probe=$1 _lab=$2
	shift 2
	run env PROBE="$_probe" LAB="$_lab" LAT="$root/build/kvmi-lat" TMPDIR="$tmp/a tmp" "$tree/scripts/bench" --out "$results" "$@"
}

nothing_left()	{ [ -z "$(ls "$tmp/a tmp")" ] || { ls "$tmp/a tmp" && false; }; }
runs_are()	{ [ "$(cd "$results" && printf '%s ' *.json)" = "$1 " ]; }
lines_of()	{ if [ -f "$1" ]; then wc -l <"$1"; else echo 0; fi; }

# --- where it measures, and why
bench none ok --seed 7
check "no introspection: the lab, status 0" status_is 0
check "says so" err_has "in the lab (its figures are path length, not time)"
check "says why" err_has "no introspection: not there"
check "both machines, with that seed" runs_are "6.12-svm-seed7.json 6.12-vmx-seed7.json"
check "boots the kernel of the series" grep -q -- "--kernel /built/build 6.12/bzImage" calls
check "shows the first" out_has "report of 6.12-vmx-seed7.json"
check "shows the second" out_has "report of 6.12-svm-seed7.json"
check "says where the run files are" out_has "$results/6.12-vmx-seed7.json"
check "and the graphs" out_has "$results/percentiles-int3-vmx."
check "which are there" [ -s "$results/percentiles-int3-vmx.png" ]
check "leaves nothing in TMPDIR" nothing_left
check "one kernel: no table across kernels" [ "$(grep -c 'to the former' "$tmp/out")" -eq 0 ]
bench none ok --seed 7 --machine vmx --cpus 2
check "two processors: in the name of the run" runs_are "6.12-vmx-2cpus-seed7.json"
check "and of the machine, with the time they take" grep -q -- "--machine vmx .*--seed 7 --cpus 2 --timeout 1800" calls
bench none ok --seed 7 --machine vmx --kernels "6.12 6.1"
check "two kernels: a run of each" runs_are "6.1-vmx-seed7.json 6.12-vmx-seed7.json"
check "each boots its own" [ "$(grep -c -e 'build 6.1/bzImage' -e 'build 6.12/bzImage' calls)" -eq 2 ]
check "in a table, in order of version, with the difference" \
	[ "$(awk '/^ +6.12.1 / { print $(NF - 1), $NF }' "$tmp/out")" = '+11.11 %' ]
versions()	# AWK: where the means end, line by line
{
	printf 'vmx, instructions\tcpuid\t%s\t%s\t-\n' 6.12.1-mitigations 1000 6.12.1 900 |
		$1 -f "$root/scripts/bench.d/median.awk" -f "$root/scripts/bench.d/versions.awk" |
		sed -n 's/^\(case .* mean\) .*/\1/p; s/^\(.* 900\.0\) .*/\1/p; s/^\(.* 1000\.0\) .*/\1/p' | awk '{ print $NF, length($0) }'
}
check "a kernel with mitigations behind the one without, in the same columns" \
	[ "$(versions awk | paste -sd ' ')" = "mean 52 900.0 52 1000.0 52" ]
check "with any awk" [ "$(versions "busybox awk")" = "$(versions awk)" ]
bench none ok --seed 7 --machine vmx --kernels 6.12+mitigations
check "a kernel with mitigations: in the name of the run" runs_are "6.12+mitigations-vmx-seed7.json"
check "it boots that one" grep -q -- "--kernel /built/build 6.12 --mitigations/bzImage" calls
bench none ok --kernels 6.12+nothing
check "with what there is not: one line" both "status_is 1" "one_line err"
export KERNEL='no 6.1'
bench none ok --seed 7 --machine vmx --kernels "6.12 6.1"
check "no source of one: it is skipped, and said so" err_has "SKIP 6.1"
check "the other is measured" both "status_is 0" "runs_are 6.12-vmx-seed7.json"
bench none ok --seed 7 --kernels 6.1
check "no source of any: status 1" both "status_is 1" "err_has SKIP"
unset KERNEL
bench none ok --kernels 9.9
check "a kernel that there is no series for: one line" both "status_is 1" "one_line err"
bench both ok --host --kernels 6.1
check "kernels are for the lab" both "status_is 1" "one_line err"
bench kvmi ok --seed 7
check "#BP exits do not arrive: the lab" err_has "in the lab"
check "says why" err_has "no #BP exits: not seen"
bench both ok
check "both: this machine" err_has "on this machine"
check "its run file" runs_are "host-$(uname -r).json"
bench both ok --lab --machine svm --filter 'int3.*' -- --hits=5 '--benchmark_x=a b'
check "--lab is the lab all the same" err_has "as asked for"
check "--machine is one machine" [ "$(wc -l <calls)" -eq 1 ]
check "--filter and what follows -- reach kvmi-bench" grep -q -- \
	'-- kvmi-lat record -o /out/run.json -- kvmi-bench --progress --benchmark_repetitions=6 .*--benchmark_filter=int3\.\* --hits=5 --benchmark_x=a b$' calls
bench none ok --host
check "--host where it cannot: one line" both "status_is 1" "one_line err"

# --- several runs
bench none ok --seeds "3 1 2"
check "three seeds, two machines" [ "$(wc -l <calls)" -eq 6 ]
check "no spread: status 0" status_is 0
check "says so" out_has "farthest from its median: 0.000 %"
check "means of every seed" grep -q 'case  *what  *seed3  *seed1  *seed2  *median' out
bench none spread --seeds "1 2 4" --machine vmx
check "0.2 % is within 0.5: status 0" status_is 0
check "and is shown" out_has "farthest from its median: 0.200 %"
bench none spread --seeds "1 2 4" --machine vmx --max-spread 0.1
check "and not within 0.1: status 1" status_is 1
check "says which" grep -q 'int3 .*hit to hit.*1001\.0 .*1002\.0 .*1004\.0 .*1002\.0 .*too far' out
printf 'r-seed1\tm\tc\tw\t1\t100\nr-seed2\tm\tc\tw\t9\t99\n' >few
run_part awk -F '\t' -v limit=0.5 -f "$root/scripts/bench.d/median.awk" -f "$root/scripts/bench.d/spread.awk" few
check "a mean of less than a hundred is not judged" both "status_is 0" "grep -q n.<.100 out"
sed 's/99$/100/' few >enough
run_part awk -F '\t' -v limit=0.5 -f "$root/scripts/bench.d/median.awk" -f "$root/scripts/bench.d/spread.awk" enough
check "a mean of a hundred is" status_is 1
bench none ok --runs 4 --machine svm
check "--runs 4 draws four seeds" [ "$(sed 's/.*--seed \([0-9]*\) .*/\1/' calls | sort -u | wc -l)" -eq 4 ]
bench both ok --runs 2
check "two runs on a host" runs_are "host-$(uname -r)-1.json host-$(uname -r)-2.json"

for off in 1 2; do
	for mean in "1 100" "2 100" "3 $((100 + off))"; do
		printf 'a-seed%s\tm\tint3\tcommands\t%s\t1000\n' "${mean% *}" "${mean#* }"
	done >units
	run_part awk -F '\t' -v limit=0.5 -f "$root/scripts/bench.d/median.awk" -f "$root/scripts/bench.d/spread.awk" units
	check "$off off in 100, limit 0.5 %: status $((off - 1))" status_is $((off - 1))
done
printf 'a-seed%s\tm\tloop\thit to hit, detached\t%s\t1000\n' 1 10 2 10 3 10.9 >units
run_part awk -F '\t' -v limit=0.5 -f "$root/scripts/bench.d/median.awk" -f "$root/scripts/bench.d/spread.awk" units
check "the guest's clock is not allowed one" status_is 1

# --- what goes wrong
bench none warns --seed 7
check "one machine fails: status 1" status_is 1
check "shows what the guest's kernel said" err_has "WARNING: at foo"
check "says which" err_has "vmx-seed7: the guest's kernel failed"
check "the other half is kept" runs_are 6.12-svm-seed7.json
check "and shown" out_has "report of 6.12-svm-seed7.json"
bench none fails --seed 7
check "a case fails: status 1" status_is 1
check "with its words" err_has "it is broken"
bench none empty --seed 7
check "no run file: status 1" status_is 1
check "says so" err_has "no run file"
KERNEL=fails
export KERNEL
bench none ok --seed 7
check "no kernel: status 1" status_is 1
check "nothing is booted" [ ! -f calls ]
unset KERNEL
for args in "--machine vax" "--runs 0" "--seed x" "--max-spread many" "--repetitions 0" "--cpus 9" "--host --cpus 2" "--frobnicate" "--host --seed 1" "--out"; do
	# shellcheck disable=SC2086 # words
	bench none ok $args
	check "$args: status 1, one line" both "status_is 1" "one_line err"
done
mkdir -p "$results/6.12-svm-seed7.json"
run env PROBE=none LAB=ok "$tree/scripts/bench" --seed 7 --out "$results"
check "a run file that could not be written: one line, before anything is booted" \
	[ "$status.$(grep -c 'cannot write' err).$(grep -c started err)" = 1.1.0 ]
rm -rf "$results" && mkdir "$results" && ln -s there "$results/6.12-svm-seed7.json"
run env PROBE=none LAB=ok "$tree/scripts/bench" --seed 7 --machine svm --out "$results"
check "a run file that is a link is written through it" [ -L "$results/6.12-svm-seed7.json" -a -s "$results/there" ]
bench none ok --seeds "1 2 1"
check "a seed twice: one line" both "status_is 1" "one_line err"
mv "$tree/build/kvmi-lat" kept
bench none ok
check "programs not built: one line" both "status_is 1" "one_line err"
check "says what to do" err_has "run make"
mv kept "$tree/build/kvmi-lat"

# --- interrupted
for signal in INT TERM; do
	rm -f ended lab.pids
	# background commands of a shell do not hear SIGINT; env puts that right
	PROBE=none LAB=hangs TMPDIR="$tmp/a tmp" env --default-signal=INT \
		"$tree/scripts/bench" --seed 7 --out "$results" >out 2>err &
	driver=$!
	_waited=0
	while [ $_waited -lt 100 ] && [ "$(lines_of lab.pids)" -lt "$(nproc | sed 's/[2-9].*\|1.\{1,\}/2/')" ]; do
		sleep 0.1
		_waited=$((_waited + 1))
	done
	kill -$signal $driver
	wait $driver
	status=$?
	check "SIG$signal: status" status_is "$([ $signal = INT ] && echo 130 || echo 143)"
	check "SIG$signal: one sentence" [ "$(grep -c interrupted err)" = 1 ]
	check "SIG$signal: what was booted has been ended" [ "$(wc -l <ended)" -eq "$(wc -l <lab.pids)" ]
	check "SIG$signal: nothing is left in TMPDIR" nothing_left
done

# --- make bench on a host, for real: a lab machine has the patched kernel, and no more than busybox and make
if [ ! -x "$root/build/kvmi-bench" ] || [ ! -x "$root/build/kvmi-lat" ]; then
	skip "make bench inside a lab machine" "the programs have not been built; run make"
	finish
fi
run "$root/build/kvmi-bench" --list
check "kvmi-bench --list" both "status_is 0" "out_has int3_event_retry"
check "kvmi-bench --list: why cases cannot run is said once" [ -z "$(sed -n 's/^\[[0-9]*\] //p' out | sort | uniq -d)" ]
check "of all of them" [ "$(sed -n 's/^[a-z].* \[\([0-9]*\)\]$/\1/p' out | sort -nu)" = "$(sed -n 's/^\[\([0-9]*\)\] .*/\1/p' out)" ]

# On the machine's one CPU two cannot be had.
every_case()
{
	for _case in $("$root/build/kvmi-bench" --list | sed -n 's/^\([a-z][a-z0-9_]*\) .*/\1/p'); do
		case $_case in
		int3_event_polling | int3_event_same_cpu) grep -q "^$_case  *skipped" out ;;
		*) grep -q "^$_case  *attached  *2  *300 " out ;;
		esac || { echo "# no $_case" && return 1; }
	done
}

for machine in vmx svm; do
	rm -rf host
	run "$root/scripts/lab" run ${KVMI_LAT_TEST_KERNEL:+--kernel "$KVMI_LAT_TEST_KERNEL"} --machine $machine --seed 5 \
		--file "$(command -v make):/bin/" --file "$root/Makefile:/src/" --file "$root/mk:/src/" --file "$root/bpf:/src/" --file "$root/bench:/src/" \
		--file "$root/tools:/src/" --file "$root/tests:/src/" --file "$root/scripts:/src/" \
		--file "$root/build/bpf:/src/build/" --file "$root/build/bench:/src/build/" \
		--file "$root/build/tools:/src/build/" --file "$root/build/kvmi-lat:/src/build/" \
		--file "$root/build/kvmi-bench:/src/build/" --out "$tmp/host" -- \
		sh -c 'make --no-print-directory -C /src bench BENCH_ARGS="--out /out/got --repetitions 2 -- --all --hits=150" && ls /tmp'
	check "$machine: make bench ends with 0" status_is 0
	check "$machine: it finds the patched kernel" out_has "on this machine, kernel"
	check "$machine: it gives the table, with every case that there is" every_case
	# in one more round
	check "$machine: what the programs take by themselves" grep -Eq '^  lat_bp_send +kvmi_event_bp_send +150 ' out
	check "$machine: and the stages" grep -q '^  dispatch  *300 ' out
	check "$machine: the guest's counter, the events and BPF agree" \
		out_has "guest's counter 300, introspector 300, bp_send 300, timed 300"
	check "$machine: it says why there are no graphs" out_has "no graphs"
	check "$machine: and leaves nothing in /tmp" [ -z "$(sed -n '/^no graphs/,$p' out | sed 1d)" ]
	run "$root/scripts/plot" --out "$tmp/host" "$tmp"/host/got/host-*.json
	check "$machine: which its run file gives elsewhere" out_has "stages-int3_event_retry-$machine."
done

finish

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# kvmi-lat's command line: exit statuses, messages, the control protocol, what it leaves behind.
# Run from the top directory. What needs BPF is skipped where BPF is not allowed.
# shellcheck disable=SC2016 # what is in single quotes is for the shells started with it

root=$PWD
# shellcheck source=../users.sh
. "$root/tests/users.sh"
top=$PWD
kvmi_lat=$PWD/build/kvmi-lat
sample=$PWD/tests/unit/sample-run.json
dir=$(mktemp -d "${TMPDIR:-/tmp}/kvmi lat cli.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
passed=0
failed=0
cd "$dir" || exit 1

ok()
{
	passed=$((passed + 1))
	echo "ok - $1"
}

not_ok()
{
	failed=$((failed + 1))
	echo "not ok - $1"
	sed 's/^/# /' out err
}

# expect NAME STATUS WORDS COMMAND...: the command's exit status, and words it must say
expect()
{
	name=$1
	status=$2
	words=$3
	shift 3
	as_the_user "$@" >out 2>err
	got=$?
	if [ "$got" -ne "$status" ]; then
		echo "# exit status $got instead of $status"
		not_ok "$name"
	elif [ -n "$words" ] && ! cat out err | grep -qF -e "$words"; then
		echo "# does not say: $words"
		not_ok "$name"
	else
		ok "$name"
	fi
}

expect "help" 0 "kvmi-lat record -o run.json" "$kvmi_lat" --help
expect "version" 0 "kvmi-lat 0." "$kvmi_lat" --version
expect "no command" 2 "which command" "$kvmi_lat"
expect "unknown command" 2 "no command frobnicate" "$kvmi_lat" frobnicate
for command in record report export compare attach detach; do
	expect "$command --help" 0 "Example" "$kvmi_lat" $command --help
	expect "$command without arguments" 2 "--help" "$kvmi_lat" $command
	expect "$command with an unknown option" 2 "--help" "$kvmi_lat" $command --frobnicate
done
for command in top threshold; do
	expect "$command --help" 0 "Example" "$kvmi_lat" $command --help
	expect "$command with an unknown option" 2 "--help" "$kvmi_lat" $command --frobnicate
done
expect "top with an argument" 2 "takes no argument x" "$kvmi_lat" top x
expect "top sorted by nothing there is" 2 "not sorted by colour" "$kvmi_lat" top --sort colour
expect "top of no process" 2 "invalid PID '0'" "$kvmi_lat" top -p 0
expect "top of a stage there is not" 2 "frobnicate" "$kvmi_lat" top --stage frobnicate
expect "top in no time" 2 "1us is too short" "$kvmi_lat" top -i 1us
expect "a time without unit" 2 "5 is no time" "$kvmi_lat" top -i 5
expect "a time without end" 2 "infs is no time" "$kvmi_lat" top -i infs
expect "a time that is none" 2 "-1s is no time" "$kvmi_lat" top --interval=-1s
expect "a count that is none" 2 "invalid number '-1'" "$kvmi_lat" top --count=-1
for number in "" " 1" +1 -1 1x 0x 0x0x1 0x-1 99999999999999999999; do
	expect "no number: '$number'" 2 "invalid number '$number'" "$kvmi_lat" top --count="$number"
	expect "no PID: '$number'" 2 "invalid PID '$number'" "$kvmi_lat" top --pid="$number"
	expect "no seed: '$number'" 2 "invalid seed '$number'" "$kvmi_lat" compare --seed="$number" x y
done
for number in 1 0x1 0X1F 010 08; do
	expect "a number: $number" 2 "takes no argument x" "$kvmi_lat" top --count=$number --pid=$number x
	expect "a seed: $number" 2 "No such file" "$kvmi_lat" compare --seed=$number nowhere/x nowhere/y
done
expect "threshold without one" 2 "how long is too long" "$kvmi_lat" threshold
expect "threshold of a stage there is not" 2 "no stage kernel" "$kvmi_lat" threshold --over 1us --stage kernel
expect "threshold and an action without --" 2 "stands behind --" "$kvmi_lat" threshold --over 1us true
expect "report without a file" 2 "No such file" "$kvmi_lat" report nothing.json
echo '{"schema":' >cut.json
expect "report of a truncated file" 2 "cut.json: it ends too early" "$kvmi_lat" report cut.json
cp "$sample" sample.json
expect "report of one stage" 0 " wake " "$kvmi_lat" report --stage wake sample.json
cp out shown
expect "which leaves out the others" 1 "" grep -E "build|dispatch|observer|recursion" shown
for file in sample.json "$top"/results/*-seed1.json; do
	"$kvmi_lat" report "$file" >shown
	expect "report of $(basename "$file") fits 100 columns" 0 "" awk 'length($0) > 100 { exit 1 }' shown
done
expect "and says how to get more" 0 "wide: p90, p99.9, max" cat shown
expect "which is more" 0 " p90    p99.9      max" "$kvmi_lat" report --wide sample.json
expect "report of an event that is none" 2 "choose one of exit, breakpoint" "$kvmi_lat" report --event x sample.json
expect "report of a stage that is none" 2 "choose one of total, dispatch" "$kvmi_lat" report --stage x sample.json
expect "report of an action that is none" 2 "choose one of none, continue" "$kvmi_lat" report --action x sample.json
expect "report of an event that is not there" 2 "no such histogram" "$kvmi_lat" report --event unhook sample.json
expect "report as JSON of one stage" 0 '"stage": "wake"' "$kvmi_lat" report --json --stage wake sample.json
cp out shown
expect "which has no other" 0 1 grep -c '"stage":' shown
expect "histograms and JSON" 2 "is text" "$kvmi_lat" report --hist --json sample.json
expect "histograms" 0 "breakpoint event answered retry: introspector, ns" "$kvmi_lat" report --hist sample.json
cp out shown
expect "values beyond the last bucket" 0 "1090921693184 to           ...  1  11.1 % |@" cat shown
expect "no line of them is wider than 100 columns" 0 "" awk 'length($0) > 100 { exit 1 }' shown
# What the rows left out are empty: those shown add up to n.
expect "no value is missing in them" 0 "9 histograms, 7014 values" awk '
	function over() { if (n != sum) print name ": " sum " of " n; all += sum; nr += n > 0 }
	/^  n / { over(); n = $2 + 0; sum = 0 }
	/^ *[0-9]+ to +[0-9.]+ +[0-9]+ / { sum += $4 }
	/ event answered | exits / { name = $0 }
	END { over(); print nr " histograms, " all " values" }' shown
expect "a filtered one" 0 "n 5, mean 4000.0" "$kvmi_lat" report --hist --event hypercall \
	--action continue --stage total --case int3 sample.json
cp out shown
expect "and no other" 0 1 grep -c mean shown

expect "report of a directory" 2 ".: Is a directory" "$kvmi_lat" report .
printf '\177ELF' >foreign.json
expect "report of a foreign file" 2 "foreign.json: not a run file" "$kvmi_lat" report foreign.json
: >empty.json
expect "report of an empty file" 2 "empty.json: it ends too early" "$kvmi_lat" report empty.json
expect "report of a device without end" 2 "more than 16 MiB" "$kvmi_lat" report /dev/zero

# run_file SEED MEAN [MACHINE]: the least that a run file may be
run_file()
{
	cat <<RUN
{"schema":"kvmi-lat-run/1","fingerprint":{"kernel":"6.0","machine":"${3:-svm}","cpus":1,"unit":"instructions","seed":$1},
"command":[],"kvmi_tracepoints":false,"entries":[{"case":"a","observer":"detached","n":9,"mean":$2}],"stages":[],
"counters":{"recursion_misses":null},
"histogram":{"kind":"log-linear","sub_buckets":64,"max_bits":40,"buckets":2240}}
RUN
}

# Names of files need not be UTF-8, and may have anything in them.
odd=$(printf 'f\033[2J\377\303.json')
cp sample.json "$odd"
expect "report of a file with a strange name" 0 "f?[2J??.json" "$kvmi_lat" report "$odd"
expect "report of it as JSON" 0 '"run": "f?[2J??.json"' "$kvmi_lat" report --json "$odd"
for format in csv json prometheus; do
	expect "export of it as $format" 0 "" "$kvmi_lat" export --format $format -o plain "$odd"
	expect "which is text" 1 "" env LC_ALL=C grep -aq "$(printf '\033')\\|$(printf '\377')" plain
done
expect "report of none with a strange name" 2 "x?[2J??: No such file" "$kvmi_lat" report "$(printf 'x\033[2J\377\303')"

mkdir base slow same few
for run in 1 2 3 4 5 6 7 8; do
	run_file $run 100$run.5 >base/$run.json
	run_file $run 110$run.5 >slow/$run.json
	run_file $run 101$run.5 >same/$run.json
	[ $run -gt 3 ] || run_file $run 110$run.5 >few/$run.json
done
expect "compare: slower" 1 " slower" "$kvmi_lat" compare base slow
expect "compare: faster is no regression" 0 " faster" "$kvmi_lat" compare slow base
expect "compare: the same" 0 "1 same; threshold 2 %" "$kvmi_lat" compare base same/
expect "compare: another threshold" 1 "threshold 0.5 %" "$kvmi_lat" compare --threshold 0.5% base same
expect "compare: several" 1 "Difference to base" "$kvmi_lat" compare base same slow
expect "compare: too few runs" 2 "no verdict on 1 case(s)" "$kvmi_lat" compare base few
expect "compare: files, with --vs" 1 " slower" "$kvmi_lat" compare base/*.json --vs slow/*.json
expect "compare: files, with commas" 2 " few runs" "$kvmi_lat" compare base/1.json,base/2.json slow/3.json
expect "compare: as JSON" 1 '"verdict": "slower"' "$kvmi_lat" compare --json base slow
strange=$(printf 'base\377\033')
cp -r base "$strange"
expect "compare: a directory with a strange name" 1 " slower" "$kvmi_lat" compare "$strange" slow
expect "compare: as JSON" 1 '"name": "base??"' "$kvmi_lat" compare --json "$strange" slow
rm -r "$strange"
expect "compare: as Markdown" 1 '**slower**' "$kvmi_lat" compare --markdown base slow
expect "compare: a case that is not there" 2 "has a case z" "$kvmi_lat" compare --case z base slow
expect "compare: one side only" 2 "needs a base and what is new" "$kvmi_lat" compare base
expect "compare: nothing behind --vs" 2 "needs a base and what is new" "$kvmi_lat" compare base/1.json --vs
expect "compare: no threshold" 2 "not 'much'" "$kvmi_lat" compare --threshold much base slow
expect "compare: an empty directory" 2 "no run files are in there" sh -c 'mkdir none; "$0" compare base none' "$kvmi_lat"
expect "compare: no such file" 2 "nowhere: No such file" "$kvmi_lat" compare base nowhere
expect "compare: a damaged file" 2 "cut.json: it ends too early" "$kvmi_lat" compare base cut.json
expect "compare: a file twice" 2 "twice on one side" "$kvmi_lat" compare base/1.json,base/1.json slow
run_file 8 1003.5 >again.json
expect "compare: a seed twice" 2 "a replay" "$kvmi_lat" compare base/*.json again.json --vs slow
run_file 9 1003.5 vmx >vmx.json
expect "compare: unlike machines" 2 "its machine is vmx, where the others have svm" "$kvmi_lat" compare base vmx.json
expect "compare: unlike machines, by force" 2 " few runs" "$kvmi_lat" compare --force base vmx.json
"$kvmi_lat" compare --json base slow >once.json 2>/dev/null
"$kvmi_lat" compare --json base slow >again.json 2>/dev/null
expect "compare: twice the same" 0 "" cmp once.json again.json

expect "record into nowhere" 2 "cannot write no/where" "$kvmi_lat" record -o no/where -- true
expect "record for no time" 2 "0 is no time" "$kvmi_lat" record -d 0
expect "record for a time and for a command" 2 "not both" "$kvmi_lat" record -d 5 -- true
expect "record of no process" 2 "invalid PID 'x'" "$kvmi_lat" record -p x -- true
expect "pinned nowhere" 2 "bpftool prog loadall" "$kvmi_lat" report --pinned "$dir/pins"
if [ "$(id -u)" -eq 0 ] && command -v setpriv >/dev/null &&
	[ "$(cat /proc/sys/kernel/unprivileged_bpf_disabled 2>/dev/null || echo 0)" != 0 ]; then
	chmod 755 "$dir"
	expect "record without privileges" 2 "run it as root" \
		setpriv --reuid 65534 --clear-groups "$kvmi_lat" record -o /tmp/never.json -- true
fi

if ! "$kvmi_lat" record -o probe.json -- true >out 2>err; then
	echo "ok - the rest # SKIP cannot record here: $(head -n 1 err)"
	echo "1..$((passed + failed + 1))"
	[ "$failed" -eq 0 ]
	exit
fi

cat >speaker <<'SCRIPT'
#!/bin/sh
# Speaks the control protocol: each argument is a line, the answers go to stdout.
fds=${KVMI_LAT_CONTROL#fd:}
exec 3>"/proc/self/fd/${fds%,*}" 4<"/proc/self/fd/${fds#*,}"
for line; do
	echo "$line" >&3
	read -r answer <&4
	echo "$answer"
done
echo '{"entries":[{"case":"a","observer":"attached","repetition":0,"n":2,"mean":1.5,"extra":true},
	{"case":"b","skipped":"because"}]}' >"$KVMI_LAT_ENTRIES"
SCRIPT
chmod +x speaker

answers()
{
	"$kvmi_lat" record -o run.json -- ./speaker detach attach attach "begin a" "begin b" end end \
		"begin a" detach end attach "begin " frobnicate "begin b" detach >answers 2>err || return
	tr '\n' '|' <answers
}
expect "control protocol" 0 "ack|ack|ack|ack|error case a has not ended|ack|error no case has begun|\
ack|ack|ack|ack|error begin needs a name|error unknown command frobnicate|ack|ack|" answers
costs()
{
	"$kvmi_lat" record -o cost.json -- ./speaker "cost a" "begin a" "cost b" cost_end "cost_end" "begin a" "cost a" \
		end "cost " detach "cost a" >answers 2>err || return
	tr '\n' '|' <answers
}
expect "the programs' own cost" 0 "ack|error case a has not ended|error cost needs a name, attached programs, and no \
other case|ack|error no cost is being counted|ack|error cost needs a name, attached programs, and no other case|ack|error \
cost needs a name, attached programs, and no other case|ack|error cost needs a name" costs
expect "which nobody had" 0 '"hooks":[]' cat cost.json
# Names that a run file cannot have are refused where they are asked for, and whatever is measured can be read back.
names()
{
	"$kvmi_lat" record -o names.json -- ./speaker detach "begin recursion_misses" "cost recursion_misses" \
		"begin $(printf 'x\377')" "begin $(printf 'x\033')" "begin $(printf 'x\302\205')" attach \
		"begin $(printf '%0300d' 0)" "cost $(printf 'x\377')" "begin größe" end >answers 2>err || return
	tr '\n' '|' <answers
}
expect "names that no case can have" 0 "ack|error no case can have the name recursion_misses|error cost needs a name, attached \
programs, and no other case|error a name of a case has to be UTF-8 without control characters|error a name of a case has to be \
UTF-8 without control characters|error a name of a case has to be UTF-8 without control characters|ack|error the line is too \
long|error a name of a case has to be UTF-8 without control characters|ack|ack|" names
expect "those that can be read back" 0 '"größe":{"exits":' cat names.json
expect "report of them" 0 "machine" "$kvmi_lat" report names.json
cat >begins <<'SCRIPT'
#!/bin/sh
fds=${KVMI_LAT_CONTROL#fd:}
exec 3>"/proc/self/fd/${fds%,*}" 4<"/proc/self/fd/${fds#*,}"
echo detach >&3 && read -r answer <&4
for i in $(seq 1030); do
	echo "begin c$i" >&3 && read -r answer <&4
	[ "$answer" != ack ] || { echo end >&3 && read -r end <&4; }
done
echo "$answer"
SCRIPT
chmod +x begins
expect "more cases than a run can have" 0 "error a run has 1024 cases at most" "$kvmi_lat" record -o many.json -- ./begins
expect "those that it has can be read back" 0 "recursion misses" "$kvmi_lat" report many.json
strange=$(printf 'a\377b\033c')
expect "entries with strange text" 0 "replaced by question marks" "$kvmi_lat" record -o strange.json -- sh -c '
	printf "{\"entries\":[{\"case\":\"c\377\",\"skipped\":\"because\\\\u001b\",\"x\177\\\\u0007\":1}]}" >"$KVMI_LAT_ENTRIES"'
expect "are kept" 0 '{"case":"c?","skipped":"because?","x??":1}' cat strange.json
expect "report of them" 0 "skipped: because?" "$kvmi_lat" report strange.json
expect "a command with strange words" 0 "" "$kvmi_lat" record -o strange.json -- true "$strange"
expect "which are in the run file" 0 '"command":["true","a?b?c"]' cat strange.json
expect "entries go into the run file unchanged" 0 '{"case":"b","skipped":"because"}' cat run.json
expect "cases go into the run file" 0 '"counters":{"a":{"exits":' cat run.json
expect "a case left open is in the run file" 0 '"b":{"exits":' cat run.json
expect "what was run is in the run file" 0 '"command":["./speaker","detach"' cat run.json
expect "report of it" 0 "skipped: because" "$kvmi_lat" report run.json
expect "report of one case" 0 "observer" "$kvmi_lat" report --case a run.json
expect "report of a case that is not there" 2 "no case z" "$kvmi_lat" report --case z run.json
expect "report as JSON" 0 '"skipped": "because"' "$kvmi_lat" report --json run.json
expect "report of two files as JSON" 0 '[' "$kvmi_lat" report --json run.json run.json

expect "command fails" 1 "exit status 3" "$kvmi_lat" record -o failed.json -- sh -c 'exit 3'
expect "its run file is there all the same" 0 '"schema":"kvmi-lat-run/1"' cat failed.json
expect "command ends by a signal" 1 "signal 9" "$kvmi_lat" record -- sh -c 'kill -9 $$'
expect "no such command" 2 "cannot run ./nothing" "$kvmi_lat" record -o none.json -- ./nothing
expect "which leaves no run file" 1 "" test -e none.json
expect "entries that could not be read back" 2 "entry 0 has no observer" "$kvmi_lat" record -- \
	sh -c 'echo "{\"entries\":[{\"case\":\"a\",\"mean\":1}]}" >"$KVMI_LAT_ENTRIES"'
expect "one among others" 2 "not kept: entry 1 has no observer" "$kvmi_lat" record -o among.json -- \
	sh -c 'echo "{\"entries\":[{\"case\":\"a\",\"skipped\":\"x\"},{\"case\":\"b\",\"mean\":1},{\"case\":\"c\",\"skipped\":\"y\"}]}" \
		>"$KVMI_LAT_ENTRIES"'
expect "the others are kept" 0 '{"case":"a","skipped":"x"},' cat among.json
expect "all of them" 0 '{"case":"c","skipped":"y"}' cat among.json
expect "bad entries" 2 "entries" "$kvmi_lat" record -- sh -c 'echo x >"$KVMI_LAT_ENTRIES"'

# stop SIGNAL: what was measured is written, nothing stays behind
stop()
{
	rm -f run.json
	"$kvmi_lat" record -o run.json -- sh -c 'echo $$ >pid; exec sleep 60' &
	recorder=$!
	while ! [ -s pid ]; do
		sleep 0.1
	done
	kill "-$1" $recorder
	wait $recorder
	status=$?
	if kill -0 "$(cat pid)" 2>/dev/null; then
		echo "the command lives on"
		kill "$(cat pid)"
		return 99
	fi
	rm pid
	[ -s run.json ] || return 98
	return $status
}
expect "SIGTERM" 1 "ended by signal 15" stop TERM
expect "SIGHUP" 1 "ended by signal 1" stop HUP
expect "SIGUSR1" 1 "ended by signal 10" stop USR1
expect "SIGALRM" 1 "ended by signal 14" stop ALRM
expect "SIGXCPU" 1 "ended by signal 24" stop XCPU
expect "SIGQUIT" 1 "ended by signal 3" env -i PATH="$PATH" sh -c '
	ulimit -c 0
	timeout --foreground --preserve-status -s QUIT 1 "$0" record -o int.json -- sleep 60' "$kvmi_lat"
expect "SIGHUP that is ignored" 0 "" env -i PATH="$PATH" sh -c '
	trap "" HUP
	"$0" record -o int.json -- sleep 2 &
	sleep 1
	kill -HUP $!
	wait $!' "$kvmi_lat"
long=$dir/$(printf '%0100d' 0)
mkdir "$long"
expect "a TMPDIR with a long name" 0 "$long/kvmi-lat." env TMPDIR="$long" "$kvmi_lat" record -o long.json -- \
	sh -c 'echo "$KVMI_LAT_ENTRIES"'
expect "a TMPDIR that is none" 2 "directory in $dir/nowhere (TMPDIR)" env TMPDIR="$dir/nowhere" "$kvmi_lat" record -- true
# A shell starts background jobs with SIGINT ignored, and sleep inherits that: so only here.
expect "SIGINT" 1 "ended by signal 2" env -i PATH="$PATH" sh -c '
	timeout --foreground --preserve-status -s INT 1 "$0" record -o int.json -- sleep 60' "$kvmi_lat"
# PIDs of another PID namespace than the initial one are refused.
one=1
[ "$(stat -Lc %i /proc/self/ns/pid)" = 4026531836 ] || one=
# shellcheck disable=SC2086 # an option and its value are two words
for option in -a ${one:+"-p 1"}; do
	expect "record $option without a command ends when told" 0 "Ctrl-C ends it" timeout --preserve-status -s TERM 1 \
		"$kvmi_lat" record -o "told$option.json" $option
	expect "and has a run file then" 0 '"command":[]' cat "told$option.json"
done
for time in 1 200ms; do
	expect "record -d $time ends by itself" 0 "no VM exit was seen" timeout 20 "$kvmi_lat" record -d $time -o "for$time.json"
	expect "and has a run file" 0 '"command":[]' cat "for$time.json"
done
expect "nothing was seen" 0 "no VM exit was seen" "$kvmi_lat" record -o none.json -- true
rm -f ran
sleep 0 &
ended=$!
wait $ended
for command in "record -o none.json" top "threshold --over 1s"; do
	# shellcheck disable=SC2086 # words
	expect "$command -p of a process that has ended" 2 "${one:+there is no process $ended}" "$kvmi_lat" $command -p $ended
done
expect "record -t of a process that has ended" 2 "" "$kvmi_lat" record -t $ended -- touch ran
expect "which runs nothing" 1 "" test -e ran
expect "record -p in a PID namespace" 2 "PIDs of the host" \
	unshare -pf --mount-proc "$kvmi_lat" record -o none.json -p 1 -- true
if [ -n "$one" ]; then
	expect "record -p of a process without a VM" 0 "has no VM at present" "$kvmi_lat" record -o none.json -p $$ -- true
	expect "which was not seen" 0 "no VM exit of process $$ was seen" "$kvmi_lat" record -o none.json -p $$ -- true
fi
expect "record -a and -p" 2 "not -a and -p" "$kvmi_lat" record -a -p 1 true
expect "no temporary files" 1 "" sh -c 'ls | grep "json\\."'
expect "no directories of ours in there" 1 "" sh -c 'ls "$0" | grep .' "$long"
expect "no directories of ours" 2 "" sh -c 'ls -d "${TMPDIR:-/tmp}"/kvmi-lat.?????? 2>/dev/null'

echo "1..$((passed + failed))"
[ "$failed" -eq 0 ]

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# scripts/lab: the watcher against emulators that are shell scripts, then machines booted for real.
# KVMI_LAT_TEST_KERNEL=BZIMAGE boots that kernel instead of the one scripts/kernel builds.
# shellcheck disable=SC2016,SC2317 # guest commands are single-quoted on purpose, conditions are called by name

. "$(dirname "$0")/tap.sh"

lab()
{
	run "$root/scripts/lab" run ${KVMI_LAT_TEST_KERNEL:+--kernel "$KVMI_LAT_TEST_KERNEL"} "$@"
}

# --- arguments: refused before anything is built or booted
lab --machine vax -- true
check "unknown machine: 125, one line" both "status_is 125" "one_line err"
lab --machine svm
check "no command: 125, one line" both "status_is 125" "one_line err"
lab --machine svm --cpus 99 -- true
check "--cpus 99: 125, one line" both "status_is 125" "one_line err"
lab --machine svm --parallel -- true
check "--parallel with Bochs: 125, one line" both "status_is 125" "one_line err"
run "$root/scripts/lab" run --machine svm --kernel "$tmp/none" -- true
check "no such kernel: 125, one line" both "status_is 125" "one_line err"

# --- a machine, the ordinary way: files in and out, output, status
mkdir -p "$tmp/in/deep" "$tmp/results"
head -c 1000000 /dev/urandom >"$tmp/in/deep/random"
lab --machine vmx --seed 4711 --file "$tmp/in:/in" --file "$(command -v make)" --file "$(command -v bash):/x/" \
	--out "$tmp/results" -- sh -c '
	echo "to stdout"; echo "to stderr" >&2
	/x/bash -c "echo bash lives"; make --version | head -n 1
	cp -R /in /out/; echo "quote '\''" "two  spaces"
	mount | grep -cE " on (/proc|/sys|/sys/fs/bpf|/sys/kernel/debug|/sys/kernel/tracing|/dev) "
	tr " " "\n" </proc/cmdline | grep -E "^kvmi_(lab|machine|seed)="
	pwd; tr -d 0-9 </proc/uptime; exit 3' "arg"
check "exit status comes back" status_is 3
check "stdout" out_has "to stdout"
check "stderr comes along with it" out_has "to stderr"
check "a program brings its shared libraries, to the place asked for" out_has "bash lives"
check "programs go to /bin unless told otherwise" out_has "GNU Make"
check "quotes and spaces in arguments survive" out_has "quote ' two  spaces"
check "everything is mounted" grep -qx 6 "$tmp/out"
check "the command line says which lab, machine and seed" \
	[ "$(grep kvmi_ "$tmp/out" | tr '\n' ' ')" = "kvmi_lab=bochs kvmi_machine=vmx kvmi_seed=4711 " ]
check "a megabyte comes back as it was" cmp "$tmp/in/deep/random" "$tmp/results/in/deep/random"
check "no complaint" [ ! -s "$tmp/err" ]

# --- the same seed is the same run, another is not; a path with spaces is no obstacle
mkdir "$tmp/a tmp"
course()
{
	TMPDIR="$tmp/a tmp" lab --machine svm --seed "$1" -- sh -c 'cat /proc/timer_list | grep "now at"; date +%s'
	mv "$tmp/out" "$tmp/course$2"
}
course 1 a
course 1 b
course 2 c
check "one seed, one course of events" cmp "$tmp/coursea" "$tmp/courseb"
check "another seed, another course" [ "$(cmp -s "$tmp/coursea" "$tmp/coursec" || echo differ)" = differ ]
check "nothing is left in TMPDIR" [ -z "$(ls "$tmp/a tmp")" ]

# --- two processors, and what goes wrong inside
# proc(5): rt_priority and policy of a task are fields 40 and 41 of its stat
lab --machine vmx --cpus 2 -- sh -c '
	for task in $(grep -l ^ksoftirqd/ /proc/[0-9]*/comm); do cut -d " " -f 40,41 "${task%comm}stat"; done
	grep -c ^processor /proc/cpuinfo; echo c >/proc/sysrq-trigger; echo survived'
check "--cpus 2" grep -qx 2 "$tmp/out"
check "softirqs do not wait behind a benchmark under SCHED_FIFO" [ "$(grep -cx "2 1" "$tmp/out")" = 2 ]
check "a kernel crash: 126" status_is 126
check "a kernel crash: its line is shown" err_has "Kernel panic - not syncing: sysrq triggered crash"
check "a kernel crash: what was printed before is there, nothing after" [ "$(tail -n 1 "$tmp/out")" = 2 ]
log=$(sed -n 's/.*kernel console in //p' "$tmp/err")
check "a kernel crash: the console is kept where it says" grep -q "sysrq triggered crash" "$log"
rm -f "$log"

lab --machine svm -- sh -c 'echo "<4>WARNING: at nothing" >/dev/kmsg; exit 0'
check "a warning in the kernel log: 126, with the line" both "status_is 126" "err_has WARNING:"
lab --machine svm --allow-warnings -- sh -c 'echo "<4>WARNING: at nothing" >/dev/kmsg; kill -9 $$'
check "--allow-warnings: the command's status; a signal is 128 and its number" status_is 137
lab --machine svm --timeout 12 -- sh -c 'echo started; sleep 100000'
check "time limit: 124, says so" both "status_is 124" "err_has limit"

# --- leaving early
env --default-signal=INT TMPDIR="$tmp/a tmp" setsid "$root/scripts/lab" run --machine svm \
	${KVMI_LAT_TEST_KERNEL:+--kernel "$KVMI_LAT_TEST_KERNEL"} -- sleep 100000 >"$tmp/out" 2>"$tmp/err" &
group=$!
sleep 4
emulator=$(ps -eo pid=,ppid=,args= | awk '/\/lab\/watch/ && !/awk/ { w[$1] } /bochs/ && ($2 in w) { print $1, $2 }' |
	while read -r pid watcher; do
		[ "$(ps -o pgid= -p "$watcher" | tr -d ' ')" != "$group" ] || echo "$pid"
	done)
kill -INT "-$group"
wait "$group"
status=$?
check "Ctrl-C: 130, one line" both "status_is 130" "one_line err"
check "Ctrl-C: there was an emulator and it is gone" [ -n "$emulator" -a ! -d "/proc/$emulator" ]
check "Ctrl-C: nothing is left in TMPDIR" [ -z "$(ls "$tmp/a tmp")" ]

# --- QEMU with the same image
if command -v qemu-system-x86_64 >/dev/null; then
	lab --machine svm --backend qemu -- sh -c 'grep -o kvmi_lab=qemu /proc/cmdline; exit 4'
	check "QEMU: status and output" both "status_is 4" "out_has kvmi_lab=qemu"
	# QEMU refuses threads with a clock that counts instructions: what boots has the one and not the other.
	lab --machine svm --backend qemu --parallel --cpus 2 --timeout 120 -- sh -c '
		tr " " "\n" </proc/cmdline | grep -E "^(kvmi_lab|tsc=)"; grep -c ^processor /proc/cpuinfo; exit 5'
	parallel=qemu-parallel
	! grep -qw svm /proc/cpuinfo || [ ! -w /dev/kvm ] || parallel=qemu-kvm
	check "QEMU, --parallel: two processors, and the host's clock" \
		[ "$status $(tr "\n" " " <"$tmp/out")" = "5 kvmi_lab=$parallel 2 " ]
else
	skip "QEMU" "qemu-system-x86_64 is not installed"
fi

# --- the watcher by itself: ends that are hard to come by with a real machine
watch()
{
	: >"$tmp/console"
	run "$root/build/lab/watch" -c "$tmp/console" "$@"
}

watch -s 1 -- sh -c 'while :; do :; done'
check "busy without a sign of life: 126, says so" both "status_is 126" "err_has sign"
watch -- sh -c 'exit 7'
check "the emulator ends by itself: 125, with its status" both "status_is 125" "err_has 7"
hung_up='kill -HUP $PPID; sleep 1; exit 7'
watch -- sh -c "$hung_up"
check "SIGHUP ends it" both "status_is 130" "err_has interrupted"
trap '' HUP
watch -- sh -c "$hung_up"
trap - HUP
check "unless it is ignored" both "status_is 125" "err_has 7"
watch -- "$tmp/no-such-emulator"
check "no emulator: 125" status_is 125
watch -- sh -c 'echo "BUG: soft lockup - CPU#0" >>"'"$tmp"'/console"; sleep 1'
check "a dying machine whose kernel complained: 126, with the line" both "status_is 126" "err_has lockup"
watch -- sh -c 'echo "BUG: KCSAN: data-race in a / b" >>"'"$tmp"'/console"; sleep 1'
check "a data race that KCSAN reports is a complaint, too: 126" both "status_is 126" "err_has KCSAN"
watch -r -- sh -c 'echo "BUG: KCSAN: data-race in a / b" >>"'"$tmp"'/console"; sleep 1; exit 7'
check "unless the command judges these itself: 125 here, as the emulator ends" both "status_is 125" "err_has 7"
magic='\245kvmi-lab-1\n'
watch -- sh -c 'printf "noise\245'"$magic"'\245B\0\0\245O\005\0hello\245S\001\0005\245E\0\0"; sleep 60'
check "frames between noise: output and status" both "status_is 5" "out_is hello"

finish

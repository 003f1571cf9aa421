#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Where kvmi-lat and kvmi-bench write: devices, pipes and links stay what they are; what cannot work is refused first.
# shellcheck disable=SC2016,SC2317 # dollars are of the shells started with it, conditions are called by name

. "$(dirname "$0")/tap.sh"
lat=$root/build/kvmi-lat
bench=$root/build/kvmi-bench
sample=$root/tests/unit/sample-run.json
umask 022

for program in "$lat" "$bench"; do
	[ -x "$program" ] || { skip "outputs" "there is no $program; make builds it" && finish; }
done
# A mistake must not hit the machine's own /dev: everything below runs in a mount namespace with another.
if [ "${1-}" != inside ]; then
	unshare -m true 2>"$tmp/err" || { skip "outputs" "no mount namespace is to be had: $(cat "$tmp/err"); run it as root" && finish; }
	rm -rf "$tmp"
	exec unshare -m sh "$0" inside
fi
mkdir "$tmp/dev" && mount -t tmpfs -o mode=755 none "$tmp/dev" || exit 1
mknod -m 666 "$tmp/dev/null" c 1 3 && mknod -m 666 "$tmp/dev/full" c 1 7 && mknod -m 666 "$tmp/dev/urandom" c 1 9 || exit 1
ln -s /proc/self/fd "$tmp/dev/fd" && ln -s fd/1 "$tmp/dev/stdout" && ln -s fd/2 "$tmp/dev/stderr" || exit 1
mount --bind "$tmp/dev" /dev || exit 1
mkdir "$tmp/here" && cd "$tmp/here" || exit 1

dev_is_whole()
{
	[ -c /dev/null ] && [ -c /dev/full ] && [ "$(readlink /dev/stdout)" = fd/1 ] && [ "$(readlink /dev/stderr)" = fd/2 ] &&
	[ "$(readlink /dev/fd)" = /proc/self/fd ] && [ "$(echo /dev/*)" = "/dev/fd /dev/full /dev/null /dev/stderr /dev/stdout /dev/urandom" ]
}

export_to()	# FILE
{
	"$lat" export --format csv -o "$1" "$sample"
}


run export_to plain
check "export to a file" status_is 0
check "which has something in it" [ -s plain ]
for name in /dev/stdout /dev/fd/1 /proc/self/fd/1; do
	{ echo before && export_to $name && echo after; } >x.csv 2>"$tmp/err"
	check "export -o $name, a file: status" status_is $?
	{ echo before && cat plain && echo after; } >expected
	check "export -o $name, a file: all of it" cmp x.csv expected
	export_to $name 2>"$tmp/err" | cat >x.csv
	check "export -o $name, a pipe" cmp x.csv plain
done
export_to /dev/stderr 2>x.csv
check "export -o /dev/stderr" cmp x.csv plain
run export_to /dev/null
check "export -o /dev/null" status_is 0
run export_to /dev/full
check "export -o /dev/full: status" status_is 2
check "export -o /dev/full: the reason" err_has "/dev/full: No space left on device"
check "the devices are what they were" dev_is_whole

mkfifo fifo
cat fifo >x.csv &
run export_to fifo
wait $!
check "export -o FIFO" cmp x.csv plain
check "which stays one" [ -p fifo ]

echo old >target && chmod 600 target && ln -s target link && ln -s none dangling
run export_to link
check "export -o LINK: its target" cmp target plain
check "the link stays" [ -L link ]
check "the target's mode stays" mode_is target 600
run export_to dangling
check "a dangling link: its target is made" cmp none plain
check "which has the mode of a new file" mode_is none 644
check "the dangling link stays" [ -L dangling ]
(umask 077 && export_to private)
check "umask of a new file" mode_is private 600
echo old >mounted && echo old >over && mount --bind over mounted
run export_to mounted
check "a file that is a mount point" cmp over plain
umount mounted
run export_to .
check "a directory: status" status_is 2
check "a directory: the reason" err_has "Is a directory"

# record: whatever cannot be written is refused before the command is run.
refused()	# NAME FILE REASON
{
	rm -f ran
	run "$lat" record -o "$2" -- touch ran
	check "record -o $1: status" status_is 2
	check "record -o $1: the reason" err_has "$3"
	check "record -o $1: nothing is run" [ ! -e ran ]
}
mkdir dir && ln -s dir to_dir && ln -s nowhere/x lost
refused "a directory" dir "cannot write dir: Is a directory"
refused "a link to a directory" to_dir "Is a directory"
refused "no such directory" nowhere/x "No such file or directory"
refused "a link to no such directory" lost "No such file or directory"
refused "a descriptor that is not open" /dev/fd/77 "No such file or directory"
refused "nothing" "" "No such file or directory"
if command -v setpriv >/dev/null; then
	chmod 755 "$tmp" && mkdir -m 700 closed
	run setpriv --reuid 65534 --clear-groups "$lat" record -o closed/x -- true
	check "record -o a directory without permission" err_has "cannot write closed/x: Permission denied"
fi
if "$lat" record -o probe -- true >"$tmp/out" 2>"$tmp/err"; then
	"$lat" record -o /dev/stdout -- echo said >x.json 2>"$tmp/err"
	check "record -o /dev/stdout" eval 'head -n 1 x.json | grep -qx said && sed 1d x.json | jq -e .schema >/dev/null'
	echo old >run.json && chmod 640 run.json && ln -s run.json run
	run "$lat" record -o run -- true
	check "record -o LINK" eval '[ -L run ] && jq -e .schema run.json >/dev/null'
	check "and its mode" mode_is run.json 640
else
	skip "record -o" "cannot record here: $(head -n 1 "$tmp/err")"
fi
check "no temporary files" eval '[ -z "$(find . -name ".kvmi-lat.*")" ]'

# kvmi-bench: Google Benchmark opens its own file; the entries are ours.
KVMI_LAT_ENTRIES=nowhere/x
export KVMI_LAT_ENTRIES
run "$bench" --benchmark_filter=cpuid
check "kvmi-bench, entries that cannot be written: status" status_is 2
check "kvmi-bench, entries that cannot be written: the reason" err_has "cannot write the entries to nowhere/x"
check "before anything is measured" [ ! -s "$tmp/out" ]
KVMI_LAT_ENTRIES=/dev/stdout
for name in nowhere/x lost dir to_dir; do
	run "$bench" --benchmark_filter=cpuid --benchmark_out=$name
	check "kvmi-bench --benchmark_out=$name: status" status_is 2
	check "kvmi-bench --benchmark_out=$name: the reason" err_has "cannot write $name (--benchmark_out): "
	check "kvmi-bench --benchmark_out=$name: nothing else" one_line err
done
KVMI_LAT_ENTRIES=fifo
cat fifo >x.json &
run "$bench" --benchmark_filter=cpuid
wait $!
run jq -e 'any(.entries[]; .case == "cpuid")' x.json
check "kvmi-bench, entries to a FIFO" status_is 0
unset KVMI_LAT_ENTRIES
check "the devices are what they were, again" dev_is_whole

cd / && umount /dev "$tmp/dev"
finish

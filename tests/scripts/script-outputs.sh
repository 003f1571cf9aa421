#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Where scripts write, if the user names no plain file: devices, pipes, links, descriptors; modes; what cannot be written.
# shellcheck disable=SC2094,SC2317 # conditions are called by name

. "$(dirname "$0")/tap.sh"
sample=$root/tests/unit/sample-run.json
cd "$tmp" || exit 1

if [ ! -x "$root/build/kvmi-lat" ]; then
	skip "outputs of scripts/report" "the programs have not been built; run make"
	finish
fi
report()	# FILE
{
	run "$root/scripts/report" --out "$1" "$sample"
}
is_page()	{ [ "$(grep -c '^<!DOCTYPE html>' "$1").$(grep -c '</html>' "$1")" = 1.1 ]; }
is_link_to()	{ [ "$(readlink "$1")" = "$2" ]; }

echo old >target && ln -s target link && chmod 600 target
report link
check "a link is written through" both "is_link_to link target" "is_page target"
check "a file keeps its mode" mode_is target 600
ln -s made dangling
report dangling
check "a link to a file that is not there makes it" both "is_link_to dangling made" "is_page made"

mkfifo pipe
timeout 60 cat pipe >got &
reader=$!
report pipe
wait $reader
check "a pipe is written to, and is one still" both "[ -p pipe ]" "is_page got"

echo before >got
"$root/scripts/report" --out /dev/stdout "$sample" >>got 2>err
check "/dev/stdout: to where it goes, and nothing but the page" \
	[ "$(head -n 1 got).$(sed 1,2d got | grep -c DOCTYPE)" = before.0 -a "$(tail -n 1 got)" = '</html>' ]
"$root/scripts/report" --out /proc/self/fd/5 "$sample" 5>got 2>err
check "/proc/self/fd/5: the descriptor" is_page got

if mknod null c 1 3 2>/dev/null && (: >null) 2>/dev/null; then
	report null
	check "a device is written to, and is one still" both "status_is 0" "[ -c null ]"
else
	skip "a device is written to" "a device cannot be made here; run as root, on a file system with devices"
fi

mkdir directory
for where in directory nowhere/page; do
	report $where
	check "$where: refused before anything is drawn, in one line" both "status_is 1" "one_line err"
done
check "nothing is left beside them" [ "$(echo ./*.new* nowhere*)" = './*.new* nowhere*' ]

# --- directories
mkdir graphs
name=$("$root/scripts/plot" --out graphs "$sample" | sed -n 's|.*/\(stages-[^.]*\).*|\1|p' | head -n 1)
echo old >kept && rm -f graphs/*.svg && ln -s ../kept "graphs/$name.svg"
run "$root/scripts/plot" --out graphs "$sample"
check "plot: a graph that is a link is written through" both "is_link_to graphs/$name.svg ../kept" "grep -q <svg kept"
run "$root/scripts/plot" --out kept "$sample"
check "plot: a directory that cannot be made: one line" both "status_is 1" "one_line err"

# --- the lab
lab()
{
	run "$root/scripts/lab" run --machine svm --kernel "$tmp/none" "$@" -- true
}
lab --out kept
check "lab: --out that cannot be a directory: 125 before anything is booted" both "status_is 125" "grep -q cannot.write.to.kept err"
mkdir bin "a:b" && echo x >"a:b/c:d" && : >bzImage
printf '#!/bin/sh\ncp initrd.img "%s/"\n' "$tmp" >bin/qemu-system-x86_64 && chmod +x bin/qemu-system-x86_64
run env PATH="$tmp/bin:$PATH" "$root/scripts/lab" run --machine svm --backend qemu --kernel bzImage --file "a:b/c:d" \
	--file "a:b/c:d:/in/" --file "a:b:/there" -- true
cpio -it --quiet <initrd.img >names 2>>err
check "lab: --file takes names with colons" [ "$(grep -cx -e c:d -e in/c:d -e there/c:d names)" -eq 3 ]
lab --file "a:c:/in/"
check "lab: --file that is not there: named as it was given" both "status_is 125" "grep -q a:c:/in/:.no.such.file err"
TMPDIR=$tmp/nowhere lab
check "lab: no usable TMPDIR: 125, one line" both "status_is 125" "one_line err"

finish

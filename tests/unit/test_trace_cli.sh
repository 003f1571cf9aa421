#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# kvmi-trace's command line, and what it does about its socket when no VMM comes. Run from the top directory.

root=$PWD
# shellcheck source=../users.sh
. "$root/tests/users.sh"
kvmi_trace=$PWD/build/kvmi-trace
dir=$(mktemp -d "${TMPDIR:-/tmp}/kvmi trace cli.XXXXXX") || exit 1
trap 'rm -rf "$dir"' EXIT
count=0
failed=0
cd "$dir" || exit 1

# expect NAME STATUS WORDS COMMAND...: the command's exit status, and words it must say
expect()
{
	name=$1
	status=$2
	words=$3
	shift 3
	count=$((count + 1))
	as_the_user timeout 30 "$@" >out 2>err </dev/null
	got=$?
	if [ "$got" -eq "$status" ] && { [ -z "$words" ] || cat out err | grep -qF -e "$words"; }; then
		echo "ok $count - $name"
		return
	fi
	failed=$((failed + 1))
	echo "not ok $count - $name"
	echo "# exit status $got, expected $status; expected words: $words"
	sed 's/^/# /' out err
}

# usage WORDS ARGUMENT...
usage()
{
	words=$1
	shift
	expect "usage: $*" 2 "$words" "$kvmi_trace" "$@"
	expect "usage: $*: where help is" 2 "--help" "$kvmi_trace" "$@"
}

expect "help" 0 "kvmi-trace -l /run/kvmi.sock vcpus" "$kvmi_trace" --help
expect "version" 0 "kvmi-trace 0." "$kvmi_trace" --version
usage "which command" -l s
usage "no command frobnicate" -l s frobnicate
usage "which VM" vcpus
usage "not both" -l s -f 3 vcpus
usage "--raw is for --fd" -l s --raw vcpus
usage "--guest is told in the handshake" -f 3 --raw --guest x vcpus
usage "invalid mode '8'" -l s --socket-mode 8 vcpus
usage "invalid mode '1777'" -l s --socket-mode 1777 vcpus
usage "there is no group of this name" -l s --socket-group "of this name" vcpus
usage "unexpected argument x" -l s vcpus x
usage "break where" -l s break
usage "addresses are wanted" -l s break 0x10,
usage "addresses are wanted" -l s break 0x10,main
usage "addresses are wanted" -l s break -- -1
usage "addresses are wanted" -l s break 0x10000000000000000
usage "addresses are wanted" -l s break " 16"
usage "addresses are wanted" -l s break +16
usage "addresses are wanted" -l s break 0x0x10
usage "a number up to" -l s -n +1 break 1
# 08 is eight: what is wrong stands behind it
usage "no register eax" -l s break 08,010 -n 09 --cr3 0x1F -r eax
usage "no more than 64" -l s break "$(seq -s , 65)"
usage "no register eax" -l s break 1 -r rip,eax
usage "auto, emulate or restore" -l s break 1 --step over
usage "a number up to" -l s regs --vcpu 65536
usage "a number up to" -l s break 1 --count -1
usage "unrecognized option" -l s --frobnicate vcpus

expect "no VMM comes" 1 "no VMM has connected to s within 1 s" "$kvmi_trace" -l s -w 1 vcpus
expect "the socket is removed" 1 "" test -e s
expect "SIGINT while it waits" 1 "no VMM has connected to s yet" \
	timeout --foreground --preserve-status -s INT 1 "$kvmi_trace" -l s vcpus
expect "the socket is removed then, too" 1 "" test -e s
echo "a file" >file
expect "a file is in the way" 1 "something is there already" "$kvmi_trace" -l file -w 1 vcpus
expect "and stays" 0 "a file" cat file
expect "no such directory" 1 "cannot listen on no/where: No such file" "$kvmi_trace" -l no/where vcpus
long=$(printf '%0200d' 0)
expect "a path that is too long" 1 "File name too long" "$kvmi_trace" -l "$long" vcpus
expect "no such descriptor" 1 "Bad file descriptor" "$kvmi_trace" -f 77 --raw vcpus
expect "no socket" 1 "file descriptor 0" "$kvmi_trace" -f 0 --raw vcpus

# A tool that was killed leaves its socket; one that lives keeps it.
"$kvmi_trace" -l s -w 20 vcpus 2>/dev/null &
tool=$!
while ! [ -S s ]; do
	sleep 0.1
done
kill -KILL $tool
wait $tool 2>/dev/null
expect "a socket that was left is replaced" 1 "within 1 s" "$kvmi_trace" -l s -w 1 vcpus
"$kvmi_trace" -l s -w 20 vcpus 2>/dev/null &
tool=$!
while ! [ -S s ]; do
	sleep 0.1
done
expect "only this user may connect" 0 "srw-------" ls -l s
expect "a second tool at the same socket" 1 "something is there already" "$kvmi_trace" -l s -w 1 vcpus
expect "does not disturb the first" 0 "" kill $tool
wait $tool

echo "1..$count"
[ "$failed" -eq 0 ]

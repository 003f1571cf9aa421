#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Inside a lab machine with a debug kernel, after the tests: what it has found that is not in its log.

kmemleak=/sys/kernel/debug/kmemleak

result()	# STATUS NAME [FILE WITH REASONS]
{
	count=$((count + 1))
	[ "$1" -eq 0 ] && echo "ok $count - $2" && return
	echo "not ok $count - $2"
	failed=1
	[ -z "${3:-}" ] || head -n 40 "$3" | sed 's/^/# /'
}

count=0
failed=0
echo 1..4

# It stops watching after its first report, and when its tables are full.
grep -q '^ *debug_locks: *1$' /proc/lockdep_stats
result $? "lockdep is still on" /proc/lockdep_stats

# What a test has left behind may still be on its way out.
for _ in 1 2 3 4 5 6 7 8 9 10; do
	cat /proc/[0-9]*/comm 2>/dev/null | grep -x kvmi-recv >/tmp/left || break
	sleep 1
done
[ ! -s /tmp/left ]
result $? "no receiver thread is left" /tmp/left

# Younger than five seconds is not a leak yet; a block referred to from a register is not one in the next scan.
sleep 6
echo scan >$kmemleak && sleep 1 && echo scan >$kmemleak
result $? "kmemleak is still on"
cat $kmemleak >/tmp/leaks
[ ! -s /tmp/leaks ]
result $? "kmemleak finds nothing" /tmp/leaks

exit $failed

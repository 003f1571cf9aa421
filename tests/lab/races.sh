#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Inside a lab machine with a KCSAN kernel, after the tests: the data races that it has found in introspection's code.

: "${kcsan:=/sys/kernel/debug/kcsan}"
dir=${TMPDIR:-/tmp}

# Whole reports if a function of introspection is in the title, of the others the title.
dmesg | sed 's/^\[ *[0-9.]*\] //' | awk -v ours="$dir/ours" -v others="$dir/others" '
	function finish() {
		if (title ~ /kvmi/)
			print report >ours
		else if (title != "")
			print title >others
		title = ""
	}
	BEGIN { printf "" >ours; printf "" >others }
	/^=====*$/ { finish(); next }
	/^BUG: KCSAN: / { finish(); title = report = $0; next }
	title != "" { report = report "\n" $0 }
	END { finish() }'

result()	# STATUS NAME
{
	count=$((count + 1))
	[ "$1" -eq 0 ] && echo "ok $count - $2" && return
	echo "not ok $count - $2"
	failed=1
}

count=0
failed=0
echo 1..2

# "enabled: 1", and "setup_watchpoints: N"
awk '/^enabled: 1$/ { on = 1 } /^setup_watchpoints:/ { watched = $2 } END { exit !(on && watched > 0) }' "$kcsan"
result $? "KCSAN has watched, and still does"

[ ! -s "$dir/ours" ]
result $? "KCSAN finds no data race in introspection's code"
sed 's/^/# /' "$dir/ours"

echo "# data races in KVM's own code, which are no failures: $(wc -l <"$dir/others")"
sort "$dir/others" | uniq -c | sed 's/^ *\([0-9]*\) /# \1 x /'

exit $failed

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tests/layers: this tree, and trees made up that have what it is to find.

. "$(dirname "$0")/tap.sh"

layers()
{
	run "$root/tests/layers" --rules "$tmp/rules" "$tmp/tree"
}

# put FILE LINE...: a C file of these lines, and its object
put()
{
	_file=$1
	shift
	mkdir -p "$tmp/tree/$(dirname "$_file")" "$tmp/tree/build/$(dirname "$_file")"
	printf '%s\n' "$@" >"$tmp/tree/$_file"
	case $_file in
	*.c) gcc -w -c -I "$tmp/tree/tools/lib" -I "$tmp/tree/tools/kvmi-lat" -o "$tmp/tree/build/${_file%.c}.o" "$tmp/tree/$_file" ;;
	esac
}

run "$root/tests/layers"
check "this tree has no arrow that may not be, and no circle" status_is 0

printf 'tools/lib:\ntools/kvmi-lat/lib: tools/lib\n' >"$tmp/rules"
put tools/lib/low.h 'int low(void);'
put tools/lib/low.c '#include "low.h"' 'int low(void) { return 1; }'
put tools/kvmi-lat/lib/high.c '#include "low.h"' 'int high(void) { return low(); }'
layers
check "a file uses one below: status 0" both "status_is 0" "out_is"

put tools/lib/low.c 'int low(void) { return high(); }'
layers
check "a call upwards: status 1" status_is 1
check "a call upwards: who calls whom" out_has "tools/lib/low uses tools/kvmi-lat/lib/high: tools/lib may not use tools/kvmi-lat/lib"
check "which is a circle here" out_has "a circle:"

put tools/lib/low.c '#include "low.h"' 'int low(void) { return 1; }'
put tools/kvmi-lat/lib/high.h 'int high(void);'
put tools/lib/other.h '#include "lib/high.h"'
layers
check "an include upwards" both "status_is 1" "out_has tools/lib/other"
rm "$tmp/tree/tools/lib/other.h"

put tools/lib/one.c 'int one(void) { return two(); }'
put tools/lib/two.c 'int two(void) { return three(); }'
put tools/lib/three.c 'int three(void) { return one(); }'
layers
check "three files of one directory that call one another in a circle" both "status_is 1" "out_has tools/lib/three"

rm -r "$tmp/tree/tools/lib" "$tmp/tree/build/tools/lib"
put bench/new.c '#include "lib/high.h"' 'int new(void) { return 0; }'
layers
check "a directory that the rules do not know" both "status_is 1" "out_has bench"

rm -r "$tmp/tree"
mkdir "$tmp/tree"
layers
check "nothing to look at: status 2" status_is 2
run "$root/tests/layers" --rules "$tmp/none"
check "no rules: one line" both "status_is 2" "one_line err"

finish

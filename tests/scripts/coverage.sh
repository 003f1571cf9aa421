#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# tests/fuzz-kvmi/coverage with a kernel of a few lines that KCOV knows.

. "$(dirname "$0")/tap.sh"

mkdir "$tmp/kernel"
point()	# PC FILE LINE FUNCTION TEXT
{
	printf '%s\t%s\t%s\t%s\t%s\n' "$@" >>"$tmp/kernel/kcov-points"
}
core=virt/kvm/introspection/kvmi.c
arch=arch/x86/kvm/kvmi.c
point ffffffff81000005 $core 9 kvmi_one 'if (!kvmi)'
point ffffffff81000015 $core 10 kvmi_one 'return -ENOENT;'
point ffffffff81000025 $core 10 kvmi_one 'return -ENOENT;'
point ffffffff81000035 $core 110 kvmi_two 'return -ENOENT;'
point ffffffff81000040 - 0 - ''
point ffffffff8100004a $arch 7 kvmi_arch 'x = "a b";'

coverage()
{
	run "$root/tests/fuzz-kvmi/coverage" --unreached "$tmp/list" "$@"
}

: >"$tmp/list"
printf 'ffffffff81000005\nffffffff81000025\n' >"$tmp/a"
printf '0xffffffff81000035\n0XFFFFFFFF8100004A\r\n\nffffffff81000040\n' >"$tmp/b"

coverage "$tmp/kernel" "$tmp/a" "$tmp/b"
check "all lines reached, in two files, and a tracepoint: status 0" status_is 0
check "a line that has several points is one line" out_has "4 of    4 lines  in all"
check "nothing is said to be missing" [ "$(grep -c reached "$tmp/out")" -eq 0 ]

coverage --least 75 "$tmp/kernel" "$tmp/a" "$tmp/b"
check "more than enough: status 0" status_is 0
coverage --least 75 "$tmp/kernel" "$tmp/b" "$tmp/a" "$tmp/a"
check "the same PC twice counts once" both "status_is 0" "out_has 100.0"

printf 'ffffffff81000015\n' >"$tmp/one"
coverage "$tmp/kernel" "$tmp/a"
check "half of the lines: status 1, says so in one line" both "status_is 1" "one_line err"
check "how many, by file" grep -q "^ 66.7 %     2 of    3 lines  $core\$" "$tmp/out"
check "a file that was not reached at all" grep -q "^  0.0 %     0 of    1 lines  $arch\$" "$tmp/out"
check "each line that is missing, with its text" \
	[ "$(grep -cxF -e "$core:110: return -ENOENT;" -e "$arch:7: x = \"a b\";" "$tmp/out")" -eq 2 ]
coverage --least 50 "$tmp/kernel" "$tmp/a"
check "half of the lines are enough if half are asked for" status_is 0
coverage --least 50.1 "$tmp/kernel" "$tmp/a"
check "just below what is asked for: status 1" status_is 1

# --- reasons
cat >"$tmp/list" <<'L'
# why not
kvmi_two: return -ENOENT;
	It is never
	called.
L
coverage --least 50 "$tmp/kernel" "$tmp/a"
check "a reason stands below its line" grep -q "^	It is never called\.$" "$tmp/out"
check "and goes with the function, not with the text alone" [ "$(grep -c 'never called' "$tmp/out")" -eq 1 ]
coverage --least 50 "$tmp/kernel" "$tmp/one"
check "too few lines, one of them with a reason: status 1" status_is 1
coverage --least 50 --explained "$tmp/kernel" "$tmp/a"
check "--explained: a line without a reason: status 1" both "status_is 1" "err_has 1 lines"
printf 'kvmi_arch: x = "a b";\n\tNo x.\n' >>"$tmp/list"
coverage --least 50 --explained "$tmp/kernel" "$tmp/a"
check "--explained: all have one" status_is 0
coverage "$tmp/kernel" "$tmp/a" "$tmp/b"
check "reached in spite of a reason: shown" both "status_is 0" "out_has although"
printf 'kvmi_one: return -EBUSY;\n\tIt is gone.\n' >>"$tmp/list"
coverage --least 50 "$tmp/kernel" "$tmp/a"
check "a listed line that does not exist: status 1, named with its place" both "status_is 1" "err_has list:7:"
printf 'kvmi_arch: x = "a b";\n' >"$tmp/list"
coverage --least 50 "$tmp/kernel" "$tmp/a"
check "a listed line without a reason: status 1" both "status_is 1" "err_has no reason"
: >"$tmp/list"

# --- what is not of this kernel
printf 'ffffffff81000005\nffffffff81999999\n' >"$tmp/strange"
coverage --least 0 "$tmp/kernel" "$tmp/strange"
check "a PC that the kernel does not have: status 1, named" both "status_is 1" "err_has ffffffff81999999"
: >"$tmp/none"
coverage --least 0 "$tmp/kernel" "$tmp/none"
check "no PCs at all: status 1" both "status_is 1" "err_has no PC"

# --- usage
coverage "$tmp/kernel"
check "no PCs given: status 2, one line" both "status_is 2" "one_line err"
mkdir "$tmp/plain"
coverage "$tmp/plain" "$tmp/a"
check "a kernel without points: status 2, says what to build" both "status_is 2" "err_has --fuzz"
coverage --least many "$tmp/kernel" "$tmp/a"
check "--least that is no number: status 2" status_is 2
run "$root/tests/fuzz-kvmi/coverage" --unreached "$tmp/nowhere" "$tmp/kernel" "$tmp/a"
check "a list that is not there: status 2" status_is 2
coverage --nonsense "$tmp/kernel" "$tmp/a"
check "an unknown option: status 2" both "status_is 2" "err_has --nonsense"

finish

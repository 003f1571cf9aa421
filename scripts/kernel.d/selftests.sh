# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154,SC2034
# scripts/kernel selftests: KVM's selftests out of the patched source, to be run in the lab.

# Static: they are carried into machines that have no libraries. Runs as a process of its own, for `phase`.
# One that does not build (6.1.192 has such) is no reason to be without the others.
# KSFT_KHDR_INSTALL_DONE is for 5.10, which would install the headers once more, into the source.
make_selftests()	# DIR
{
	nice make -k -C "$src/tools/testing/selftests/kvm" "-j$(nproc)" OUTPUT="$1" LINUX_HDR_PATH="$obj/usr/include/" \
		KHDR_INCLUDES="-isystem $obj/usr/include" LDLIBS='-static -ldl' KSFT_KHDR_INSTALL_DONE=1 9>&-
}

# nx_huge_pages_test is for a script that is not here.
selftest_programs()	# DIR
{
	find "$1" -type f -perm -u+x ! -name '*.o' ! -name nx_huge_pages_test
}

# Programs only, without what is for debuggers.
keep_selftests()	# DIR
{
	scratch=$cache/.new-$$
	mkdir "$scratch" || fail "cannot write to $cache"
	selftest_programs "$1" >"$cache/selftests.list"
	while IFS= read -r _program; do
		strip -o "$scratch/${_program##*/}" "$_program" || fail "cannot write $scratch"
	done <"$cache/selftests.list"
	mv "$scratch" "$result" || fail "cannot write $result"
	scratch=
}

selftests_now()
{
	_began=$(date +%s)
	need_space 1000
	get_source
	# shellcheck disable=SC2046 # names without spaces
	put_tree $(series)
	obj=$cache/obj-selftests-$version
	_programs=$obj/kvm
	mkdir -p "$_programs" || fail "cannot write to $cache"
	phase "making the headers of $version" 0 "$cache/headers.log" \
		"$root/scripts/kernel" _make "$version" "$obj" headers ||
		fail "make headers failed: $(cause_in "$cache/headers.log"); log: $cache/headers.log"
	# one that does not build any more must not stay from an earlier source
	selftest_programs "$_programs" | xargs -r rm -f
	phase "building the selftests of $version" 300 "$cache/selftests.log" \
		"$root/scripts/kernel" _selftests "$version" "$obj" "$_programs" ||
		[ -f "$_programs/kvmi_test" ] ||
		fail "building the selftests failed: $(cause_in "$cache/selftests.log"); log: $cache/selftests.log"
	keep_selftests "$_programs"
	say "kernel: selftests of $version built in $(($(date +%s) - _began)) s: $result"
}

cmd_selftests()
{
	[ $# -eq 0 ] || fail "what is $1? (--help tells)"
	stock=no
	install_deps 1 kernel
	identity
	result=$cache/selftests-$version-$(printf '%s\n' 1 "$source" "$series_id" "$compiler" | sha256 | cut -c1-16)
	if [ ! -d "$result" ]; then
		need git make gcc strip flock setsid
		lock_cache
		set_traps
		[ -d "$result" ] || selftests_now
	fi
	printf '%s\n' "$result"
}

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154
# scripts/kernel check-series: every patch by itself.

touched_objects()	# PATCH: objects of C files it touches outside of KVM's own directories
{
	sed -n 's/^+++ b\/\(.*\)\.c$/\1.o/p' "$1" | grep -vE '^(arch/x86/kvm|virt/kvm|tools|samples|Documentation)/'
}

checked_make()	# LOG TARGET...: a warning is a failure
{
	_log=$1
	shift
	phase "checking $current" 0 "$_log" "$root/scripts/kernel" _make "$version" "$obj" -k "-j$(nproc)" "$@" &&
		! grep -q 'warning:' "$_log"
}

build_one()	# PATCH LOG INTROSPECTION(yes|no)
{
	# before the patch that brings the option there is nothing to ask for
	if grep -qs '^config KVM_INTROSPECTION' "$src/arch/x86/kvm/Kconfig" "$src/virt/kvm/Kconfig"; then
		fragment "$3" >"$cache/fragment"
	else
		fragment none >"$cache/fragment"
	fi
	configure "$cache/fragment"
	# shellcheck disable=SC2046 # names without spaces
	checked_make "$2" arch/x86/kvm/ virt/kvm/ $(touched_objects "$patches/$1")
}

verdict()	# OK? NAME LOG
{
	if [ "$1" = yes ]; then
		passed=$((passed + 1))
		printf 'ok      %s\n' "$2"
	else
		failed=$((failed + 1))
		printf 'FAILED  %s: %s (log: %s)\n' "$2" "$(grep -m1 -E 'error:|warning:|ERROR:|WARNING:|CHECK:' "$3" || cause_in "$3")" "$3"
	fi
}

# A patch of common/ adds files, and leaves MAINTAINERS to the version, whose list is another one.
style_options()	# PATCH
{
	case $1 in
	common/*) echo --strict --show-types --ignore FILE_PATH_CHANGES ;;
	*) echo --strict --show-types ;;
	esac
}

cmd_check_series()
{
	install_deps 1 kernel
	ensure_source
	lock_cache
	set_traps
	get_source
	passed=0 failed=0
	logs=$root/build/check-series
	mkdir -p "$logs" || fail "cannot write to $logs"
	set --
	for current in $(series); do
		set -- "$@" "$current"
		_base=$logs/$(basename "$current" .patch)
		put_tree "$@"
		# shellcheck disable=SC2046 # words
		if (cd "$src" && perl scripts/checkpatch.pl $(style_options "$current") "$patches/$current") >"$_base.checkpatch" 2>&1; then
			verdict yes "$current checkpatch"
		else
			verdict no "$current checkpatch" "$_base.checkpatch"
		fi
		if build_one "$current" "$_base.build" yes; then
			verdict yes "$current builds"
		else
			verdict no "$current builds" "$_base.build"
		fi
	done
	[ $# -gt 0 ] || fail "$series_dir/series has no patches"
	if build_one "$current" "$logs/without.build" no; then
		verdict yes "whole series builds with KVM_INTROSPECTION=n"
	else
		verdict no "whole series builds with KVM_INTROSPECTION=n" "$logs/without.build"
	fi
	printf '%d passed, %d failed\n' "$passed" "$failed"
	[ "$failed" -eq 0 ]
}

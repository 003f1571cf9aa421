# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154,SC2034
# scripts/kernel check-whole: the series as a whole, as modules, and what sparse, W=1 and kernel-doc say of it.

# Built beside the lab's kernel, in a directory of its own: other options, hence other objects.
whole_config()
{
	cat "$patches/modules.config"
	cat <<'C'

# CONFIG_DEBUG_INFO_DWARF4 is not set
# CONFIG_DEBUG_INFO_BTF is not set

#@ 6.1 6.12 7.2
CONFIG_DEBUG_INFO_NONE=y

#@ 5.10
# CONFIG_DEBUG_INFO is not set
C
}

series_files()	# REGEX: files that the series adds or changes
{
	series | while IFS= read -r _patch; do
		sed -n 's/^+++ b\///p' "$patches/$_patch"
	done | sort -u | grep -E "$1" | grep -vE '^(tools|samples)/'
}

# Those that are there: before the series some are not.
present()
{
	while IFS= read -r _file; do
		[ ! -f "$src/$_file" ] || printf '%s\n' "$_file"
	done
}

# What is said about files, without the lines that it is said of: those move.
complaints()	# LOG
{
	grep -aE '(warning|error): ' "$1" | sed -E "s#^$src/##; s#^(\.\./)+##; s/^([^: ]+)(:[0-9]+)+:/\1:/; s/ on line [0-9]+//" | sort
}

# compare NAME BASE_LOG LOG: only what was not said before the series counts
compare()
{
	complaints "$2" >"$2.sorted"
	complaints "$3" >"$3.sorted"
	if comm -13 "$2.sorted" "$3.sorted" >"$3.new" && [ ! -s "$3.new" ]; then
		verdict yes "$1"
	else
		verdict no "$1" "$3.new"
	fi
}

# Compiles the files of the series anew; errors of sparse are no errors of make. 0 if they compile.
static_checks()	# LOG
{
	_objects=$(series_files '\.c$' | present | sed 's/\.c$/.o/')
	for _object in $_objects; do
		rm -f "$obj/$_object"
	done
	# shellcheck disable=SC2086 # names without spaces
	phase "sparse and W=1, $current" 0 "$1" "$root/scripts/kernel" _make "$version" "$obj" -k "-j$(nproc)" \
		W=1 C=2 CHECK=sparse $_objects
}

kernel_doc()	# LOG
{
	# shellcheck disable=SC2046 # names without spaces
	(cd "$src" && perl scripts/kernel-doc -none -Wall $(series_files '\.[ch]$' | present)) >"$1" 2>&1
}

# rst for itself; the roles and directives of Sphinx are not known to docutils.
check_rst()	# FILE
{
	_log=$logs/$(basename "$1").log
	if (cd "$src" && rst2html --report=1 --halt=5 --exit-status=2 "$1" /dev/null) >"$_log" 2>&1 && [ ! -s "$_log" ]; then
		verdict yes "$1 is sound rst"
	else
		verdict no "$1 is sound rst" "$_log"
	fi
}

# All names that some file exports, by whatever macro.
exported_names()
{
	plain_git -C "$src" grep -hoE "EXPORT_(PER_CPU_|STATIC_CALL_|STATIC_CALL|TRACEPOINT_)?(SYMBOL|TRAMP)?[A-Z_]*\([A-Za-z0-9_]+" -- \
		'*.c' '*.S' '*.h' | sed -E '
			s/^EXPORT_TRACEPOINT_SYMBOL[A-Z_]*\((.*)/__tracepoint_\1\n__traceiter_\1\n__SCK__tp_func_\1\n__SCT__tp_func_\1/
			s/^EXPORT_STATIC_CALL[A-Z_]*\((.*)/__SCK__\1\n__SCT__\1/
			s/^EXPORT_[A-Z_]*\(//' | sort -u
}

# What a module takes from elsewhere has to be exported there. modpost could tell only beside a whole kernel.
# Some names are pasted together in macros and found in no source.
missing_exports()
{
	exported_names >"$cache/exported"
	for _module in kvm kvm-intel kvm-amd; do
		nm -u "$obj/arch/x86/kvm/$_module.o" | awk -v exported="$cache/exported" -v module=$_module '
			BEGIN { while ((getline line < exported) > 0) have[line] }
			$1 == "U" { n++ }
			$2 ~ /^(__this_module|bpf_trace_run[0-9]+|param_(get|set|ops)_[a-z]+)$/ { next }
			$1 == "U" && !($2 in have) { printf "error: %s.ko needs %s, which is not exported\n", module, $2 }
			END { if (n == 0) printf "error: %s.ko needs nothing: that cannot be\n", module }'
	done
}

check_modules()	# INTROSPECTION(yes|no)
{
	_title="whole series as modules, KVM_INTROSPECTION=$([ "$1" = yes ] && echo y || echo n)"
	_log=$logs/modules-$1.log
	fragment "$1" >"$cache/fragment"
	configure "$cache/fragment"
	if ! checked_make "$_log" KBUILD_MODPOST_WARN=1 arch/x86/kvm/kvm.ko arch/x86/kvm/kvm-intel.ko arch/x86/kvm/kvm-amd.ko; then
		verdict no "$_title" "$_log"
		return
	fi
	missing_exports >"$_log.missing" 2>&1
	if [ -s "$_log.missing" ]; then
		verdict no "$_title" "$_log.missing"
	else
		verdict yes "$_title"
	fi
}

cmd_check_whole()
{
	install_deps 1 kernel series
	[ -n "$(series)" ] || fail "$series_dir/series has no patches"
	ensure_source
	lock_cache
	set_traps
	get_source
	passed=0 failed=0
	logs=$root/build/check-series
	mkdir -p "$logs" || fail "cannot write to $logs"
	current="whole series"
	whole_config >"$cache/whole.config"
	extra_configs=$cache/whole.config
	choose_objects

	put_tree
	fragment none >"$cache/fragment"
	configure "$cache/fragment"
	static_checks "$logs/base.static" || fail "the kernel without the series does not compile; log: $logs/base.static"
	kernel_doc "$logs/base.kernel-doc"

	# shellcheck disable=SC2046 # names without spaces
	put_tree $(series)
	fragment yes >"$cache/fragment"
	configure "$cache/fragment"
	if static_checks "$logs/series.static"; then
		compare "whole series sparse and W=1" "$logs/base.static" "$logs/series.static"
	else
		verdict no "whole series sparse and W=1" "$logs/series.static"
	fi
	kernel_doc "$logs/series.kernel-doc"
	compare "whole series kernel-doc" "$logs/base.kernel-doc" "$logs/series.kernel-doc"
	for_lines "$(series_files '/kvmi\.rst$')" check_rst
	check_modules yes
	check_modules no
	printf '%d passed, %d failed\n' "$passed" "$failed"
	[ "$failed" -eq 0 ]
}

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154,SC2034
# scripts/kernel shared and configs: what the versions have in common, and what not.

changed_lines()	# PATCH...
{
	cat "$@" | grep -cE '^[+-]([^+-]|$)'
}

cmd_shared()
{
	printf '%-8s %8s %8s %8s %8s %8s\n' version patches common lines common share
	for _version in $(versions); do
		check_version "$_version"
		[ -n "$(series)" ] || continue
		set -- && _common=0 _common_lines=0 _all=0
		for _patch in $(series); do
			_n=$(changed_lines "$patches/$_patch")
			_all=$((_all + _n))
			set -- "$@" "$_patch"
			case $_patch in
			common/*) _common=$((_common + 1)) _common_lines=$((_common_lines + _n)) ;;
			esac
		done
		printf '%-8s %8d %8d %8d %8d %7d%%\n' "$_version" $# "$_common" "$_all" "$_common_lines" $((100 * _common_lines / _all))
	done
	_twice=$(cd "$patches" && find . -type f -exec sha256sum {} + | sort | uniq -w64 -D | cut -c67-)
	[ -z "$_twice" ] || fail "the same content twice: $(printf '%s' "$_twice" | tr '\n' ' ')"
}

# Options as built, of those that a person set or that follow from them: not what the compiler can do.
cmd_configs()
{
	[ $# -ge 2 ] || fail "configs compares at least two versions"
	_versions=$*
	set --
	for _version in $_versions; do
		_dir=$("$root/scripts/kernel" build "$_version") || exit
		set -- "$@" "$_dir/config"
	done
	awk -v versions="$_versions" '
		FNR == 1 { file++ }
		/^CONFIG_(CC_|GCC|CLANG|LD_|AS_|PAHOLE|RUSTC|TOOLS_|HAVE_|ARCH_|GENERIC_)/ { next }
		/^CONFIG_/ { name = substr($0, 8, index($0, "=") - 8); value[name, file] = substr($0, index($0, "=") + 1); names[name] }
		/^# CONFIG_.* is not set$/ { name = substr($2, 8); value[name, file] = "n"; names[name] }
		END {
			n = split(versions, v, " ")
			printf "%-44s", "option"
			for (i = 1; i <= n; i++) printf " %-16s", v[i]
			print ""
			for (name in names) {
				differs = 0
				line = sprintf("%-44s", name)
				for (i = 1; i <= n; i++) {
					x = (name, i) in value ? value[name, i] : "-"
					# asked for nothing, got nothing
					y = x == "-" ? "n" : x
					if (i > 1 && y != last) differs = 1
					last = y
					line = line sprintf(" %-16s", x)
				}
				if (differs) { sub(/ +$/, "", line); print line | "LC_ALL=C sort" }
			}
		}' "$@"
}

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154,SC2034
# Kernel sources of scripts/kernel: Debian's package as a git tree, and patches put on it.

check_version()	# VERSION
{
	case ${1:-} in
	6.12) ;;
	'') fail "which kernel version? (6.12)" ;;
	*) fail "kernel version $1 is not supported (6.12 is)" ;;
	esac
	version=$1
	series_dir=$patches/linux-$version
	src=$cache/src-$version
	obj=$cache/obj-$version
}

source_version()
{
	# shellcheck disable=SC2016 # dpkg's variable
	dpkg-query -W -f '${Version}' "linux-source-$version" 2>/dev/null || fail "no package linux-source-$version"
}

series()	# the paths of the patches, relative to kernel-patches
{
	[ ! -f "$series_dir/series" ] || sed 's/[[:space:]]*#.*//; /^[[:space:]]*$/d' "$series_dir/series"
}

# Git as nobody in particular: neither the user's configuration nor the clock gets into what it makes.
plain_git()
{
	GIT_CONFIG_GLOBAL=/dev/null GIT_CONFIG_NOSYSTEM=1 \
	GIT_AUTHOR_NAME=kvmi-lat GIT_AUTHOR_EMAIL=kvmi-lat@localhost GIT_AUTHOR_DATE='1700000000 +0000' \
	GIT_COMMITTER_NAME=kvmi-lat GIT_COMMITTER_EMAIL=kvmi-lat@localhost GIT_COMMITTER_DATE='1700000000 +0000' \
		git "$@"
}

unpack()
{
	_tar=${KVMI_LAT_SOURCES:-/usr/src}/linux-source-$version.tar.xz
	[ -f "$_tar" ] || fail "no $_tar; reinstall the package linux-source-$version"
	rm -rf "$src" "$obj"
	need_space 5500
	scratch=$cache/.src-$$
	mkdir "$scratch" || fail "cannot write to $cache"
	phase "unpacking linux-source-$version" 0 "$cache/unpack.log" \
		tar -C "$scratch" --strip-components=1 -xf "$_tar" ||
		fail "unpacking failed: $(cause_in "$cache/unpack.log"); log: $cache/unpack.log"
	phase "importing it into git" 0 "$cache/import.log" "$root/scripts/kernel" _import "$version" "$scratch" ||
		fail "git import failed: $(cause_in "$cache/import.log"); log: $cache/import.log"
	mv "$scratch" "$src" && scratch=
}

# Runs as a process of its own, so that `phase` can end it.
import()	# DIR
{
	cd "$1" || exit
	# Debian's packaging ignores everything in the top directory from here on
	sed -i '/^# Debian packaging: ignore everything/,$d' .gitignore &&
	plain_git init -q -b main . &&
	git config core.compression 0 && git config gc.auto 0 && git config core.autocrlf false &&
	plain_git add -A -f . &&
	plain_git commit -q -m "linux-source-$version $(source_version)" &&
	plain_git tag base &&
	source_version >.git/kvmi-source
}

get_source()
{
	[ "$(cat "$src/.git/kvmi-source" 2>/dev/null)" = "$(source_version)" ] || unpack
}

apply_patch()	# PATCH, to the index
{
	[ -f "$patches/$1" ] || fail "$series_dir/series names $1, which is not there"
	plain_git -C "$src" apply --cached --whitespace=nowarn "$patches/$1" 2>"$cache/apply.log" ||
		fail "$1 does not apply: $(cause_in "$cache/apply.log"); log: $cache/apply.log"
}

# A patch from elsewhere, written against the series as it was then: a line of context has to do.
apply_extra()	# PATCH, to the index
{
	plain_git -C "$src" apply --cached --whitespace=nowarn --recount -C1 "$1" 2>"$cache/apply.log" ||
		fail "$1 does not apply: $(cause_in "$cache/apply.log"); log: $cache/apply.log"
}

# put_tree PATCH...: sources with these patches, and with $extra_patches. Only files that differ are touched, so that make sees what changed.
put_tree()
{
	GIT_INDEX_FILE=$cache/.index-$$
	export GIT_INDEX_FILE
	plain_git -C "$src" read-tree base || fail "the sources in $src are damaged; run scripts/kernel clean --all"
	for _patch; do
		apply_patch "$_patch"
	done
	for_lines "$extra_patches" apply_extra
	_tree=$(plain_git -C "$src" write-tree)
	rm -f "$GIT_INDEX_FILE"
	unset GIT_INDEX_FILE
	plain_git -C "$src" read-tree --reset -u "$_tree" 2>"$cache/apply.log" ||
		fail "the sources cannot be checked out: $(cause_in "$cache/apply.log")"
}

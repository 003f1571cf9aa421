# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154
# scripts/kernel tree and refresh: the series as commits, and back.

cmd_tree()
{
	_dir=${1:-$root/build/linux-$version}
	[ ! -e "$_dir" ] || fail "$_dir is there already; remove it to start afresh"
	install_deps 1 kernel
	lock_cache
	set_traps
	get_source
	_dest=$_dir
	mkdir -p "$(dirname "$_dir")" || fail "cannot make $_dir"
	scratch=$_dir.new-$$
	phase "cloning the sources" 0 "$cache/clone.log" git clone -q --branch main "$src" "$scratch" ||
		fail "cloning failed: $(cause_in "$cache/clone.log"); log: $cache/clone.log"
	git -C "$scratch" config gc.auto 0
	git -C "$scratch" checkout -q -b kvmi base
	series | while IFS= read -r _patch; do
		git -C "$scratch" -c user.name="$(git config user.name || echo kvmi-lat)" \
			-c user.email="$(git config user.email || echo kvmi-lat@localhost)" \
			am -q --whitespace=nowarn "$patches/$_patch" >"$cache/am.log" 2>&1 ||
			fail "$_patch does not apply: $(cause_in "$cache/am.log"); log: $cache/am.log"
	done || exit 1
	mv "$scratch" "$_dest" && scratch=
	say "kernel: $_dest: branch kvmi, $(git -C "$_dest" rev-list --count base..kvmi) patches on tag base"
}

# A patch that lives in common/ stays there; everything else goes to the version's own directory.
place_patch()	# FILE OLD_SERIES
{
	_name=$(basename "$1")
	_slug=${_name#[0-9][0-9][0-9][0-9]-}
	_common=$(grep "^common/.*$_slug\$" "$2" | head -n 1)
	_to=${_common:-linux-$version/$_name}
	cp "$1" "$patches/$_to" && printf '%s\n' "$_to"
}

cmd_refresh()
{
	_dir=${1:-$root/build/linux-$version}
	[ -d "$_dir/.git" ] || fail "$_dir is not a git tree; scripts/kernel tree $version makes one"
	[ -z "$(git -C "$_dir" status --porcelain --untracked-files=no)" ] || fail "$_dir has changes that are not committed"
	set_traps
	scratch=$(mktemp -d "${TMPDIR:-/tmp}/kvmi-lat.XXXXXXXX") || exit 1
	mkdir -p "$series_dir"
	plain_git -C "$_dir" format-patch -q -N --zero-commit --no-signature --abbrev=7 --output-directory "$scratch/new" \
		base..kvmi || fail "git format-patch failed in $_dir"
	cp "$series_dir/series" "$scratch/old" 2>/dev/null || : >"$scratch/old"
	rm -f "$series_dir"/[0-9][0-9][0-9][0-9]-*.patch
	grep '^#' "$scratch/old" >"$scratch/series"
	for _patch in "$scratch"/new/*.patch; do
		[ -f "$_patch" ] || continue
		place_patch "$_patch" "$scratch/old" >>"$scratch/series" || fail "cannot write to $patches"
	done
	cp "$scratch/series" "$series_dir/series"
	say "kernel: $series_dir: $(series | wc -l) patches"
}

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154,SC2034
# scripts/kernel tree, refresh and rebase: the series as commits, and back, and to another kernel.

# Git as the user has set it up, for what is the user's.
git_as_set_up()
{
	env -u GIT_CONFIG_NOSYSTEM -u GIT_CONFIG_GLOBAL git "$@"
}

# The user's name on commits, where there is one.
user_git()
{
	git -c user.name="$(git_as_set_up config user.name || echo kvmi-lat)" \
		-c user.email="$(git_as_set_up config user.email || echo kvmi-lat@localhost)" "$@"
}

clone_source()	# DIR
{
	mkdir -p "$(dirname "$1")" || fail "cannot make $1"
	scratch=$1.new-$$
	phase "cloning the sources" 0 "$cache/clone.log" git clone -q -n "$src" "$scratch" ||
		fail "cloning failed: $(cause_in "$cache/clone.log"); log: $cache/clone.log"
	(cd "$scratch" && configure_git)
}

# The present series as commits on what is checked out.
commit_series()	# DIR
{
	series | while IFS= read -r _patch; do
		user_git -C "$1" am -q --whitespace=nowarn "$patches/$_patch" >"$cache/am.log" 2>&1 ||
			fail "$_patch does not apply: $(cause_in "$cache/am.log"); log: $cache/am.log"
	done || exit 1
}

prepare_tree()	# DIR
{
	[ ! -e "$1" ] || fail "$1 is there already; remove it to start afresh"
	install_deps 1 kernel
	ensure_source
	lock_cache
	set_traps
	get_source
	put_tree	# main is at base
}

cmd_tree()
{
	_dest=${1:-$root/build/linux-$version}
	prepare_tree "$_dest"
	clone_source "$_dest"
	git -C "$scratch" checkout -q -b kvmi base
	commit_series "$scratch"
	mv "$scratch" "$_dest" && scratch=
	say "kernel: $_dest: branch kvmi, $(git -C "$_dest" rev-list --count base..kvmi) patches on tag base"
}

# The series as others would put it on the source: git am, and quilt, which must come to the same.
cmd_check_apply()
{
	command -v quilt >/dev/null || "$root/scripts/deps" series || exit 1
	_dest=$cache/.apply-$$
	prepare_tree "$_dest"
	clone_source "$_dest"
	git -C "$scratch" checkout -q -b kvmi base
	for _patch in $(series); do
		user_git -C "$scratch" am "$patches/$_patch" >"$cache/am.log" 2>&1 && ! grep -qE '^(warning|error):|: trailing' "$cache/am.log" ||
			fail "git am: $_patch is not clean: $(cause_in "$cache/am.log"); log: $cache/am.log"
	done
	printf 'ok      %s: git am: %d patches\n' "$version" "$(git -C "$scratch" rev-list --count base..kvmi)"
	git -C "$scratch" checkout -q base
	(cd "$scratch" && QUILT_PATCHES=$patches QUILT_SERIES=$series_dir/series QUILT_PC=$scratch/.git/quilt \
		quilt --quiltrc - push -a --fuzz=0) >"$cache/quilt.log" 2>&1 ||
		fail "quilt push -a: $(cause_in "$cache/quilt.log"); log: $cache/quilt.log"
	git -C "$scratch" add -A
	[ "$(git -C "$scratch" write-tree)" = "$(git -C "$scratch" rev-parse 'kvmi^{tree}')" ] ||
		fail "quilt push -a makes another tree than git am"
	printf 'ok      %s: quilt push -a: the same tree\n' "$version"
}

# --- back to patches ---------------------------------------------------------------------------------------

changes_of()	# PATCH
{
	git patch-id --stable <"$1" | cut -d' ' -f1
}

# A patch of common/ that the version's series names stays there, and changes there for all versions. One that is not
# named yet is taken from there if it makes the same change; everything else is the version's own.
place_patch()	# FILE OLD_SERIES
{
	_name=$(basename "$1")
	_slug=${_name#[0-9][0-9][0-9][0-9]-}
	_to=$(grep "^common/.*$_slug\$" "$2" | head -n 1)
	if [ -z "$_to" ] && [ ! -s "$2" ]; then
		for _same in "$patches"/common/*"$_slug"; do
			if [ -f "$_same" ] && [ "$(changes_of "$_same")" = "$(changes_of "$1")" ]; then
				printf 'common/%s\n' "$(basename "$_same")"
				return
			fi
		done
	fi
	_to=${_to:-linux-$version/$_name}
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
	series >"$scratch/old"
	rm -f "$series_dir"/[0-9][0-9][0-9][0-9]-*.patch
	grep -s '^#' "$series_dir/series" >"$scratch/series"
	for _patch in "$scratch"/new/*.patch; do
		[ -f "$_patch" ] || continue
		place_patch "$_patch" "$scratch/old" >>"$scratch/series" || fail "cannot write to $patches"
	done
	cp "$scratch/series" "$series_dir/series"
	say "kernel: $series_dir: $(series | wc -l) patches, $(series | grep -c '^common/') of them common"
}

# --- to another kernel -------------------------------------------------------------------------------------

# Where a version's source is, if nobody has ported to it yet.
describe_version()	# VERSION SUITE
{
	[ -f "$patches/linux-$1/source" ] && return
	[ -n "$2$KVMI_LAT_TREE" ] ||
		fail "there is no kernel-patches/linux-$1/source: --source DIR or --suite SUITE of Debian says where $1 is to come from"
	# a rebase that comes to nothing leaves no version behind
	described=$patches/linux-$1
	mkdir -p "$described" &&
	printf 'suite\t%s\ntested\tnothing\n' "${2:--}" >"$patches/linux-$1/source" || fail "cannot write to $patches"
}

cmd_rebase()	# OLD NEW [--suite SUITE]
{
	[ $# -ge 2 ] || fail "rebase needs two versions: that of the series, and that of the kernel to bring it to"
	_old=$1 _new=$2 _suite=
	shift 2
	case $# in
	0) ;;
	2) [ "$1" = --suite ] || fail "what is $1? (--help tells)"; _suite=$2 ;;
	*) fail "what is $1? (--help tells)" ;;
	esac
	_users=${KVMI_LAT_TREE:-}
	KVMI_LAT_TREE=$_users
	set_traps
	describe_version "$_new" "$_suite"
	# the series is of Debian's OLD; --source is NEW's
	KVMI_LAT_TREE=
	check_version "$_old"
	[ -n "$(series)" ] || fail "there is no series of $_old to begin with"
	_dest=$root/build/linux-$_new
	prepare_tree "$_dest"
	_old_src=$src
	_old_series=$series_dir
	export KVMI_LAT_TREE="$_users"
	[ -n "$KVMI_LAT_TREE" ] || unset KVMI_LAT_TREE
	check_version "$_new"
	[ -z "$(series)" ] || [ -n "${KVMI_LAT_TREE:-}" ] ||
		fail "there is a series of $_new already; scripts/kernel tree $_new makes a tree of it"
	prepare_tree "$_dest"
	clone_source "$_dest"
	series_dir=$_old_series
	phase "fetching the source of $_old beside it" 0 "$cache/clone.log" \
		git -C "$scratch" fetch -q "$_old_src" refs/tags/base:refs/tags/base-"$_old" ||
		fail "fetching failed: $(cause_in "$cache/clone.log"); log: $cache/clone.log"
	git -C "$scratch" checkout -q -b kvmi "base-$_old"
	commit_series "$scratch"
	mv "$scratch" "$_dest" && scratch='' described=''
	git -C "$_dest" config advice.mergeConflict true
	user_git -C "$_dest" rebase -q --onto base "base-$_old" kvmi >"$cache/rebase.log" 2>&1
	_status=$?
	if [ $_status -eq 0 ]; then
		say "kernel: all of $_old's commits apply to $_new; build each, read them, then: scripts/kernel refresh $_new"
		return
	fi
	_at=$(git -C "$_dest" log -1 --format=%s REBASE_HEAD 2>/dev/null)
	[ -n "$_at" ] || fail "the rebase failed: $(cause_in "$cache/rebase.log")"
	_done=$(git -C "$_dest" rev-list --count base..HEAD)
	say "kernel: $_done commits of $_old apply to $_new; in conflict: $_at"
	git -C "$_dest" diff --name-only --diff-filter=U | sed 's/^/  /' >&2
	say "kernel: in $_dest: resolve, git add, git rebase --continue; then scripts/kernel refresh $_new"
}

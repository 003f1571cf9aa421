# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154,SC2034
# Kernel sources of scripts/kernel: Debian's package or a user's tree as a git tree, and patches put on it.

no_source=77	# exit status: this version's source is not to be had here; a reason to skip, not a failure

versions()	# that there are patches for
{
	for _dir in "$patches"/linux-*/; do
		[ ! -f "$_dir/source" ] || basename "$_dir" | sed 's/^linux-//'
	done | sort -V
}

check_version()	# VERSION
{
	_known=$(versions | tr '\n' ' ' | sed 's/ $//')
	[ -n "${1:-}" ] || fail "which kernel version? ($_known)"
	case " $_known " in
	*" $1 "*) ;;
	*) fail "kernel version $1 is not supported (there are $_known)" ;;
	esac
	version=$1
	series_dir=$patches/linux-$version
	tree=$version
	# children find the user's tree in the environment
	[ -z "${KVMI_LAT_TREE:-}" ] || tree=$version-$(printf '%s' "$KVMI_LAT_TREE" | sha256 | cut -c1-8)
	src=$cache/src-$tree
	obj=$cache/obj-$tree
}

use_tree()	# DIR: the user's own source instead of Debian's
{
	[ -f "$1/Makefile" ] && [ -f "$1/arch/x86/kvm/x86.c" ] || fail "--source $1: no Linux source in there"
	KVMI_LAT_TREE=$(cd "$1" && pwd)
	export KVMI_LAT_TREE
}

series()	# the paths of the patches, relative to kernel-patches
{
	[ ! -f "$series_dir/series" ] || sed 's/[[:space:]]*#.*//; /^[[:space:]]*$/d' "$series_dir/series"
}

# Git as nobody in particular: neither the user's configuration nor the clock gets into what it makes.
plain_git()
{
	GIT_AUTHOR_NAME=kvmi-lat GIT_AUTHOR_EMAIL=kvmi-lat@localhost GIT_AUTHOR_DATE='1700000000 +0000' \
	GIT_COMMITTER_NAME=kvmi-lat GIT_COMMITTER_EMAIL=kvmi-lat@localhost GIT_COMMITTER_DATE='1700000000 +0000' \
		git "$@"
}

# --- Debian's packages -------------------------------------------------------------------------------------

source_fact()	# suite|tested
{
	sed -n "s/^$1[[:space:]][[:space:]]*//p" "$series_dir/source"
}

# The package as it is installed, where it is.
installed_tar=
find_installed()
{
	installed_tar=${KVMI_LAT_SOURCES:-/usr/src}/linux-source-$version.tar.xz
	[ -f "$installed_tar" ] || installed_tar=
}

# One that was fetched: the last of them, if there are several.
fetched_deb()
{
	find "$cache/packages" -maxdepth 1 -name "linux-source-${version}_*.deb" 2>/dev/null | sort -V | tail -n 1
}

source_version()	# nothing if there is no source yet
{
	find_installed
	if [ -n "${KVMI_LAT_TREE:-}" ]; then
		cat "$src/.git/kvmi-source" 2>/dev/null
	elif [ -n "$installed_tar" ]; then
		# shellcheck disable=SC2016 # dpkg's variable
		dpkg-query -W -f '${Version}' "linux-source-$version" 2>/dev/null ||
			fail "$installed_tar is of no installed package; reinstall linux-source-$version or use --source DIR"
	else
		_deb=$(fetched_deb)
		[ -z "$_deb" ] || dpkg-deb -f "$_deb" Version
	fi
	return 0
}

# The mirrors that this machine uses: "SITE RELEASE" of each of apt's entries, also of those without a list yet.
apt_entries()
{
	# shellcheck disable=SC2016 # apt's variables
	apt-get indextargets --no-release-info --format '$(SITE) $(RELEASE)' 'Created-By: Packages' 2>/dev/null | sort -u
}

# A private state of apt with the suite in it: the machine's own configuration stays as it is.
private_apt()	# COMMAND...
{
	apt-get -q -o Dir::Etc::SourceList="$cache/apt/sources.list" -o Dir::Etc::SourceParts=/nonexistent \
		-o Dir::State::Lists="$cache/apt/lists" -o Dir::Cache="$cache/apt/cache" \
		-o APT::Sandbox::User="$(id -un)" -o APT::Architecture=amd64 -o APT::Architectures=amd64 "$@"
}

# apt knows the keys of the machine's own release; the keyring has those of the others, too.
keyring=/usr/share/keyrings/debian-archive-keyring.gpg

os_codename()
{
	sed -n 's/^VERSION_CODENAME=//p' /etc/os-release
}

private_sources()	# SUITE
{
	_key=
	[ ! -f "$keyring" ] || _key="[signed-by=$keyring] "
	apt_entries | awk -v here="$(os_codename)" -v suite="$1" -v key="$_key" '
		$2 == here || $2 == here "-security" {
			if ($2 != here && suite == "sid") next
			printf "deb %s%s %s%s main\n", key, $1, suite, substr($2, length(here) + 1)
		}' | sort -u
}

# Runs as a process of its own, for `phase`.
download()
{
	rm -rf "$cache/apt"
	mkdir -p "$cache/apt/lists/partial" "$cache/apt/cache/archives/partial" "$cache/packages" || return
	private_sources "$(source_fact suite)" >"$cache/apt/sources.list"
	[ -s "$cache/apt/sources.list" ] || { echo "error: no entry of Debian among this machine's apt sources" && return 1; }
	private_apt update || return
	(cd "$cache/packages" && private_apt download "linux-source-$version") || return
	rm -rf "$cache/apt"
}

fetch()
{
	need apt-get dpkg-deb
	need_space 6000
	phase "fetching linux-source-$version of Debian $(source_fact suite)" 0 "$cache/fetch.log" \
		"$root/scripts/kernel" _download "$version" && [ -n "$(fetched_deb)" ] || {
		say "kernel: no source of $version: $(grep -m1 -E '^E: |error: ' "$cache/fetch.log" || tail -n 1 "$cache/fetch.log")"
		apt_entries | grep -q -e '-security$' ||
			say "kernel: among this machine's apt sources is no $(os_codename)-security, which has the newest of most"
		say "kernel: --source DIR takes a tree of yours, \$KVMI_LAT_SOURCES a directory with linux-source-$version.tar.xz"
		exit $no_source
	}
}

cmd_fetch()
{
	[ $# -eq 0 ] || fail "what is $1? (--help tells)"
	lock_cache
	set_traps
	find_installed
	[ -z "$installed_tar" ] || fail "linux-source-$version is installed as a package; apt keeps that up to date"
	fetch
	printf '%s\n' "$(source_version)"
}

# There is one afterwards, if not yet unpacked.
ensure_source()
{
	if [ -n "${KVMI_LAT_TREE:-}" ]; then
		lock_cache
		set_traps
		import_tree
	elif [ -z "$(source_version)" ]; then
		lock_cache
		set_traps
		[ -n "$(source_version)" ] || fetch
	fi
}

say_untested()
{
	_tested=$(source_fact tested)
	case $_tested in
	"$source") ;;
	nothing) say "kernel: the source is $source; the series for $version has not been tested yet" ;;
	*) say "kernel: the source is $source; the series was tested with $_tested of Debian" ;;
	esac
}

# --- as a git tree -----------------------------------------------------------------------------------------

unpack()
{
	rm -rf "$src" "$obj"
	need_space 5500
	scratch=$cache/.src-$$
	mkdir "$scratch" || fail "cannot write to $cache"
	phase "unpacking linux-source-$version" 0 "$cache/unpack.log" \
		"$root/scripts/kernel" _unpack "$version" "$scratch" ||
		fail "unpacking failed: $(cause_in "$cache/unpack.log"); log: $cache/unpack.log"
	phase "importing it into git" 0 "$cache/import.log" "$root/scripts/kernel" _import "$version" "$scratch" ||
		fail "git import failed: $(cause_in "$cache/import.log"); log: $cache/import.log"
	mv "$scratch" "$src" && scratch=
}

# Runs as a process of its own, so that `phase` can end it.
unpack_to()	# DIR
{
	find_installed
	if [ -n "$installed_tar" ]; then
		tar -C "$1" --strip-components=1 -xf "$installed_tar"
	else
		dpkg-deb --fsys-tarfile "$(fetched_deb)" | tar -xO "./usr/src/linux-source-$version.tar.xz" |
			tar -C "$1" --strip-components=1 -xJ
	fi && [ -f "$1/Makefile" ]
}

configure_git()
{
	git config core.compression 0 && git config gc.auto 0 && git config core.autocrlf false
}

# The same.
import()	# DIR
{
	cd "$1" || exit
	# Debian's packaging ignores everything in the top directory from here on
	sed -i '/^# Debian packaging: ignore everything/,$d' .gitignore &&
	plain_git init -q -b main . && configure_git &&
	plain_git add -A -f . &&
	plain_git commit -q -m "linux-source-$version $(source_version)" &&
	plain_git tag base &&
	source_version >.git/kvmi-source
}

# A user's tree, as it is now, with what is not committed; only what has changed since is read again.
import_tree()
{
	[ -d "$src/.git" ] || need_space 4000
	phase "reading $KVMI_LAT_TREE" 0 "$cache/import.log" "$root/scripts/kernel" _import_tree "$version" ||
		fail "$KVMI_LAT_TREE cannot be read: $(cause_in "$cache/import.log"); log: $cache/import.log"
}

tree_index()
{
	GIT_INDEX_FILE=$src/.git/kvmi-index plain_git --git-dir="$src/.git" --work-tree="$KVMI_LAT_TREE" "$@"
}

import_tree_now()
{
	mkdir -p "$src" && cd "$src" || exit
	[ -d .git ] || { plain_git init -q -b main . && configure_git; } || exit
	cd "$KVMI_LAT_TREE" || exit
	if [ -e .git ]; then
		# what git knows and what it does not ignore, there or gone
		git_as_set_up ls-files -z -c -o -d --exclude-standard | tree_index update-index --add --remove -z --stdin
	elif [ -e .config ] || [ -e include/generated ]; then
		tree_index add -A .
	else
		tree_index add -A -f .
	fi || exit
	_tree=$(tree_index write-tree) || exit
	[ "$(plain_git -C "$src" rev-parse -q --verify 'base^{tree}')" = "$_tree" ] ||
		plain_git -C "$src" tag -f base "$(plain_git -C "$src" commit-tree -m "$KVMI_LAT_TREE" "$_tree")" || exit
	printf '%s tree %.12s' "$(make -s --no-print-directory kernelversion)" "$_tree" >"$src/.git/kvmi-source"
}

get_source()
{
	[ -z "${KVMI_LAT_TREE:-}" ] || return 0
	[ "$(cat "$src/.git/kvmi-source" 2>/dev/null)" = "$(source_version)" ] || unpack
}

# The lines of git that name what does not fit where.
misfits()
{
	sed -n 's/^error: patch failed: //p' "$cache/apply.log" | tr '\n' ' ' | sed 's/ $//; s/ /, /g'
}

apply_patch()	# PATCH, to the index
{
	[ -f "$patches/$1" ] || fail "$series_dir/series names $1, which is not there"
	plain_git -C "$src" apply --cached --whitespace=nowarn "$patches/$1" 2>"$cache/apply.log" && return
	_where=$(misfits)
	fail "$1 does not apply${_where:+ at $_where}: $(cause_in "$cache/apply.log"); log: $cache/apply.log"
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

# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154,SC2034
# scripts/kernel build: configuration, the cache key, make.

# --- configuration and make --------------------------------------------------------------------------------

# "#= NAME=VALUE" in a configuration is a variable for make.
make_variables()
{
	for_lines "$extra_configs" cat | for_this_version | sed -n 's/^#= //p'
}

kmake()
{
	nice make -C "$src" O="$obj" LOCALVERSION= KBUILD_BUILD_USER=kvmi-lat KBUILD_BUILD_HOST=lab \
		KBUILD_BUILD_VERSION=1 KBUILD_BUILD_TIMESTAMP='Thu Jan  1 00:00:00 UTC 1970' "$@"
}

# An option that was asked for and did not come is an error: the kernel would lack it silently.
check_config()	# FRAGMENT
{
	awk -v dotconfig="$obj/.config" '
		BEGIN { while ((getline line < dotconfig) > 0) { have[line]; split(line, w, "="); if (line ~ /^CONFIG/) set[w[1]] } }
		/^CONFIG_.*=""$/ && !(substr($0, 1, length - 3) in set) { next } # empty because it is not there
		/^CONFIG_/ && !($0 in have) { print }
		/^# CONFIG_.* is not set$/ && ($2 in set) { print }' "$1" >"$cache/lost"
	[ ! -s "$cache/lost" ] ||
		fail "options of the lab's configuration do not survive: $(tr '\n' ';' <"$cache/lost" | sed 's/;$//; s/;/, /g')"
}

configure()	# FRAGMENT
{
	mkdir -p "$obj"
	# Asked for the same of the same Kconfig files, and answered already: half of an incremental build.
	_asked=$({ cat "$1" && gcc --version && plain_git -C "$src" ls-files -s -- '*Kconfig*' 'scripts/kconfig/*'; } | sha256)
	[ "$(cat "$obj/.kvmi-configured" 2>/dev/null)" != "$_asked $(sha256 2>/dev/null <"$obj/.config")" ] || return 0
	cp "$obj/.config" "$cache/config.old" 2>/dev/null || : >"$cache/config.old"
	{
		kmake -s tinyconfig && cat "$1" >>"$obj/.config" && kmake -s olddefconfig
	} >"$cache/config.log" 2>&1 || fail "configuring failed: $(cause_in "$cache/config.log"); log: $cache/config.log"
	check_config "$1"
	echo "$_asked $(sha256 <"$obj/.config")" >"$obj/.kvmi-configured"
}

# for_lines TEXT COMMAND...: once for each line of it, which comes last; stops at the first that fails
for_lines()
{
	_lines=$1
	shift
	while [ -n "$_lines" ]; do
		_line=${_lines%%"$newline"*}
		case $_lines in
		*"$newline"*) _lines=${_lines#*"$newline"} ;;
		*) _lines= ;;
		esac
		"$@" "$_line" || return
	done
}

# What is said of an option last, holds; the rest of the file would ask for what cannot be had.
last_of_each()
{
	awk '
		/^CONFIG_/ { split($0, w, "="); name = w[1] }
		/^# CONFIG_.* is not set$/ { name = $2 }
		name != "" { if (name in at) delete line[at[name]]; at[name] = NR; line[NR] = $0; name = "" }
		END { for (i = 1; i <= NR; i++) if (i in line) print line[i] }'
}

# What stands in a paragraph that begins with "#@ VERSION..." is for those versions.
for_this_version()
{
	awk -v version="$version" '
		/^#@ / { only = " " substr($0, 4) " "; next }
		/^$/ { only = "" }
		only == "" || index(only, " " version " ")'
}

options()	# all that is asked for, but for KVM_INTROSPECTION
{
	{
		cat "$patches/lab.config"
		for_lines "$extra_configs" cat
	} | for_this_version
}

fragment()	# yes|no|none: KVM_INTROSPECTION
{
	{
		options
		case $1 in
		yes) echo CONFIG_KVM_INTROSPECTION=y ;;
		no) echo '# CONFIG_KVM_INTROSPECTION is not set' ;;
		esac
	} | last_of_each
}

# --- build -------------------------------------------------------------------------------------------------

sha256()
{
	sha256sum | cut -d' ' -f1
}

series_hash()
{
	series | while IFS= read -r _patch; do
		cat "$patches/$_patch" || exit
	done | sha256
}

# Objects of another configuration have a directory of their own: none of them could be used again.
choose_objects()
{
	[ -n "$extra_configs" ] || return 0
	obj=$obj-$(for_lines "$extra_configs" cat | for_this_version | grep -v '^# [^C]' | sha256 | cut -c1-8)
}

identity()	# what a built kernel depends on; sets source, series_id, compiler, pahole, key
{
	ensure_source
	source=$(source_version) || exit 1
	compiler=$(gcc --version | head -n 1)
	pahole=$(pahole --version)
	if [ "$stock" = yes ]; then
		series_id=stock
	else
		[ -n "$(series)" ] || fail "$series_dir/series has no patches yet; use --stock"
		series_id=$(series_hash)
	fi
	[ -z "$extra_patches" ] || series_id=$({ echo "$series_id" && for_lines "$extra_patches" cat; } | sha256)
	key=$({
		printf '%s\n' 1 "$source" "$series_id" "$compiler" "$pahole"
		options | grep -v '^# [^C]'
		make_variables | sed 's/^/make /'
	} | sha256 | cut -c1-16)
	result=$cache/$version-$key
}

keep_result()
{
	scratch=$cache/.new-$$
	if ! fill_result || ! mv "$scratch" "$result"; then
		fail "cannot write $result"
	fi
	scratch=
}

fill_result()
{
	mkdir "$scratch" &&
	cp "$obj/arch/x86/boot/bzImage" "$obj/System.map" "$scratch/" &&
	cp "$obj/.config" "$scratch/config" &&
	keep_modules "$scratch/modules" &&
	keep_points "$scratch/kcov-points" &&
	printf '{"source":"%s","series":"%s","config":"%s","compiler":"%s","pahole":"%s"}\n' "$source" "$series_id" \
		"$(sha256 <"$obj/.config")" "$compiler" "$pahole" >"$scratch/kernel.json"
}

# KVM's, if it is built as modules; stripped of all but BTF.
keep_modules()	# DIR
{
	grep -q '^CONFIG_KVM=m' "$obj/.config" || return 0
	mkdir "$1" &&
	find "$obj/arch/x86/kvm" "$obj/virt" -name '*.ko' >"$cache/modules" &&
	while IFS= read -r _ko; do
		strip -g -o "$1/${_ko##*/}" "$_ko" || return
	done <"$cache/modules"
}

targets()
{
	echo bzImage
	! grep -q '^CONFIG_KVM=m' "$obj/.config" || echo modules
}

compile()
{
	_steps=0
	[ -f "$obj/vmlinux" ] || { need_space "$([ -n "$extra_configs" ] && echo 3000 || echo 1500)" && _steps=1400; }
	# To say where variables are takes the compiler time and the objects space, and nobody asks for it in the lab. It
	# changes neither code nor BTF, so the key of a kernel need not know.
	# shellcheck disable=SC2046 # words
	phase "building $version ($variant)" $_steps "$cache/build.log" \
		"$root/scripts/kernel" _make "$version" "$obj" "-j$(nproc)" KCFLAGS=-fno-var-tracking $(make_variables) $(targets) ||
		fail "building $version failed: $(cause_in "$cache/build.log"); log: $cache/build.log"
}

add_file()	# VARIABLE FILE WHAT
{
	[ -f "$2" ] && [ -r "$2" ] || fail "$3 $2: no such file"
	_file=$(CDPATH="" cd "$(dirname "$2")" && pwd)/$(basename "$2")
	eval "_list=\$$1"
	# shellcheck disable=SC2154 # eval sets it
	eval "$1=\${_list:+\$_list\$newline}\$_file"
}

# Those of kernel-patches come before files of the user's, in one order: --debug --fuzz is the kernel of --fuzz --debug.
add_named()	# NAMES
{
	_files=$extra_configs
	extra_configs=
	for _name in debug fuzz kcsan modules mitigations; do
		case $1 in
		*" $_name "*) add_file extra_configs "$patches/$_name.config" --config ;;
		esac
	done
	extra_configs=$extra_configs${extra_configs:+${_files:+$newline}}$_files
}

parse_build()
{
	stock=no variant="with the series" _named=
	while [ $# -gt 0 ]; do
		case $1 in
		--config | --patch) [ $# -ge 2 ] || fail "$1 needs a file" ;;
		esac
		case $1 in
		--stock) stock=yes variant=stock ;;
		--debug | --fuzz | --kcsan | --modules | --mitigations) _named="$_named ${1#--} " ;;
		--config) add_file extra_configs "$2" --config && shift ;;
		--patch) add_file extra_patches "$2" --patch && shift ;;
		*) fail "what is $1? (--help tells)" ;;
		esac
		shift
	done
	add_named "$_named"
	[ -z "$extra_configs" ] || variant="$variant, own options"
	[ -z "$extra_patches" ] || variant="$variant, extra patch"
	choose_objects
}

cmd_build()
{
	parse_build "$@"
	install_deps 1 kernel
	need git make gcc pahole flock setsid
	identity
	if [ ! -f "$result/bzImage" ]; then
		lock_cache
		set_traps
		[ -f "$result/bzImage" ] || build_now
	fi
	printf '%s\n' "$result"
}

build_now()
{
	_began=$(date +%s)
	get_source
	say_untested
	if [ "$stock" = yes ]; then
		put_tree
		fragment none >"$cache/fragment"
	else
		# shellcheck disable=SC2046 # names without spaces
		put_tree $(series)
		fragment yes >"$cache/fragment"
	fi
	configure "$cache/fragment"
	compile
	keep_result
	say "kernel: $version built in $(($(date +%s) - _began)) s: $result"
}

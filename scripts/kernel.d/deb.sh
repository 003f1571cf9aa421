# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154,SC2034
# scripts/kernel deb: Debian packages of a patched kernel, for a host to boot.

# The running kernel's own configuration.
host_config()
{
	for _config in "/boot/config-$(uname -r)" /proc/config.gz; do
		[ ! -r "$_config" ] || { printf '%s\n' "$_config" && return; }
	done
	return 1
}

read_config()	# FILE
{
	case $1 in
	*.gz) gzip -dc "$1" ;;
	*) cat "$1" ;;
	esac
}

# What has to hold whatever the configuration says. Keys of a distribution are not there to sign with, and a module that
# has no signature is refused by a kernel that insists on one.
host_options()
{
	for_this_version <<'C' | last_of_each
CONFIG_LOCALVERSION="-kvmi"
# CONFIG_LOCALVERSION_AUTO is not set
CONFIG_KVM_INTROSPECTION=y
CONFIG_BPF_SYSCALL=y
CONFIG_BPF_JIT=y
CONFIG_PERF_EVENTS=y
CONFIG_FTRACE=y
CONFIG_DEBUG_INFO_BTF=y
# CONFIG_DEBUG_INFO_REDUCED is not set
# CONFIG_DEBUG_INFO_SPLIT is not set
CONFIG_SYSTEM_TRUSTED_KEYS=""
# CONFIG_MODULE_SIG_FORCE is not set
# CONFIG_MODULE_SIG_ALL is not set

#@ 6.1 6.12 7.2
# CONFIG_DEBUG_INFO_NONE is not set
CONFIG_DEBUG_INFO_DWARF4=y

#@ 5.10
CONFIG_DEBUG_INFO=y
CONFIG_DEBUG_INFO_DWARF4=y
C
}

configure_host()	# FILE
{
	{
		mkdir -p "$obj" && read_config "$1" >"$obj/.config" && host_options >"$cache/fragment" &&
			cat "$cache/fragment" >>"$obj/.config" && kmake -s olddefconfig
	} >"$cache/config.log" 2>&1 || fail "configuring failed: $(cause_in "$cache/config.log"); log: $cache/config.log"
	check_config "$cache/fragment"
}

cmd_deb()	# [--config FILE]
{
	_config=
	case $# in
	0) ;;
	2) [ "$1" = --config ] || fail "what is $1? (--help tells)"; _config=$2 ;;
	*) fail "deb takes --config FILE and nothing else (--help tells)" ;;
	esac
	[ -n "$_config" ] || _config=$(host_config) || fail "the running kernel's configuration is not to be had; --config FILE"
	[ -r "$_config" ] || fail "--config $_config: no such file"
	install_deps 1 kernel deb
	stock=no
	ensure_source
	source=$(source_version) || exit 1
	lock_cache
	set_traps
	get_source
	say_untested
	need_space 20000
	# packages are put beside the objects
	_where=$cache/obj-deb-$tree
	obj=$_where/linux
	mkdir -p "$_where" || fail "cannot write to $cache"
	rm -f "$_where"/*.deb
	# shellcheck disable=SC2046 # names without spaces
	put_tree $(series)
	configure_host "$_config"
	phase "building packages of $version with the series" 0 "$cache/deb.log" \
		"$root/scripts/kernel" _make "$version" "$obj" "-j$(nproc)" DPKG_FLAGS=-d KDEB_PKGVERSION="1" bindeb-pkg ||
		fail "building packages of $version failed: $(cause_in "$cache/deb.log"); log: $cache/deb.log"
	_to=$root/build/deb
	mkdir -p "$_to" && cp "$_where"/linux-*.deb "$_to/" || fail "cannot write to $_to"
	for _deb in "$_where"/linux-*.deb; do
		printf '%s\n' "$_to/${_deb##*/}"
	done
	say "kernel: sudo apt install $_to/linux-image-*.deb; boot it with kvm.introspection=1, or, where kvm is a module," \
		"with the line \"options kvm introspection=1\" in /etc/modprobe.d/kvmi.conf; then make host-check"
}

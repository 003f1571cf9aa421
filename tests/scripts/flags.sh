#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# The programs are built with the compilers and flags that packagers give to make.

. "$(dirname "$0")/tap.sh"

tree=$tmp/tree
mkdir "$tree"
for name in bench bpf tools tests mk Makefile; do
	cp -R "$root/$name" "$tree/"
done

# built NAME ARGUMENT...: make with these, everything anew
built()
{
	_what=$1
	shift
	rm -rf "$tree/build"
	# gcc's link-time optimizer puts the directory's name into a makefile as it is
	run env TMPDIR=/tmp timeout 500 make -C "$tree" -j2 "$@" build/kvmi-lat build/kvmi-trace build/tools/libkvmi-client/libkvmi-client.a
	check "$_what" status_is 0
}

built "gcc: -O3, LTO, hardening" CFLAGS='-O3 -flto=auto -ffat-lto-objects -fstack-protector-strong -fcf-protection' \
	CPPFLAGS=-D_FORTIFY_SOURCE=2 LDFLAGS='-Wl,-z,relro,-z,now'

built "clang: -O1, hardening" CC=clang CXX=clang++ CFLAGS='-O1 -fstack-protector-strong' CPPFLAGS=-D_FORTIFY_SOURCE=2
built "gcc: -O0" CFLAGS=-O0

finish

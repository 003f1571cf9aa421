#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# scripts/kernel against a kernel of a few files: cache, configuration check, failures, Ctrl-C, the git round trip.
# shellcheck disable=SC2016,SC2317 # stubs are single-quoted on purpose, conditions are called by name

. "$(dirname "$0")/tap.sh"

# --- a tree of our own with the real scripts, and a "kernel" whose make does what the test says
tree="$tmp/a tree"
mkdir -p "$tree/scripts" "$tree/kernel-patches/linux-6.12" "$tmp/bin" "$tmp/linux/kernel" "$tmp/linux/scripts"
cp -R "$root/scripts/common.sh" "$root/scripts/surroundings.sh" "$root/scripts/kernel" "$root/scripts/kernel.d" "$root/scripts/deps" "$tree/scripts/"
cat >"$tmp/bin/dpkg-query" <<'S'
#!/bin/sh
case $* in
*Version*) printf '%s' "$source_version" ;;
*) for p; do echo "installed $p"; done ;;
esac
S
printf '#!/bin/sh\necho pahole 1\n' >"$tmp/bin/pahole"
cat >"$tmp/bin/df" <<'S'
#!/bin/sh
printf 'fs blocks used available capacity mounted\n/dev/x 9 9 %s 9%% /\n' "$free_mb"
S
chmod +x "$tmp/bin/"*
cat >"$tmp/linux/Makefile" <<'S'
tinyconfig:
	echo CONFIG_TINY=y >$(O)/.config
olddefconfig:
	grep -v "$$lose=y" $(O)/.config >$(O)/.c; mv $(O)/.c $(O)/.config
bzImage:
	echo making >>$(O)/made
	@test -z "$$break" || { echo "foo.c:1: error: it broke"; exit 1; }
	test -z "$$slow" || { echo $$$$ >$(O)/sleeper; exec sleep 60; }
	mkdir -p $(O)/arch/x86/boot
	cat kernel/*.c >$(O)/arch/x86/boot/bzImage
	echo "variables: $(KCOV_INSTRUMENT_a.o) $(KCSAN_SANITIZE)" >>$(O)/arch/x86/boot/bzImage
	touch $(O)/System.map $(O)/vmlinux
.PHONY: arch/x86/kvm/ virt/kvm/
arch/x86/kvm/ virt/kvm/ kernel/%.o:
	@! grep -h 'error:' kernel/*.c
	@grep -h 'warning:' kernel/*.c || :
S
printf 'for (@ARGV) { next if /^-/; open F, $_; exit 1 if grep /UGLY/, <F> }\n' >"$tmp/linux/scripts/checkpatch.pl"
printf 'int a;\nint b;\nint c;\n' >"$tmp/linux/kernel/a.c"
printf 'int z;\n' >"$tmp/linux/kernel/z.c"
printf '*.o\n# Debian packaging: ignore everything at the top\n/*\n!/debian/\n' >"$tmp/linux/.gitignore"
(cd "$tmp" && tar -cJf linux-source-6.12.tar.xz linux)
export source_version=6.12.1-1 free_mb=100000 lose=CONFIG_NONE break='' slow=''
# kbuild can have no blank in the path of its objects
home=$tmp
case $tmp in
*[!A-Za-z0-9._/-]*)
	home=$(mktemp -d /tmp/kvmi-lat-test.XXXXXXXX) || exit 1
	trap 'rm -rf "$tmp" "$home"' EXIT
	;;
esac
export KVMI_LAT_SOURCES="$tmp" XDG_CACHE_HOME="$home/cache" PATH="$tmp/bin:$PATH"
export GIT_AUTHOR_NAME=t GIT_AUTHOR_EMAIL=t@t GIT_COMMITTER_NAME=t GIT_COMMITTER_EMAIL=t@t
printf '#@ 6.12 7.0\nCONFIG_HERE=y\n\n#@ 7.0\nCONFIG_THERE=y\n\nCONFIG_A=y\nCONFIG_B=y\n# CONFIG_C is not set\n' \
	>"$tree/kernel-patches/lab.config"
printf 'suite\tstable\ntested\t6.12.1-1\n' >"$tree/kernel-patches/linux-6.12/source"
cache="$XDG_CACHE_HOME/kvmi-lat/kernel"

kernel()
{
	run "$tree/scripts/kernel" "$@"
}

image_has()	{ grep -q "$1" "$(cat "$tmp/out")/bzImage"; }
kernel_has()	{ grep -q "$2" "$(cat "$tmp/out")/$1"; }
times_made()	{ [ "$(wc -l <"$cache/obj-6.12/made")" -eq "$1" ]; }
says_untested()
{
	sed -i 's/^tested.*/tested\tnothing/' "$tree/kernel-patches/linux-7.0/source"
	echo CONFIG_U=y >>"$tree/kernel-patches/lab.config"
	KVMI_LAT_SOURCES="$tmp/none" kernel build 7.0 --stock
	err_has "for 7.0 has not been tested yet"
}
out_and_sources_have()	{ grep -q "$1" "$tmp/apt.sources"; }
no_leftovers()	{ [ -z "$(find "$cache" -mindepth 1 -maxdepth 1 -name ".*" | tee "$tmp/out")" ]; }

# --- room
free_mb=1000
kernel build 6.12 --stock
check "no room: status 1" status_is 1
check "no room: one line" one_line err
check "no room: says how much, where, and what to set" \
	grep -qE 'needs [0-9]+ MB in .*cache.* 1000 MB free; set XDG_CACHE_HOME' "$tmp/err"
check "no room: nothing unpacked" [ ! -d "$cache/src-6.12" ]
free_mb=100000

run env XDG_CACHE_HOME="$tmp/a cache" "$tree/scripts/kernel" build 6.12 --stock
check "a space in the cache's path, which kbuild refuses: one line that says what to set" \
	both "one_line err" "err_has XDG_CACHE_HOME"

# --- configuration
lose=CONFIG_B
kernel build 6.12 --stock
check "an option that does not survive: status 1" status_is 1
check "an option that does not survive is named, and only it" \
	grep -q 'do not survive: CONFIG_B=y$' "$tmp/err"
lose=CONFIG_NONE

# --- building and the cache
kernel build 6.12 --stock
check "stock builds, directory is the only line" both "status_is 0" "one_line out"
stock=$(cat "$tmp/out")
check "its four files are there" \
	[ -f "$stock/bzImage" -a -f "$stock/System.map" -a -f "$stock/config" -a -f "$stock/kernel.json" ]
check "an option is for the versions that its paragraph names" \
	[ "$(grep -c CONFIG_HERE=y "$stock/config").$(grep -c CONFIG_THERE "$stock/config")" = 1.0 ]
check "kernel.json says what it is" grep -q '"source":"6.12.1-1","series":"stock"' "$stock/kernel.json"
made=$(wc -l <"$cache/obj-6.12/made")
kernel build 6.12 --stock
check "again: from the cache" times_made "$made"
check "again: silent, same directory" [ "$(cat "$tmp/out" "$tmp/err")" = "$stock" ]

kernel build 6.12
check "no series yet: says so" both "status_is 1" "err_has --stock"

# --- the series as a git tree
kernel tree 6.12
work="$tree/build/linux-6.12"
check "tree: clone on branch kvmi" [ "$(git -C "$work" symbolic-ref --short HEAD)" = kvmi ]
printf 'int a;\nint b2;\nint c;\n' >"$work/kernel/a.c" && git -C "$work" commit -qam 'a: one' -m 'Why: é.'
printf 'int d;\n' >"$work/kernel/d.c" && git -C "$work" add -A && git -C "$work" commit -qam 'd: two'
kernel refresh 6.12
check "refresh writes the series" \
	[ "$(cat "$tree/kernel-patches/linux-6.12/series")" = "linux-6.12/0001-a-one.patch
linux-6.12/0002-d-two.patch" ]
cp -R "$tree/kernel-patches" "$tmp/before"
rm -rf "$work"
kernel tree 6.12
kernel refresh 6.12
check "tree and refresh change nothing" diff -r "$tmp/before" "$tree/kernel-patches"
mkdir "$tree/kernel-patches/common"
git -C "$work" -c sequence.editor=: rebase -q base
mv "$tree/kernel-patches/linux-6.12/0002-d-two.patch" "$tree/kernel-patches/common/d-two.patch"
printf 'linux-6.12/0001-a-one.patch\ncommon/d-two.patch\n' >"$tree/kernel-patches/linux-6.12/series"
kernel refresh 6.12
check "a patch in common/ stays there" grep -qx 'common/d-two.patch' "$tree/kernel-patches/linux-6.12/series"
git -C "$work" reset -q --hard HEAD^
kernel refresh 6.12
check "a dropped commit takes its patch from the series" \
	[ "$(cat "$tree/kernel-patches/linux-6.12/series")" = "linux-6.12/0001-a-one.patch" ]
echo >>"$work/kernel/a.c"
kernel refresh 6.12
check "refresh refuses uncommitted changes" both "status_is 1" "err_has committed"
kernel tree 6.12
check "tree does not overwrite work" both "status_is 1" "err_has already"

# --- with the series
kernel build 6.12
check "with the series: the patch is in" image_has b2
patched=$(cat "$tmp/out")
check "with the series: the option is asked for" grep -q CONFIG_KVM_INTROSPECTION=y "$patched/config"
check "stock: it is not" [ "$(grep -c CONFIG_KVM_INTROSPECTION=y "$stock/config")" -eq 0 ]
before=$(stat -c %Y.%Z "$cache/src-6.12/kernel/z.c")
echo '# comment' >>"$tree/kernel-patches/lab.config"
echo 'CONFIG_D=y' >>"$tree/kernel-patches/lab.config"
kernel build 6.12 --stock
check "back to stock: the patch is out" image_has 'int b;'
check "a new option is another kernel" [ "$(cat "$tmp/out")" != "$stock" ]
check "files no patch touches are left alone" [ "$before" = "$(stat -c %Y.%Z "$cache/src-6.12/kernel/z.c")" ]

# --- other options, a patch on top
patched_again=$(kernel build 6.12; cat "$tmp/out")
printf '# why\n# CONFIG_B is not set\nCONFIG_G=y\n' >"$tmp/some more.config"
kernel build 6.12 --config "$tmp/some more.config"
check "--config: another kernel" [ "$status" -eq 0 -a "$(cat "$tmp/out")" != "$patched_again" ]
check "--config: its options hold, and the lab's others" \
	[ "$(grep -c -e '^CONFIG_A=y' -e '^CONFIG_G=y' -e '^# CONFIG_B is not set' "$(cat "$tmp/out")/config")" -eq 3 ]
check "--config: what it takes back is not asked for" [ "$(grep -c CONFIG_B=y "$(cat "$tmp/out")/config")" -eq 0 ]
check "--config: objects of its own" [ "$(find "$cache" -maxdepth 1 -name 'obj-6.12-*' | wc -l)" -eq 1 ]
made=$(wc -l <"$cache/obj-6.12/made")
printf -- '--- a/kernel/a.c\n+++ b/kernel/a.c\n@@ -5,3 +5,3 @@\n int elsewhere;\n-int c;\n+int fault;\n int more;\n' \
	>"$tmp/off.patch"
printf -- '--- a/kernel/a.c\n+++ b/kernel/a.c\n@@ -1,3 +1,3 @@\n int a;\n-int b2;\n+int fault;\n int c;\n' \
	>"$tmp/fault.patch"
kernel build 6.12 --patch "$tmp/fault.patch"
check "--patch: it is in" image_has fault
check "--patch: with the objects of the others" times_made $((made + 1))
kernel build 6.12 --patch "$tmp/fault.patch"
check "--patch: from the cache" times_made $((made + 1))
kernel build 6.12 --patch "$tmp/fault.patch" --config "$tmp/some more.config"
check "--patch and --config" both "image_has fault" "times_made $((made + 1))"
kernel build 6.12
check "without: as before" [ "$(cat "$tmp/out")" = "$patched_again" ]
kernel build 6.12 --patch "$tmp/off.patch"
check "--patch: one that does not apply is named" both "status_is 1" "err_has off.patch does not apply"
for option in --patch --config; do
	kernel build 6.12 $option
	check "$option without a file: one line" both "status_is 1" "one_line err"
	kernel build 6.12 $option "$tmp/nowhere"
	check "$option with none that is there: one line" both "status_is 1" "err_has nowhere"
done

# --- named configurations, and the lines of KCOV's points
printf 'CONFIG_FROM_DEBUG=y\nCONFIG_BOTH=y\n' >"$tree/kernel-patches/debug.config"
printf '#= KCOV_INSTRUMENT_a.o=y\nCONFIG_KCOV=y\n# CONFIG_BOTH is not set\n' >"$tree/kernel-patches/fuzz.config"
printf '#= KCSAN_SANITIZE=n\nCONFIG_KCSAN=y\n' >"$tree/kernel-patches/kcsan.config"
cat >"$tmp/bin/objdump" <<'S'
#!/bin/sh
[ "$points" = none ] || cat <<D
ffffffff8100fff0 <kvmi_hook>:
ffffffff8100fff4:	nop
ffffffff8100fffb:	call   ffffffff81333333 <__sanitizer_cov_trace_pc>
ffffffff81010010:	call   ffffffff81333333 <__sanitizer_cov_trace_pc>
ffffffff81010020:	call   ffffffff81333333 <__sanitizer_cov_trace_pc+0x3>x
D
S
cat >"$tmp/bin/addr2line" <<S
#!/bin/sh
while read -r pc; do
	echo "0x\$pc"
	case \$pc in
	*fffb)
		printf '%s\n' list_empty "$cache/src-6.12/include/linux/list.h:7"
		printf '%s\n' kvmi_hook.isra.0 "$cache/src-6.12/arch/x86/kvm/../../../virt/kvm/introspection/kvmi.c:2 (discriminator 3)"
		printf '%s\n' kvmi_outer "$cache/src-6.12/virt/kvm/introspection/kvmi.c:3"
		;;
	*) printf '%s\n' trace_it include/trace/events/kvmi.h:9 ;;
	esac
done
S
chmod +x "$tmp/bin/objdump" "$tmp/bin/addr2line"
mkdir -p "$cache/src-6.12/virt/kvm/introspection"
printf '{\n\tif (a\t== 1)\n' >"$cache/src-6.12/virt/kvm/introspection/kvmi.c"
kernel build 6.12 --fuzz
check "--fuzz: its options hold" both "status_is 0" "kernel_has config CONFIG_KCOV=y"
printf '%s\t%s\t%s\t%s\t%s\n' ffffffff81010000 virt/kvm/introspection/kvmi.c 2 kvmi_hook 'if (a == 1)' \
	ffffffff81010015 - 0 - '' >"$tmp/points"
check "--fuzz: kcov-points has where the call returns to, file, line, function, text" \
	cmp "$(cat "$tmp/out")/kcov-points" "$tmp/points"
check "a variable for make is there when the kernel is made" image_has '^variables: y'
kernel build 6.12 --debug --fuzz
both=$(cat "$tmp/out")
check "--debug --fuzz: the options of both, and the latter's hold" \
	[ "$(grep -c -e FROM_DEBUG=y -e KCOV=y -e '^# CONFIG_BOTH is not set' "$both/config")" -eq 3 ]
kernel build 6.12 --fuzz --debug --fuzz
check "--fuzz --debug is the same kernel" [ "$(cat "$tmp/out")" = "$both" ]
kernel build 6.12 --config "$tmp/some more.config" --fuzz
check "--config FILE --fuzz: both" [ "$(grep -c -e CONFIG_G=y -e KCOV=y "$(cat "$tmp/out")/config")" -eq 2 ]
kernel build 6.12 --kcsan
check "--kcsan: its options hold, and there are no points" \
	[ -f "$(cat "$tmp/out")/bzImage" -a ! -f "$(cat "$tmp/out")/kcov-points" ]
export points=none
echo CONFIG_MORE=y >>"$tree/kernel-patches/fuzz.config"
kernel build 6.12 --fuzz
check "--fuzz with no point in introspection's code: one line, no kernel" \
	both "status_is 1" "err_has no points"

kernel build 6.12 --patches
check "an unknown option: one line" both "status_is 1" "one_line err"

# --- every patch by itself
kernel check-series 6.12
check "check-series: a good series, counted" both "status_is 0" "out_has 3 passed, 0 failed"
cp -R "$tree/kernel-patches" "$tmp/good"
for line in 'x.c:1: warning: dubious' 'x.c:2: error: wrong' 'UGLY'; do
	n=$(($(wc -l <"$tree/kernel-patches/linux-6.12/series") + 1))
	printf 'From: a\nSubject: p%s\n\n--- /dev/null\n+++ b/kernel/p%s.c\n@@ -0,0 +1 @@\n+%s\n' $n $n "$line" \
		>"$tree/kernel-patches/linux-6.12/000$n-p.patch"
	echo "linux-6.12/000$n-p.patch" >>"$tree/kernel-patches/linux-6.12/series"
done
kernel check-series 6.12
check "check-series: a bad one fails" status_is 1
check "check-series: a warning fails its patch" grep -q '^FAILED  linux-6.12/0002-p.patch builds: .*dubious' "$tmp/out"
check "check-series: so does an error" grep -q '^FAILED  linux-6.12/0003-p.patch builds: .*wrong' "$tmp/out"
check "check-series: and style" grep -q '^FAILED  linux-6.12/0004-p.patch checkpatch' "$tmp/out"
rm -rf "$tree/kernel-patches"
mv "$tmp/good" "$tree/kernel-patches"

# --- failures
sed -i 's/^CONFIG_D=y/CONFIG_E=y/' "$tree/kernel-patches/lab.config"
break=yes
kernel build 6.12
check "a failing build: status 1" status_is 1
check "a failing build: cause and log" grep -q 'error: it broke; log: .*build.log' "$tmp/err"
break=
sed -i 's/int b2/int zz/; s/^-int b;/-int nonsense;/' "$tree/kernel-patches/linux-6.12/0001-a-one.patch"
kernel build 6.12
check "a patch that does not apply is named" both "status_is 1" "err_has 0001-a-one.patch"

# --- Ctrl-C while it builds, and two at a time
sed -i 's/^CONFIG_E=y/CONFIG_F=y/' "$tree/kernel-patches/lab.config"
slow=yes
rm -f "$cache/obj-6.12/sleeper"
env --default-signal=INT setsid "$tree/scripts/kernel" build 6.12 --stock >"$tmp/out" 2>"$tmp/err" &
builder=$!
for _ in $(seq 120); do
	[ ! -s "$cache/obj-6.12/sleeper" ] || break
	sleep 0.5
done
kill -INT "-$builder"
wait "$builder"
status=$?
check "Ctrl-C: status 130" status_is 130
check "Ctrl-C: says so" err_has interrupted
# What has been ended is there until process 1 has reaped it.
gone()	# PID
{
	for _ in $(seq 50); do
		[ -d "/proc/$1" ] || return 0
		sleep 0.1
	done
	return 1
}
check "Ctrl-C: make is gone" gone "$(cat "$cache/obj-6.12/sleeper")"
check "Ctrl-C: no half result" no_leftovers
slow=

"$tree/scripts/kernel" build 6.12 --stock >"$tmp/one" 2>/dev/null &
first=$!
kernel build 6.12 --stock
wait "$first"
check "two at a time: both get the same kernel" [ "$(cat "$tmp/out")" = "$(cat "$tmp/one")" -a -s "$tmp/one" ]

source_version=6.12.2-1
kernel build 6.12 --stock
check "a new source version is another kernel" grep -q 6.12.2-1 "$(cat "$tmp/out")/kernel.json"
check "one that the series was not tested with: says so" err_has "source is 6.12.2-1; the series was tested with 6.12.1-1"
source_version=6.12.1-1
kernel build 6.12 --stock
check "the one it was tested with: does not" [ "$(grep -c tested "$tmp/err")" -eq 0 ]

kernel list
check "list shows what there is" out_has 6.12.2-1
kernel clean
check "clean drops kernels, keeps sources" [ ! -e "$stock" -a -d "$cache/src-6.12" ]
kernel clean --all
check "clean --all drops sources, too" [ ! -d "$cache/src-6.12" ]
kernel build 5.4
check "an unknown version: one line that names those there are" grep -q 'supported (there are 6.12)' "$tmp/err"
check "an unknown version: status 1" status_is 1

# --- a tree of the user's
cp -R "$tmp/linux" "$tmp/my linux"
mkdir -p "$tmp/my linux/arch/x86/kvm"
echo 'int x;' >"$tmp/my linux/arch/x86/kvm/x86.c"
printf 'kernelversion:\n\t@echo 6.12.99-mine\n' >>"$tmp/my linux/Makefile"
before=$(cd "$tmp/my linux" && find . -type f -exec sha256sum {} + | sort)
kernel build 6.12 --stock --source "$tmp/my linux"
mine=$(cat "$tmp/out")
check "--source: builds it" image_has 'int z'
check "--source: says what it is" grep -q '"source":"6.12.99-mine tree ' "$mine/kernel.json"
check "--source: leaves it alone" [ "$before" = "$(cd "$tmp/my linux" && find . -type f -exec sha256sum {} + | sort)" ]
kernel build 6.12 --stock --source "$tmp/my linux"
check "--source: again, from the cache" [ "$mine" = "$(cat "$tmp/out")" ]
echo 'int new;' >>"$tmp/my linux/kernel/z.c"
kernel build 6.12 --stock --source "$tmp/my linux"
check "--source: changed, it is another kernel" image_has 'int new'
echo '*.o' >"$tmp/my linux/.gitignore"
(cd "$tmp/my linux" && git init -q && git add -A && git commit -q -m mine)
echo 'int uncommitted;' >>"$tmp/my linux/kernel/z.c"
rm "$tmp/my linux/kernel/a.c"
kernel build 6.12 --stock --source "$tmp/my linux"
check "--source: a checkout, as it is and not as it was committed" \
	[ "$(grep -c uncommitted "$(cat "$tmp/out")/bzImage").$(grep -c 'int b' "$(cat "$tmp/out")/bzImage")" = 1.0 ]
sed -i 's/int nonsense/int b/; s/int zz/int b2/' "$tree/kernel-patches/linux-6.12/0001-a-one.patch"
kernel build 6.12 --source "$tmp/my linux"
check "--source: a patch that does not fit is named, with the place" \
	grep -q 'linux-6.12/0001-a-one.patch does not apply.*kernel/a.c' "$tmp/err"

# --- all that can be done with it, where the user's git is set up otherwise than ours
rm -rf "$tree/build" "$tmp/my linux"
cp -R "$tmp/linux" "$tmp/my linux"
mkdir -p "$tmp/my linux/arch/x86/kvm"
echo 'int x;' >"$tmp/my linux/arch/x86/kvm/x86.c"
printf 'kernelversion:\n\t@echo 6.12.99-mine\n' >>"$tmp/my linux/Makefile"
cp "$tree/kernel-patches/linux-6.12/0001-a-one.patch" "$tmp/as-it-was.patch"
mkdir -p "$tmp/home" "$tmp/hooks"
printf '#!/bin/sh\nexit 1\n' >"$tmp/hooks/pre-commit" && cp "$tmp/hooks/pre-commit" "$tmp/hooks/applypatch-msg"
chmod +x "$tmp/hooks/"*
git config -f "$tmp/home/.gitconfig" commit.gpgsign true
git config -f "$tmp/home/.gitconfig" core.hooksPath "$tmp/hooks"
git config -f "$tmp/home/.gitconfig" core.autocrlf true
git config -f "$tmp/home/.gitconfig" protocol.file.allow never
git config -f "$tmp/home/.gitconfig" user.name "A User"
mkdir "$tmp/theirs" && git -C "$tmp/theirs" init -q && git -C "$tmp/theirs" commit -q --allow-empty -m one &&
	git -C "$tmp/theirs" worktree add -q "$tmp/linked" 2>/dev/null
nothing_of_6_99()	{ [ ! -e "$tree/kernel-patches/linux-6.99" ]; }
theirs()	{ cat "$tmp/theirs/.git/config" && git -C "$tmp/theirs" for-each-ref; }
theirs_before=$(theirs)

# A hook of the user's runs it, in a linked worktree.
as_user()
{
	(
		unset GIT_CONFIG_GLOBAL GIT_CONFIG_NOSYSTEM GIT_CONFIG_COUNT GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0 GIT_AUTHOR_NAME
		export HOME="$tmp/home" GIT_DIR="$tmp/theirs/.git/worktrees/linked" GIT_WORK_TREE="$tmp/linked"
		export GIT_INDEX_FILE="$tmp/theirs/.git/worktrees/linked/index" LANGUAGE=de
		cd "$tmp/linked" && "$tree/scripts/kernel" "$@"
	) >"$tmp/out" 2>"$tmp/err" </dev/null
	status=$?
}

as_user build 6.12 --source "$tmp/my linux"
check "a user's git: build --source" both "status_is 0" "image_has int.b2"
as_user tree 6.12 --source "$tmp/my linux"
check "a user's git: tree --source" \
	[ "$status.$(git -C "$tree/build/linux-6.12" log --format='%s %cn' base..kvmi)" = '0.a: one A User' ]
check "a user's git: line ends stay" [ "$(grep -c "$(printf '\r')" "$tree/build/linux-6.12/kernel/a.c")" -eq 0 ]
as_user refresh 6.12
check "a user's git: refresh" status_is 0
as_user check-apply 6.12 --source "$tmp/my linux"
check "a user's git: check-apply --source" both "status_is 0" "out_has quilt push -a: the same tree"
as_user rebase 6.11 6.99 --source "$tmp/my linux"
check "rebase: one that does not begin leaves no version behind" both "status_is 1" nothing_of_6_99
as_user rebase 6.12 6.99 --source "$tmp/my linux"
check "a user's git: rebase --source" \
	[ "$status.$(git -C "$tree/build/linux-6.99" log --format=%s base..kvmi)" = '0.a: one' ]
check "a user's git: theirs is as it was" [ "$theirs_before" = "$(theirs)" ]
rm -rf "$tree/build" "$tree/kernel-patches/linux-6.99"
cp "$tmp/as-it-was.patch" "$tree/kernel-patches/linux-6.12/0001-a-one.patch"

kernel build 6.12 --source "$tmp"
check "--source: no kernel in there" both "status_is 1" "one_line err"
kernel build 6.12 --source
check "--source without a directory" both "status_is 1" "one_line err"

# --- Debian's package, fetched; apt's entries are those of a machine with another release
mkdir -p "$tmp/deb/usr/src" "$tmp/none" "$tree/kernel-patches/linux-7.0"
(cd "$tmp" && tar -cJf deb/usr/src/linux-source-7.0.tar.xz linux)
printf 'suite\tsid\ntested\t7.0.1-1\n' >"$tree/kernel-patches/linux-7.0/source"
. /etc/os-release
cat >"$tmp/bin/apt-get" <<'S'
#!/bin/sh
echo "$*" >>"$tmp/apt.calls"
case $* in
*indextargets*) [ -z "$entries" ] || printf '%s\n' "$entries" ;;
*update*)
	for a; do case $a in Dir::Etc::SourceList=*) cat "${a#*=}" >"$tmp/apt.sources" ;; esac; done
	[ -z "$apt_fails" ] || { echo "E: it is not there"; exit 100; }
	;;
*download*) : >"linux-source-7.0_${deb_version}_all.deb" ;;
esac
S
cat >"$tmp/bin/dpkg-deb" <<'S'
#!/bin/sh
case $1 in
-f) echo "$2" | sed 's/.*_\(.*\)_all.deb/\1/' ;;
--fsys-tarfile) tar -C "$tmp/deb" -cf - ./usr ;;
esac
S
chmod +x "$tmp/bin/"*
export tmp entries='' apt_fails='' deb_version=7.0.1-1 KVMI_LAT_SOURCES="$tmp/none"
kernel build 7.0 --stock
check "no entry of Debian: status 77, says what to do" both "status_is 77" "err_has --source"
entries="mirror:/debian $VERSION_CODENAME"
apt_fails=yes
kernel build 7.0 --stock
check "no security updates among apt's entries: says so" err_has "is no $VERSION_CODENAME-security"
entries="mirror:/debian $VERSION_CODENAME
mirror:/security $VERSION_CODENAME-security
mirror:/other else"
kernel build 7.0 --stock
check "apt fails: status 77, with apt's reason" both "status_is 77" "err_like E:.it.is.not.there"
check "and nothing of security updates, which are there" [ "$(grep -c 'security, which' "$tmp/err")" -eq 0 ]
apt_fails=
kernel build 7.0 --stock
check "fetched and built" image_has 'int z'
check "with this machine's mirror and the suite of the version" \
	[ "$(sed 's/\[.*\] //' "$tmp/apt.sources")" = "deb mirror:/debian sid main" ]
check "by a private state of apt" [ "$(grep -c -e 'update$' -e 'download' "$tmp/apt.calls")" -eq "$(grep -c 'Dir::State::Lists=.*kvmi-lat' "$tmp/apt.calls")" ]
: >"$tmp/apt.calls"
deb_version=7.0.2-1
kernel build 7.0 --stock
check "again: not fetched again" [ ! -s "$tmp/apt.calls" ]
kernel fetch 7.0
check "fetch: gets the newest" both "status_is 0" "out_has 7.0.2-1"
kernel build 7.0 --stock
check "fetch: which is another kernel, and untested" \
	both "err_has 7.0.2-1" "kernel_has kernel.json 7.0.2-1"
sed -i 's/sid/stable/' "$tree/kernel-patches/linux-7.0/source"
kernel fetch 7.0
check "a suite with security updates has theirs, too" out_and_sources_have stable-security

# --- a port to it
# new_package VERSION EDIT: Debian has another 7.0, with that edit, and it is fetched
new_package()
{
	sed -i "$2" "$tmp/linux/kernel/a.c"
	(cd "$tmp" && tar -cJf deb/usr/src/linux-source-7.0.tar.xz linux)
	deb_version=$1
	KVMI_LAT_SOURCES="$tmp/none" kernel fetch 7.0
}

export KVMI_LAT_SOURCES="$tmp"
rm -rf "$tree/build"
kernel rebase 6.12 7.0
check "rebase: the commits are on the new source" \
	[ "$status.$(git -C "$tree/build/linux-7.0" log --format=%s base..kvmi)" = '0.a: one' ]
kernel refresh 7.0
check "rebase: refresh makes it a series" grep -qx linux-7.0/0001-a-one.patch "$tree/kernel-patches/linux-7.0/series"
mkdir -p "$tree/kernel-patches/common"
mv "$tree/kernel-patches/linux-6.12/0001-a-one.patch" "$tree/kernel-patches/common/0001-a-one.patch"
echo common/0001-a-one.patch >"$tree/kernel-patches/linux-6.12/series"
rm "$tree/kernel-patches/linux-7.0/"*.patch "$tree/kernel-patches/linux-7.0/series"
kernel refresh 7.0
check "rebase: what is the same on both is taken from common/" grep -qx common/0001-a-one.patch "$tree/kernel-patches/linux-7.0/series"
kernel shared
check "shared: counts lines" grep -qE '^7.0 +1 +1 +2 +2 +100%' "$tmp/out"
cp "$tree/kernel-patches/common/0001-a-one.patch" "$tree/kernel-patches/linux-7.0/"
kernel shared
check "shared: the same content twice is an error" both "status_is 1" "err_has 0001-a-one.patch"
rm "$tree/kernel-patches/linux-7.0/0001-a-one.patch"
rm -rf "$tree/build" "$tree/kernel-patches/linux-7.0/series"
new_package 7.0.3-1 's/int b;/int other;/'
kernel rebase 6.12 7.0
check "rebase: a conflict names the commit, the file and how to go on" \
	[ "$(grep -c -e 'in conflict: a: one' -e '^  kernel/a.c$' -e 'git rebase --continue' "$tmp/err")" -eq 3 ]
kernel rebase 6.12 7.5
check "rebase: to a kernel nobody knows: says what is missing" both "status_is 1" "err_has --suite"

check "one that nothing was tested with: says so" says_untested

# --- configurations
kernel configs 6.12
check "configs: one version is none to compare" both "status_is 1" "one_line err"
rm -rf "$tree/kernel-patches/linux-7.0/series"
echo common/0001-a-one.patch >"$tree/kernel-patches/linux-7.0/series"
new_package 7.0.4-1 's/int other;/int b;/'
kernel configs 6.12 7.0
check "configs: shows what differs, and only that" \
	[ "$(grep -cE '^THERE +- +y' "$tmp/out").$(grep -c '^HERE' "$tmp/out")" = 1.0 ]

finish

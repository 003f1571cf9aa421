#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# scripts/deps: one line for a user, installation for root, nothing where there is no dpkg.
# shellcheck disable=SC2016,SC2317 # stubs are single-quoted on purpose, conditions are called by name

. "$(dirname "$0")/tap.sh"

# dpkg-query that lacks what $lacking names; id and apt-get that play root or not
mkdir "$tmp/bin"
cat >"$tmp/bin/dpkg-query" <<'S'
#!/bin/sh
for p; do
	case $p in
	-* | *'{'*) continue ;;
	esac
	case " $lacking " in
	*" $p "*) ;;
	*) echo "installed $p" ;;
	esac
done
S
printf '#!/bin/sh\necho "$uid"\n' >"$tmp/bin/id"
printf '#!/bin/sh\nprintf "%%s " "$@" >>"$log"\necho >>"$log"\necho "E: no network"\nexit "$apt_status"\n' >"$tmp/bin/apt-get"
chmod +x "$tmp/bin/"*
export lacking='' uid=1000 apt_status=0 log="$tmp/apt"
: >"$log"

silent() { [ ! -s "$tmp/out" ] && [ ! -s "$tmp/err" ]; }

deps()
{
	run env PATH="$tmp/bin:$PATH" "$root/scripts/deps" "$@"
}


deps lab lab-bochs plot bench
check "every set is known and silent when complete" both "status_is 0" silent

lacking='bochs gnuplot-nox'
deps lab-bochs plot
check "missing, not root: status 1" status_is 1
check "missing, not root: exactly the line to run" \
	[ "$(cat "$tmp/out" "$tmp/err")" = "kvmi-lat: missing packages; run: sudo apt-get install bochs gnuplot-nox" ]
check "missing, not root: apt-get is not touched" [ ! -s "$log" ]

deps bench lab-bochs
check "a package in two sets is named once" [ "$(grep -ow bochs "$tmp/err" | wc -l)" -eq 1 ]

uid=0
deps lab-bochs
check "root: installs without asking" grep -q 'install bochs $' "$log"
check "root: status 0" status_is 0

apt_status=100
: >"$log"
deps lab-bochs
check "root, apt fails: lists are fetched and it is tried again" grep -q update "$log"
check "root, apt fails: status 1, names the package" both "status_is 1" "err_has bochs"
check "root, apt fails: shows apt's reason" err_has "E: no network"

mkdir "$tmp/nodpkg"
for c in sh dirname cat awk; do
	ln -s "$(command -v $c)" "$tmp/nodpkg/$c"
done
run env PATH="$tmp/nodpkg" sh "$root/scripts/deps" bench
check "no dpkg: status 0, silent" both "status_is 0" silent

run "$root/scripts/deps" nonsense
check "unknown set: status 1, named" both "status_is 1" "err_has nonsense"

finish

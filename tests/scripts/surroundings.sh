#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Scripts in a German locale, with CDPATH and git's variables set: what they print is what they print without.
# shellcheck disable=SC2016 # what is in single quotes is for the shells started with it

. "$(dirname "$0")/tap.sh"

# In a shell of its own, with the user's settings; what a script sees after common.sh.
seen()	# COMMAND
{
	env "$@" root="$root" sh -c '. "$root/scripts/common.sh"; echo 60.9 | awk "{ print \$1 + 0, 1 / 8 }"
		cd scripts && pwd; echo "${LANGUAGE-no LANGUAGE}"; env | grep "^GIT_[A-BD-Z]"; git -C "$root" rev-parse --git-dir'
}

if ! localedef -i de_DE -f UTF-8 "$tmp/de_DE.UTF-8" 2>/dev/null; then
	skip "a German locale" "localedef cannot make one: install locales (scripts/deps check)"
	finish
fi
export LOCPATH="$tmp"
cd "$root" || exit
plain=$(seen LC_ALL=C)
check "awk reads and prints a point in LC_ALL=C" [ "$(printf '%s\n' "$plain" | head -n 1)" = "60.9 0.125" ]
check "the locale is one in which it does not" \
	[ "$(echo 60.9 | LC_ALL=de_DE.UTF-8 awk '{ print $1 + 0, 1 / 8 }')" != "60.9 0.125" ]
check "LC_ALL=de_DE.UTF-8" [ "$(seen LC_ALL=de_DE.UTF-8)" = "$plain" ]
check "LANG=de_DE.UTF-8" [ "$(seen -u LC_ALL LANG=de_DE.UTF-8)" = "$plain" ]
check "LANGUAGE=de" [ "$(seen LANGUAGE=de)" = "$plain" ]
check "CDPATH=." [ "$(seen CDPATH=.)" = "$plain" ]
check "GIT_DIR of another repository" [ "$(seen GIT_DIR=/nowhere GIT_INDEX_FILE=/nowhere/index)" = "$plain" ]

# From the top of the tree, by a relative path: how CDPATH has cd print where it goes.
for script in scripts/bench scripts/kernel scripts/lab experiments/overhead/run experiments/drift/run scripts/plot scripts/report experiments/cost/run \
	scripts/deps experiments/explain/run scripts/host-check tests/run tests/mutate tests/stress; do
	CDPATH=. LC_ALL=de_DE.UTF-8 "$script" --help >"$tmp/with" 2>&1
	"$script" --help >"$tmp/without" 2>&1
	check "CDPATH=. $script --help" cmp -s "$tmp/with" "$tmp/without"
done

# Every shell script that is run here has these settings, or it is one of the machine's inside.
strange=$(git ls-files scripts experiments lab tests | while IFS= read -r file; do
	case $file in
	tests/lab/* | lab/init | *.d/* | */guest.sh | */common.sh | */surroundings.sh) continue ;;
	esac
	head -n 1 "$file" | grep -qE '^#!.*sh$' || continue
	grep -qE '(common|tap|surroundings|users)\.sh' "$file" || echo "$file"
done)
check "each script is sheltered: $(echo "$strange" | tr '\n' ' ')" [ -z "$strange" ]

finish

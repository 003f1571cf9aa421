# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154
# Shelters a test from the user's surroundings, but not what it tests: as_the_user gives them back. Sourced with $root set.

# Those of the user's settings that surroundings.sh takes away or changes, as a command.
users_settings=
for _variable in $(env | sed -n 's/^\(LC_[A-Z]*\|LANGUAGE\|CDPATH\|GIT_[A-Z0-9_]*\)=.*/\1/p'); do
	eval "_value=\$$_variable"
	users_settings="$users_settings export $_variable='$(printf '%s' "$_value" | sed "s/'/'\\\\''/g")';"
done
unset _variable _value

# shellcheck source=/dev/null
. "$root/scripts/surroundings.sh"

as_the_user()	# COMMAND...: in a shell of its own, so that what a function sets is gone afterwards
(
	unset LC_ALL GIT_CONFIG_NOSYSTEM GIT_CONFIG_GLOBAL GIT_CONFIG_COUNT GIT_CONFIG_KEY_0 GIT_CONFIG_VALUE_0
	eval "$users_settings"
	"$@"
)

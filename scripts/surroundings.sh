# SPDX-License-Identifier: BSD-2-Clause
# shellcheck shell=sh disable=SC2154
# What of the user's surroundings must not reach a script or a test: locale, CDPATH, git's environment and configuration.

# Numbers, order and messages are the same everywhere: awk reads and prints numbers by the locale, git's words are searched.
export LC_ALL=C
unset LANGUAGE CDPATH

# GIT_DIR and its like are set for hooks, and would have git work on the user's repository instead of ours. Where there are no
# such commands, there is no git either.
for _variable in $({ env | sed -n 's/^\(GIT_[A-Z0-9_]*\)=.*/\1/p'; } 2>/dev/null); do
	unset "$_variable"
done
unset _variable

# Signed commits, hooks, line ends, forbidden protocols: settings for the user's repositories. That this tree may be another
# user's, is no fault.
export GIT_CONFIG_NOSYSTEM=1 GIT_CONFIG_GLOBAL=/dev/null
export GIT_CONFIG_COUNT=1 GIT_CONFIG_KEY_0=safe.directory GIT_CONFIG_VALUE_0="$root"

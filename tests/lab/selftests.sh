#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Inside a lab machine: runs KVM's selftests, each for so many seconds at most, and marks where each begins and ends.

limit=$1
shift
for program; do
	echo "## begin $program"
	# by its path: they read their own file
	timeout -s KILL "$limit" "/selftests/$program" >/tmp/out 2>&1
	status=$?
	tail -n 5 /tmp/out
	# not all of them end their last line
	echo
	echo "## end $program $status"
done
exit 0

#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Inside a lab machine: runs test programs one after the other and marks where each begins and ends.

for program; do
	echo "## begin $program"
	# by its path: kernel selftests read their own file
	CMOCKA_MESSAGE_OUTPUT=TAP "$(command -v "$program")" 2>&1
	status=$?
	[ $status -eq 0 ] || dmesg | tail -n 20
	echo "## end $program $status"
done
exit 0

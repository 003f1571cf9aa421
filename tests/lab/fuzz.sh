#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Inside a lab machine: a minute of fuzzing KVM introspection, with the machine's own seed.

seed=$(sed -n 's/.*kvmi_seed=\([0-9]*\).*/\1/p' /proc/cmdline)
fuzz_kvmi --seed "${seed:-1}" --seconds 60 >/tmp/fuzz
status=$?
sed '/^# again: /{s|: |: tests/fuzz-kvmi/run |;s|$| short|;}' /tmp/fuzz
exit $status

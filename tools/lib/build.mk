# SPDX-License-Identifier: BSD-2-Clause
# What programs of this tree share, and its unit tests.

LIBTOOLS := build/tools/lib/libtools.a

LIBTOOLS_SOURCES := $(wildcard tools/lib/*.c)

$(LIBTOOLS): $(LIBTOOLS_SOURCES:%.c=build/%.o)
	$(call msg,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# Unit tests compile what they test anew, with the sanitizers.
UNIT_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

UNIT_TESTS += build/tests/unit/test_number

build/tests/unit/test_number: tests/unit/test_number.c tools/lib/number.c tools/lib/number.h
	$(call msg,CCLD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(UNIT_SANITIZE) -o $@ $(filter %.c,$^) -lcmocka

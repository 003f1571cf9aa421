# SPDX-License-Identifier: BSD-2-Clause
# Builds what tools, bench and tests share, and its unit tests.

LIBKVMI := build/tools/lib/libkvmi.a

LIBKVMI_OBJS := $(addprefix build/tools/lib/, kvmi_client.o kvmi_commands.o)

$(LIBKVMI): $(LIBKVMI_OBJS)
	$(call msg,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# Unit tests compile what they test anew, with the sanitizers.
UNIT_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

UNIT_TESTS += build/tests/unit/test_client

build/tests/unit/test_client: tests/unit/test_client.c tools/lib/kvmi_client.c \
		tools/lib/kvmi_commands.c $(wildcard tools/lib/*.h)
	$(call msg,CCLD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(UNIT_SANITIZE) -o $@ $(filter %.c,$^) -lcmocka -lpthread

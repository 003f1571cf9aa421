# SPDX-License-Identifier: BSD-2-Clause
# Builds what tools, bench and tests share, and its unit tests.

LIBKVMI := build/tools/lib/libkvmi.a

LIBKVMI_OBJS := $(addprefix build/tools/lib/, ending_signals.o kvmi_client.o kvmi_commands.o \
	kvmi_handshake.o kvmi_walk.o number.o plain_text.o)

# For programs that do the handshake.
LIBKVMI_LIBS := -lnettle

$(LIBKVMI): $(LIBKVMI_OBJS)
	$(call msg,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

# Unit tests compile what they test anew, with the sanitizers.
UNIT_SANITIZE := -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer

CLIENT_UNIT_TESTS := $(addprefix build/tests/unit/, test_client test_client_stream)
UNIT_TESTS += $(CLIENT_UNIT_TESTS)

$(CLIENT_UNIT_TESTS): build/tests/unit/%: tests/unit/%.c tests/unit/client_fixture.c \
		tools/lib/kvmi_client.c tools/lib/kvmi_commands.c \
		$(wildcard tools/lib/*.h) tests/unit/client_fixture.h
	$(call msg,CCLD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(UNIT_SANITIZE) -o $@ $(filter %.c,$^) -lcmocka -lpthread

UNIT_TESTS += build/tests/unit/test_handshake

build/tests/unit/test_handshake: tests/unit/test_handshake.c tools/lib/kvmi_handshake.c \
		$(wildcard tools/lib/*.h)
	$(call msg,CCLD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(UNIT_SANITIZE) -o $@ $(filter %.c,$^) -lcmocka -lpthread \
		$(LIBKVMI_LIBS)

UNIT_TESTS += build/tests/unit/test_walk

build/tests/unit/test_walk: tests/unit/test_walk.c tools/lib/kvmi_walk.c tools/lib/kvmi_client.c \
		tools/lib/kvmi_commands.c $(wildcard tools/lib/*.h)
	$(call msg,CCLD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(UNIT_SANITIZE) -o $@ $(filter %.c,$^) -lcmocka

# SPDX-License-Identifier: BSD-2-Clause
# The client library: wire protocol, channel, handshake, guest memory; and its unit tests.

LIBKVMI_CLIENT := build/tools/libkvmi-client/libkvmi-client.a

LIBKVMI_CLIENT_SOURCES := $(wildcard tools/libkvmi-client/*.c)

# For programs that do the handshake.
LIBKVMI_CLIENT_LIBS := -lnettle

$(LIBKVMI_CLIENT): $(LIBKVMI_CLIENT_SOURCES:%.c=build/%.o)
	$(call msg,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

CLIENT_UNIT_TESTS := $(addprefix build/tests/unit/, test_client test_client_stream test_handshake test_walk)
UNIT_TESTS += $(CLIENT_UNIT_TESTS)

build/tests/unit/test_client build/tests/unit/test_client_stream: tests/unit/client_fixture.c tests/unit/client_fixture.h

$(CLIENT_UNIT_TESTS): build/tests/unit/%: tests/unit/%.c $(LIBKVMI_CLIENT_SOURCES) $(wildcard tools/libkvmi-client/*.h)
	$(call msg,CCLD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(UNIT_SANITIZE) -o $@ $(filter %.c,$^) -lcmocka -lpthread $(LIBKVMI_CLIENT_LIBS)

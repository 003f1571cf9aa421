# SPDX-License-Identifier: BSD-2-Clause
# kvmi-trace and its unit tests.

KVMI_TRACE_OBJS := $(patsubst %.c,build/%.o,$(wildcard tools/kvmi-trace/*.c))

PROGS += build/kvmi-trace

# Debian has Zydis, the decoder of instructions, as a shared library only.
build/kvmi-trace: $(KVMI_TRACE_OBJS) $(LIBKVMI_CLIENT) $(LIBTOOLS)
	$(call msg,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lZydis $(LIBKVMI_CLIENT_LIBS)

UNIT_TESTS += $(addprefix build/tests/unit/, test_insn test_trace test_trace_cli)

build/tests/unit/test_insn: tests/unit/test_insn.c tools/kvmi-trace/insn.c $(wildcard tools/kvmi-trace/*.h tools/libkvmi-client/*.h)
	$(call msg,CCLD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -I tools $(UNIT_SANITIZE) -o $@ $(filter %.c,$^) -lcmocka -lZydis

build/tests/unit/test_trace: tests/unit/test_trace.c tests/unit/fake_vm.c tests/unit/fake_vm.h \
		tools/libkvmi-client/kvmi_handshake.c $(wildcard tools/libkvmi-client/*.h) | build/kvmi-trace
	$(call msg,CCLD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(UNIT_SANITIZE) -o $@ $(filter %.c,$^) -lcmocka $(LIBKVMI_CLIENT_LIBS)

build/tests/unit/test_trace_cli: tests/unit/test_trace_cli.sh build/kvmi-trace
	$(call msg,COPY,$@)
	$(Q)mkdir -p $(@D)
	$(Q)install -m 755 $< $@

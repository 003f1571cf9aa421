# SPDX-License-Identifier: BSD-2-Clause
# kvmi-lat, and the unit tests of it and of the logic it shares with the BPF programs.

# Each of these builds on those above it, and on no other.
LAT_LIB      := $(LIBTOOLS_SOURCES) $(wildcard tools/kvmi-lat/lib/*.c)
LAT_RUN_FILE := $(LAT_LIB) $(wildcard tools/kvmi-lat/run-file/*.c)
LAT_STATS    := $(LAT_RUN_FILE) $(wildcard tools/kvmi-lat/stats/*.c)

KVMI_LAT_OBJS := $(patsubst %.c,build/%.o,$(wildcard tools/kvmi-lat/*.c tools/kvmi-lat/*/*.c))
$(KVMI_LAT_OBJS): OUR_CPPFLAGS += -I tools/kvmi-lat

PROGS += build/kvmi-lat

build/tools/kvmi-lat/attach/observer.o: $(BPF_SKEL)

# Static, because the same file then runs here and inside the lab.
build/kvmi-lat: $(KVMI_LAT_OBJS) $(LIBTOOLS)
	$(call msg,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -static $(LDFLAGS) -o $@ $^ -lbpf -lelf -lz -ljansson -lm

# Unit tests are compiled in one go, sanitizers and all, apart from the objects above.
KVMI_LAT_UNIT_TESTS := $(addprefix build/tests/unit/, test_hist test_pairing test_pairing_property test_runfile test_bpf \
	test_rank test_compare test_largest test_interval test_whole_file test_watch test_fingerprint test_text test_offsets)
KVMI_LAT_CLI_TESTS := $(addprefix build/tests/unit/, test_cli test_export)
UNIT_TESTS += $(KVMI_LAT_UNIT_TESTS) $(KVMI_LAT_CLI_TESTS) build/tests/unit/test_top

$(addprefix build/tests/unit/, test_text test_whole_file): $(LAT_LIB)
$(addprefix build/tests/unit/, test_hist test_fingerprint): $(LAT_RUN_FILE)
$(addprefix build/tests/unit/, test_runfile test_rank test_largest): $(LAT_STATS)
build/tests/unit/test_compare: $(LAT_STATS) tools/kvmi-lat/commands/compare_json.c
build/tests/unit/test_largest: | build/kvmi-lat
build/tests/unit/test_pairing_property: tests/unit/sequences.c tests/unit/sequences.h
build/tests/unit/test_watch: $(LAT_LIB) tools/kvmi-lat/attach/watched_processes.c
build/tests/unit/test_offsets: $(LAT_LIB) tools/kvmi-lat/attach/vcpu_offsets.c
build/tests/unit/test_interval: $(LAT_RUN_FILE) tools/kvmi-lat/attach/snapshots.c tools/kvmi-lat/attach/maps.c tools/kvmi-lat/commands/slow_event.c
build/tests/unit/test_bpf: $(LAT_RUN_FILE) tools/kvmi-lat/attach/maps.c $(BPF_SKEL)

$(KVMI_LAT_UNIT_TESTS): build/tests/unit/%: tests/unit/%.c $(wildcard tools/lib/*.h tools/kvmi-lat/*/*.h bpf/*.h)
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -I tools/kvmi-lat $(UNIT_SANITIZE) $(LDFLAGS) -o $@ $(sort $(filter %.c,$^)) -lcmocka -lbpf -ljansson -lm

$(KVMI_LAT_CLI_TESTS): build/tests/unit/%: tests/unit/%.sh build/kvmi-lat
	$(call msg,COPY,$@)
	$(Q)mkdir -p $(@D)
	$(Q)install -m 755 $< $@

build/tests/unit/test_top: tests/unit/test_top.c | build/kvmi-lat
	$(call msg,CCLD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(UNIT_SANITIZE) -o $@ $(filter %.c,$^) -lcmocka -lutil

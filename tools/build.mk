# SPDX-License-Identifier: BSD-2-Clause
# kvmi-lat, and the unit tests of it and of the logic it shares with the BPF programs.

-include tools/lib/build.mk

KVMI_LAT_OBJS := $(addprefix build/tools/, kvmi-lat.o record.o observer.o report.o report_text.o \
	report_json.o summary.o vcpus.o offsets.o pinned.o hooks.o measurement.o runfile.o fingerprint.o hist.o \
	names.o log.o whole_file.o filter.o report_hist.o rank.o runfile_check.o \
	export.o export_csv.o export_hgrm.o export_prometheus.o)
KVMI_LAT_OBJS += $(addprefix build/tools/, compare.o compare_text.o compare_markdown.o \
	compare_json.o comparison.o read_sides.o side.o likeness.o)
KVMI_LAT_OBJS += $(addprefix build/tools/, arguments.o hook_cost.o interval.o signals.o top.o top_screen.o threshold.o slow.o task_name.o \
	pid_namespace.o text.o watch.o)

PROGS += build/tools/kvmi-lat

build/tools/observer.o: $(BPF_SKEL)

# Static, because the same file then runs here and inside the lab.
build/tools/kvmi-lat: $(KVMI_LAT_OBJS) $(LIBKVMI)
	$(call msg,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -static $(LDFLAGS) -o $@ $^ -lbpf -lelf -lz -ljansson -lm

KVMI_TRACE_OBJS := $(patsubst %,build/tools/kvmi-trace%.o, -break -connect -insn -plant -show -step) \
	build/tools/kvmi-trace.o

PROGS += build/tools/kvmi-trace

# Debian has Zydis, the decoder of instructions, as a shared library only.
build/tools/kvmi-trace: $(KVMI_TRACE_OBJS) $(LIBKVMI)
	$(call msg,LINK,$@)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lZydis $(LIBKVMI_LIBS)

# Unit tests are compiled in one go, sanitizers and all, apart from the objects above.
KVMI_LAT_UNIT_TESTS := $(addprefix build/tests/unit/, test_hist test_pairing test_pairing_property \
	test_runfile test_bpf test_rank test_compare test_largest test_interval test_whole_file test_watch test_fingerprint test_text test_offsets test_number)
KVMI_LAT_CLI_TESTS := $(addprefix build/tests/unit/, test_cli test_export)
UNIT_TESTS += $(KVMI_LAT_UNIT_TESTS) $(KVMI_LAT_CLI_TESTS)

build/tests/unit/test_hist: tests/unit/test_hist.c tools/hist.c
build/tests/unit/test_pairing: tests/unit/test_pairing.c
build/tests/unit/test_pairing_property: tests/unit/test_pairing_property.c \
	tests/unit/sequences.c tests/unit/sequences.h
build/tests/unit/test_runfile: tests/unit/test_runfile.c tools/runfile.c tools/summary.c tools/vcpus.c tools/hook_cost.c tools/hooks.c tools/log.c \
	tools/measurement.c tools/hist.c tools/names.c tools/whole_file.c tools/rank.c \
	tools/runfile_check.c tools/text.c tools/lib/ending_signals.c tools/lib/plain_text.c
build/tests/unit/test_compare: tests/unit/test_compare.c $(addprefix tools/, comparison.c side.c \
	summary.c vcpus.c hook_cost.c hooks.c log.c likeness.c compare_json.c runfile.c runfile_check.c measurement.c hist.c \
	names.c rank.c text.c lib/ending_signals.c lib/plain_text.c whole_file.c)
build/tests/unit/test_largest: tests/unit/test_largest.c $(addprefix tools/, runfile.c vcpus.c hook_cost.c hooks.c log.c \
	runfile_check.c measurement.c hist.c names.c rank.c text.c lib/ending_signals.c lib/plain_text.c whole_file.c) | build/tools/kvmi-lat
build/tests/unit/test_interval: tests/unit/test_interval.c $(addprefix tools/, interval.c slow.c task_name.c pid_namespace.c vcpus.c \
	measurement.c hist.c names.c)
build/tests/unit/test_watch: tests/unit/test_watch.c tools/watch.c tools/log.c tools/lib/plain_text.c tools/pid_namespace.c tools/task_name.c
build/tests/unit/test_fingerprint: tests/unit/test_fingerprint.c tools/fingerprint.c tools/text.c tools/lib/number.c \
	tools/lib/plain_text.c
build/tests/unit/test_text: tests/unit/test_text.c tools/text.c tools/lib/plain_text.c
build/tests/unit/test_offsets: tests/unit/test_offsets.c tools/offsets.c tools/log.c tools/lib/plain_text.c
build/tests/unit/test_number: tests/unit/test_number.c tools/lib/number.c
build/tests/unit/test_whole_file: tests/unit/test_whole_file.c tools/whole_file.c tools/lib/ending_signals.c
build/tests/unit/test_rank: tests/unit/test_rank.c tools/rank.c
build/tests/unit/test_bpf: tests/unit/test_bpf.c tools/measurement.c tools/hist.c tools/names.c tools/vcpus.c \
	$(BPF_SKEL)

$(KVMI_LAT_UNIT_TESTS): $(wildcard tools/*.h tools/lib/*.h bpf/*.h)
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -I tools -fsanitize=address,undefined -fno-sanitize-recover=all \
		$(LDFLAGS) -o $@ $(filter %.c,$^) -lcmocka -lbpf -ljansson -lm

$(KVMI_LAT_CLI_TESTS): build/tests/unit/%: tests/unit/%.sh build/tools/kvmi-lat
	$(call msg,COPY,$@)
	$(Q)mkdir -p $(@D)
	$(Q)install -m 755 $< $@

UNIT_TESTS += build/tests/unit/test_insn

build/tests/unit/test_insn: tests/unit/test_insn.c tools/kvmi-trace-insn.c \
		$(wildcard tools/kvmi-trace*.h tools/lib/*.h)
	$(call msg,CCLD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -I tools $(UNIT_SANITIZE) -o $@ $(filter %.c,$^) -lcmocka -lZydis

UNIT_TESTS += build/tests/unit/test_top

build/tests/unit/test_top: tests/unit/test_top.c | build/tools/kvmi-lat
	$(call msg,CCLD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(UNIT_SANITIZE) -o $@ $(filter %.c,$^) -lcmocka -lutil

UNIT_TESTS += build/tests/unit/test_trace_cli

build/tests/unit/test_trace_cli: tests/unit/test_trace_cli.sh build/tools/kvmi-trace
	$(call msg,COPY,$@)
	$(Q)mkdir -p $(@D)
	$(Q)install -m 755 $< $@

UNIT_TESTS += build/tests/unit/test_trace

build/tests/unit/test_trace: tests/unit/test_trace.c tests/unit/fake_vm.c tests/unit/fake_vm.h \
		tools/lib/kvmi_handshake.c $(wildcard tools/lib/*.h) | build/tools/kvmi-trace
	$(call msg,CCLD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(UNIT_SANITIZE) -o $@ $(filter %.c,$^) -lcmocka $(LIBKVMI_LIBS)

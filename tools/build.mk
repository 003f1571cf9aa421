# SPDX-License-Identifier: BSD-2-Clause
# kvmi-lat, and the unit tests of it and of the logic it shares with the BPF programs.

-include tools/lib/build.mk

KVMI_LAT_OBJS := $(addprefix build/tools/, kvmi-lat.o record.o observer.o report.o report_text.o \
	report_json.o summary.o pinned.o hooks.o measurement.o runfile.o fingerprint.o hist.o \
	names.o log.o)

PROGS += build/tools/kvmi-lat

build/tools/observer.o: $(BPF_SKEL)

# Static, because the same file then runs here and inside the lab.
build/tools/kvmi-lat: $(KVMI_LAT_OBJS)
	$(call msg,LINK,$@)
	$(Q)$(CC) $(CFLAGS) -static $(LDFLAGS) -o $@ $^ -lbpf -lelf -lz -ljansson -lm

# SPDX-License-Identifier: BSD-2-Clause
# Builds the VMM (a library, for benchmark and lab tests) and kvmi-bench.

LIBVMM := build/bench/vmm/libvmm.a

LIBVMM_OBJS := $(patsubst %.c,build/%.o,$(wildcard bench/vmm/*.c)) $(addprefix build/bench/guests/, runtime.o int3_probe.o)

$(LIBVMM): $(LIBVMM_OBJS)
	$(call msg,AR,$@)
	$(Q)rm -f $@ && $(AR) rcs $@ $^

KVMI_BENCH_OBJS := $(patsubst %,build/bench/%.o,kvmi-bench answers cases control entries google_benchmark introspector \
	kcounts noise options probes other receivers session stats vm offer \
	$(addprefix guests/,cpuid demo hypercall hypercall_event int3 int3_handled int3_paced loop npt_fault pio_out))

PROGS += build/kvmi-bench

# Debian has Google Benchmark as a shared library only.
build/kvmi-bench: $(KVMI_BENCH_OBJS) $(LIBVMM) $(LIBKVMI_CLIENT) $(LIBTOOLS)
	$(call msg,CXXLD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(CXXFLAGS) $(LDFLAGS) -o $@ $^ -lbenchmark -ljansson -lpthread $(LIBKVMI_CLIENT_LIBS)

# Tests of the VMM itself; they run in the lab. cmocka is a shared library only, too.
PROGS += build/tests/lab/test_vmm

build/tests/lab/test_vmm: build/tests/lab/test_vmm.o build/tests/lab/vmm_guests.o $(LIBVMM)
	$(call msg,CCLD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -lcmocka -lpthread

UNIT_TESTS += build/tests/unit/test_stats build/tests/unit/test_kcounts

build/tests/unit/test_kcounts: tests/unit/test_kcounts.c bench/kcounts.c bench/kcounts.h
	$(call msg,CCLD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(UNIT_SANITIZE) -o $@ $(filter %.c,$^) -lcmocka

build/tests/unit/test_stats: tests/unit/test_stats.c bench/stats.c bench/stats.h
	$(call msg,CCLD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) $(UNIT_SANITIZE) -o $@ $(filter %.c,$^) -lcmocka

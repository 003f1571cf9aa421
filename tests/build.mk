# SPDX-License-Identifier: BSD-2-Clause
# The programs that test the patched kernel inside the lab's machines, and what runs them.

# Static: they have no dependencies to be carried into the lab.
LAB_TESTS := $(addprefix build/tests/lab/, test_event test_debug test_lifetime test_protocol \
	test_vcpus test_memory test_counts test_nested \
	test_modes test_protected test_coexist test_delays)
LAB_TESTS += $(addprefix build/tests/lab/, test_permissions test_commands test_pause test_hypercall \
	test_paused test_unhook test_channel)
LAB_TESTS += $(addprefix build/tests/lab/, test_socket test_reconnect \
	test_vmm_state test_set_registers test_flood test_hook_socket \
	test_limits)
LAB_TESTS += build/tests/lab/stress
LAB_TEST_OBJS := $(addprefix build/tests/lab/, tap.o lab.o counter.o inject.o raw.o \
	guests/hit.o)
LAB_NESTED_OBJS := $(addprefix build/tests/lab/, nested.o guests/nested.o)
LAB_WAITING_OBJS := $(addprefix build/tests/lab/, waiting.o guests/waiting.o)
LAB_MODES_OBJS := $(addprefix build/tests/lab/, modes.o peek.o guests/modes.o)

PROGS += $(LAB_TESTS)

# BPF programs of the tests, each embedded into the file named after the colon.
LAB_BPF := vmcb:inject peek:peek floor:floor delay:test_delays

define lab_bpf
build/tests/lab/$(1).bpf.o: tests/lab/$(1).bpf.c tests/build.mk
	$$(call msg,BPF,$$@)
	$$(Q)mkdir -p $$(@D)
	$$(Q)$$(CLANG) $$(BPF_CFLAGS) -MMD -MP -MF $$(@:.o=.d) -MT $$@ -c -o $$@ $$<
	$$(Q)$$(LLVM_STRIP) -g $$@

build/tests/lab/$(1).skel.h: build/tests/lab/$(1).bpf.o
	$$(call msg,SKEL,$$@)
	$$(Q)$$(BPFTOOL) gen skeleton $$< name $(1)_bpf > $$@

build/tests/lab/$(2).o: build/tests/lab/$(1).skel.h
build/tests/lab/$(2).o: OUR_CPPFLAGS += -I build/tests/lab
endef

$(foreach bpf,$(LAB_BPF),$(eval $(call lab_bpf,$(firstword $(subst :, ,$(bpf))),$(lastword $(subst :, ,$(bpf))))))

LAB_HITS_OBJS := $(addprefix build/tests/lab/, hits.o recorded.o) \
	$(addprefix build/bench/, control.o entries.o receivers.o stats.o guests/int3.o)
build/tests/lab/test_counts build/tests/lab/test_delays: $(LAB_HITS_OBJS)

build/tests/lab/test_hypercall: build/tests/lab/guests/hypercall.o
build/tests/lab/stress: $(addprefix build/tests/lab/, stress_memory.o stress_tool.o guests/stress.o)
build/tests/lab/test_nested: $(LAB_NESTED_OBJS)
build/tests/lab/test_modes: $(LAB_MODES_OBJS)
build/tests/lab/test_vmm_state: $(LAB_NESTED_OBJS)
build/tests/lab/test_set_registers: $(LAB_MODES_OBJS)
$(addprefix build/tests/lab/, test_reconnect test_vmm_state test_set_registers test_flood test_limits): $(LAB_WAITING_OBJS)
build/tests/lab/test_coexist: build/tests/lab/guests/coexist.o
build/tests/lab/test_protected: build/tests/lab/peek.o

$(LAB_TESTS): build/tests/lab/%: build/tests/lab/%.o $(LAB_TEST_OBJS) $(LIBVMM) $(LIBKVMI_CLIENT) $(LIBTOOLS)
	$(call msg,CCLD,$@)
	$(Q)$(CC) $(CFLAGS) -static $(LDFLAGS) -o $@ $^ -lbpf -lelf -lz -ljansson -lpthread

# What kvmi-trace prints is looked at by the script that tests it.
PROGS += build/tests/lab/json_lines

build/tests/lab/json_lines: build/tests/lab/json_lines.o
	$(call msg,CCLD,$@)
	$(Q)$(CC) $(CFLAGS) -static $(LDFLAGS) -o $@ $^ -ljansson

# What experiments/cost/run holds the observer against.
PROGS += build/tests/lab/floor

build/tests/lab/floor: build/tests/lab/floor.o
	$(call msg,CCLD,$@)
	$(Q)$(CC) $(CFLAGS) -static $(LDFLAGS) -o $@ $^ -lbpf -lelf -lz

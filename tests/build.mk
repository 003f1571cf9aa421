# SPDX-License-Identifier: BSD-2-Clause
# The programs that test the patched kernel inside the lab's machines, and what runs them.

# Static: they have no dependencies to be carried into the lab.
LAB_TESTS := $(addprefix build/tests/lab/, test_event test_debug test_lifetime test_protocol \
	test_vcpus test_memory test_counts test_nested)
LAB_TESTS += $(addprefix build/tests/lab/, test_permissions test_commands test_pause test_hypercall)
LAB_TEST_OBJS := $(addprefix build/tests/lab/, tap.o lab.o counter.o inject.o raw.o \
	guests/hit.o)
LAB_NESTED_OBJS := $(addprefix build/tests/lab/, nested.o guests/nested.o)

PROGS += $(LAB_TESTS)

LAB_VMCB_OBJ  := build/tests/lab/vmcb.bpf.o
LAB_VMCB_SKEL := build/tests/lab/vmcb.skel.h

$(LAB_VMCB_OBJ): tests/lab/vmcb.bpf.c tests/build.mk
	$(call msg,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c -o $@ $<
	$(Q)$(LLVM_STRIP) -g $@

$(LAB_VMCB_SKEL): $(LAB_VMCB_OBJ)
	$(call msg,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name vmcb_bpf > $@

build/tests/lab/inject.o: $(LAB_VMCB_SKEL)
build/tests/lab/inject.o: CPPFLAGS += -I build/tests/lab

build/tests/lab/test_counts: build/tests/lab/hits.o $(addprefix build/bench/, \
	control.o entries.o stats.o guests/int3.o)

build/tests/lab/test_hypercall: build/tests/lab/guests/hypercall.o
build/tests/lab/test_nested: $(LAB_NESTED_OBJS)

$(LAB_TESTS): build/tests/lab/%: build/tests/lab/%.o $(LAB_TEST_OBJS) $(LIBVMM) $(LIBKVMI)
	$(call msg,CCLD,$@)
	$(Q)$(CC) $(CFLAGS) -static $(LDFLAGS) -o $@ $^ -lbpf -lelf -lz -ljansson -lpthread

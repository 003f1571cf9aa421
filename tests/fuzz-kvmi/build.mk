# SPDX-License-Identifier: BSD-2-Clause
# The fuzzer of KVM introspection's kernel side, and make fuzz-kvmi, which runs it in the lab.

FUZZ_KVMI_PROG := build/tests/fuzz-kvmi/fuzz_kvmi

# Static: it has no dependencies to be carried into the lab.
FUZZ_KVMI_OBJS := $(addprefix build/tests/fuzz-kvmi/, fuzz_kvmi.o plan.o message.o tool.o vmm_side.o machine.o \
	hostile.o sockets.o checks.o faults.o kcov.o guests/fuzz.o)

PROGS += $(FUZZ_KVMI_PROG)

$(FUZZ_KVMI_PROG): $(FUZZ_KVMI_OBJS) $(addprefix build/tests/lab/, stress_memory.o) $(LAB_TEST_OBJS) $(LIBVMM) $(LIBKVMI_CLIENT) $(LIBTOOLS)
	$(call msg,CCLD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -static $(LDFLAGS) -o $@ $^ -lbpf -lelf -lz -ljansson -lpthread

.PHONY: fuzz-kvmi
fuzz-kvmi:
	$(Q)scripts/deps build lab lab-bochs lab-qemu kernel
	$(Q)$(MAKE) --no-print-directory $(FUZZ_KVMI_PROG)
	$(Q)tests/fuzz-kvmi/run $(FUZZ_KVMI)

# SPDX-License-Identifier: BSD-2-Clause
# The BPF object, for bpftool and for embedding into kvmi-lat.

BPF_OBJ   := build/bpf/kvmi_lat.bpf.o
BPF_SKEL  := build/bpf/kvmi_lat.skel.h
LLVM_STRIP ?= llvm-strip
# asm/types.h lives in the multiarch directory, which -target bpf does not search.
BPF_CFLAGS := -target bpf -mcpu=v3 -O2 -g $(WARNINGS) \
	-idirafter /usr/include/$(shell $(CC) -print-multiarch 2>/dev/null)

PROGS += $(BPF_OBJ)

$(BPF_OBJ): bpf/kvmi_lat.bpf.c bpf/build.mk
	$(call msg,BPF,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -MMD -MP -MF $(@:.o=.d) -MT $@ -c -o $@ $<
	$(Q)$(LLVM_STRIP) -g $@

$(BPF_SKEL): $(BPF_OBJ)
	$(call msg,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name kvmi_lat > $@

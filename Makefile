# SPDX-License-Identifier: BSD-2-Clause
# Builds the programs and runs the jobs: `make bench` is the main one, `make check` the tests.

V ?= 0
ifeq ($(V),1)
Q :=
msg =
else
Q := @
msg = @printf '  %-8s %s\n' "$(1)" "$(2)";
endif

CC      ?= gcc
CXX     ?= g++
CLANG   ?= clang
BPFTOOL ?= bpftool

WARNINGS := -Wall -Wextra -Werror
CPPFLAGS += -D_GNU_SOURCE -I tools/lib -I bpf -I build/bpf
CFLAGS   ?= -O2 -g
CXXFLAGS ?= -O2 -g
ALL_CFLAGS   = -std=gnu11 $(WARNINGS) $(CPPFLAGS) $(CFLAGS)
ALL_CXXFLAGS = -std=gnu++17 $(WARNINGS) $(CPPFLAGS) $(CXXFLAGS)

PROGS      :=
UNIT_TESTS :=

.PHONY: all
all:

-include bpf/build.mk
-include tools/build.mk
-include bench/build.mk
-include tests/build.mk

all: $(PROGS)

build/%.o: %.c
	$(call msg,CC,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(ALL_CFLAGS) -MMD -MP -c -o $@ $<

build/%.o: %.cc
	$(call msg,CXX,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CXX) $(ALL_CXXFLAGS) -MMD -MP -c -o $@ $<

build/%.o: %.S
	$(call msg,AS,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CPPFLAGS) -MMD -MP -c -o $@ $<

.PHONY: clean
clean:
	$(call msg,CLEAN,build)
	$(Q)rm -rf build

.DELETE_ON_ERROR:
.SECONDARY:
-include $(shell find build -name '*.d' 2>/dev/null)

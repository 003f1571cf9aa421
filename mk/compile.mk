# SPDX-License-Identifier: BSD-2-Clause
# How programs are compiled: compilers, flags, what a line of output says, rules by suffix.

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

# What clang warns of and gcc does not: messages are made of structures that end in arrays; a field not named is zero.
WARNINGS := -Wall -Wextra -Werror -Wno-gnu-variable-sized-type-not-at-end -Wno-missing-field-initializers
# CPPFLAGS, CFLAGS, CXXFLAGS and LDFLAGS are the caller's; what the sources need is said elsewhere.
OUR_CPPFLAGS := -D_GNU_SOURCE -I tools/lib -I tools/libkvmi-client -I bpf -I build/bpf
CFLAGS   ?= -O2 -g
CXXFLAGS ?= -O2 -g
ALL_CFLAGS   = -std=gnu11 $(WARNINGS) $(OUR_CPPFLAGS) $(CPPFLAGS) $(CFLAGS)
ALL_CXXFLAGS = -std=gnu++17 $(WARNINGS) $(OUR_CPPFLAGS) $(CPPFLAGS) $(CXXFLAGS)

# In a build/ of earlier versions the program stands where its objects go now.
$(shell [ ! -f build/tools/kvmi-lat ] || rm -f build/tools/kvmi-lat)

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
	$(Q)$(CC) $(OUR_CPPFLAGS) $(CPPFLAGS) -MMD -MP -c -o $@ $<

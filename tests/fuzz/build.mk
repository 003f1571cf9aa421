# SPDX-License-Identifier: BSD-2-Clause
# The fuzz target over run files, and make fuzz, which runs it for a while.

FUZZ_SECONDS ?= 600

FUZZ_RUN_SOURCES := $(addprefix tests/fuzz/, fuzz_run.c mutate.c)
FUZZ_RUN_SOURCES += $(LAT_STATS) $(addprefix tools/kvmi-lat/commands/, report_text.c report_json.c report_hist.c \
	compare_text.c compare_markdown.c compare_json.c histogram_filter.c)

# clang also wants the fields named that a designated initializer leaves out; gcc does not.
build/tests/fuzz/fuzz_run: $(FUZZ_RUN_SOURCES) $(wildcard tools/lib/*.h tools/kvmi-lat/*/*.h bpf/*.h)
	$(call msg,FUZZ,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CLANG) $(ALL_CFLAGS) -Wno-missing-field-initializers -I tools/kvmi-lat -fsanitize=fuzzer,address,undefined \
		-fno-sanitize-recover=all $(LDFLAGS) -o $@ $(filter %.c,$^) -lbpf -ljansson -lm

# What is found on the way is kept in build/; what breaks it is written there, too.
.PHONY: fuzz
fuzz:
	$(Q)scripts/deps build fuzz
	$(Q)$(MAKE) --no-print-directory build/tests/fuzz/fuzz_run
	$(Q)mkdir -p build/tests/fuzz/corpus
	$(Q)build/tests/fuzz/fuzz_run -max_total_time=$(FUZZ_SECONDS) -max_len=65536 -timeout=60 \
		-rss_limit_mb=1024 -print_final_stats=1 -dict=tests/fuzz/run.dict \
		-artifact_prefix=build/tests/fuzz/ build/tests/fuzz/corpus tests/fuzz/seeds

# SPDX-License-Identifier: BSD-2-Clause
# make power: what the verdicts of kvmi-lat compare are worth, by simulation.

build/experiments/power/power: build/experiments/power/power.o $(LAT_STATS:%.c=build/%.o)
	$(call msg,CCLD,$@)
	$(Q)mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) $(LDFLAGS) -o $@ $^ -ljansson -lm

build/experiments/power/power.o: OUR_CPPFLAGS += -I tools/kvmi-lat

.PHONY: power
power:
	$(Q)scripts/deps build
	$(Q)$(MAKE) --no-print-directory build/experiments/power/power
	$(Q)build/experiments/power/power $(POWER_ARGS)

# SPDX-License-Identifier: BSD-2-Clause
# Builds the programs and runs the jobs: `make bench` is the main one, `make check` the tests.

.PHONY: all
all:

# Each directory adds to them: programs to build, and unit tests.
PROGS      :=
UNIT_TESTS :=

include mk/compile.mk
-include bpf/build.mk
-include tools/lib/build.mk
-include tools/libkvmi-client/build.mk
-include tools/kvmi-lat/build.mk
-include tools/kvmi-trace/build.mk
-include bench/build.mk
-include tests/build.mk
-include tests/fuzz/build.mk
-include tests/fuzz-kvmi/build.mk
-include experiments/power/build.mk
include mk/install.mk

all: $(PROGS)
	@:

HELP := \
'  make                the programs, into build/' \
'  make bench          the main job: measures on this machine if its kernel can, else in the lab' \
'                      KERNELS="6.1 6.12" compares these; BENCH_ARGS="--runs 5": scripts/bench --help' \
'  make check          the tests: units, scripts, the patched kernel in the lab, both vendors' \
'                      CHECK="unit scripts" runs only those; tests/run --help has the names' \
'  make check-all      the tests of the lab on every kernel that there is a series for' \
'                      KERNELS="6.1 7.2" only these' \
'  make check-deb      a kernel packaged for a host, booted in the lab: host-check and bench in there' \
'  make mutate         puts known faults back into the kernel, one at a time: does a test catch each?' \
'                      MUTATE="4 9" only these; tests/mutate --list has the names' \
'  make check-debug    the tests on a kernel with KASAN, lockdep and the like, and faults that it must report; hours' \
'                      its parts: check-debug-vmx, check-debug-svm, check-debug-mutants; CHECK="vmx-smp" instead of vmx, svm' \
'  make check-kcsan    the tests on a kernel that looks for data races, two processors; CHECK="svm-smp" only that' \
'                      check-kcsan-mutants: races that it must report' \
'  make overhead       what introspection costs VMs that have nothing to do with it, against the stock kernel' \
'                      OVERHEAD_ARGS="--seeds 7"; experiments/overhead/run --help has the options' \
'  make drift          whether a change of the series makes an exit or an event longer: the kernel with it against' \
'                      the one before; DRIFT_ARGS="HEAD~3"; experiments/drift/run --help has the options' \
'  make cost           what watching costs: kvmi-lat, the least that BPF can do, perf and ftrace; fails over the limits' \
'                      COST_ARGS="--machine svm"; experiments/cost/run --help has the options' \
'  make perf-check     kvmi-lat and perf count the same tracepoints: are the counts the same?' \
'  make stress         tools killed at random points, 10000 times and more; STRESS="svm --cycles 100"' \
'  make check-series   builds after each patch of the series, checkpatch.pl --strict on each; the whole as' \
'                      modules and built in; sparse, W=1, kernel-doc' \
'  make check-selftests  KVM'"'"'s own selftests with and without the series: the results have to be the same' \
'                      SELFTESTS="qemu vmx:smm_test" only these; tests/selftests --help' \
'  make power          what the verdicts of kvmi-lat compare are worth, by simulation; a minute' \
'                      POWER_ARGS="--runs 12"; build/experiments/power/power --help' \
'  make planted        the same for real: kernels with a delay in the path of an event, and runs of the same kernel' \
'                      PLANTED_ARGS="--machine svm --pairs 10"; experiments/planted/run --help' \
'  make check-gbench   Google Benchmark'"'"'s compare.py reads what kvmi-bench writes, and agrees with our medians' \
'  make fuzz           run files as hostile input, for ten minutes; FUZZ_SECONDS=60' \
'  make fuzz-kvmi      hostile introspectors, VMMs and guests against the kernel, for an hour; FUZZ_KVMI="short"' \
'                      FUZZ_KVMI="--seed 7 --messages 100000 qemu vmx"; tests/fuzz-kvmi/run --help' \
'  make kernels        the lab kernels of all versions, and where they are; make kernel: that of 6.12' \
'  make host-check     what stands between this machine, as it is booted, and make bench on it' \
'  make results        measures and draws anew what results/ and the README show, on all kernels; KERNELS="6.12"' \
'  make report         results/ as one HTML page, kvmi-lat.html; REPORT_ARGS="--out FILE RUN.json..." of other runs' \
'  make check-page     that page in a headless Chromium' \
'  make install        kvmi-lat, kvmi-trace, kvmi-bench, manuals, completion below PREFIX (/usr/local)' \
'  make clean          removes build/; scripts/kernel clean empties the cache of kernels' \
'' \
'  V=1 shows the commands.'

.PHONY: help
help:
	@printf '%s\n' $(HELP)

# What a benchmark is measured with: not all the programs of the tests have to be built for it.
.PHONY: measuring
measuring: build/kvmi-lat build/kvmi-bench
	@:

# With KVMI in the running kernel the lab, and what it takes, will hardly be needed.
BENCH_DEPS := $(if $(wildcard /sys/module/kvm/parameters/introspection),build plot,bench)

# All that there is a series for; a version whose source is not to be had is skipped, with the reason.
ALL_KERNELS = $(shell printf '%s\n' $(patsubst kernel-patches/linux-%/series,%,$(wildcard kernel-patches/linux-*/series)) | LC_ALL=C sort -V)

.PHONY: bench check check-all check-deb check-debug check-debug-mutants check-gbench check-kcsan check-kcsan-mutants check-page check-selftests check-series cost drift host-check kernel kernels mutate overhead perf-check planted report results stress
bench:
	$(Q)scripts/deps $(BENCH_DEPS)
	$(Q)$(MAKE) --no-print-directory measuring
	$(Q)scripts/bench $(if $(KERNELS),--kernels "$(KERNELS)") $(BENCH_ARGS)

check:
	$(Q)scripts/deps build lab lab-bochs lab-qemu kernel plot check
	$(Q)$(MAKE) --no-print-directory all $(UNIT_TESTS)
	$(Q)tests/run $(CHECK)

check-all: KERNELS ?= $(ALL_KERNELS)
check-all:
	$(Q)scripts/deps build lab lab-bochs lab-qemu kernel
	$(Q)$(MAKE) --no-print-directory all
	$(Q)failed=0; for v in $(KERNELS); do \
		tests/run --linux $$v lab $$(case $$v in 5.10 | 6.12) echo modules; esac) || failed=1; \
	done; exit $$failed

check-deb:
	$(Q)scripts/deps build lab lab-bochs kernel deb
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/deb

check-selftests:
	$(Q)scripts/deps lab lab-bochs lab-qemu kernel
	$(Q)tests/selftests $(SELFTESTS)

check-series:
	$(Q)scripts/kernel check-series 6.12
	$(Q)scripts/kernel check-whole 6.12

mutate:
	$(Q)scripts/deps build lab lab-bochs lab-qemu kernel check
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/mutate $(MUTATE)

# One part after the other, each to its end, whatever came of those before.
check-debug:
	$(Q)failed=; for part in $(or $(CHECK),vmx svm) mutants; do \
		$(MAKE) --no-print-directory check-debug-$$part || failed="$$failed check-debug-$$part"; \
	done; \
	[ -z "$$failed" ] || { echo "failed:$$failed"; exit 1; }

# Any machine of tests/run is a part.
check-debug-%:
	$(Q)scripts/deps build lab lab-bochs lab-qemu kernel check
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/run --debug $*

check-debug-mutants:
	$(Q)scripts/deps build lab lab-bochs kernel check
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/mutate --debug

check-kcsan:
	$(Q)scripts/deps build lab lab-bochs kernel check
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/run --kcsan $(CHECK)

check-kcsan-mutants:
	$(Q)scripts/deps build lab lab-bochs kernel check
	$(Q)$(MAKE) --no-print-directory all
	$(Q)tests/mutate --kcsan

overhead:
	$(Q)scripts/deps bench
	$(Q)$(MAKE) --no-print-directory build/kvmi-bench
	$(Q)experiments/overhead/run $(OVERHEAD_ARGS)

drift:
	$(Q)scripts/deps bench
	$(Q)$(MAKE) --no-print-directory build/kvmi-bench
	$(Q)experiments/drift/run $(DRIFT_ARGS)

cost:
	$(Q)scripts/deps bench perf
	$(Q)$(MAKE) --no-print-directory all
	$(Q)experiments/cost/run $(COST_ARGS)

check-gbench:
	$(Q)scripts/deps bench gbench
	$(Q)$(MAKE) --no-print-directory measuring
	$(Q)tests/gbench

planted:
	$(Q)scripts/deps bench
	$(Q)$(MAKE) --no-print-directory measuring
	$(Q)experiments/planted/run $(PLANTED_ARGS)

perf-check:
	$(Q)scripts/deps bench perf
	$(Q)$(MAKE) --no-print-directory all
	$(Q)experiments/perf-check/run $(PERF_CHECK_ARGS)

stress:
	$(Q)scripts/deps build lab lab-bochs lab-qemu kernel
	$(Q)$(MAKE) --no-print-directory build/tests/lab/stress
	$(Q)tests/stress $(STRESS)

host-check:
	$(Q)scripts/deps build
	$(Q)$(MAKE) --no-print-directory build/kvmi-bench
	$(Q)scripts/host-check

kernel:
	$(Q)scripts/kernel build 6.12

kernels: KERNELS ?= $(ALL_KERNELS)
kernels:
	$(Q)scripts/deps kernel
	$(Q)failed=0; for v in $(KERNELS); do scripts/kernel build $$v || [ $$? -eq 77 ] || failed=1; done; exit $$failed

report:
	$(Q)scripts/deps build plot
	$(Q)$(MAKE) --no-print-directory build/kvmi-lat
	$(Q)scripts/report $(or $(REPORT_ARGS),results/*-seed*.json)

check-page:
	$(Q)scripts/deps build plot page
	$(Q)$(MAKE) --no-print-directory build/kvmi-lat
	$(Q)tests/page

# The graphs show all runs that are there, and none is left of a series that has changed. What the functions are compared in
# is all kernels or nothing.
results:
	$(Q)scripts/deps bench
	$(Q)$(MAKE) --no-print-directory measuring
	$(Q)scripts/bench --lab --seed 1 --kernels "$(or $(KERNELS),$(ALL_KERNELS))" --out results
	$(Q)rm -f results/*.svg results/*.png
	$(Q)scripts/plot --out results results/*-seed*.json >/dev/null
	$(Q)$(if $(KERNELS),,for c in cpuid int3_debug int3_event_retry; do \
		echo '# SPDX-License-Identifier: BSD-2-Clause' >results/functions-$$c.txt && \
		experiments/explain/run --case $$c $(ALL_KERNELS) >>results/functions-$$c.txt || exit; \
	done)

.PHONY: clean
clean:
	$(call msg,CLEAN,build)
	$(Q)rm -rf build

.DELETE_ON_ERROR:
.SECONDARY:
-include $(shell find build -path 'build/linux-*' -prune -o -name '*.d' -type f -print 2>/dev/null)

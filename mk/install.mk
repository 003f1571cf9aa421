# SPDX-License-Identifier: BSD-2-Clause
# make install: programs, manuals, the BPF object, completion.

PREFIX ?= /usr/local

.PHONY: install install-completion
install: $(PROGS) install-completion
	$(Q)install -d "$(DESTDIR)$(PREFIX)/bin" "$(DESTDIR)$(PREFIX)/share/man/man1"
	$(Q)install -d "$(DESTDIR)$(PREFIX)/share/kvmi-lat"
	$(Q)install -m 755 build/kvmi-lat build/kvmi-trace build/kvmi-bench \
		"$(DESTDIR)$(PREFIX)/bin"
	$(Q)install -m 644 tools/kvmi-lat/kvmi-lat.1 tools/kvmi-trace/kvmi-trace.1 bench/kvmi-bench.1 \
		"$(DESTDIR)$(PREFIX)/share/man/man1"
	$(Q)install -m 644 build/bpf/kvmi_lat.bpf.o "$(DESTDIR)$(PREFIX)/share/kvmi-lat"

# bash looks for a file by the name of the command.
COMPLETIONS = $(DESTDIR)$(PREFIX)/share/bash-completion/completions
install-completion:
	$(Q)install -d "$(COMPLETIONS)"
	$(Q)install -m 644 tools/completion.bash "$(COMPLETIONS)/kvmi-lat"
	$(Q)ln -sf kvmi-lat "$(COMPLETIONS)/kvmi-trace"

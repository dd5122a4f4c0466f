# SPDX-License-Identifier: Apache-2.0
#
# make lint: each check is a target of its own and says one line. What compilers and clang-tidy have
# found well is kept as a stamp in $(BUILD)/lint and looked at again when the file, a header of it or
# the rules change.

LINTS := text layers self format headers warnings analyzer tidy bpf shell
.PHONY: $(LINTS:%=lint-%)

lint: $(LINTS:%=lint-%)

lint-text:
	@$(PYTHON) -B tests/lint/text.py

lint-layers:
	@$(PYTHON) -B tests/lint/layers.py

# That the two above find what they are there for.
lint-self:
	@$(PYTHON) -B tests/lint/test_lint.py

# ---- one format ----

FORMATTED := $(sort $(shell find src include bpf tests -name '*.[ch]' -not -name vmlinux.h))

lint-format:
	$(Q)bad=$$(for file in $(FORMATTED); do \
		$(CLANG_FORMAT) --style=file $$file | cmp -s $$file - || echo "$$file: not in the one format: make format"; \
		done); [ -z "$$bad" ] || { echo "$$bad" >&2; exit 1; }
	@echo 'lint: format ok'

format:
	$(Q)$(CLANG_FORMAT) --style=file -i $(FORMATTED)

# ---- headers compile alone, everything compiles clean, under both compilers ----

LINT := $(BUILD)/lint
LINT_COMPILERS := gcc clang
# Programs of ours in tests/; those in tests/targets are written to be strange.
LINT_TESTS := $(UNIT_SRC) $(HOST_SRC) $(wildcard tests/e2e/*.c tests/bench/*.c)
LINT_SRC := $(SRC) $(LINT_TESTS)
LINT_FLAGS = $(CPPFLAGS_ALL) $(CFLAGS_STD) -Werror

$(LINT)/tests/bpf_host/%: CPPFLAGS_ALL := -Itests/bpf_host/include -Ibpf $(CPPFLAGS_ALL)

lint-headers: $(HEADERS:%=$(LINT)/%.alone)
	@echo 'lint: headers ok'

$(LINT)/%.h.alone: %.h $(HEADERS) $(BUILD)/flags | $(PB_HEADERS)
	@mkdir -p $(@D)
	$(Q)for cc in $(LINT_COMPILERS); do \
		echo '#include "$(<:src/%=%)"' | $$cc $(LINT_FLAGS) -I. -fsyntax-only -x c - || exit 1; done
	@touch $@

# Objects know their headers: what depends on one is looked at again when a header changes.
lint_object = $(if $(filter tests/unit/% tests/bpf_host/%,$(1)),$(BUILD)/san/$(1:.c=.o),$(BUILD)/obj/$(1:.c=.o))
define lint_rules
$(LINT)/$(1).warnings $(LINT)/$(1).analyzer $(LINT)/$(1).tidy: $(call lint_object,$(1))
endef
$(foreach file,$(LINT_SRC),$(eval $(call lint_rules,$(file))))

lint-warnings: $(LINT_SRC:%=$(LINT)/%.warnings)
	@echo 'lint: warnings ok'

$(LINT)/%.c.warnings: %.c
	@mkdir -p $(@D)
	$(Q)for cc in $(LINT_COMPILERS); do $$cc $(LINT_FLAGS) -O2 -c $< -o /dev/null || exit 1; done
	@touch $@

# ---- static analysis ----

lint-analyzer: $(SRC:%=$(LINT)/%.analyzer)
	@echo 'lint: analyzer ok'

# gcc 12 calls a leak what it loses sight of, as soon as a pointer is stored through another: leaks are
# left to LeakSanitizer in the unit tests. ANALYZER_<file> takes one more warning from one file:
# what a loop sets up to a bound counts as not set; -errno counts as possibly 0, success.
ANALYZER := -fanalyzer -Wno-analyzer-malloc-leak
ANALYZER_profile := -Wno-analyzer-use-of-uninitialized-value
ANALYZER_file := -Wno-analyzer-null-argument

# -O0: what is inlined loses its _cleanup_.
$(LINT)/%.c.analyzer: %.c tests/lint/lint.mk
	@mkdir -p $(@D)
	$(Q)gcc $(LINT_FLAGS) -O0 $(ANALYZER) $(ANALYZER_$(basename $(notdir $<))) -c $< -o /dev/null
	@touch $@

lint-tidy: $(LINT_SRC:%=$(LINT)/%.tidy)
	@echo 'lint: tidy ok'

$(LINT)/%.c.tidy: %.c .clang-tidy
	@mkdir -p $(@D)
	@$(call say,TIDY,$<)
	$(Q)$(CLANG_TIDY) --quiet $< -- $(CPPFLAGS_ALL) $(CFLAGS_STD) >$@.log 2>&1 || { cat $@.log; exit 1; }
	@touch $@

# ---- the kernel side ----

lint-bpf: $(ARCHES:%=$(LINT)/bpf/%.warnings) $(LINT)/bpf/tidy
	@echo 'lint: bpf ok'

$(LINT)/bpf/%.warnings: $(BUILD)/bpf/%/pprofd.bpf.o
	@mkdir -p $(@D)
	$(Q)$(CLANG) $(BPF_CFLAGS) -Werror -D__TARGET_ARCH_$* -Ivmlinux/$* -c bpf/pprofd.bpf.c -o /dev/null
	@touch $@

$(LINT)/bpf/tidy: $(BUILD)/bpf/x86/pprofd.bpf.o .clang-tidy
	@mkdir -p $(@D)
	@$(call say,TIDY,bpf/pprofd.bpf.c)
	$(Q)$(CLANG_TIDY) --quiet bpf/pprofd.bpf.c -- $(BPF_CFLAGS) -D__TARGET_ARCH_x86 -isystem vmlinux/x86 \
		>$@.log 2>&1 || { cat $@.log; exit 1; }
	@touch $@

# ---- scripts ----

SCRIPTS := $(sort $(shell grep -lE '^\#!(/usr)?/bin/(env )?(ba|da)?sh' -r .ci tests deploy vmlinux 2>/dev/null))

lint-shell:
	@shellcheck $(SCRIPTS)
	@echo 'lint: shell ok'

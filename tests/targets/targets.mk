# SPDX-License-Identifier: Apache-2.0
# Programs whose right profile is known, into $(BUILD)/targets/. Included by the Makefile: `make targets`.
#
# They are what is profiled, not the product: they are built by gcc as distributions build, never
# with SAN or DEV. A compiler that is not installed leaves its targets out; the tests say so.

TARGETS_CC ?= gcc
TARGETS_CXX ?= g++
TARGETS_CLANG ?= $(firstword $(shell command -v clang clang-14 2>/dev/null))
TARGETS_RUSTC ?= $(shell command -v rustc 2>/dev/null)
TARGETS_GO ?= $(shell command -v go 2>/dev/null)

comma := ,
TARGETS_SRC := tests/targets
TARGETS_DIR := $(BUILD)/targets

# -fcf-protection=none and -z lazy: the plain .plt; the flavour plt_cet has the other kind.
TARGETS_FLAGS := -std=gnu17 -D_GNU_SOURCE -O2 -g -Wall -Wextra -fomit-frame-pointer -fcf-protection=none
TARGETS_CXXFLAGS := -std=gnu++17 -O2 -g -Wall -Wextra -fomit-frame-pointer
TARGETS_FP := -fno-omit-frame-pointer -mno-omit-leaf-frame-pointer -DTARGET_LEAF_FP=1

# One word a program: NAME, or NAME=SOURCE when they differ. Flags of its own: target_flags_NAME.
TARGETS_C := plain deep inlining signals longjmp frames execed split spawn jit vdso syscalls \
	plain_nopie=plain plain_static=plain plain_static_pie=plain plain_o0=plain plain_fp=plain \
	plain_debug_frame=plain plain_fp_only=plain plain_stripped=plain deep_fp=deep split_fp=split

target_flags_plain_nopie := -fno-pie -no-pie
target_flags_plain_static := -fno-pie -no-pie -static
target_flags_plain_static_pie := -fPIE -static-pie
target_flags_plain_o0 := -O0
target_flags_plain_fp := $(TARGETS_FP)
target_flags_plain_stripped := -g0 -s
# Unwind information for debuggers only, and none at all: then there must be frame pointers.
target_flags_plain_debug_frame := -fno-asynchronous-unwind-tables -fno-unwind-tables
target_flags_plain_fp_only := -g0 -fno-asynchronous-unwind-tables -fno-unwind-tables $(TARGETS_FP)
target_flags_deep_fp := $(TARGETS_FP)
target_flags_split_fp := $(TARGETS_FP)
target_flags_frames := $(if $(filter x86_64,$(shell uname -m)),-mavx2 -mstackrealign)
target_flags_signals := -pthread

TARGETS_CXX_NAMES := exceptions names

TARGETS_BINS := $(foreach word,$(TARGETS_C),$(TARGETS_DIR)/$(firstword $(subst =, ,$(word)))) \
	$(addprefix $(TARGETS_DIR)/,$(TARGETS_CXX_NAMES) plt plt_cet dlopened threads) \
	$(if $(wildcard $(TARGETS_SRC)/assembler_$(shell uname -m).S),$(TARGETS_DIR)/assembler) \
	$(if $(TARGETS_CLANG),$(TARGETS_DIR)/plain_clang) \
	$(if $(TARGETS_RUSTC),$(TARGETS_DIR)/rust) \
	$(if $(TARGETS_GO),$(TARGETS_DIR)/golang $(TARGETS_DIR)/golang_stripped)

targets: $(TARGETS_BINS)

# $(1): program, $(2): source without its suffix.
define target_c_rule
$(TARGETS_DIR)/$(1): $(TARGETS_SRC)/$(2).c $(TARGETS_SRC)/target.h $(TARGETS_SRC)/targets.mk
	@mkdir -p $$(@D)
	@$$(call say,TARGET,$$@)
	$$(Q)$$(TARGETS_CC) $$(TARGETS_FLAGS) $$(target_flags_$(1)) -o $$@ $$<
endef
$(foreach word,$(TARGETS_C),$(eval $(call target_c_rule,$(firstword $(subst =, ,$(word))),$(lastword $(subst =, ,$(word))))))

$(addprefix $(TARGETS_DIR)/,$(TARGETS_CXX_NAMES)): $(TARGETS_DIR)/%: $(TARGETS_SRC)/%.cpp $(TARGETS_SRC)/target.h $(TARGETS_SRC)/targets.mk
	@mkdir -p $(@D)
	@$(call say,TARGET,$@)
	$(Q)$(TARGETS_CXX) $(TARGETS_CXXFLAGS) -o $@ $<

$(TARGETS_DIR)/plain_clang: $(TARGETS_SRC)/plain.c $(TARGETS_SRC)/target.h $(TARGETS_SRC)/targets.mk
	@mkdir -p $(@D)
	@$(call say,TARGET,$@)
	$(Q)$(TARGETS_CLANG) $(filter-out -fcf-protection=none,$(TARGETS_FLAGS)) -o $@ $<

# $(1): program, $(2): flags of the program and of its library.
define target_plt_rule
$(TARGETS_DIR)/lib$(1).so: $(TARGETS_SRC)/plt_library.c $(TARGETS_SRC)/targets.mk
	@mkdir -p $$(@D)
	@$$(call say,TARGET,$$@)
	$$(Q)$$(TARGETS_CC) $$(TARGETS_FLAGS) $(2) -fPIC -shared -o $$@ $$<
$(TARGETS_DIR)/$(1): $(TARGETS_SRC)/plt.c $(TARGETS_SRC)/target.h $(TARGETS_DIR)/lib$(1).so
	@$$(call say,TARGET,$$@)
	$$(Q)$$(TARGETS_CC) $$(TARGETS_FLAGS) $(2) -o $$@ $$< -L$(TARGETS_DIR) -l$(1) -Wl,-z,lazy -Wl,-rpath,'$$$$ORIGIN'
endef
$(eval $(call target_plt_rule,plt,))
$(eval $(call target_plt_rule,plt_cet,$(if $(filter x86_64,$(shell uname -m)),-fcf-protection=full -Wl$(comma)-z$(comma)ibtplt)))

$(TARGETS_DIR)/liblibrary.so: $(TARGETS_SRC)/library.c $(TARGETS_SRC)/target.h $(TARGETS_SRC)/targets.mk
	@mkdir -p $(@D)
	@$(call say,TARGET,$@)
	$(Q)$(TARGETS_CC) $(TARGETS_FLAGS) -fPIC -shared -pthread -o $@ $<

$(TARGETS_DIR)/dlopened: $(TARGETS_SRC)/dlopened.c $(TARGETS_SRC)/target.h $(TARGETS_DIR)/liblibrary.so
	@$(call say,TARGET,$@)
	$(Q)$(TARGETS_CC) $(TARGETS_FLAGS) -o $@ $< -ldl

$(TARGETS_DIR)/threads: $(TARGETS_SRC)/threads.c $(TARGETS_SRC)/target.h $(TARGETS_DIR)/liblibrary.so
	@$(call say,TARGET,$@)
	$(Q)$(TARGETS_CC) $(TARGETS_FLAGS) -pthread -o $@ $< -L$(TARGETS_DIR) -llibrary -Wl,-rpath,'$$ORIGIN'

$(TARGETS_DIR)/assembler: $(TARGETS_SRC)/assembler.c $(TARGETS_SRC)/assembler_$(shell uname -m).S $(TARGETS_SRC)/target.h
	@mkdir -p $(@D)
	@$(call say,TARGET,$@)
	$(Q)$(TARGETS_CC) $(TARGETS_FLAGS) -o $@ $(filter %.c %.S,$^)

$(TARGETS_DIR)/rust: $(TARGETS_SRC)/rust.rs
	@mkdir -p $(@D)
	@$(call say,TARGET,$@)
	$(Q)MAKEFLAGS= $(TARGETS_RUSTC) --edition 2021 -O -g -C force-frame-pointers=no -o $@ $<

TARGETS_GO_BUILD = cd $(TARGETS_SRC)/golang && HOME=$${HOME:-/root} GOFLAGS=-mod=mod GOTOOLCHAIN=local GOPROXY=off \
	GO111MODULE=off GOCACHE=$(abspath $(TARGETS_DIR))/go-cache $(TARGETS_GO) build

$(TARGETS_DIR)/golang: $(TARGETS_SRC)/golang/main.go
	@mkdir -p $(@D)
	@$(call say,TARGET,$@)
	$(Q)$(TARGETS_GO_BUILD) -o $(abspath $@) main.go

$(TARGETS_DIR)/golang_stripped: $(TARGETS_SRC)/golang/main.go $(TARGETS_DIR)/golang
	@$(call say,TARGET,$@)
	$(Q)$(TARGETS_GO_BUILD) -ldflags '-s -w' -o $(abspath $@) main.go

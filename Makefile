# SPDX-License-Identifier: Apache-2.0
#
# Usage: make [TARGET] [VARIABLE=VALUE]...
#
#   all         build/pprofd (the default)
#   run         install missing packages, build, and run the agent (as root)
#   test        install missing packages, then lint, check and test-e2e: what CI runs (as root)
#   test-unit   unit tests of src/ and of the pure parts of bpf/, under ASan and UBSan
#   test-e2e    the real binary on this kernel against real programs (as root)
#   check       test-unit, and the kernel side for every architecture
#   lint        format, layers, headers, clang-tidy, analyzer, warnings, sizes, scripts
#   bench       cost and capture, side by side with peers (as root)
#   format      put every C file into the one format
#   targets     the programs that tests and benchmarks watch
#   deps        install missing Debian packages (.ci/packages)
#   install     into DESTDIR/PREFIX
#   clean help
#
#   V=1                     print whole commands
#   DEV=1                   -O0 -g3 -Werror
#   SAN=address,undefined   sanitizers in build/pprofd itself
#   CC=clang                another compiler
#   DEPS=0                  run and test install nothing
#   JOBS=1                  commands at a time
#   TESTS='-k record'       arguments of pytest; T=test_base_arena for one unit test
#   BUILD=build PREFIX=/usr/local DESTDIR=
#

# ---- what a caller may set ----

BUILD ?= build
PREFIX ?= /usr/local
DEPS ?= 1
JOBS ?= $(shell nproc)
CLANG ?= clang
CLANG_FORMAT ?= clang-format-14
CLANG_TIDY ?= clang-tidy-14
BPFTOOL ?= bpftool
PYTHON ?= /usr/bin/python3
PYTEST ?= $(PYTHON) -B -m pytest -p no:cacheprovider -q -rs
TESTS ?=
VERSION := 0.1.0

MAKEFLAGS += --no-builtin-rules -j$(JOBS)
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DELETE_ON_ERROR:
.SECONDARY:
.DEFAULT_GOAL := all
# Tools of administrators (bpftool) are not on every user's path.
export PATH := $(PATH):/usr/sbin:/sbin

# For tests/*/*.mk: $(Q) starts a quiet command, $(call say,WORD,what) says what it does.
ifeq ($(V),1)
Q :=
say = :
else
Q := @
say = printf '  %-7s %s\n' $(1) $(2)
endif

ARCH := $(patsubst aarch64,arm64,$(patsubst x86_64,x86,$(shell uname -m)))
ARCHES := x86 arm64

# ---- flags ----

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wformat=2 -Wvla \
	-Wpointer-arith -Wwrite-strings -Wundef
CPPFLAGS_ALL := -D_GNU_SOURCE -DPPROFD_VERSION='"$(VERSION)"' -Isrc -Iinclude -I$(BUILD)/gen $(CPPFLAGS)
CFLAGS_STD := -std=gnu17 $(WARNINGS) -fno-strict-aliasing -fno-omit-frame-pointer -pthread

HARDEN := -fPIE -fstack-protector-strong -fstack-clash-protection
HARDEN_arm64 := -mbranch-protection=standard
HARDEN_x86 := -fcf-protection
HARDEN += $(HARDEN_$(ARCH))
LDFLAGS_ALL := -pie -pthread -Wl,-z,relro,-z,now,-z,noexecstack,--as-needed $(LDFLAGS)

ifeq ($(DEV),1)
OPTIMIZE := -O0 -g3 -Werror
else ifdef SAN
OPTIMIZE := -O2 -g
else
OPTIMIZE := -O2 -g -D_FORTIFY_SOURCE=2
endif
ifdef SAN
SANITIZE := -fsanitize=$(SAN) -fno-sanitize-recover=all
endif

CFLAGS_ALL := $(CFLAGS_STD) $(OPTIMIZE) $(HARDEN) $(SANITIZE) $(CFLAGS)
# Unit tests never run without the sanitizers.
SAN_CFLAGS := $(CFLAGS_STD) -O1 -g -fPIE -fsanitize=address,undefined -fno-sanitize-recover=all $(CFLAGS)
SAN_LDFLAGS := -pie -pthread -fsanitize=address,undefined -Wl,--as-needed $(LDFLAGS)

LIBS := -lbpf -ldw -lelf -lprotobuf-c -lz -lcurl -liberty -lpthread

# v3 (32-bit arithmetic and jumps) is what Linux 5.10 verifies; newer sets are not.
BPF_CPU ?= v3
BPF_CFLAGS := -target bpf -mcpu=$(BPF_CPU) -std=gnu11 -O2 -g -Wall -Wextra -Wshadow -Wno-unused-parameter \
	-Wno-missing-declarations -Iinclude -Ibpf
ifeq ($(DEV),1)
BPF_CFLAGS += -Werror
endif

# ---- what there is ----

SRC := $(sort $(shell find src -name '*.c'))
HEADERS := $(sort $(shell find src include -name '*.h'))
PROTOS := $(sort $(shell find src/encode -name '*.proto'))
BPF_FILES := $(sort $(wildcard bpf/*.c bpf/*.h))

PB_SRC := $(PROTOS:src/%.proto=$(BUILD)/gen/%.pb-c.c)
PB_HEADERS := $(PB_SRC:.c=.h)
SKELETON := $(BUILD)/gen/pprofd.skel.h

LIB_SRC := $(filter-out src/main.c,$(SRC))
LIB_OBJ := $(LIB_SRC:%.c=$(BUILD)/obj/%.o) $(PB_SRC:$(BUILD)/gen/%.c=$(BUILD)/obj/gen/%.o)
SAN_OBJ := $(LIB_OBJ:$(BUILD)/obj/%=$(BUILD)/san/%)
# All of src/ but main.c; the same under the sanitizers.
LIB := $(BUILD)/libpprofd.a
SAN_LIB := $(BUILD)/san/libpprofd.a

# Programs with a main() of their own are test_*.c; what else stands beside them is linked into each.
UNIT_SRC := $(sort $(wildcard tests/unit/*.c))
UNIT_BIN := $(patsubst %.c,$(BUILD)/san/%,$(filter tests/unit/test_%,$(UNIT_SRC)))
UNIT_COMMON := $(patsubst %.c,$(BUILD)/san/%.o,$(filter-out tests/unit/test_%,$(UNIT_SRC)))
HOST_SRC := $(sort $(wildcard tests/bpf_host/*.c))
HOST_BIN := $(patsubst %.c,$(BUILD)/san/%,$(filter tests/bpf_host/test_%,$(HOST_SRC)))
HOST_COMMON := $(patsubst %.c,$(BUILD)/san/%.o,$(filter-out tests/bpf_host/test_%,$(HOST_SRC)))
# Helpers of the end-to-end tests and the benchmarks: one program a file, on the plain library.
E2E_BIN := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/e2e/*.c)))
BENCH_BIN := $(patsubst %.c,$(BUILD)/%,$(sort $(wildcard tests/bench/*.c)))

.PHONY: all run test test-unit test-e2e check lint bench format targets deps install clean help
.PHONY: bpf bpf-arm64 FORCE

all: $(BUILD)/pprofd

help:
	@sed -n '3,/^$$/s/^# \{0,1\}//p' Makefile

clean:
	rm -rf $(BUILD)

deps:
	@.ci/install-packages .ci/packages

# Included, so that make starts anew once packages were installed: what it asked the machine for
# while reading (compilers of targets.mk) has another answer then.
ifneq ($(DEPS),0)
ifneq ($(filter run test,$(MAKECMDGOALS)),)
ifndef MAKE_RESTARTS
$(BUILD)/deps.mk: FORCE
	@mkdir -p $(@D)
	@.ci/install-packages .ci/packages $@
	@[ -e $@ ] || touch $@
endif

include $(BUILD)/deps.mk
endif
endif

# ---- compile ----

# Holds what the objects were compiled with, so that other flags mean other objects.
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(subst ','\'',$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) | $(SAN_CFLAGS) | $(CLANG) $(BPF_CFLAGS))' >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

# Holds which objects there are, so that a file that is gone leaves the library too.
$(BUILD)/sources: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' $(LIB_OBJ) >$@.new
	@cmp -s $@.new $@ && rm $@.new || mv $@.new $@

FORCE:

$(BUILD)/obj/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) $(CFLAGS_$(basename $(notdir $<))) -MMD -MP -c $< -o $@

$(BUILD)/san/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	@$(call say,CC,'$< (sanitized)')
	$(Q)$(CC) $(CPPFLAGS_ALL) $(SAN_CFLAGS) $(CFLAGS_$(basename $(notdir $<))) -MMD -MP -c $< -o $@

# Generated by protoc-c: not ours to please the warnings.
$(BUILD)/obj/gen/%.o: $(BUILD)/gen/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	@$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -w -MMD -MP -c $< -o $@

$(BUILD)/san/gen/%.o: $(BUILD)/gen/%.c $(BUILD)/flags
	@mkdir -p $(@D)
	@$(call say,CC,'$< (sanitized)')
	$(Q)$(CC) $(CPPFLAGS_ALL) $(SAN_CFLAGS) -w -MMD -MP -c $< -o $@

$(BUILD)/gen/%.pb-c.c $(BUILD)/gen/%.pb-c.h &: src/%.proto $(BUILD)/flags
	@mkdir -p $(BUILD)/gen
	@$(call say,PROTOC,$<)
	$(Q)protoc-c --proto_path=src --c_out=$(BUILD)/gen $<

# What is generated must be there before whoever includes it; later the .d files know.
$(filter $(BUILD)/obj/src/encode/%,$(LIB_OBJ)) $(filter $(BUILD)/san/src/encode/%,$(SAN_OBJ)): | $(PB_HEADERS)
$(filter $(BUILD)/obj/gen/%,$(LIB_OBJ)) $(filter $(BUILD)/san/gen/%,$(SAN_OBJ)): | $(PB_HEADERS)
$(filter $(BUILD)/obj/src/sample/%,$(LIB_OBJ)) $(filter $(BUILD)/san/src/sample/%,$(SAN_OBJ)): | $(SKELETON)

$(LIB): $(LIB_OBJ) $(BUILD)/sources
	@$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcsD $@ $(LIB_OBJ)

$(SAN_LIB): $(SAN_OBJ) $(BUILD)/sources
	@$(call say,AR,$@)
	$(Q)rm -f $@ && $(AR) rcsD $@ $(SAN_OBJ)

$(BUILD)/pprofd: $(BUILD)/obj/src/main.o $(LIB)
	@$(call say,LINK,$@)
	$(Q)$(CC) $(SANITIZE) $(LDFLAGS_ALL) $^ $(LIBS) -o $@

# ---- the kernel side ----

bpf: $(BUILD)/bpf/$(ARCH)/pprofd.bpf.o
bpf-arm64: $(BUILD)/bpf/arm64/pprofd.bpf.o

define bpf_rules
$(BUILD)/bpf/$(1)/%.raw.o: bpf/%.c $(BUILD)/flags
	@mkdir -p $$(@D)
	@$$(call say,BPF,'$$< ($(1))')
	$$(Q)$$(CLANG) $$(BPF_CFLAGS) -D__TARGET_ARCH_$(1) -Ivmlinux/$(1) -MMD -MP -c $$< -o $$@

# Drops DWARF, keeps BTF.
$(BUILD)/bpf/$(1)/%.o: $(BUILD)/bpf/$(1)/%.raw.o
	$$(Q)$$(BPFTOOL) gen object $$@ $$<
endef
$(foreach arch,$(ARCHES),$(eval $(call bpf_rules,$(arch))))

$(SKELETON): $(BUILD)/bpf/$(ARCH)/pprofd.bpf.o
	@mkdir -p $(@D)
	@$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name pprofd_bpf >$@

# ---- tests ----

T ?= *
UNIT_RUN := $(patsubst $(BUILD)/san/%,run/%,$(filter $(subst *,%,$(BUILD)/san/tests/unit/$(T)),$(UNIT_BIN)) \
	$(filter $(subst *,%,$(BUILD)/san/tests/bpf_host/$(T)),$(HOST_BIN)))
.PHONY: $(UNIT_RUN)

test-unit: $(UNIT_RUN)
	@echo "test-unit: $(words $(UNIT_RUN)) programs ok"

$(UNIT_RUN): run/%: $(BUILD)/san/%
	@$(call say,TEST,$*)
	@$< >$<.log 2>&1 || { cat $<.log; echo "$*: FAILED"; exit 1; }

# LDFLAGS_<program> are for one program: LDFLAGS_test_base_arena := -Wl,--wrap=malloc
LDFLAGS_test_base_arena := -Wl,--wrap=malloc
LDFLAGS_test_base_hashmap := -Wl,--wrap=calloc
LDFLAGS_test_base_strbuf := -Wl,--wrap=realloc
LDFLAGS_test_base_vec := -Wl,--wrap=realloc
LDFLAGS_test_pipeline := -Wl,--wrap=requests_answer_next
LDFLAGS_test_base_file := -Wl,--wrap=read,--wrap=write,--wrap=fsync,--wrap=rename

$(UNIT_BIN): $(BUILD)/san/%: $(BUILD)/san/%.o $(UNIT_COMMON) $(SAN_LIB)
	@$(call say,LINK,$@)
	$(Q)$(CC) $(SAN_LDFLAGS) $(LDFLAGS_$(@F)) $^ -lcmocka $(LIBS) -o $@

$(HOST_BIN): $(BUILD)/san/%: $(BUILD)/san/%.o $(HOST_COMMON) $(SAN_LIB)
	@$(call say,LINK,$@)
	$(Q)$(CC) $(SAN_LDFLAGS) $(LDFLAGS_$(@F)) $^ -lcmocka $(LIBS) -o $@

# Stand-ins for the kernel's headers come first.
$(BUILD)/san/tests/bpf_host/%.o: CPPFLAGS_ALL := -Itests/bpf_host/include -Ibpf $(CPPFLAGS_ALL)

$(E2E_BIN) $(BENCH_BIN): $(BUILD)/%: $(BUILD)/obj/%.o $(LIB)
	@mkdir -p $(@D)
	@$(call say,LINK,$@)
	$(Q)$(CC) $(SANITIZE) $(LDFLAGS_ALL) $(LDFLAGS_$(@F)) $^ $(LIBS) -o $@

check: test-unit $(ARCHES:%=$(BUILD)/bpf/%/pprofd.bpf.o)

test-e2e: all targets $(E2E_BIN)
	@[ "$$(id -u)" = 0 ] || { echo 'test-e2e: needs root: sudo make test-e2e' >&2; exit 1; }
	$(Q)PPROFD_BUILD=$(abspath $(BUILD)) $(PYTEST) tests/e2e $(TESTS)

test: lint check test-e2e
ifneq ($(filter test,$(MAKECMDGOALS)),)
# What measures the machine does not share it.
test-e2e: | lint check
endif

run: all
	@[ "$$(id -u)" = 0 ] || { echo 'run: sampling the machine needs root: sudo make run' >&2; exit 1; }
	$(BUILD)/pprofd run

bench: all targets $(BENCH_BIN)

install: all
	install -D -m 0755 $(BUILD)/pprofd $(DESTDIR)$(PREFIX)/bin/pprofd

# ---- rules of those who own the programs ----
#
# Each adds prerequisites to `targets` or a recipe to `bench`, builds below $(BUILD)/tests/, and may
# use: Q say BUILD ARCH CC CLANG BPFTOOL PYTHON CPPFLAGS_ALL CFLAGS_STD CFLAGS_ALL BPF_CFLAGS LIB SAN_LIB LIBS

-include tests/targets/targets.mk
-include tests/bench/bench.mk
-include tests/vm/vm.mk
-include tests/lint/lint.mk

-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

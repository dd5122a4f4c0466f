# SPDX-License-Identifier: Apache-2.0
# What `make bench` needs beside the programs of tests/bench/*.c. Included by the Makefile.

# More arguments of tests/bench/run.py: BENCH="--loads python,node".
BENCH ?=

BENCH_DIR := $(BUILD)/tests/bench
BENCH_SKELETON := $(BUILD)/gen/bench_reference.skel.h
BENCH_LOADS := $(BENCH_DIR)/loads/deep $(BENCH_DIR)/loads/deep_fp

# Built as a distribution builds, never with SAN or DEV: it is what is profiled.
bench_load_flags_deep := -fomit-frame-pointer
bench_load_flags_deep_fp := -fno-omit-frame-pointer -mno-omit-leaf-frame-pointer

$(BENCH_DIR)/loads/deep $(BENCH_DIR)/loads/deep_fp: tests/bench/loads/deep.cpp tests/bench/bench.mk
	@mkdir -p $(@D)
	@$(call say,TARGET,$@)
	$(Q)g++ -std=gnu++17 -O2 -g -Wall -Wextra $(bench_load_flags_$(@F)) -o $@ $<

$(BENCH_DIR)/reference.bpf.raw.o: tests/bench/bpf/reference.bpf.c $(BUILD)/flags
	@mkdir -p $(@D)
	@$(call say,BPF,$<)
	$(Q)$(CLANG) $(BPF_CFLAGS) -D__TARGET_ARCH_$(ARCH) -Ivmlinux/$(ARCH) -MMD -MP -c $< -o $@

$(BENCH_DIR)/reference.bpf.o: $(BENCH_DIR)/reference.bpf.raw.o
	$(Q)$(BPFTOOL) gen object $@ $<

$(BENCH_SKELETON): $(BENCH_DIR)/reference.bpf.o
	@mkdir -p $(@D)
	@$(call say,SKEL,$@)
	$(Q)$(BPFTOOL) gen skeleton $< name reference_bpf >$@

$(BUILD)/obj/tests/bench/bench_sample.o: | $(BENCH_SKELETON)

bench: $(BENCH_LOADS)
	@[ "$$(id -u)" = 0 ] || { echo 'bench: needs root: sudo make bench' >&2; exit 1; }
	$(Q)PPROFD_BUILD=$(abspath $(BUILD)) $(PYTHON) -B tests/bench/run.py $(if $(QUICK),--quick) $(BENCH)

# SPDX-License-Identifier: Apache-2.0
#
# make vm [VM='5.10 6.1 6.12 newest'], make vm-check, make vm-record: README.md

.PHONY: vm vm-check vm-record

VM ?=

vm: all targets
	$(Q)$(PYTHON) -B tests/vm/run $(BUILD) test $(VM)

vm-check: all
	$(Q)$(PYTHON) -B tests/vm/run $(BUILD) check $(VM)

VMA_RECORD := $(BUILD)/tests/fixtures/vma_trees/record

vm-record: $(VMA_RECORD)
	$(Q)$(PYTHON) -B tests/vm/run $(BUILD) record $(if $(VM),$(VM),5.10 6.1 newest)

$(BUILD)/tests/fixtures/vma_trees/record.bpf.o: tests/fixtures/vma_trees/record.bpf.c
	@mkdir -p $(@D)
	@$(call say,BPF,$<)
	$(Q)$(CLANG) $(BPF_CFLAGS) -D__TARGET_ARCH_$(ARCH) -Ivmlinux/$(ARCH) -c $< -o $@

$(BUILD)/tests/fixtures/vma_trees/record.skel.h: $(BUILD)/tests/fixtures/vma_trees/record.bpf.o
	$(Q)$(BPFTOOL) gen skeleton $< name record_bpf >$@

$(VMA_RECORD): tests/fixtures/vma_trees/record.c $(BUILD)/tests/fixtures/vma_trees/record.skel.h
	@$(call say,CC,$<)
	$(Q)$(CC) $(CPPFLAGS_ALL) $(CFLAGS_ALL) -I$(<D) -I$(@D) $(LDFLAGS_ALL) $< -lbpf -o $@

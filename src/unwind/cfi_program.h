/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Runs the programs of CIEs and FDEs (DWARF 5, 6.4.2 and 6.4.3): what each says of the canonical
 * frame address and of the registers that rules follow.
 *
 * 1. Bounded: at most CFI_STACK_MAX states are remembered, and a run ends with -E2BIG when its
 *    budget of instructions is used up, however the programs refer to one another.
 *
 * One thread a run.
 */
#ifndef PPROFD_UNWIND_CFI_PROGRAM_H
#define PPROFD_UNWIND_CFI_PROGRAM_H

#include <pprofd/abi.h>

#include "unwind/cfi.h"

/* Depth of DW_CFA_remember_state; compilers need one or two. */
#define CFI_STACK_MAX 32
/* The saved registers of abi.h, in its order, and the return address. */
#define CFI_SLOT_CNT (PPROFD_SAVED_CNT + 1)
#define CFI_SLOT_NONE 0xff

/* Registers by DWARF number: x86-64 psABI, 3.6.2; AADWARF64, 4.1. */
#define CFI_REG_CNT 32

struct cfi_arch {
	uint8_t slots[CFI_REG_CNT]; /* slot of a register, or CFI_SLOT_NONE */
	uint8_t base_cnt;           /* registers that a CFA may be built on */
	uint8_t pc_reg;             /* for expressions; CFI_REG_CNT when it has no number */
	uint8_t fp_reg;
	uint8_t ra_reg;
	bool ra_in_register; /* until it is saved */
};

/* NULL for a machine (EM_*) that is not supported. */
const struct cfi_arch *cfi_arch_find(uint16_t machine);

enum cfi_where {
	CFI_SAME = 0,
	CFI_AT_CFA,      /* saved at CFA + off */
	CFI_AT_FP,       /* saved at frame pointer + off */
	CFI_IN_REGISTER, /* in register `off` */
	CFI_UNDEFINED,
	CFI_ELSEWHERE, /* computed, or too far away */
};

struct cfi_slot {
	int32_t off;
	uint8_t where; /* enum cfi_where */
};

/* As in struct pprofd_rule, with room for numbers that do not fit it. */
struct cfi_cfa {
	uint8_t kind; /* enum pprofd_cfa */
	uint8_t base, index;
	int64_t off, add;
};

struct cfi_state {
	struct cfi_cfa cfa;
	struct cfi_slot slots[CFI_SLOT_CNT];
};

/* Takes what holds for start_elfva <= pc < end_elfva; a negative errno ends the run. */
typedef int (*cfi_emit_fn)(void *context, uint64_t start_elfva, uint64_t end_elfva, const struct cfi_state *state);

struct cfi_run {
	const struct cfi_arch *arch;
	const struct cfi_section *section;
	uint64_t budget; /* instructions that are left, over all programs */
	cfi_emit_fn emit;
	void *context;

	/* Of the program that runs. */
	const struct cfi_cie *cie;
	const struct cfi_state *initial;
	struct cfi_state state;
	uint64_t elfva, end_elfva;
	struct cfi_state stack[CFI_STACK_MAX];
	size_t stack_cnt;
};

/* What holds at the start of every FDE of `cie`. Returns 0, -EBADMSG, or -E2BIG without budget. */
_must_check_ int cfi_run_cie(struct cfi_run *run, const struct cfi_cie *cie, struct cfi_state *ret);

/*
 * Emits the states of `fde` in ascending order. Returns 0, -EBADMSG (run->elfva is how far it came),
 * -E2BIG, or what emit() returned.
 */
_must_check_ int cfi_run_fde(struct cfi_run *run, const struct cfi_cie *cie, const struct cfi_state *initial,
			     const struct cfi_fde *fde);

#endif

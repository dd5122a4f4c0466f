/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/cfi_program.h"

#include <dwarf.h>
#include <elf.h>
#include <errno.h>

#include "unwind/cfi_expression.h"

/* The high two bits of these opcodes say what they do, the others hold their first operand. */
#define CFI_PRIMARY_MASK 0xc0
#define CFI_OPERAND_MASK 0x3f
/* Newer than elfutils' list: AADWARF64, 4.6. */
#define CFI_AARCH64_NEGATE_RA_STATE_WITH_PC 0x2c

#define NONE CFI_SLOT_NONE
static const struct cfi_arch cfi_arch_x86_64 = {
	/* rbp rbx r12 r13 r14 r15, return address */
	.slots = { NONE, NONE, NONE, 1,    NONE, NONE, 0,    NONE, NONE, NONE, NONE, NONE, 2,    3,    4,    5,
		   6,    NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE },
	.base_cnt = 16,
	.pc_reg = 16,
	.fp_reg = 6,
	.ra_reg = 16,
};
static const struct cfi_arch cfi_arch_arm64 = {
	/* x29 x30 x19 x20 x21 x22 */
	.slots = { NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE, NONE,
		   NONE, NONE, NONE, 2,    3,    4,    5,    NONE, NONE, NONE, NONE, NONE, NONE, 0,    1,    NONE },
	.base_cnt = 32,
	.pc_reg = CFI_REG_CNT,
	.fp_reg = 29,
	.ra_reg = 30,
	.ra_in_register = true,
};
#undef NONE

const struct cfi_arch *cfi_arch_find(uint16_t machine)
{
	switch (machine) {
	case EM_X86_64:
		return &cfi_arch_x86_64;
	case EM_AARCH64:
		return &cfi_arch_arm64;
	default:
		return NULL;
	}
}

/* Of registers that no rule follows this is where changes go. */
static struct cfi_slot *cfi_find_slot(struct cfi_run *run, uint64_t reg, struct cfi_slot *ignored)
{
	if (reg >= CFI_REG_CNT || run->arch->slots[reg] == CFI_SLOT_NONE)
		return ignored;
	return &run->state.slots[run->arch->slots[reg]];
}

static void cfi_set_where(struct cfi_run *run, uint64_t reg, enum cfi_where where)
{
	struct cfi_slot ignored;

	*cfi_find_slot(run, reg, &ignored) = (struct cfi_slot){ .where = (uint8_t)where };
}

/* Kept in another register. */
static void cfi_set_register(struct cfi_run *run, uint64_t reg, uint64_t other)
{
	struct cfi_slot ignored;

	if (other >= CFI_REG_CNT)
		cfi_set_where(run, reg, CFI_ELSEWHERE);
	else
		*cfi_find_slot(run, reg, &ignored) =
			(struct cfi_slot){ .off = (int32_t)other, .where = CFI_IN_REGISTER };
}

/* Saved at CFA + factored * data_align. */
static void cfi_set_offset(struct cfi_run *run, uint64_t reg, int64_t factored)
{
	struct cfi_slot ignored, *slot = cfi_find_slot(run, reg, &ignored);
	int64_t off;

	if (__builtin_mul_overflow(factored, run->cie->data_align, &off) || off < INT32_MIN || off > INT32_MAX)
		*slot = (struct cfi_slot){ .where = CFI_ELSEWHERE };
	else
		*slot = (struct cfi_slot){ .where = CFI_AT_CFA, .off = (int32_t)off };
}

static void cfi_restore(struct cfi_run *run, uint64_t reg)
{
	struct cfi_slot ignored, *slot = cfi_find_slot(run, reg, &ignored);

	if (slot != &ignored)
		*slot = run->initial->slots[run->arch->slots[reg]];
}

/* The present state holds up to `elfva`. */
static int cfi_advance_to(struct cfi_run *run, uint64_t elfva)
{
	int err;

	if (elfva > run->end_elfva)
		elfva = run->end_elfva;
	if (elfva <= run->elfva)
		return 0;
	err = run->emit(run->context, run->elfva, elfva, &run->state);
	if (err < 0)
		return err;
	run->elfva = elfva;
	return 0;
}

static int cfi_advance(struct cfi_run *run, uint64_t factored)
{
	uint64_t delta, elfva;

	if (__builtin_mul_overflow(factored, run->cie->code_align, &delta) ||
	    __builtin_add_overflow(run->elfva, delta, &elfva))
		elfva = run->end_elfva;
	return cfi_advance_to(run, elfva);
}

static int cfi_execute_set_loc(struct cfi_run *run, struct cursor *program)
{
	uint64_t elfva = cfi_read_pointer(run->section, run->cie->pointer_encoding, program);

	if (program->failed || elfva < run->elfva)
		return -EBADMSG;
	return cfi_advance_to(run, elfva);
}

static int cfi_execute_cfa(struct cfi_run *run, uint8_t op, struct cursor *program)
{
	struct cfi_cfa *cfa = &run->state.cfa;
	uint64_t reg = cfa->base;
	int64_t off = cfa->off;

	/* Register and offset alone can be changed only where there are such. */
	if ((op == DW_CFA_def_cfa_register || op == DW_CFA_def_cfa_offset || op == DW_CFA_def_cfa_offset_sf) &&
	    cfa->kind != PPROFD_CFA_REG)
		return -EBADMSG;
	if (op == DW_CFA_def_cfa || op == DW_CFA_def_cfa_sf || op == DW_CFA_def_cfa_register)
		reg = cursor_uleb(program);
	if (op == DW_CFA_def_cfa || op == DW_CFA_def_cfa_offset)
		off = (int64_t)cursor_uleb(program);
	if ((op == DW_CFA_def_cfa_sf || op == DW_CFA_def_cfa_offset_sf) &&
	    __builtin_mul_overflow(cursor_sleb(program), run->cie->data_align, &off))
		return -EBADMSG;
	if (reg >= run->arch->base_cnt)
		*cfa = (struct cfi_cfa){ .kind = PPROFD_CFA_UNSUPPORTED };
	else
		*cfa = (struct cfi_cfa){ .kind = PPROFD_CFA_REG, .base = (uint8_t)reg, .off = off };
	return 0;
}

static void cfi_execute_expression(struct cfi_run *run, uint8_t op, struct cursor *program)
{
	uint64_t reg = op == DW_CFA_def_cfa_expression ? 0 : cursor_uleb(program);
	uint64_t len = cursor_uleb(program);
	struct cursor expression = cursor_cut(program, len);
	struct cfi_slot ignored;

	if (op == DW_CFA_def_cfa_expression)
		cfi_parse_cfa_expression(run->arch, expression, &run->state.cfa);
	else if (op == DW_CFA_expression)
		cfi_parse_slot_expression(run->arch, expression, cfi_find_slot(run, reg, &ignored));
	else
		cfi_set_where(run, reg, CFI_ELSEWHERE);
}

static int cfi_execute_state(struct cfi_run *run, uint8_t op)
{
	if (op == DW_CFA_remember_state) {
		if (run->stack_cnt == CFI_STACK_MAX)
			return -EBADMSG;
		run->stack[run->stack_cnt++] = run->state;
		return 0;
	}
	if (run->stack_cnt == 0)
		return -EBADMSG;
	run->state = run->stack[--run->stack_cnt];
	return 0;
}

static int cfi_execute_register(struct cfi_run *run, uint8_t op, struct cursor *program)
{
	uint64_t reg = cursor_uleb(program);

	switch (op) {
	case DW_CFA_offset_extended:
		cfi_set_offset(run, reg, (int64_t)cursor_uleb(program));
		return 0;
	case DW_CFA_offset_extended_sf:
		cfi_set_offset(run, reg, cursor_sleb(program));
		return 0;
	case DW_CFA_GNU_negative_offset_extended:
		cfi_set_offset(run, reg, -(int64_t)(cursor_uleb(program) & INT64_MAX));
		return 0;
	case DW_CFA_restore_extended:
		cfi_restore(run, reg);
		return 0;
	case DW_CFA_undefined:
		cfi_set_where(run, reg, CFI_UNDEFINED);
		return 0;
	case DW_CFA_same_value:
		cfi_set_where(run, reg, CFI_SAME);
		return 0;
	case DW_CFA_register:
		cfi_set_register(run, reg, cursor_uleb(program));
		return 0;
	case DW_CFA_val_offset:
		cursor_uleb(program);
		cfi_set_where(run, reg, CFI_ELSEWHERE);
		return 0;
	case DW_CFA_val_offset_sf:
		cursor_sleb(program);
		cfi_set_where(run, reg, CFI_ELSEWHERE);
		return 0;
	default:
		return -EBADMSG;
	}
}

/* The opcodes whose operands, if any, follow. */
static int cfi_execute_extended(struct cfi_run *run, uint8_t op, struct cursor *program)
{
	switch (op) {
	case DW_CFA_nop:
	/* Return addresses are stripped of their signature whether they have one or not. */
	case DW_CFA_AARCH64_negate_ra_state:
	case CFI_AARCH64_NEGATE_RA_STATE_WITH_PC:
		return 0;
	case DW_CFA_GNU_args_size:
		cursor_uleb(program);
		return 0;
	case DW_CFA_set_loc:
		return cfi_execute_set_loc(run, program);
	case DW_CFA_advance_loc1:
		return cfi_advance(run, cursor_u8(program));
	case DW_CFA_advance_loc2:
		return cfi_advance(run, cursor_u16(program));
	case DW_CFA_advance_loc4:
		return cfi_advance(run, cursor_u32(program));
	case DW_CFA_MIPS_advance_loc8:
		return cfi_advance(run, cursor_u64(program));
	case DW_CFA_remember_state:
	case DW_CFA_restore_state:
		return cfi_execute_state(run, op);
	case DW_CFA_def_cfa:
	case DW_CFA_def_cfa_sf:
	case DW_CFA_def_cfa_register:
	case DW_CFA_def_cfa_offset:
	case DW_CFA_def_cfa_offset_sf:
		return cfi_execute_cfa(run, op, program);
	case DW_CFA_def_cfa_expression:
	case DW_CFA_expression:
	case DW_CFA_val_expression:
		cfi_execute_expression(run, op, program);
		return 0;
	default:
		return cfi_execute_register(run, op, program);
	}
}

static int cfi_run_program(struct cfi_run *run, struct cursor program)
{
	while (cursor_left(&program) > 0) {
		uint8_t op = cursor_u8(&program);
		int err = 0;

		if (run->budget-- == 0) {
			run->budget = 0;
			return -E2BIG;
		}
		switch (op & CFI_PRIMARY_MASK) {
		case DW_CFA_advance_loc:
			err = cfi_advance(run, op & CFI_OPERAND_MASK);
			break;
		case DW_CFA_offset:
			cfi_set_offset(run, op & CFI_OPERAND_MASK, (int64_t)cursor_uleb(&program));
			break;
		case DW_CFA_restore:
			cfi_restore(run, op & CFI_OPERAND_MASK);
			break;
		default:
			err = cfi_execute_extended(run, op, &program);
			break;
		}
		if (err < 0)
			return err;
		if (program.failed)
			return -EBADMSG;
	}
	return 0;
}

int cfi_run_cie(struct cfi_run *run, const struct cfi_cie *cie, struct cfi_state *ret)
{
	static const struct cfi_state nothing = { .cfa.kind = PPROFD_CFA_UNSUPPORTED };
	int err;

	run->cie = cie;
	run->state = nothing;
	run->initial = &nothing;
	run->elfva = run->end_elfva = 0;
	run->stack_cnt = 0;
	err = cfi_run_program(run, cie->program);
	if (err < 0)
		return err;
	*ret = run->state;
	return 0;
}

int cfi_run_fde(struct cfi_run *run, const struct cfi_cie *cie, const struct cfi_state *initial,
		const struct cfi_fde *fde)
{
	int err;

	run->cie = cie;
	run->state = *initial;
	run->initial = initial;
	run->elfva = fde->start_elfva;
	run->end_elfva = fde->start_elfva + fde->size;
	run->stack_cnt = 0;
	err = cfi_run_program(run, fde->program);
	if (err < 0)
		return err;
	return cfi_advance_to(run, run->end_elfva);
}

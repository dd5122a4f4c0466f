/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/cfi_expression.h"

#include <dwarf.h>

/* DW_OP_breg0 .. breg31, DW_OP_bregx: a register plus a number. */
static bool cfi_take_breg(struct cursor *cursor, uint64_t *ret_reg, int64_t *ret_off)
{
	struct cursor ahead = *cursor;
	uint8_t op = cursor_u8(&ahead);

	if (op >= DW_OP_breg0 && op <= DW_OP_breg31)
		*ret_reg = op - DW_OP_breg0;
	else if (op == DW_OP_bregx)
		*ret_reg = cursor_uleb(&ahead);
	else
		return false;
	*ret_off = cursor_sleb(&ahead);
	if (ahead.failed)
		return false;
	*cursor = ahead;
	return true;
}

static bool cfi_take_op(struct cursor *cursor, uint8_t op)
{
	if (cursor_left(cursor) == 0 || *cursor->pos != op)
		return false;
	cursor->pos++;
	return true;
}

static bool cfi_take_ops(struct cursor *cursor, const uint8_t *ops, size_t op_cnt)
{
	if (cursor_left(cursor) < op_cnt || memcmp(cursor->pos, ops, op_cnt) != 0)
		return false;
	cursor->pos += op_cnt;
	return true;
}

/* A small constant that is pushed. */
static bool cfi_take_number(struct cursor *cursor, int64_t *ret)
{
	struct cursor ahead = *cursor;
	uint8_t op = cursor_u8(&ahead);

	if (op >= DW_OP_lit0 && op <= DW_OP_lit31)
		*ret = op - DW_OP_lit0;
	else if (op == DW_OP_const1u)
		*ret = cursor_u8(&ahead);
	else if (op == DW_OP_const1s)
		*ret = (int8_t)cursor_u8(&ahead);
	else if (op == DW_OP_const2u)
		*ret = cursor_u16(&ahead);
	else if (op == DW_OP_const2s)
		*ret = (int16_t)cursor_u16(&ahead);
	else
		return false;
	if (ahead.failed)
		return false;
	*cursor = ahead;
	return true;
}

/* What is added to the value so far; nothing is as good. False when it does not fit. */
static bool cfi_take_additions(struct cursor *cursor, int64_t *sum)
{
	for (;;) {
		struct cursor ahead = *cursor;
		int64_t number;

		if (cfi_take_op(&ahead, DW_OP_plus_uconst)) {
			uint64_t addend = cursor_uleb(&ahead);

			if (ahead.failed || addend > INT32_MAX)
				return false;
			number = (int64_t)addend;
		} else if (!cfi_take_number(&ahead, &number)) {
			return true;
		} else if (cfi_take_op(&ahead, DW_OP_minus)) {
			number = -number;
		} else if (!cfi_take_op(&ahead, DW_OP_plus)) {
			return true;
		}
		if (__builtin_add_overflow(*sum, number, sum))
			return false;
		*cursor = ahead;
	}
}

/*
 * The rest of what GNU ld writes for a PLT: (pc & 15) >= threshold ? 8 : 0, as an entry of 16 bytes
 * pushes its number on the way (bfd/elfxx-x86.c).
 */
static bool cfi_take_plt(struct cursor *cursor, int64_t *ret_threshold)
{
	static const uint8_t before[] = { DW_OP_lit15, DW_OP_and };
	static const uint8_t after[] = { DW_OP_ge, DW_OP_lit3, DW_OP_shl, DW_OP_plus };

	return cfi_take_ops(cursor, before, sizeof(before)) && cfi_take_number(cursor, ret_threshold) &&
	       cfi_take_ops(cursor, after, sizeof(after));
}

/* A register that counts words: OpenSSL's code keeps its caller's stack pointer above a table of them. */
static bool cfi_take_word_index(struct cursor *cursor)
{
	static const uint8_t by_mul[] = { DW_OP_lit8, DW_OP_mul, DW_OP_plus };
	static const uint8_t by_shl[] = { DW_OP_lit3, DW_OP_shl, DW_OP_plus };

	return cfi_take_ops(cursor, by_mul, sizeof(by_mul)) || cfi_take_ops(cursor, by_shl, sizeof(by_shl));
}

static bool cfi_parse_cfa(const struct cfi_arch *arch, struct cursor *cursor, struct cfi_cfa *cfa)
{
	uint64_t base, second;
	int64_t second_off;

	if (!cfi_take_breg(cursor, &base, &cfa->off) || base >= arch->base_cnt ||
	    !cfi_take_additions(cursor, &cfa->off))
		return false;
	cfa->base = (uint8_t)base;
	cfa->kind = PPROFD_CFA_REG;
	if (cursor_left(cursor) == 0)
		return true;
	cfa->kind = PPROFD_CFA_DEREF;
	if (cfi_take_breg(cursor, &second, &second_off)) {
		if (second_off != 0)
			return false;
		if (second == arch->pc_reg) {
			cfa->kind = PPROFD_CFA_PLT;
			return cfi_take_plt(cursor, &cfa->add) && cursor_left(cursor) == 0;
		}
		if (second >= arch->base_cnt || !cfi_take_word_index(cursor) || !cfi_take_additions(cursor, &cfa->off))
			return false;
		cfa->kind = PPROFD_CFA_DEREF_INDEX;
		cfa->index = (uint8_t)second;
	}
	return cfi_take_op(cursor, DW_OP_deref) && cfi_take_additions(cursor, &cfa->add) && cursor_left(cursor) == 0;
}

void cfi_parse_cfa_expression(const struct cfi_arch *arch, struct cursor expression, struct cfi_cfa *ret)
{
	struct cfi_cfa cfa = { 0 };

	if (cfi_parse_cfa(arch, &expression, &cfa))
		*ret = cfa;
	else
		*ret = (struct cfi_cfa){ .kind = PPROFD_CFA_UNSUPPORTED };
}

void cfi_parse_slot_expression(const struct cfi_arch *arch, struct cursor expression, struct cfi_slot *ret)
{
	uint64_t reg;
	int64_t off;

	*ret = (struct cfi_slot){ .where = CFI_ELSEWHERE };
	if (cfi_take_breg(&expression, &reg, &off) && reg == arch->fp_reg && cursor_left(&expression) == 0 &&
	    off >= INT32_MIN && off <= INT32_MAX)
		*ret = (struct cfi_slot){ .where = CFI_AT_FP, .off = (int32_t)off };
}

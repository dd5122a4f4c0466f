/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What libdw's own CFI interpreter answers, put to work on a made-up machine: registers and memory
 * that are functions of a seed. For check_rows.c only.
 */
#ifndef PPROFD_TESTS_E2E_CFI_TRUTH_H
#define PPROFD_TESTS_E2E_CFI_TRUTH_H

#include <pprofd/abi.h>

#include <dwarf.h>
#include <elf.h>
#include <elfutils/libdw.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>

#include "base/cleanup.h"

#define STACK_MAX 64
#define REGS_MAX 32
#define X86_64_RBX 3

struct machine {
	uint64_t seed;
	uint64_t regs[REGS_MAX];
	uint64_t pc;
	int pc_reg, fp_reg, ra_reg;
	const int *saved;
};

enum fate { FATE_VALUE, FATE_UNDEFINED, FATE_ELSEWHERE, FATE_FAILED };

struct value {
	enum fate fate;
	bool in_rule_range; /* in memory where a rule could say it is */
	uint64_t value;
};

struct frame {
	enum { FRAME_NONE, FRAME_NORMAL, FRAME_SIGNAL, FRAME_END, FRAME_UNSUPPORTED } kind;
	uint64_t cfa;
	struct value ra;
	struct value saved[PPROFD_SAVED_CNT];
};

static const int saved_x86_64[PPROFD_SAVED_CNT] = { 6, 3, 12, 13, 14, 15 };
static const int saved_arm64[PPROFD_SAVED_CNT] = { 29, 30, 19, 20, 21, 22 };

static uint64_t mix(uint64_t value)
{
	value += 0x9e3779b97f4a7c15u;
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
	value = (value ^ value >> 27) * 0x94d049bb133111ebu;
	return value ^ value >> 31;
}

static uint64_t machine_read(const struct machine *machine, uint64_t address)
{
	return mix(machine->seed ^ mix(address));
}

static void machine_init(struct machine *machine, uint16_t elf_machine, uint64_t seed)
{
	bool is_arm64 = elf_machine == EM_AARCH64;

	machine->seed = seed;
	for (size_t i = 0; i < REGS_MAX; i++)
		machine->regs[i] = mix(seed + i);
	machine->pc_reg = is_arm64 ? -1 : 16;
	machine->fp_reg = is_arm64 ? 29 : 6;
	machine->ra_reg = is_arm64 ? 30 : 16;
	machine->saved = is_arm64 ? saved_arm64 : saved_x86_64;
}

struct evaluation {
	const struct machine *machine;
	uint64_t cfa;
	uint64_t stack[STACK_MAX];
	size_t cnt;
	bool is_value; /* the top is the value itself, not where it is */
	bool failed;
};

static uint64_t pop(struct evaluation *evaluation)
{
	if (evaluation->cnt == 0) {
		evaluation->failed = true;
		return 0;
	}
	return evaluation->stack[--evaluation->cnt];
}

static void push(struct evaluation *evaluation, uint64_t value)
{
	if (evaluation->cnt == STACK_MAX)
		evaluation->failed = true;
	else
		evaluation->stack[evaluation->cnt++] = value;
}

static void push_reg(struct evaluation *evaluation, uint64_t reg, uint64_t off)
{
	const struct machine *machine = evaluation->machine;

	if ((int64_t)reg == machine->pc_reg)
		push(evaluation, machine->pc + off);
	else if (reg < REGS_MAX)
		push(evaluation, machine->regs[reg] + off);
	else
		evaluation->failed = true;
}

static void evaluate_binary(struct evaluation *evaluation, uint8_t atom)
{
	uint64_t right = pop(evaluation), left = pop(evaluation);

	switch (atom) {
	case DW_OP_plus:
		push(evaluation, left + right);
		break;
	case DW_OP_minus:
		push(evaluation, left - right);
		break;
	case DW_OP_mul:
		push(evaluation, left * right);
		break;
	case DW_OP_and:
		push(evaluation, left & right);
		break;
	case DW_OP_shl:
		push(evaluation, right < 64 ? left << right : 0);
		break;
	case DW_OP_ge:
		push(evaluation, (int64_t)left >= (int64_t)right);
		break;
	default:
		evaluation->failed = true;
	}
}

static void evaluate_op(struct evaluation *evaluation, const Dwarf_Op *op)
{
	if (op->atom >= DW_OP_lit0 && op->atom <= DW_OP_lit31) {
		push(evaluation, op->atom - DW_OP_lit0);
		return;
	}
	if (op->atom >= DW_OP_breg0 && op->atom <= DW_OP_breg31) {
		push_reg(evaluation, op->atom - DW_OP_breg0, op->number);
		return;
	}
	switch (op->atom) {
	case DW_OP_bregx:
		push_reg(evaluation, op->number, op->number2);
		break;
	case DW_OP_call_frame_cfa:
		push(evaluation, evaluation->cfa);
		break;
	case DW_OP_plus_uconst:
		push(evaluation, pop(evaluation) + op->number);
		break;
	case DW_OP_deref:
		push(evaluation, machine_read(evaluation->machine, pop(evaluation)));
		break;
	case DW_OP_const1u:
	case DW_OP_const1s:
	case DW_OP_const2u:
	case DW_OP_const2s:
	case DW_OP_const4u:
	case DW_OP_const4s:
	case DW_OP_const8u:
	case DW_OP_const8s:
		push(evaluation, op->number);
		break;
	case DW_OP_stack_value:
		evaluation->is_value = true;
		break;
	default:
		evaluate_binary(evaluation, op->atom);
	}
}

static bool evaluate(const struct machine *machine, uint64_t cfa, const Dwarf_Op *ops, size_t op_cnt,
		     struct evaluation *ret)
{
	*ret = (struct evaluation){ .machine = machine, .cfa = cfa };
	for (size_t i = 0; i < op_cnt && !ret->failed; i++)
		evaluate_op(ret, &ops[i]);
	return !ret->failed && ret->cnt > 0;
}

/*
 * A rule has one byte for the distance, and counts words, from the CFA or the frame pointer. libdw puts
 * the CFA that an expression finds on its stack in front of it.
 */
static bool is_in_rule_range(const struct machine *machine, uint64_t cfa, uint64_t address, const Dwarf_Op *ops,
			     size_t op_cnt)
{
	bool by_fp = op_cnt == 2 && ops[1].atom == DW_OP_breg0 + machine->fp_reg;
	uint64_t top = by_fp ? machine->regs[machine->fp_reg] + 8 : cfa;
	uint64_t below = top - address;

	return below % 8 == 0 && below >= 8 && below <= 8 * (PPROFD_SAVED_LOST - 1);
}

static struct value truth_register(Dwarf_Frame *frame, const struct machine *machine, uint64_t cfa, int reg)
{
	struct value undefined = { .fate = FATE_UNDEFINED }, elsewhere = { .fate = FATE_ELSEWHERE };
	struct evaluation evaluation;
	Dwarf_Op room[3], *ops;
	struct value ret = { 0 };
	uint64_t address;
	size_t op_cnt;

	if (dwarf_frame_register(frame, reg, room, &ops, &op_cnt) < 0)
		return (struct value){ .fate = FATE_FAILED };
	/*
	 * libdw's list of what x86-64 calls keep has register 0 (rax) where 3 (rbx) belongs, so rbx is
	 * undefined to it unless an FDE speaks of it (elfutils 0.188, backends/x86_64_cfi.c); none says "undefined".
	 */
	if (op_cnt == 0 && (ops == NULL || (reg == X86_64_RBX && machine->pc_reg >= 0))) {
		ret.value = machine->regs[reg & (REGS_MAX - 1)];
		return ret;
	}
	if (op_cnt == 0)
		return undefined;
	if (ops[0].atom == DW_OP_regx) {
		/* In another register: a rule can say so of the return address alone. */
		if (reg != machine->ra_reg)
			return elsewhere;
		ret.value = machine->regs[ops[0].number & (REGS_MAX - 1)];
		return ret;
	}
	if (ops[0].atom >= DW_OP_reg0 && ops[0].atom <= DW_OP_reg31)
		return elsewhere;
	if (!evaluate(machine, cfa, ops, op_cnt, &evaluation))
		return elsewhere;
	if (evaluation.is_value)
		return elsewhere;
	address = evaluation.stack[evaluation.cnt - 1];
	ret.in_rule_range = is_in_rule_range(machine, cfa, address, ops, op_cnt);
	ret.value = machine_read(machine, address);
	return ret;
}

/* The first of .eh_frame and .debug_frame that knows `elfva`; free(). */
static Dwarf_Frame *truth_find(Dwarf_CFI *const cfi[2], uint64_t elfva)
{
	Dwarf_Frame *frame;

	for (size_t i = 0; i < 2; i++) {
		if (cfi[i] && dwarf_cfi_addrframe(cfi[i], elfva, &frame) == 0)
			return frame;
	}
	return NULL;
}

static struct frame truth_frame(Dwarf_CFI *const cfi[2], const struct machine *machine)
{
	_cleanup_(freep) Dwarf_Frame *frame = truth_find(cfi, machine->pc);
	struct frame ret = { .kind = FRAME_NORMAL };
	struct evaluation evaluation;
	bool is_signal = false;
	Dwarf_Op *ops;
	size_t op_cnt;

	if (!frame)
		return (struct frame){ .kind = FRAME_NONE };
	dwarf_frame_info(frame, NULL, NULL, &is_signal);
	if (is_signal)
		return (struct frame){ .kind = FRAME_SIGNAL };
	/* The CFA does not matter to what is undefined. */
	if (truth_register(frame, machine, 0, machine->ra_reg).fate == FATE_UNDEFINED)
		return (struct frame){ .kind = FRAME_END };
	if (dwarf_frame_cfa(frame, &ops, &op_cnt) < 0 || op_cnt == 0 || !evaluate(machine, 0, ops, op_cnt, &evaluation))
		return (struct frame){ .kind = FRAME_UNSUPPORTED };
	ret.cfa = evaluation.stack[evaluation.cnt - 1];
	ret.ra = truth_register(frame, machine, ret.cfa, machine->ra_reg);
	for (size_t i = 0; i < PPROFD_SAVED_CNT; i++)
		ret.saved[i] = truth_register(frame, machine, ret.cfa, machine->saved[i]);
	return ret;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/cfi_program.h"

#include <elf.h>
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define START 0x1000
#define SIZE 0x100
#define PIECES_MAX 64
#define PROGRAM_MAX 32

/* What was emitted. */
struct piece {
	uint64_t start, end;
	struct cfi_state state;
};

struct pieces {
	struct piece list[PIECES_MAX];
	size_t cnt;
	int error; /* what emit() returns */
};

static int emit(void *context, uint64_t start_elfva, uint64_t end_elfva, const struct cfi_state *state)
{
	struct pieces *pieces = context;

	assert_true(start_elfva < end_elfva);
	assert_true(pieces->cnt < PIECES_MAX);
	pieces->list[pieces->cnt++] = (struct piece){ start_elfva, end_elfva, *state };
	return pieces->error;
}

/* As every compiler begins on x86-64. */
static const struct cfi_state initial = {
	.cfa = { .kind = PPROFD_CFA_REG, .base = 7, .off = 8 },
	.slots[6] = { .where = CFI_AT_CFA, .off = -8 },
};

static int run_program(const uint8_t *program, size_t len, struct cfi_run *run, struct pieces *ret)
{
	static const struct cfi_section section = { 0 };
	const struct cfi_cie cie = { .code_align = 1, .data_align = -8, .ra_reg = 16 };
	const struct cfi_fde fde = { START, SIZE, { .pos = program, .end = program + len } };

	*ret = (struct pieces){ 0 };
	run->arch = cfi_arch_find(EM_X86_64);
	run->section = &section;
	run->emit = emit;
	run->context = ret;
	if (run->budget == 0)
		run->budget = 1000;
	return cfi_run_fde(run, &cie, &initial, &fde);
}

static void assert_last_cfa(const struct pieces *pieces, uint8_t kind, uint8_t base, int64_t off)
{
	const struct cfi_cfa *cfa = &pieces->list[pieces->cnt - 1].state.cfa;

	assert_int_equal(cfa->kind, kind);
	assert_int_equal(cfa->base, base);
	assert_int_equal(cfa->off, off);
}

static void cfi_run_fde__cuts_the_function_at_each_advance(void **state)
{
	static const uint8_t program[] = {
		0x41, 0x0e, 16,                                       /* + 1 */
		0x02, 3,    0x0e, 24,                                 /* + 3, one byte */
		0x03, 0x10, 0,    0x0e, 32,                           /* + 0x10, two bytes */
		0x04, 0x20, 0,    0,    0,  0x0e, 40,                 /* + 0x20, four bytes */
		0x1d, 1,    0,    0,    0,  0,    0,  0, 0, 0x0e, 48, /* + 1, eight bytes */
		0x01, 0x80, 0x10, 0,    0,  0,    0,  0, 0, 0x0e, 56, /* to 0x1080 */
		0x40, 0x0e, 64,                                       /* + 0: nothing holds up to there */
	};
	static const struct {
		uint64_t end;
		int64_t off;
	} expected[] = {
		{ 0x1001, 8 },  { 0x1004, 16 }, { 0x1014, 24 }, { 0x1034, 32 },
		{ 0x1035, 40 }, { 0x1080, 48 }, { 0x1100, 64 },
	};
	struct cfi_run run = { 0 };
	struct pieces pieces;

	(void)state;
	assert_int_equal(run_program(program, sizeof(program), &run, &pieces), 0);
	assert_int_equal(pieces.cnt, ARRAY_LEN(expected));
	for (size_t i = 0; i < pieces.cnt; i++) {
		assert_int_equal(pieces.list[i].start, i ? expected[i - 1].end : START);
		assert_int_equal(pieces.list[i].end, expected[i].end);
		assert_int_equal(pieces.list[i].state.cfa.off, expected[i].off);
	}
}

static void cfi_run_fde__never_leaves_the_function(void **state)
{
	static const uint8_t beyond[] = { 0x04, 0xff, 0xff, 0xff, 0xff, 0x0e, 16, 0x41, 0x0e, 24 };
	static const uint8_t overflow[] = { 0x1d, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0e, 16 };
	static const uint8_t back[] = { 0x42, 0x01, 0x01, 0x10, 0, 0, 0, 0, 0, 0 };
	struct cfi_run run = { 0 };
	struct pieces pieces;

	(void)state;
	assert_int_equal(run_program(beyond, sizeof(beyond), &run, &pieces), 0);
	assert_int_equal(pieces.cnt, 1);
	assert_int_equal(pieces.list[0].end, START + SIZE);
	assert_int_equal(run_program(overflow, sizeof(overflow), &run, &pieces), 0);
	assert_int_equal(pieces.cnt, 1);
	assert_int_equal(pieces.list[0].end, START + SIZE);
	assert_int_equal(run_program(back, sizeof(back), &run, &pieces), -EBADMSG);
	assert_int_equal(run.elfva, START + 2);
}

static void cfi_run_fde__follows_the_cfa(void **state)
{
	static const struct {
		uint8_t program[PROGRAM_MAX];
		size_t len;
		uint8_t kind, base;
		int64_t off;
	} cases[] = {
		{ { 0 }, 1, PPROFD_CFA_REG, 7, 8 },
		{ { 0x0c, 6, 16 }, 3, PPROFD_CFA_REG, 6, 16 },
		{ { 0x12, 10, 0x7f }, 3, PPROFD_CFA_REG, 10, 8 }, /* factored: -1 * -8 */
		{ { 0x0d, 6 }, 2, PPROFD_CFA_REG, 6, 8 },
		{ { 0x0e, 0x80, 1 }, 3, PPROFD_CFA_REG, 7, 128 },
		{ { 0x13, 0x7e }, 2, PPROFD_CFA_REG, 7, 16 },
		{ { 0x0c, 40, 16 }, 3, PPROFD_CFA_UNSUPPORTED, 0, 0 }, /* not a register that we have */
		{ { 0x0f, 3, 0x76, 0x78, 0x06 }, 5, PPROFD_CFA_DEREF, 6, -8 },
		{ { 0x0f, 1, 0x96 }, 3, PPROFD_CFA_UNSUPPORTED, 0, 0 },
		{ { 0x0f, 1, 0x96, 0x0c, 7, 24 }, 6, PPROFD_CFA_REG, 7, 24 },
		{ { 0x2e, 8, 0x0e, 24 }, 4, PPROFD_CFA_REG, 7, 24 },    /* GNU_args_size */
		{ { 0x2d, 0x2c, 0x0e, 24 }, 4, PPROFD_CFA_REG, 7, 24 }, /* arm64's signed return addresses */
		{ { 0x0a, 0x0c, 6, 16, 0x0b }, 5, PPROFD_CFA_REG, 7, 8 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cfi_run run = { 0 };
		struct pieces pieces;

		assert_int_equal(run_program(cases[i].program, cases[i].len, &run, &pieces), 0);
		assert_int_equal(pieces.cnt, 1);
		assert_last_cfa(&pieces, cases[i].kind, cases[i].base, cases[i].off);
	}
}

static void cfi_run_fde__follows_the_registers(void **state)
{
	static const struct {
		uint8_t program[PROGRAM_MAX];
		size_t len;
		size_t slot; /* of abi.h; 6 is the return address */
		uint8_t where;
		int32_t off;
	} cases[] = {
		{ { 0 }, 1, 6, CFI_AT_CFA, -8 },
		{ { 0x86, 2 }, 2, 0, CFI_AT_CFA, -16 },
		{ { 0x83, 3 }, 2, 1, CFI_AT_CFA, -24 },
		{ { 0x8c, 4 }, 2, 2, CFI_AT_CFA, -32 },
		{ { 0x8d, 5 }, 2, 3, CFI_AT_CFA, -40 },
		{ { 0x8e, 6 }, 2, 4, CFI_AT_CFA, -48 },
		{ { 0x8f, 7 }, 2, 5, CFI_AT_CFA, -56 },
		{ { 0x81, 2 }, 2, 0, CFI_SAME, 0 }, /* a register that no rule follows */
		{ { 0x05, 6, 2 }, 3, 0, CFI_AT_CFA, -16 },
		{ { 0x11, 6, 0x7e }, 3, 0, CFI_AT_CFA, 16 },
		{ { 0x2f, 6, 2 }, 3, 0, CFI_AT_CFA, 16 },
		{ { 0x05, 0x80, 1, 2 }, 4, 0, CFI_SAME, 0 },
		{ { 0x86, 2, 0xc6 }, 3, 0, CFI_SAME, 0 }, /* restore */
		{ { 0x86, 2, 0x06, 6 }, 4, 0, CFI_SAME, 0 },
		{ { 0x07, 16, 0xd0 }, 3, 6, CFI_AT_CFA, -8 },
		{ { 0x07, 16 }, 2, 6, CFI_UNDEFINED, 0 },
		{ { 0x86, 2, 0x08, 6 }, 4, 0, CFI_SAME, 0 },
		{ { 0x09, 6, 3 }, 3, 0, CFI_IN_REGISTER, 3 },
		{ { 0x09, 6, 32 }, 3, 0, CFI_ELSEWHERE, 0 },
		{ { 0x14, 6, 2 }, 3, 0, CFI_ELSEWHERE, 0 },
		{ { 0x15, 6, 0x7e }, 3, 0, CFI_ELSEWHERE, 0 },
		{ { 0x10, 6, 2, 0x76, 0x70 }, 5, 0, CFI_AT_FP, -16 },
		{ { 0x10, 6, 2, 0x77, 0x70 }, 5, 0, CFI_ELSEWHERE, 0 },
		{ { 0x16, 6, 2, 0x76, 0x70 }, 5, 0, CFI_ELSEWHERE, 0 },
		{ { 0x86, 2, 0x0a, 0x86, 3, 0x0b }, 6, 0, CFI_AT_CFA, -16 },
		{ { 0x05, 6, 0xff, 0xff, 0xff, 0xff, 0x0f }, 7, 0, CFI_ELSEWHERE, 0 }, /* too far */
		{ { 0x05, 6, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f }, 11, 0, CFI_ELSEWHERE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		const struct cfi_slot *slot;
		struct cfi_run run = { 0 };
		struct pieces pieces;

		assert_int_equal(run_program(cases[i].program, cases[i].len, &run, &pieces), 0);
		slot = &pieces.list[0].state.slots[cases[i].slot];
		assert_int_equal(slot->where, cases[i].where);
		assert_int_equal(slot->off, cases[i].off);
	}
}

static void cfi_run_fde__refuses_what_is_malformed(void **state)
{
	static const struct {
		uint8_t program[PROGRAM_MAX];
		size_t len;
	} cases[] = {
		{ { 0x17 }, 1 }, /* no such opcode */
		{ { 0x3f, 1, 2 }, 3 },
		{ { 0x0b }, 1 }, /* nothing was remembered */
		{ { 0x0a, 0x0b, 0x0b }, 3 },
		{ { 0x0c, 7 }, 2 }, /* cut short */
		{ { 0x86 }, 1 },
		{ { 0x04, 1, 2 }, 3 },
		{ { 0x0f, 200, 0x76 }, 3 },
		{ { 0x10, 6 }, 2 },
		{ { 0x0f, 3, 0x76, 0x78, 0x06, 0x0e, 8 }, 7 }, /* an offset to an expression */
		{ { 0x0f, 3, 0x76, 0x78, 0x06, 0x0d, 7 }, 7 },
		{ { 0x0f, 3, 0x76, 0x78, 0x06, 0x13, 1 }, 7 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cfi_run run = { 0 };
		struct pieces pieces;

		assert_int_equal(run_program(cases[i].program, cases[i].len, &run, &pieces), -EBADMSG);
		assert_int_equal(pieces.cnt, 0);
		assert_int_equal(run.elfva, START);
	}
}

static void cfi_run_fde__remembers_so_many_states_and_no_more(void **state)
{
	uint8_t program[CFI_STACK_MAX + 1];
	struct cfi_run run = { 0 };
	struct pieces pieces;

	(void)state;
	memset(program, 0x0a, sizeof(program));
	assert_int_equal(run_program(program, CFI_STACK_MAX, &run, &pieces), 0);
	assert_int_equal(run_program(program, CFI_STACK_MAX + 1, &run, &pieces), -EBADMSG);
}

static void cfi_run_fde__stops_when_the_budget_is_used_up(void **state)
{
	static const uint8_t program[10] = { 0 };
	struct cfi_run run = { .budget = 25 };
	struct pieces pieces;

	(void)state;
	assert_int_equal(run_program(program, sizeof(program), &run, &pieces), 0);
	assert_int_equal(run_program(program, sizeof(program), &run, &pieces), 0);
	assert_int_equal(run_program(program, sizeof(program), &run, &pieces), -E2BIG);
}

static void cfi_run_fde__ends_when_nobody_takes_more(void **state)
{
	static const uint8_t program[] = { 0x41, 0x41, 0x41 };
	const struct cfi_cie cie = { .code_align = 1, .data_align = -8, .ra_reg = 16 };
	const struct cfi_fde fde = { START, SIZE, { .pos = program, .end = program + sizeof(program) } };
	struct pieces pieces = { .error = -ENOMEM };
	struct cfi_run run = {
		.arch = cfi_arch_find(EM_X86_64),
		.budget = 100,
		.emit = emit,
		.context = &pieces,
	};

	(void)state;
	assert_int_equal(cfi_run_fde(&run, &cie, &initial, &fde), -ENOMEM);
	assert_int_equal(pieces.cnt, 1);
}

static void cfi_run_cie__leaves_what_functions_begin_with(void **state)
{
	static const uint8_t program[] = { 0x0c, 31, 0, 0x9e, 1, 0x93, 3 };
	const struct cfi_cie cie = {
		.code_align = 4,
		.data_align = -8,
		.ra_reg = 30,
		.program = { .pos = program, .end = program + sizeof(program) },
	};
	struct cfi_run run = { .arch = cfi_arch_find(EM_AARCH64), .budget = 100 };
	struct cfi_state read;

	(void)state;
	assert_int_equal(cfi_run_cie(&run, &cie, &read), 0);
	assert_int_equal(read.cfa.kind, PPROFD_CFA_REG);
	assert_int_equal(read.cfa.base, 31);
	assert_int_equal(read.slots[1].where, CFI_AT_CFA); /* x30 */
	assert_int_equal(read.slots[1].off, -8);
	assert_int_equal(read.slots[2].off, -24); /* x19 */
}

static void cfi_arch_find__knows_two_machines(void **state)
{
	(void)state;
	assert_non_null(cfi_arch_find(EM_X86_64));
	assert_non_null(cfi_arch_find(EM_AARCH64));
	assert_null(cfi_arch_find(EM_386));
	assert_null(cfi_arch_find(EM_RISCV));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cfi_run_fde__cuts_the_function_at_each_advance),
		cmocka_unit_test(cfi_run_fde__never_leaves_the_function),
		cmocka_unit_test(cfi_run_fde__follows_the_cfa),
		cmocka_unit_test(cfi_run_fde__follows_the_registers),
		cmocka_unit_test(cfi_run_fde__refuses_what_is_malformed),
		cmocka_unit_test(cfi_run_fde__remembers_so_many_states_and_no_more),
		cmocka_unit_test(cfi_run_fde__stops_when_the_budget_is_used_up),
		cmocka_unit_test(cfi_run_fde__ends_when_nobody_takes_more),
		cmocka_unit_test(cfi_run_cie__leaves_what_functions_begin_with),
		cmocka_unit_test(cfi_arch_find__knows_two_machines),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

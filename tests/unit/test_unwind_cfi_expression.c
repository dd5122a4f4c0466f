/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/cfi_expression.h"

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define EXPRESSION_MAX 24

static void cfi_parse_cfa_expression__knows_these_forms(void **state)
{
	static const struct {
		uint8_t bytes[EXPRESSION_MAX];
		size_t len;
		struct cfi_cfa expected;
	} cases[] = {
		/* GNU ld's PLT: breg7 8, breg16 0, lit15, and, lit11, ge, lit3, shl, plus */
		{ { 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22 }, 11, { PPROFD_CFA_PLT, 7, 0, 8, 11 } },
		{ { 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x39, 0x2a, 0x33, 0x24, 0x22 }, 11, { PPROFD_CFA_PLT, 7, 0, 8, 9 } },
		/* GCC, stack realigned: breg6 -8, deref */
		{ { 0x76, 0x78, 0x06 }, 3, { PPROFD_CFA_DEREF, 6, 0, -8, 0 } },
		/* OpenSSL: breg7 40, deref, plus_uconst 8 */
		{ { 0x77, 0x28, 0x06, 0x23, 8 }, 5, { PPROFD_CFA_DEREF, 7, 0, 40, 8 } },
		{ { 0x77, 0x28, 0x06, 0x38, 0x22 }, 5, { PPROFD_CFA_DEREF, 7, 0, 40, 8 } },
		{ { 0x77, 0x28, 0x06, 0x08, 200, 0x22 }, 6, { PPROFD_CFA_DEREF, 7, 0, 40, 200 } },
		{ { 0x77, 0x28, 0x06, 0x0a, 0, 1, 0x1c }, 7, { PPROFD_CFA_DEREF, 7, 0, 40, -256 } },
		{ { 0x77, 0x28, 0x06, 0x09, 0xf8, 0x22 }, 6, { PPROFD_CFA_DEREF, 7, 0, 40, -8 } },
		{ { 0x92, 7, 0x28, 0x06 }, 4, { PPROFD_CFA_DEREF, 7, 0, 40, 0 } },
		/* OpenSSL: breg7 8, breg9 0, lit8, mul, plus, deref, plus_uconst 8 */
		{ { 0x77, 8, 0x79, 0, 0x38, 0x1e, 0x22, 0x06, 0x23, 8 }, 10, { PPROFD_CFA_DEREF_INDEX, 7, 9, 8, 8 } },
		{ { 0x77, 8, 0x79, 0, 0x33, 0x24, 0x22, 0x06, 0x23, 8 }, 10, { PPROFD_CFA_DEREF_INDEX, 7, 9, 8, 8 } },
		/* No memory at all. */
		{ { 0x77, 8 }, 2, { PPROFD_CFA_REG, 7, 0, 8, 0 } },
		{ { 0x77, 8, 0x23, 16 }, 4, { PPROFD_CFA_REG, 7, 0, 24, 0 } },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cursor expression = { .pos = cases[i].bytes, .end = cases[i].bytes + cases[i].len };
		const struct cfi_cfa *expected = &cases[i].expected;
		struct cfi_cfa cfa;

		cfi_parse_cfa_expression(cfi_arch_find(EM_X86_64), expression, &cfa);
		assert_int_equal(cfa.kind, expected->kind);
		assert_int_equal(cfa.base, expected->base);
		assert_int_equal(cfa.index, expected->index);
		assert_int_equal(cfa.off, expected->off);
		assert_int_equal(cfa.add, expected->add);
		/* Cut short, it says something else. */
		expression.end--;
		cfi_parse_cfa_expression(cfi_arch_find(EM_X86_64), expression, &cfa);
		assert_true(cfa.kind != expected->kind || cfa.add != expected->add || cfa.off != expected->off);
	}
}

static void cfi_parse_cfa_expression__says_so_of_any_other(void **state)
{
	static const struct {
		uint8_t bytes[EXPRESSION_MAX];
		size_t len;
	} cases[] = {
		{ { 0 }, 0 },
		{ { 0x06 }, 1 },                                     /* deref of nothing */
		{ { 0x80, 0 }, 2 },                                  /* of the pc */
		{ { 0x76, 0x78, 0x06, 0x06 }, 4 },                   /* twice */
		{ { 0x76, 0x78, 0x06, 0x1f }, 4 },                   /* neg */
		{ { 0x77, 8, 0x79, 1, 0x38, 0x1e, 0x22, 0x06 }, 8 }, /* index plus 1 */
		{ { 0x77, 8, 0x79, 0, 0x34, 0x1e, 0x22, 0x06 }, 8 }, /* index times 4 */
		{ { 0x77, 8, 0x79, 0, 0x38, 0x1e, 0x22 }, 7 },       /* an index, but no memory */
		{ { 0x92, 0x80, 1, 0 }, 4 },                         /* register 128 */
		{ { 0x77 }, 1 },
		{ { 0x77, 8, 0x23, 0xff, 0xff, 0xff, 0xff, 0xff, 1 }, 9 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cursor expression = { .pos = cases[i].bytes, .end = cases[i].bytes + cases[i].len };
		struct cfi_cfa cfa;

		cfi_parse_cfa_expression(cfi_arch_find(EM_X86_64), expression, &cfa);
		assert_int_equal(cfa.kind, PPROFD_CFA_UNSUPPORTED);
	}
}

static void cfi_parse_cfa_expression__has_no_plt_on_arm64(void **state)
{
	static const uint8_t bytes[] = { 0x77, 8, 0x80, 0, 0x3f, 0x1a, 0x3b, 0x2a, 0x33, 0x24, 0x22 };
	struct cursor expression = { .pos = bytes, .end = bytes + sizeof(bytes) };
	struct cfi_cfa cfa;

	(void)state;
	cfi_parse_cfa_expression(cfi_arch_find(EM_AARCH64), expression, &cfa);
	assert_int_equal(cfa.kind, PPROFD_CFA_UNSUPPORTED);
}

static void cfi_parse_slot_expression__knows_the_frame_pointer(void **state)
{
	static const struct {
		uint16_t machine;
		uint8_t bytes[EXPRESSION_MAX];
		size_t len;
		uint8_t where;
		int32_t off;
	} cases[] = {
		{ EM_X86_64, { 0x76, 0 }, 2, CFI_AT_FP, 0 },
		{ EM_X86_64, { 0x76, 0x60 }, 2, CFI_AT_FP, -32 },
		{ EM_X86_64, { 0x8d, 0x60 }, 2, CFI_ELSEWHERE, 0 },
		{ EM_AARCH64, { 0x8d, 0x60 }, 2, CFI_AT_FP, -32 },
		{ EM_AARCH64, { 0x76, 0 }, 2, CFI_ELSEWHERE, 0 },
		{ EM_X86_64, { 0x77, 0 }, 2, CFI_ELSEWHERE, 0 },
		{ EM_X86_64, { 0x76, 0, 0x06 }, 3, CFI_ELSEWHERE, 0 },
		{ EM_X86_64, { 0x76 }, 1, CFI_ELSEWHERE, 0 },
		{ EM_X86_64, { 0 }, 0, CFI_ELSEWHERE, 0 },
		{ EM_X86_64, { 0x76, 0xff, 0xff, 0xff, 0xff, 0xff, 0 }, 7, CFI_ELSEWHERE, 0 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct cursor expression = { .pos = cases[i].bytes, .end = cases[i].bytes + cases[i].len };
		struct cfi_slot slot;

		cfi_parse_slot_expression(cfi_arch_find(cases[i].machine), expression, &slot);
		assert_int_equal(slot.where, cases[i].where);
		assert_int_equal(slot.off, cases[i].off);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cfi_parse_cfa_expression__knows_these_forms),
		cmocka_unit_test(cfi_parse_cfa_expression__says_so_of_any_other),
		cmocka_unit_test(cfi_parse_cfa_expression__has_no_plt_on_arm64),
		cmocka_unit_test(cfi_parse_slot_expression__knows_the_frame_pointer),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/rule.h"

#include <elf.h>
#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#define RA 6 /* slot of x86-64's return address */
#define AT_CFA(o)                               \
	{                                       \
		.where = CFI_AT_CFA, .off = (o) \
	}
#define AT_FP(o)                               \
	{                                      \
		.where = CFI_AT_FP, .off = (o) \
	}
#define LOST PPROFD_SAVED_LOST

struct rule_case {
	const char *what;
	struct cfi_state state;
	struct pprofd_rule expected;
};

static void check(const struct rule_case *cases, size_t cnt, uint16_t machine, const struct cfi_cie *cie)
{
	for (size_t i = 0; i < cnt; i++) {
		struct pprofd_rule rule = rule_from_state(cfi_arch_find(machine), cie, &cases[i].state);

		if (memcmp(&rule, &cases[i].expected, sizeof(rule)) != 0)
			print_error("%s\n", cases[i].what);
		assert_memory_equal(&rule, &cases[i].expected, sizeof(rule));
	}
}

static const struct rule_case x86_64_cases[] = {
	{
		"at a function's first instruction",
		{ { PPROFD_CFA_REG, 7, 0, 8, 0 }, { [RA] = AT_CFA(-8) } },
		{ .cfa = PPROFD_CFA_REG, .base = 7, .ra = 1, .off = 8 },
	},
	{
		"in vfork, which keeps its return address in rdi",
		{ { PPROFD_CFA_REG, 7, 0, 0, 0 }, { [RA] = { .off = 5, .where = CFI_IN_REGISTER } } },
		{ .cfa = PPROFD_CFA_REG, .base = 7, .add = 6 },
	},
	{
		"registers pushed",
		{ { PPROFD_CFA_REG, 6, 0, 16, 0 },
		  { AT_CFA(-16), AT_CFA(-56), AT_CFA(-48), AT_CFA(-40), AT_CFA(-32), AT_CFA(-24), AT_CFA(-8) } },
		{ .cfa = PPROFD_CFA_REG, .base = 6, .ra = 1, .off = 16, .saved = { 2, 7, 6, 5, 4, 3 } },
	},
	{
		"saved as far as a byte goes, and farther, above, between words, and nowhere",
		{ { PPROFD_CFA_REG, 7, 0, 8, 0 },
		  { AT_CFA(-254 * 8),
		    AT_CFA(-255 * 8),
		    AT_CFA(8),
		    AT_CFA(-12),
		    { .where = CFI_UNDEFINED },
		    { .where = CFI_ELSEWHERE },
		    AT_CFA(-8) } },
		{ .cfa = PPROFD_CFA_REG, .base = 7, .ra = 1, .off = 8, .saved = { 254, LOST, LOST, LOST, LOST, LOST } },
	},
	{
		"GCC with its stack realigned",
		{ { PPROFD_CFA_DEREF, 6, 0, -8, 0 }, { AT_FP(0), AT_FP(-40), AT_CFA(-16), [RA] = AT_CFA(-8) } },
		{ .cfa = PPROFD_CFA_DEREF, .base = 6, .index = 3, .ra = 1, .off = -8, .saved = { 1, 6, 2 } },
	},
	{
		"below the frame pointer, but index is taken",
		{ { PPROFD_CFA_DEREF_INDEX, 7, 9, 8, 8 }, { AT_FP(0), [RA] = AT_CFA(-8) } },
		{ .cfa = PPROFD_CFA_DEREF_INDEX,
		  .base = 7,
		  .index = 9,
		  .ra = 1,
		  .off = 8,
		  .add = 8,
		  .saved = { LOST } },
	},
	{
		"above the frame pointer",
		{ { PPROFD_CFA_REG, 7, 0, 8, 0 }, { AT_FP(8), [RA] = AT_CFA(-8) } },
		{ .cfa = PPROFD_CFA_REG, .base = 7, .ra = 1, .off = 8, .saved = { LOST } },
	},
	{
		"a PLT",
		{ { PPROFD_CFA_PLT, 7, 0, 8, 11 }, { [RA] = AT_CFA(-8) } },
		{ .cfa = PPROFD_CFA_PLT, .base = 7, .ra = 1, .off = 8, .add = 11 },
	},
	{
		"the outermost frame",
		{ { PPROFD_CFA_REG, 7, 0, 8, 0 }, { [RA] = { .where = CFI_UNDEFINED } } },
		{ .cfa = PPROFD_CFA_END },
	},
	{
		"no return address was ever saved",
		{ { PPROFD_CFA_REG, 7, 0, 8, 0 }, { AT_CFA(-16) } },
		{ .cfa = PPROFD_CFA_UNSUPPORTED },
	},
	{
		"return address in a register",
		{ { PPROFD_CFA_REG, 7, 0, 8, 0 }, { [RA] = { .where = CFI_ELSEWHERE } } },
		{ .cfa = PPROFD_CFA_UNSUPPORTED },
	},
	{
		"return address above the CFA",
		{ { PPROFD_CFA_REG, 5, 0, 0, 0 }, { [RA] = AT_CFA(56) } },
		{ .cfa = PPROFD_CFA_UNSUPPORTED },
	},
	{
		"a CFA by any expression",
		{ { PPROFD_CFA_UNSUPPORTED, 0, 0, 0, 0 }, { [RA] = AT_CFA(-8) } },
		{ .cfa = PPROFD_CFA_UNSUPPORTED },
	},
	{
		"an offset too large",
		{ { PPROFD_CFA_REG, 7, 0, 1LL << 31, 0 }, { [RA] = AT_CFA(-8) } },
		{ .cfa = PPROFD_CFA_UNSUPPORTED },
	},
	{
		"an addition too large",
		{ { PPROFD_CFA_DEREF, 7, 0, 8, 1 << 15 }, { [RA] = AT_CFA(-8) } },
		{ .cfa = PPROFD_CFA_UNSUPPORTED },
	},
};

static void rule_from_state__says_it_as_abi_h_has_it(void **state)
{
	static const struct cfi_cie cie = { .ra_reg = 16 };

	(void)state;
	check(x86_64_cases, ARRAY_LEN(x86_64_cases), EM_X86_64, &cie);
}

/* Slots: x29 x30 x19 x20 x21 x22. */
static const struct rule_case arm64_cases[] = {
	{
		"at a function's first instruction",
		{ { PPROFD_CFA_REG, 31, 0, 0, 0 }, { { 0 } } },
		{ .cfa = PPROFD_CFA_REG, .base = 31 },
	},
	{
		"behind stp x29, x30, [sp, #-32]!; str x19, [sp, #16]",
		{ { PPROFD_CFA_REG, 31, 0, 32, 0 }, { AT_CFA(-32), AT_CFA(-24), AT_CFA(-16) } },
		{ .cfa = PPROFD_CFA_REG, .base = 31, .ra = 3, .off = 32, .saved = { 4, 3, 2 } },
	},
	{
		"the outermost frame",
		{ { PPROFD_CFA_REG, 31, 0, 0, 0 }, { [1] = { .where = CFI_UNDEFINED } } },
		{ .cfa = PPROFD_CFA_END },
	},
};

static void rule_from_state__finds_the_return_address_of_arm64(void **state)
{
	static const struct cfi_cie cie = { .ra_reg = 30 };

	(void)state;
	check(arm64_cases, ARRAY_LEN(arm64_cases), EM_AARCH64, &cie);
}

static void rule_from_state__knows_signal_frames_and_strange_columns(void **state)
{
	static const struct cfi_cie signal = { .ra_reg = 16, .is_signal = true }, strange = { .ra_reg = 3 };
	static const struct rule_case by_signal = {
		"a signal frame",
		{ { PPROFD_CFA_REG, 7, 0, 8, 0 }, { [RA] = AT_CFA(-8) } },
		{ .cfa = PPROFD_CFA_SIGNAL },
	};
	static const struct rule_case by_strange = {
		"another return address column",
		{ { PPROFD_CFA_REG, 7, 0, 8, 0 }, { [RA] = AT_CFA(-8) } },
		{ .cfa = PPROFD_CFA_UNSUPPORTED },
	};

	(void)state;
	check(&by_signal, 1, EM_X86_64, &signal);
	check(&by_strange, 1, EM_X86_64, &strange);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(rule_from_state__says_it_as_abi_h_has_it),
		cmocka_unit_test(rule_from_state__finds_the_return_address_of_arm64),
		cmocka_unit_test(rule_from_state__knows_signal_frames_and_strange_columns),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* One step up a stack, rule by rule, on stacks made up. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <ucontext.h>

#include <cmocka.h>

#include "base/cleanup.h"

#include "bpf_side.h"

/* DWARF numbers (x86-64 psABI, 3.6.2). */
enum { RAX = 0, RDX = 1, RCX = 2, RBX = 3, RSI = 4, RDI = 5, RBP = 6, RSP = 7, R8 = 8, R10 = 10, R12 = 12, R15 = 15 };

#define PAGE 4096
#define STACK 0x7ffd00000000ULL
#define WORDS (2 * PAGE / 8)

/* Two pages of stack, word i at STACK + 8 * i. */
static uint64_t stack[WORDS];
static struct walk walk;

static uint64_t at(size_t word)
{
	return STACK + word * 8;
}

/* A walk that stands in a leaf, with its stack pointer at `word`. */
static int setup(size_t word)
{
	host_reset();
	memset(stack, 0, sizeof(stack));
	memset(&walk, 0, sizeof(walk));
	host_add_memory(&host.user, STACK, stack, sizeof(stack));
	for (size_t reg = 0; reg < ARCH_REG_CNT; reg++)
		walk.regs[reg] = 0x1000 + reg;
	walk.regs[RSP] = at(word);
	walk.pc = 0x401000;
	return 0;
}

static void assert_walk(uint64_t pc, uint64_t sp)
{
	assert_int_equal(walk.pc, pc);
	assert_int_equal(walk.regs[RSP], sp);
}

static void assert_register(uint32_t reg, uint64_t want)
{
	uint64_t value;

	assert_int_equal(walk_reg(&walk, reg, (__u64 *)&value), 0);
	assert_int_equal(value, want);
}

static void assert_no_register(uint32_t reg)
{
	uint64_t value;

	assert_int_not_equal(walk_reg(&walk, reg, (__u64 *)&value), 0);
}

/* vfork() keeps its return address in a register, and no frame. */
static void walk_step__finds_the_return_address_in_a_register(void **state)
{
	static const struct pprofd_rule rule = { .cfa = PPROFD_CFA_REG, .base = RSP, .add = RDI + 1 };

	(void)state;
	setup(100);
	walk.regs[RDI] = 0x405000;
	assert_int_equal(walk_step(&walk, &rule), PPROFD_STOP_NONE);
	assert_walk(0x405000, at(100));
}

/* ---- where the CFA is ---- */

/*
 * The leaf of each case stands at word 100; rbp is at(130), rbx at(140), rdi 3. Word 110 holds
 * at(150), word 113 at(160). The return address lies in the word below the CFA and is the number of that word.
 */
static void walk_step__finds_the_cfa_of_each_kind(void **state)
{
	static const struct {
		struct pprofd_rule rule;
		uint64_t pc;
		size_t cfa_word;
	} cases[] = {
		{ { .cfa = PPROFD_CFA_REG, .base = RSP, .ra = 1, .off = 8 }, 0x401000, 101 },
		{ { .cfa = PPROFD_CFA_REG, .base = RSP, .ra = 1, .off = 80 }, 0x401000, 110 },
		{ { .cfa = PPROFD_CFA_REG, .base = RBP, .ra = 1, .off = 16 }, 0x401000, 132 },
		{ { .cfa = PPROFD_CFA_REG, .base = RBX, .ra = 1, .off = -80 }, 0x401000, 130 },
		/* What the linker writes for .plt: from the 12th byte of an entry on, 8 more were pushed. */
		{ { .cfa = PPROFD_CFA_PLT, .base = RSP, .ra = 1, .off = 8, .add = 11 }, 0x401000, 101 },
		{ { .cfa = PPROFD_CFA_PLT, .base = RSP, .ra = 1, .off = 8, .add = 11 }, 0x40100a, 101 },
		{ { .cfa = PPROFD_CFA_PLT, .base = RSP, .ra = 1, .off = 8, .add = 11 }, 0x40100b, 102 },
		{ { .cfa = PPROFD_CFA_PLT, .base = RSP, .ra = 1, .off = 8, .add = 11 }, 0x40100f, 102 },
		{ { .cfa = PPROFD_CFA_PLT, .base = RSP, .ra = 1, .off = 16, .add = 6 }, 0x401016, 103 },
		{ { .cfa = PPROFD_CFA_DEREF, .base = RSP, .ra = 1, .off = 80 }, 0x401000, 150 },
		{ { .cfa = PPROFD_CFA_DEREF, .base = RBP, .ra = 1, .off = -160, .add = 16 }, 0x401000, 152 },
		{ { .cfa = PPROFD_CFA_DEREF, .base = RBP, .ra = 1, .off = -160, .add = -24 }, 0x401000, 147 },
		{ { .cfa = PPROFD_CFA_DEREF_INDEX, .base = RSP, .index = RDI, .ra = 1, .off = 80, .add = 8 },
		  0x401000,
		  161 },
		/* The return address need not be next to the CFA. */
		{ { .cfa = PPROFD_CFA_REG, .base = RSP, .ra = 4, .off = 80 }, 0x401000, 110 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t ra_word = cases[i].cfa_word - cases[i].rule.ra;

		setup(100);
		walk.regs[RBP] = at(130);
		walk.regs[RBX] = at(140);
		walk.regs[RDI] = 3;
		walk.pc = cases[i].pc;
		for (size_t word = 0; word < WORDS; word++)
			stack[word] = word;
		stack[110] = at(150);
		stack[113] = at(160);
		assert_int_equal(walk_step(&walk, &cases[i].rule), PPROFD_STOP_NONE);
		assert_walk(ra_word, at(cases[i].cfa_word));
		assert_true(walk.is_return);
	}
}

static void walk_step__ends_where_nothing_called(void **state)
{
	static const struct {
		struct pprofd_rule rule;
		int stop;
	} cases[] = {
		{ { .cfa = PPROFD_CFA_END }, PPROFD_STOP_COMPLETE },
		{ { .cfa = PPROFD_CFA_UNSUPPORTED, .base = RSP, .ra = 1, .off = 8 }, PPROFD_STOP_NO_RULE },
		{ { .cfa = PPROFD_CFA_CNT, .base = RSP, .ra = 1, .off = 8 }, PPROFD_STOP_NO_RULE },
		{ { .cfa = 255, .base = RSP, .ra = 1, .off = 8 }, PPROFD_STOP_NO_RULE },
		/* The return address is 0. */
		{ { .cfa = PPROFD_CFA_REG, .base = RSP, .ra = 1, .off = 8 }, PPROFD_STOP_COMPLETE },
		/* No return address at all. */
		{ { .cfa = PPROFD_CFA_REG, .base = RSP, .ra = 0, .off = 8 }, PPROFD_STOP_NO_RULE },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		setup(100);
		assert_int_equal(walk_step(&walk, &cases[i].rule), cases[i].stop);
	}
}

/* ---- registers ---- */

static void walk_step__follows_a_register_that_a_frame_has_pushed(void **state)
{
	const struct pprofd_rule leaf = {
		.cfa = PPROFD_CFA_REG, .base = RSP, .ra = 1, .off = 64, .saved = { 2, 3, 0, 0, 0, 8 }
	};
	const struct pprofd_rule caller = { .cfa = PPROFD_CFA_REG, .base = RBP, .ra = 1, .off = 16 };

	(void)state;
	setup(100);
	stack[107] = 0x402000;
	stack[106] = at(120); /* rbp */
	stack[105] = 55;      /* rbx */
	stack[100] = 77;      /* r15 */
	stack[121] = 0x403000;
	assert_int_equal(walk_step(&walk, &leaf), PPROFD_STOP_NONE);
	assert_walk(0x402000, at(108));
	assert_register(RBP, at(120));
	assert_register(RBX, 55);
	assert_register(R15, 77);
	assert_register(R12, 0x1000 + R12);
	assert_int_equal(walk_step(&walk, &caller), PPROFD_STOP_NONE);
	assert_walk(0x403000, at(122));
	/* The caller has not pushed it, so it is as its callee has saved it. */
	assert_register(RBP, at(120));
}

/* GCC's realigned frames: CFA by DREF, registers below the frame pointer (abi.h, struct pprofd_rule). */
static void walk_step__follows_registers_pushed_below_the_frame_pointer(void **state)
{
	/* rbp lies at the frame pointer, rbx 24 below it; r12 at the CFA. */
	const struct pprofd_rule rule = {
		.cfa = PPROFD_CFA_DEREF,
		.base = RBP,
		.index = 1 << 0 | 1 << 1,
		.ra = 1,
		.off = -8,
		.saved = { 1, 4, 2 },
	};

	(void)state;
	setup(100);
	walk.regs[RBP] = at(120);
	stack[119] = at(140); /* the CFA */
	stack[120] = 66;
	stack[117] = 33;
	stack[138] = 1212;
	stack[139] = 0x402000;
	assert_int_equal(walk_step(&walk, &rule), PPROFD_STOP_NONE);
	assert_walk(0x402000, at(140));
	assert_register(RBP, 66);
	assert_register(RBX, 33);
	assert_register(R12, 1212);
}

static void walk_step__knows_in_a_caller_only_what_callees_keep(void **state)
{
	const struct pprofd_rule rule = { .cfa = PPROFD_CFA_REG, .base = RSP, .ra = 1, .off = 8 };

	(void)state;
	setup(100);
	stack[100] = 0x402000;
	for (uint32_t reg = 0; reg < ARCH_REG_CNT; reg++)
		assert_register(reg, reg == RSP ? at(100) : 0x1000 + reg);
	assert_int_equal(walk_step(&walk, &rule), PPROFD_STOP_NONE);
	/* x86-64 psABI, 3.2.1, figure 3.4. */
	for (uint32_t reg = 0; reg < ARCH_REG_CNT; reg++) {
		if (reg == RSP || reg == RBP || reg == RBX || (reg >= R12 && reg <= R15))
			assert_register(reg, reg == RSP ? at(101) : 0x1000 + reg);
		else
			assert_no_register(reg);
	}
}

static void walk_step__stops_at_a_cfa_on_a_register_that_is_lost(void **state)
{
	static const struct pprofd_rule first = {
		.cfa = PPROFD_CFA_REG, .base = RSP, .ra = 1, .off = 8, .saved = { 0, 255 }
	};
	static const struct pprofd_rule seconds[] = {
		{ .cfa = PPROFD_CFA_REG, .base = RBX, .ra = 1, .off = 8 },
		{ .cfa = PPROFD_CFA_REG, .base = RAX, .ra = 1, .off = 8 },
		{ .cfa = PPROFD_CFA_DEREF, .base = R10, .ra = 1, .off = 8 },
		{ .cfa = PPROFD_CFA_DEREF_INDEX, .base = RSP, .index = RBX, .ra = 1, .off = 8 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(seconds); i++) {
		setup(100);
		stack[100] = 0x402000;
		assert_int_equal(walk_step(&walk, &first), PPROFD_STOP_NONE);
		assert_int_equal(walk_step(&walk, &seconds[i]), PPROFD_STOP_NO_RULE);
	}
}

/* ---- frame pointers ---- */

static const struct pprofd_rule by_fp = { .cfa = PPROFD_CFA_FP };

static void walk_step__follows_the_chain_of_frame_pointers(void **state)
{
	(void)state;
	setup(100);
	walk.regs[RBP] = at(110);
	stack[110] = at(200);
	stack[111] = 0x402000;
	stack[200] = at(900);
	stack[201] = 0x403000;
	stack[901] = 0x404000;
	assert_int_equal(walk_step(&walk, &by_fp), PPROFD_STOP_NONE);
	assert_walk(0x402000, at(112));
	assert_int_equal(walk_step(&walk, &by_fp), PPROFD_STOP_NONE);
	assert_walk(0x403000, at(202));
	assert_int_equal(walk_step(&walk, &by_fp), PPROFD_STOP_NONE);
	assert_walk(0x404000, at(902));
	/* The outermost frame has none. */
	assert_int_equal(walk_step(&walk, &by_fp), PPROFD_STOP_COMPLETE);
}

static void walk_step__takes_no_number_for_a_frame_pointer(void **state)
{
	static const struct {
		uint64_t fp;
		int stop;
	} cases[] = {
		{ 0, PPROFD_STOP_NO_RULE },
		{ 1, PPROFD_STOP_STUCK },
		{ STACK + 99 * 8, PPROFD_STOP_STUCK },
		{ STACK + sizeof(stack), PPROFD_STOP_READ_FAULT },
		{ STACK + sizeof(stack) - 8, PPROFD_STOP_READ_FAULT },
		{ UINT64_MAX, PPROFD_STOP_READ_FAULT },
		{ UINT64_MAX - 8, PPROFD_STOP_READ_FAULT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		setup(100);
		walk.regs[RBP] = cases[i].fp;
		assert_int_equal(walk_step(&walk, &by_fp), cases[i].stop);
	}
}

/* ---- signals ---- */

/* The kernel's frame as libc declares it, so that offsets are not ours twice. */
static void walk_step__leaves_a_signal_handler_with_every_register(void **state)
{
	static const int gregs[ARCH_REG_CNT] = {
		[RAX] = REG_RAX, [RDX] = REG_RDX, [RCX] = REG_RCX, [RBX] = REG_RBX, [RSI] = REG_RSI, [RDI] = REG_RDI,
		[RBP] = REG_RBP, [RSP] = REG_RSP, [R8] = REG_R8,   [9] = REG_R9,    [R10] = REG_R10, [11] = REG_R11,
		[R12] = REG_R12, [13] = REG_R13,  [14] = REG_R14,  [R15] = REG_R15,
	};
	const struct pprofd_rule rule = { .cfa = PPROFD_CFA_SIGNAL };
	ucontext_t context;

	(void)state;
	setup(300);
	memset(&context, 0, sizeof(context));
	for (uint32_t reg = 0; reg < ARCH_REG_CNT; reg++)
		context.uc_mcontext.gregs[gregs[reg]] = 5000 + reg;
	/* The handler ran on a stack of its own, above the one it goes back to. */
	context.uc_mcontext.gregs[REG_RSP] = (greg_t)at(20);
	context.uc_mcontext.gregs[REG_RIP] = 0x405678;
	memcpy(&stack[300], &context, offsetof(ucontext_t, uc_sigmask));
	walk.is_return = walk.is_partial = 1;
	assert_int_equal(walk_step(&walk, &rule), PPROFD_STOP_NONE);
	assert_walk(0x405678, at(20));
	/* The interrupted code is like a leaf: where it stands, nothing was called. */
	assert_false(walk.is_return);
	for (uint32_t reg = 0; reg < ARCH_REG_CNT; reg++)
		assert_register(reg, reg == RSP ? at(20) : 5000 + reg);
}

static void walk_step__stops_at_a_signal_frame_that_cannot_be_read(void **state)
{
	const struct pprofd_rule rule = { .cfa = PPROFD_CFA_SIGNAL };

	(void)state;
	/* The whole frame has to be there, up to the pc at 168. */
	setup(WORDS - 168 / 8);
	assert_int_equal(walk_step(&walk, &rule), PPROFD_STOP_READ_FAULT);
	setup(WORDS - 168 / 8 - 1);
	assert_int_equal(walk_step(&walk, &rule), PPROFD_STOP_NONE);
}

/* ---- stuck ---- */

static void walk_step__goes_up_only(void **state)
{
	static const struct {
		int32_t off;
		int stop_in_leaf, stop_in_caller;
	} cases[] = {
		{ 8, PPROFD_STOP_NONE, PPROFD_STOP_NONE },
		/* Nothing pushed: arm64's leaves. */
		{ 0, PPROFD_STOP_NONE, PPROFD_STOP_STUCK },
		{ -8, PPROFD_STOP_STUCK, PPROFD_STOP_STUCK },
		{ -400, PPROFD_STOP_STUCK, PPROFD_STOP_STUCK },
		{ INT32_MIN, PPROFD_STOP_READ_FAULT, PPROFD_STOP_READ_FAULT },
		{ INT32_MAX, PPROFD_STOP_READ_FAULT, PPROFD_STOP_READ_FAULT },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases) * 2; i++) {
		const struct pprofd_rule rule = {
			.cfa = PPROFD_CFA_REG, .base = RSP, .ra = 1, .off = cases[i / 2].off
		};

		setup(100);
		for (size_t word = 0; word < WORDS; word++)
			stack[word] = 0x402000;
		walk.is_return = walk.is_partial = i & 1;
		assert_int_equal(walk_step(&walk, &rule),
				 i & 1 ? cases[i / 2].stop_in_caller : cases[i / 2].stop_in_leaf);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walk_step__finds_the_return_address_in_a_register),
		cmocka_unit_test(walk_step__finds_the_cfa_of_each_kind),
		cmocka_unit_test(walk_step__ends_where_nothing_called),
		cmocka_unit_test(walk_step__follows_a_register_that_a_frame_has_pushed),
		cmocka_unit_test(walk_step__follows_registers_pushed_below_the_frame_pointer),
		cmocka_unit_test(walk_step__knows_in_a_caller_only_what_callees_keep),
		cmocka_unit_test(walk_step__stops_at_a_cfa_on_a_register_that_is_lost),
		cmocka_unit_test(walk_step__follows_the_chain_of_frame_pointers),
		cmocka_unit_test(walk_step__takes_no_number_for_a_frame_pointer),
		cmocka_unit_test(walk_step__leaves_a_signal_handler_with_every_register),
		cmocka_unit_test(walk_step__stops_at_a_signal_frame_that_cannot_be_read),
		cmocka_unit_test(walk_step__goes_up_only),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

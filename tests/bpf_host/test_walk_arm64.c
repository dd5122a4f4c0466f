/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs on arm64, where the return address begins in a register: one step up a stack. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <bpf/bpf_helpers.h>
#include <pprofd/abi.h>

#include "base/cleanup.h"

#include "bpf_warnings.h"

#define walk_read_user(to, len, from) bpf_probe_read_user(to, len, (const void *)(from))

#include "arch_arm64.bpf.h"
#include "walk.bpf.h"

/* DWARF numbers (AADWARF64, 4.1). */
enum { X0 = 0, X19 = 19, X29 = 29, X30 = 30, SP = 31 };

#define STACK 0xffff00000000ULL
#define WORDS 1024

static uint64_t stack[WORDS];
static struct walk walk;

static uint64_t at(size_t word)
{
	return STACK + word * 8;
}

static void setup(size_t word)
{
	host_reset();
	memset(stack, 0, sizeof(stack));
	memset(&walk, 0, sizeof(walk));
	host_add_memory(&host.user, STACK, stack, sizeof(stack));
	for (size_t reg = 0; reg < ARCH_REG_CNT; reg++)
		walk.regs[reg] = 0x1000 + reg;
	walk.regs[SP] = at(word);
	walk.pc = 0x401000;
}

static void assert_walk(uint64_t pc, uint64_t sp)
{
	assert_int_equal(walk.pc, pc);
	assert_int_equal(walk.regs[SP], sp);
}

static const struct pprofd_rule leaf = { .cfa = PPROFD_CFA_REG, .base = SP };

static void walk_step__takes_a_leafs_caller_from_the_link_register(void **state)
{
	/* stp x29, x30, [sp, #-32]!; str x19, [sp, #16] */
	const struct pprofd_rule caller = {
		.cfa = PPROFD_CFA_REG, .base = SP, .off = 32, .ra = 3, .saved = { 4, 3, 2 }
	};
	__u64 value;

	(void)state;
	setup(100);
	walk.regs[X30] = 0x402000;
	stack[100] = at(200);
	stack[101] = 0x403000;
	stack[102] = 1919;
	assert_int_equal(walk_step(&walk, &leaf), PPROFD_STOP_NONE);
	assert_walk(0x402000, at(100));
	assert_int_equal(walk_step(&walk, &caller), PPROFD_STOP_NONE);
	assert_walk(0x403000, at(104));
	assert_int_equal(walk_reg(&walk, X29, &value), 0);
	assert_int_equal(value, at(200));
	assert_int_equal(walk_reg(&walk, X19, &value), 0);
	assert_int_equal(value, 1919);
	assert_int_not_equal(walk_reg(&walk, X0, &value), 0);
}

/* A caller's link register was overwritten by its call: a leaf's rule there leads round in a circle. */
static void walk_step__is_stuck_at_a_second_leaf(void **state)
{
	(void)state;
	setup(100);
	walk.regs[X30] = 0x402000;
	assert_int_equal(walk_step(&walk, &leaf), PPROFD_STOP_NONE);
	assert_int_equal(walk_step(&walk, &leaf), PPROFD_STOP_STUCK);
}

static void walk_step__ends_at_a_link_register_of_0(void **state)
{
	(void)state;
	setup(100);
	walk.regs[X30] = 0;
	assert_int_equal(walk_step(&walk, &leaf), PPROFD_STOP_COMPLETE);
}

/* paciasp signs return addresses in their upper bits (Arm ARM, D8.8). */
static void walk_step__strips_the_signature_of_a_return_address(void **state)
{
	const struct pprofd_rule by_fp = { .cfa = PPROFD_CFA_FP };

	(void)state;
	setup(100);
	walk.regs[X30] = 0x002a000000402000;
	assert_int_equal(walk_step(&walk, &leaf), PPROFD_STOP_NONE);
	assert_walk(0x402000, at(100));
	walk.regs[X29] = at(110);
	stack[111] = 0x7f3b0000aaaabbb0;
	assert_int_equal(walk_step(&walk, &by_fp), PPROFD_STOP_NONE);
	assert_walk(0xaaaabbb0, at(112));
}

/* struct rt_sigframe of arch/arm64/kernel/signal.c, by the structs of its uapi headers. */
struct arm64_sigframe {
	unsigned char info[128];
	uint64_t flags, link;
	uint64_t stack_sp;
	uint32_t stack_flags, stack_reserved;
	uint64_t stack_size;
	unsigned char sigmask[128];
	struct {
		uint64_t fault_address;
		uint64_t regs[31];
		uint64_t sp, pc, pstate;
	} context __attribute__((aligned(16)));
};

static void walk_step__leaves_a_signal_handler_with_every_register(void **state)
{
	const struct pprofd_rule rule = { .cfa = PPROFD_CFA_SIGNAL };
	struct arm64_sigframe frame;

	(void)state;
	setup(300);
	memset(&frame, 0, sizeof(frame));
	for (size_t reg = 0; reg < 31; reg++)
		frame.context.regs[reg] = 5000 + reg;
	frame.context.sp = at(20);
	frame.context.pc = 0x405678;
	memcpy(&stack[300], &frame, sizeof(frame));
	walk.is_return = walk.is_partial = 1;
	assert_int_equal(walk_step(&walk, &rule), PPROFD_STOP_NONE);
	assert_walk(0x405678, at(20));
	assert_int_equal(walk.is_return, 0);
	for (uint32_t reg = 0; reg < 31; reg++) {
		__u64 value;

		assert_int_equal(walk_reg(&walk, reg, &value), 0);
		assert_int_equal(value, 5000 + reg);
	}
	/* The interrupted code may have been a leaf. */
	assert_int_equal(walk_step(&walk, &leaf), PPROFD_STOP_NONE);
	assert_walk(5030, at(20));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walk_step__takes_a_leafs_caller_from_the_link_register),
		cmocka_unit_test(walk_step__is_stuck_at_a_second_leaf),
		cmocka_unit_test(walk_step__ends_at_a_link_register_of_0),
		cmocka_unit_test(walk_step__strips_the_signature_of_a_return_address),
		cmocka_unit_test(walk_step__leaves_a_signal_handler_with_every_register),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

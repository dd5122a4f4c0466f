/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A short chain of functions that push different registers and take different amounts of stack.
 * The Makefile part builds it in every flavour of linking and of unwind information.
 */
#include "target.h"

uint64_t hot(uint64_t value);
uint64_t small_frame(uint64_t value);
uint64_t many_registers(uint64_t value);
uint64_t large_frame(uint64_t value);

TARGET_HOT uint64_t hot(uint64_t value)
{
	TARGET_SPIN(value, TARGET_SPINS);
	return value;
}

TARGET_FUNCTION uint64_t small_frame(uint64_t value)
{
	return TARGET_CALL(hot(value));
}

/* Eight values that live across the call: every callee-saved register, rbp included, is in use. */
TARGET_FUNCTION uint64_t many_registers(uint64_t value)
{
	uint64_t a = value + 1, b = value * 3, c = value ^ 5, d = value - 7;
	uint64_t e = value << 9, f = value >> 11, g = value | 13, h = value & 17;

	__asm__ volatile("" : "+r"(a), "+r"(b), "+r"(c), "+r"(d), "+r"(e), "+r"(f));
	value = TARGET_CALL(small_frame(value));
	return value + (a ^ b) + (c ^ d) + (e ^ f) + (g ^ h);
}

TARGET_FUNCTION uint64_t large_frame(uint64_t value)
{
	volatile unsigned char room[20000];

	room[value % sizeof(room)] = (unsigned char)value;
	value = TARGET_CALL(many_registers(value));
	return value + room[value % sizeof(room)];
}

int main(int argc, char **argv)
{
	uint64_t value = 1;

	target_start(argc, argv);
	while (target_running())
		value = TARGET_CALL(large_frame(value));
	target_print_chain("hot;small_frame;many_registers;large_frame;main");
	return target_finish();
}

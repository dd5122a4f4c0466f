/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Calls a tiny function of a shared library as fast as it can: a good part of the samples falls into
 * the procedure linkage table, where the stack pointer moves without a function of its own.
 */
#include "target.h"

uint64_t plt_step(uint64_t value);
uint64_t hot(uint64_t value);

TARGET_HOT uint64_t hot(uint64_t value)
{
	for (int i = 0; i < 100000; i++) {
		value = plt_step(value);
		/* Work of its own, so that it is the leaf as well. */
		value = (value ^ value >> 7) * 5;
	}
	return value;
}

int main(int argc, char **argv)
{
	uint64_t value = 1;

	target_start(argc, argv);
	while (target_running())
		value = TARGET_CALL(hot(value));
	target_print_chain("hot;main");
	target_print_chain("plt_step;hot;main");
	target_print_chain("<plt>;hot;main");
	return target_finish();
}

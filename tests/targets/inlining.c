/* SPDX-License-Identifier: Apache-2.0 */
/* hot() is inlined into middle(), middle() into outer(): one frame in the machine, three functions to read. */
#include "target.h"

uint64_t outer(uint64_t value);

static inline __attribute__((always_inline)) uint64_t hot(uint64_t value)
{
	TARGET_SPIN(value, TARGET_SPINS);
	return value;
}

static inline __attribute__((always_inline)) uint64_t middle(uint64_t value)
{
	value ^= 0x55;
	return hot(value) + 3;
}

TARGET_HOT uint64_t outer(uint64_t value)
{
	value += 7;
	return middle(value) * 5;
}

int main(int argc, char **argv)
{
	uint64_t value = 1;

	target_start(argc, argv);
	while (target_running())
		value = TARGET_CALL(outer(value));
	target_print_chain("hot;middle;outer;main");
	return target_finish();
}

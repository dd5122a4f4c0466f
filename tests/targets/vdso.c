/* SPDX-License-Identifier: Apache-2.0 */
/* Asks for the time as fast as it can: most samples are in the vDSO. */
#include "target.h"

uint64_t hot(uint64_t value);

TARGET_HOT uint64_t hot(uint64_t value)
{
	struct timespec now;

	for (int i = 0; i < 20000; i++) {
		if (clock_gettime(CLOCK_MONOTONIC, &now) != 0)
			return 0;
		value += (uint64_t)now.tv_nsec;
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
	target_print_rare_chain("<plt>;hot;main");
	target_print_rare_chain("<libc>;hot;main");
	target_print_chain("<vdso>;<libc>;hot;main");
	return target_finish();
}

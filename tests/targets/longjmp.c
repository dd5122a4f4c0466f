/* SPDX-License-Identifier: Apache-2.0 */
/* Leaves several frames at once by longjmp(), over and over, and runs hot before and after the jump. */
#include <setjmp.h>

#include "target.h"

uint64_t hot(uint64_t value);
uint64_t jumper(uint64_t value);
uint64_t between(uint64_t value);
uint64_t landing(uint64_t value);

static jmp_buf home;

TARGET_HOT uint64_t hot(uint64_t value)
{
	TARGET_SPIN(value, TARGET_SPINS);
	return value;
}

TARGET_FUNCTION uint64_t jumper(uint64_t value)
{
	value = TARGET_CALL(hot(value));
	longjmp(home, (int)(value & 0xff) | 1);
}

TARGET_FUNCTION uint64_t between(uint64_t value)
{
	volatile char room[300];

	room[value % sizeof(room)] = 1;
	return TARGET_CALL(jumper(value)) + (uint64_t)room[0];
}

TARGET_FUNCTION uint64_t landing(uint64_t value)
{
	int code = setjmp(home);

	if (code == 0)
		return TARGET_CALL(between(value));
	return TARGET_CALL(hot((uint64_t)code));
}

int main(int argc, char **argv)
{
	uint64_t value = 1;

	target_start(argc, argv);
	while (target_running())
		value = TARGET_CALL(landing(value));
	target_print_chain("hot;jumper;between;landing;main");
	target_print_chain("hot;landing;main");
	return target_finish();
}

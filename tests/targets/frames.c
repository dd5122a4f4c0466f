/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Frames whose size is known at run time only: alloca(), arrays of variable length, locals that
 * are aligned to more than the stack is (their functions keep the caller's stack pointer aside).
 */
#include <alloca.h>
#include <string.h>

#include "target.h"

uint64_t hot(uint64_t value);
uint64_t vector_locals(uint64_t value);
uint64_t realigned_alloca(uint64_t value);
uint64_t variable_array(uint64_t value);
uint64_t with_alloca(uint64_t value);

TARGET_HOT uint64_t hot(uint64_t value)
{
	TARGET_SPIN(value, TARGET_SPINS);
	return value;
}

TARGET_FUNCTION uint64_t vector_locals(uint64_t value)
{
	uint64_t lanes[16] __attribute__((aligned(64)));

	for (int i = 0; i < 16; i++)
		lanes[i] = value + (uint64_t)i;
	__asm__ volatile("" : : "r"(lanes) : "memory");
	value = TARGET_CALL(hot(lanes[value % 16]));
	return value + lanes[value % 16];
}

/* Aligned and of variable size at once: the canonical frame address is read from memory. */
TARGET_FUNCTION uint64_t realigned_alloca(uint64_t value)
{
	uint64_t lanes[8] __attribute__((aligned(64)));
	char *room = alloca(value % 777 + 1);

	memset(room, 1, value % 777 + 1);
	lanes[value % 8] = value;
	__asm__ volatile("" : : "r"(lanes), "r"(room) : "memory");
	value = TARGET_CALL(vector_locals(value));
	return value + lanes[value % 8] + (uint64_t)room[0];
}

TARGET_FUNCTION uint64_t variable_array(uint64_t value)
{
	volatile char room[value % 1000 + 1];

	room[value % 1000] = 1;
	return TARGET_CALL(realigned_alloca(value)) + (uint64_t)room[0];
}

TARGET_FUNCTION uint64_t with_alloca(uint64_t value)
{
	volatile char *room = alloca(value % 3000 + 1);

	room[0] = 1;
	return TARGET_CALL(variable_array(value)) + (uint64_t)room[0];
}

int main(int argc, char **argv)
{
	uint64_t value = 1;

	target_start(argc, argv);
	while (target_running())
		value = TARGET_CALL(with_alloca(value));
	target_print_chain("hot;vector_locals;realigned_alloca;variable_array;with_alloca;main");
	return target_finish();
}

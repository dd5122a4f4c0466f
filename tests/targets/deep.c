/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Recursion to the depth of argv[2]: five functions with different frames that call each other in
 * turn, so that a frame too many or too few shows.
 */
#include <string.h>

#include "target.h"

uint64_t hot(uint64_t value);

TARGET_HOT uint64_t hot(uint64_t value)
{
	TARGET_SPIN(value, TARGET_SPINS);
	return value;
}

/* Calls descend_NEXT() with one level less, or hot() at level 1, and keeps `room` words of its own. */
#define DESCEND(number, next, room)                                                              \
	TARGET_FUNCTION uint64_t descend_##number(uint64_t value, int level)                     \
	{                                                                                        \
		volatile uint64_t words[room];                                                   \
                                                                                                 \
		words[value % (room)] = value;                                                   \
		if (level > 1)                                                                   \
			value = TARGET_CALL(descend_##next(value + (uint64_t)level, level - 1)); \
		else                                                                             \
			value = TARGET_CALL(hot(value));                                         \
		return value ^ words[value % (room)];                                            \
	}

uint64_t descend_0(uint64_t value, int level);
uint64_t descend_1(uint64_t value, int level);
uint64_t descend_2(uint64_t value, int level);
uint64_t descend_3(uint64_t value, int level);
uint64_t descend_4(uint64_t value, int level);

DESCEND(0, 1, 1)
DESCEND(1, 2, 8)
DESCEND(2, 3, 3)
DESCEND(3, 4, 90)
DESCEND(4, 0, 17)

int main(int argc, char **argv)
{
	int depth = argc > 2 ? atoi(argv[2]) : 10;
	uint64_t value = 1;

	if (depth < 1)
		return 2;
	target_start(argc, argv);
	while (target_running())
		value = TARGET_CALL(descend_0(value, depth));
	printf("chain=hot");
	for (int level = 1; level <= depth; level++)
		printf(";descend_%d", (depth - level) % 5);
	printf(";main\n");
	return target_finish();
}

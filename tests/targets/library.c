/* SPDX-License-Identifier: Apache-2.0 */
/* A shared library: opened by dlopened.c, linked to threads.c, where it starts a thread of its own. */
#include <pthread.h>

#include "target.h"

uint64_t library_run(uint64_t value);
uint64_t library_middle(uint64_t value);
uint64_t hot(uint64_t value);
void *library_thread(void *arg);
int library_start_thread(uint64_t deadline_ns, pthread_t *ret);

TARGET_HOT uint64_t hot(uint64_t value)
{
	TARGET_SPIN(value, TARGET_SPINS);
	return value;
}

TARGET_FUNCTION uint64_t library_middle(uint64_t value)
{
	volatile char room[64];

	room[value % sizeof(room)] = 1;
	return TARGET_CALL(hot(value)) + (uint64_t)room[0];
}

TARGET_FUNCTION uint64_t library_run(uint64_t value)
{
	return TARGET_CALL(library_middle(value));
}

TARGET_FUNCTION void *library_thread(void *arg)
{
	uint64_t value = 1;

	target_deadline_ns = *(uint64_t *)arg;
	while (target_running())
		value = TARGET_CALL(library_run(value));
	return NULL;
}

int library_start_thread(uint64_t deadline_ns, pthread_t *ret)
{
	static uint64_t deadline;

	deadline = deadline_ns;
	return pthread_create(ret, NULL, library_thread, &deadline);
}

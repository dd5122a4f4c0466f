/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Three functions that share the work 50 : 30 : 20, and the program's own measurement of it by the
 * thread's CPU clock, printed at the end.
 */
#include "target.h"

uint64_t work_a(uint64_t value, uint64_t spins);
uint64_t work_b(uint64_t value, uint64_t spins);
uint64_t work_c(uint64_t value, uint64_t spins);
uint64_t dispatch(uint64_t value);

static uint64_t spent_ns[3];

TARGET_HOT uint64_t work_a(uint64_t value, uint64_t spins)
{
	TARGET_SPIN(value, spins);
	return value;
}

TARGET_HOT uint64_t work_b(uint64_t value, uint64_t spins)
{
	TARGET_SPIN(value, spins);
	return value;
}

TARGET_HOT uint64_t work_c(uint64_t value, uint64_t spins)
{
	TARGET_SPIN(value, spins);
	return value;
}

/* One round is some 100 ms, ten ticks of 99 Hz: the counts of ticks in each part are never far from its share. */
TARGET_FUNCTION uint64_t dispatch(uint64_t value)
{
	uint64_t start_ns = target_clock_ns(CLOCK_THREAD_CPUTIME_ID), a_ns, b_ns, c_ns;

	value = TARGET_CALL(work_a(value, 50 * TARGET_SPINS));
	a_ns = target_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	value = TARGET_CALL(work_b(value, 30 * TARGET_SPINS));
	b_ns = target_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	value = TARGET_CALL(work_c(value, 20 * TARGET_SPINS));
	c_ns = target_clock_ns(CLOCK_THREAD_CPUTIME_ID);
	spent_ns[0] += a_ns - start_ns;
	spent_ns[1] += b_ns - a_ns;
	spent_ns[2] += c_ns - b_ns;
	return value;
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "work_a", "work_b", "work_c" };
	uint64_t value = 1;

	target_start(argc, argv);
	while (target_running())
		value = TARGET_CALL(dispatch(value));
	for (int i = 0; i < 3; i++) {
		printf("chain=%s;dispatch;main\n", names[i]);
		printf("spent_ns_%s=%llu\n", names[i], (unsigned long long)spent_ns[i]);
	}
	return target_finish();
}

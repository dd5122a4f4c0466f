// SPDX-License-Identifier: Apache-2.0
/*
 * Throws through frames that have something to clean up, and runs hot where exceptions take a program:
 * in a destructor while the stack unwinds, in the handler, and on the ordinary way.
 */
#include <stdexcept>
#include <string>

#include "target.h"

TARGET_HOT uint64_t hot(uint64_t value)
{
	TARGET_SPIN(value, TARGET_SPINS);
	return value;
}

struct Guard {
	explicit Guard(uint64_t *counter) : counter_(counter)
	{
	}
	TARGET_FUNCTION ~Guard();
	uint64_t *counter_;
};

Guard::~Guard()
{
	*counter_ = TARGET_CALL(hot(*counter_));
}

TARGET_FUNCTION uint64_t thrower(uint64_t value)
{
	if (value % 8 != 0)
		throw std::runtime_error("a value of " + std::to_string(value % 8));
	return TARGET_CALL(hot(value));
}

TARGET_FUNCTION uint64_t guarded(uint64_t value, uint64_t *counter)
{
	Guard guard(counter);

	return TARGET_CALL(thrower(value));
}

TARGET_FUNCTION uint64_t catcher(uint64_t value)
{
	uint64_t counter = value;

	try {
		return TARGET_CALL(guarded(value, &counter));
	} catch (const std::runtime_error &error) {
		return TARGET_CALL(hot(counter)) + (uint64_t)error.what()[0];
	}
}

/* Exceptions by the thousand: the unwinder of the C++ runtime is itself seen at work. */
TARGET_FUNCTION uint64_t storm(uint64_t value)
{
	for (int i = 0; i < 300; i++) {
		try {
			throw i;
		} catch (int number) {
			value += (uint64_t)number;
		}
	}
	return value;
}

int main(int argc, char **argv)
{
	uint64_t value = 1;

	target_start(argc, argv);
	while (target_running()) {
		value = TARGET_CALL(catcher(value));
		value = TARGET_CALL(storm(value));
	}
	target_print_chain("hot;thrower;guarded;catcher;main");
	target_print_chain("hot;Guard::~Guard;guarded;catcher;main");
	target_print_chain("hot;catcher;main");
	return target_finish();
}

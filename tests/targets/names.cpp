// SPDX-License-Identifier: Apache-2.0
/* Names as C++ has them: a namespace, a template, a lambda, an operator, a virtual function. */
#include <functional>

#include "target.h"

namespace shop
{

template <typename T> struct Till {
	TARGET_FUNCTION T count(T value);
};

TARGET_HOT uint64_t hot(uint64_t value)
{
	TARGET_SPIN(value, TARGET_SPINS);
	return value;
}

template <typename T> T Till<T>::count(T value)
{
	return (T)TARGET_CALL(hot((uint64_t)value));
}

struct Keeper {
	virtual ~Keeper() = default;
	virtual uint64_t work(uint64_t value) = 0;
	TARGET_FUNCTION uint64_t operator()(uint64_t value)
	{
		return TARGET_CALL(work(value));
	}
};

struct Owner final : Keeper {
	TARGET_FUNCTION uint64_t work(uint64_t value) override
	{
		Till<uint64_t> till;

		return TARGET_CALL(till.count(value));
	}
};

} // namespace shop

int main(int argc, char **argv)
{
	shop::Owner owner;
	shop::Keeper *keeper = argc > 100 ? nullptr : &owner;
	uint64_t value = 1;

	target_start(argc, argv);
	while (target_running())
		value = TARGET_CALL((*keeper)(value));
	target_print_chain(
		"shop::hot;shop::Till<unsigned long>::count;shop::Owner::work;shop::Keeper::operator();main");
	return target_finish();
}

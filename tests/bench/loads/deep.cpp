/* SPDX-License-Identifier: Apache-2.0 */
/*
 * deep SECONDS DEPTH [WORKING_SET_KIB]: burns CPU below DEPTH virtual calls and says at its end how much.
 *
 * With a working set it reads all over it, as real programs do: a sampler that comes by 99 times a
 * second then finds none of its own data in the nearer caches.
 */
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <ctime>
#include <string>
#include <vector>

namespace
{

uint64_t clock_ns(clockid_t clock)
{
	struct timespec now;

	if (clock_gettime(clock, &now) != 0)
		abort();
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

/* About a millisecond. With -mno-omit-leaf-frame-pointer gcc still leaves it out unless it is used. */
__attribute__((noipa)) uint64_t burn(uint64_t value, const std::vector<uint64_t> &working_set)
{
	asm volatile("" : : "r"(__builtin_frame_address(0)));
	if (working_set.empty()) {
		for (int i = 0; i < 400000; i++) {
			value = value * 6364136223846793005u + 1442695040888963407u;
			asm volatile("" : "+r"(value));
		}
		return value;
	}
	for (int i = 0; i < 100000; i++)
		value = value * 6364136223846793005u + working_set[(value >> 33) & (working_set.size() - 1)] + 1;
	return value;
}

class node
{
public:
	virtual ~node() = default;
	virtual uint64_t visit(uint64_t value, int level, const std::vector<uint64_t> &working_set) = 0;
	node *next = nullptr;
};

/* Frames of different sizes, so that no two rows of the chain are the same. */
template <int words> class sized_node : public node
{
public:
	__attribute__((noipa)) uint64_t visit(uint64_t value, int level, const std::vector<uint64_t> &working_set) override
	{
		volatile uint64_t room[words];

		room[value % words] = value;
		value = level > 1 ? next->visit(value, level - 1, working_set) : burn(value, working_set);
		return value ^ room[value % words];
	}
};

}

int main(int argc, char **argv)
{
	double seconds = argc > 1 ? strtod(argv[1], nullptr) : 1;
	int depth = argc > 2 ? atoi(argv[2]) : 10;
	size_t kib = argc > 3 ? strtoul(argv[3], nullptr, 10) : 0;
	uint64_t end = clock_ns(CLOCK_MONOTONIC) + (uint64_t)(seconds * 1e9);
	sized_node<1> first;
	sized_node<9> second;
	sized_node<3> third;
	sized_node<40> fourth;
	std::vector<uint64_t> working_set;
	uint64_t value = 1;

	if (depth < 1 || (kib & (kib - 1)) != 0)
		return 2;
	working_set.resize(kib * 1024 / sizeof(uint64_t), 1);
	first.next = &second;
	second.next = &third;
	third.next = &fourth;
	fourth.next = &first;
	while (clock_ns(CLOCK_MONOTONIC) < end)
		value = first.visit(value, depth, working_set);
	printf("cpu_ns=%llu value=%d\n", (unsigned long long)clock_ns(CLOCK_PROCESS_CPUTIME_ID), (int)(value & 1));
	return 0;
}

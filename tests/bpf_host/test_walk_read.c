/* SPDX-License-Identifier: GPL-2.0-only */
/* Reading the stack in windows, and walking stacks and rules that are garbage. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

#include "bpf_side.h"
#include "random.h"

#define PAGE 4096
#define PAGES 8
#define STACK 0x7ffd00000000ULL

static unsigned char memory[PAGES * PAGE];

static void fill_memory(uint64_t *seed)
{
	for (size_t i = 0; i < sizeof(memory); i++)
		memory[i] = (unsigned char)random_next(seed);
}

/* Pages whose bit is set are there, neighbours in one piece. */
static void setup(uint32_t pages)
{
	size_t first = 0;

	host_reset();
	for (size_t page = 0; page <= PAGES; page++) {
		if (page < PAGES && pages >> page & 1)
			continue;
		if (page > first)
			host_add_memory(&host.user, STACK + first * PAGE, memory + first * PAGE, (page - first) * PAGE);
		first = page + 1;
	}
}

static bool is_there(uint32_t pages, uint64_t address)
{
	uint64_t off = address - STACK;

	return off < sizeof(memory) && pages >> (off / PAGE) & 1;
}

static struct walk *walk_new(uint64_t sp)
{
	struct walk *walk = calloc(1, sizeof(*walk));

	assert_non_null(walk);
	walk->regs[ARCH_REG_SP] = sp;
	return walk;
}

static void check_read(struct walk *walk, uint32_t pages, uint64_t address)
{
	bool all = is_there(pages, address) && is_there(pages, address + 7);
	uint64_t want = 0;
	__u64 got;

	if (all)
		memcpy(&want, memory + (address - STACK), sizeof(want));
	assert_int_equal(walk_read(walk, address, &got) == 0, all);
	if (all)
		assert_int_equal(got, want);
}

/* Whatever was read before, and whichever pages are there. */
static void walk_read__reads_what_is_there(void **state)
{
	uint64_t seed = 1;

	(void)state;
	fill_memory(&seed);
	for (int round = 0; round < 3000; round++) {
		uint32_t pages = round % 4 == 0 ? (1 << PAGES) - 1 : (uint32_t)random_below(&seed, 1 << PAGES);
		_cleanup_(freep) struct walk *walk = walk_new(STACK + random_below(&seed, sizeof(memory)));

		setup(pages);
		for (int i = 0; i < 30; i++) {
			uint64_t address = STACK - 64 + random_below(&seed, sizeof(memory) + 128);

			/* As walks do: near each other, upwards, most of them aligned. */
			for (int j = 0; j < 4; j++) {
				check_read(walk, pages, random_below(&seed, 8) ? address & ~7ULL : address);
				address += random_below(&seed, 200);
			}
			if (i % 5 == 4)
				walk->regs[ARCH_REG_SP] = address;
		}
	}
}

static void walk_read__reads_each_word_at_the_borders_of_a_lone_page(void **state)
{
	uint64_t seed = 2;

	(void)state;
	fill_memory(&seed);
	setup(1 << 3);
	for (uint64_t sp = STACK + 2 * PAGE; sp < STACK + 5 * PAGE; sp += 248) {
		for (uint64_t address = STACK + 3 * PAGE - 16; address < STACK + 3 * PAGE + 16; address++) {
			_cleanup_(freep) struct walk *low = walk_new(sp), *high = walk_new(sp);

			check_read(low, 1 << 3, address);
			check_read(high, 1 << 3, address + PAGE);
		}
	}
}

static void walk_read__serves_several_frames_from_one_read(void **state)
{
	_cleanup_(freep) struct walk *walk = walk_new(STACK + 2 * PAGE + 8);
	uint64_t seed = 3;

	(void)state;
	fill_memory(&seed);
	setup((1 << PAGES) - 1);
	for (uint64_t off = 0; off < WALK_WINDOW; off += 8)
		check_read(walk, (1 << PAGES) - 1, walk->regs[ARCH_REG_SP] + off);
	assert_int_equal(host.user.read_cnt, 1);
	/* The return address of a frame larger than the window, and the registers saved below it. */
	walk->regs[ARCH_REG_SP] = STACK + 3 * PAGE;
	for (uint64_t off = 0; off <= WALK_WINDOW_BELOW; off += 8)
		check_read(walk, (1 << PAGES) - 1, STACK + 3 * PAGE + 2000 - off);
	assert_int_equal(host.user.read_cnt, 2);
}

/* ---- garbage ---- */

/* Numbers that stacks hold: addresses of the stack, small ones, anything. */
static uint64_t make_word(uint64_t *seed)
{
	switch (random_below(seed, 4)) {
	case 0:
		return random_next(seed);
	case 1:
		return random_below(seed, 64);
	default:
		return (STACK + random_below(seed, sizeof(memory))) & ~(random_below(seed, 8) ? 7ULL : 0ULL);
	}
}

static void make_rule(struct pprofd_rule *rule, uint64_t *seed)
{
	for (size_t i = 0; i < sizeof(*rule); i++)
		((unsigned char *)rule)[i] = (unsigned char)random_next(seed);
	/* Most are such as user space makes, so that walks come to their second frame and their twentieth. */
	if (random_below(seed, 8) == 0)
		return;
	rule->cfa = (__u8)(1 + random_below(seed, PPROFD_CFA_SIGNAL));
	rule->base = ARCH_REG_SP;
	if (random_below(seed, 4))
		rule->cfa = PPROFD_CFA_REG;
	else if (random_below(seed, 2))
		rule->base = ARCH_REG_FP;
	rule->off = (__s32)random_below(seed, 200) & ~7;
	rule->add = (__s16)random_below(seed, 16);
	rule->ra = 1;
	for (int i = 0; i < PPROFD_SAVED_CNT; i++)
		rule->saved[i] = random_below(seed, 3) ? 0 : (__u8)random_below(seed, 20);
	rule->index = random_below(seed, 4) ? 0 : rule->index;
}

/* One walk by random rules. Returns how many frames it made. */
static int walk_garbage(struct walk *walk, uint64_t *seed)
{
	int frames = 0, stop = PPROFD_STOP_NONE;

	while (frames < PPROFD_USER_FRAMES_MAX && stop == PPROFD_STOP_NONE) {
		uint64_t sp = walk->regs[ARCH_REG_SP];
		bool is_partial = walk->is_partial;
		struct pprofd_rule rule;

		make_rule(&rule, seed);
		stop = walk_step(walk, &rule);
		assert_in_range(stop, PPROFD_STOP_NONE, PPROFD_STOP_CNT - 1);
		frames++;
		/* Only a signal handler may have run on another stack. */
		if (stop == PPROFD_STOP_NONE && rule.cfa != PPROFD_CFA_SIGNAL)
			assert_true(is_partial ? walk->regs[ARCH_REG_SP] > sp : walk->regs[ARCH_REG_SP] >= sp);
	}
	return frames;
}

static void walk_step__survives_garbage(void **state)
{
	uint64_t seed = 4;
	int frames = 0, longest = 0;

	(void)state;
	for (int round = 0; round < 100000; round++) {
		_cleanup_(freep) struct walk *walk = walk_new(STACK + random_below(&seed, sizeof(memory)) / 8 * 8);
		int made;

		if (round % 50 == 0) {
			uint64_t pages = random_next(&seed);

			/* Most are there: seven of eight. */
			for (int more = 0; more < 2; more++)
				pages |= random_next(&seed);
			for (size_t i = 0; i < sizeof(memory); i += 8)
				memcpy(memory + i, &(uint64_t){ make_word(&seed) }, 8);
			setup((uint32_t)pages & ((1 << PAGES) - 1));
		}
		for (uint32_t reg = 0; reg < ARCH_REG_CNT; reg++)
			walk->regs[reg] = reg == ARCH_REG_SP ? walk->regs[reg] : make_word(&seed);
		made = walk_garbage(walk, &seed);
		frames += made;
		longest = made > longest ? made : longest;
	}
	/* It is no test of the first frame only. */
	assert_true(frames > 200000);
	assert_true(longest > 15);
}

/* Without an end, the stack pointer can rise a word a frame: the bound on frames ends it, not luck. */
static void walk_step__climbs_in_words_at_the_least(void **state)
{
	const struct pprofd_rule rule = { .cfa = PPROFD_CFA_REG, .base = ARCH_REG_SP, .ra = 1, .off = 8 };
	_cleanup_(freep) struct walk *walk = walk_new(STACK);
	int frames = 0;

	(void)state;
	memset(memory, 0x41, sizeof(memory));
	setup((1 << PAGES) - 1);
	while (walk_step(walk, &rule) == PPROFD_STOP_NONE)
		frames++;
	assert_int_equal(frames, sizeof(memory) / 8);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walk_read__reads_what_is_there),
		cmocka_unit_test(walk_read__reads_each_word_at_the_borders_of_a_lone_page),
		cmocka_unit_test(walk_read__serves_several_frames_from_one_read),
		cmocka_unit_test(walk_step__survives_garbage),
		cmocka_unit_test(walk_step__climbs_in_words_at_the_least),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* Stacks recorded from real programs (tests/fixtures/stacks/README.md): the walk meets what gdb met. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"

#include "bpf_side.h"

#define FRAMES_MAX 128
#define WORDS_MAX 8192
#define PAGE 4096
#define UNKNOWN UINT64_MAX

struct frame {
	char name[64];
	uint64_t pc, sp;
	uint64_t saved[PPROFD_SAVED_CNT]; /* UNKNOWN when gdb does not know */
	struct pprofd_rule rule;
};

static struct recorded {
	struct walk walk;
	uint64_t words[WORDS_MAX];
	size_t word_cnt;
	struct frame frames[FRAMES_MAX];
	size_t frame_cnt;
} recorded;

static uint64_t next_number(char **rest, int base)
{
	char *word = strtok_r(NULL, " \n", rest);

	assert_non_null(word);
	if (strcmp(word, ".") == 0)
		return 0;
	return strcmp(word, "?") == 0 ? UNKNOWN : strtoull(word, NULL, base);
}

/* Stack memory comes in whole pages: what was not recorded of one is 0. */
static void read_memory(char **rest)
{
	uint64_t start = next_number(rest, 16);
	size_t first = recorded.word_cnt;

	recorded.word_cnt += start % PAGE / 8;
	while (**rest != '\n' && **rest != 0) {
		assert_true(recorded.word_cnt + PAGE / 8 < WORDS_MAX);
		recorded.words[recorded.word_cnt++] = next_number(rest, 16);
	}
	recorded.word_cnt = first + (recorded.word_cnt - first + PAGE / 8 - 1) / (PAGE / 8) * (PAGE / 8);
	host_add_memory(&host.user, start / PAGE * PAGE, &recorded.words[first], (recorded.word_cnt - first) * 8);
}

static void read_frame(char **rest)
{
	struct frame *frame = &recorded.frames[recorded.frame_cnt++];

	assert_true(recorded.frame_cnt <= FRAMES_MAX);
	snprintf(frame->name, sizeof(frame->name), "%s", strtok_r(NULL, " \n", rest));
	frame->pc = next_number(rest, 16);
	frame->sp = next_number(rest, 16);
	for (size_t i = 0; i < PPROFD_SAVED_CNT; i++)
		frame->saved[i] = next_number(rest, 16);
	frame->rule.cfa = (__u8)next_number(rest, 10);
	frame->rule.base = (__u8)next_number(rest, 10);
	frame->rule.index = (__u8)next_number(rest, 10);
	frame->rule.ra = (__u8)next_number(rest, 10);
	frame->rule.off = (__s32)next_number(rest, 10);
	frame->rule.add = (__s16)next_number(rest, 10);
	for (size_t i = 0; i < PPROFD_SAVED_CNT; i++)
		frame->rule.saved[i] = (__u8)next_number(rest, 10);
}

static void setup(const char *path)
{
	static char line[1 << 17];
	FILE *file = fopen(path, "r");

	host_reset();
	memset(&recorded, 0, sizeof(recorded));
	assert_non_null(file);
	while (fgets(line, sizeof(line), file)) {
		char *rest = NULL;
		char *kind = strtok_r(line, " ", &rest);

		if (strcmp(kind, "registers") == 0) {
			for (size_t reg = 0; reg < ARCH_REG_CNT; reg++)
				recorded.walk.regs[reg] = next_number(&rest, 16);
		} else if (strcmp(kind, "memory") == 0) {
			read_memory(&rest);
		} else if (strcmp(kind, "frame") == 0) {
			read_frame(&rest);
		} else {
			assert_string_equal(kind, "#");
		}
	}
	fclose(file);
	assert_true(recorded.frame_cnt > 0);
	recorded.walk.pc = recorded.frames[0].pc;
}

static void check_registers(struct walk *walk, const struct frame *frame)
{
	assert_int_equal(walk->regs[ARCH_REG_SP], frame->sp);
	for (int i = 0; i < PPROFD_SAVED_CNT; i++) {
		__u64 value;

		if (frame->saved[i] == UNKNOWN)
			continue;
		assert_int_equal(walk_reg(walk, arch_saved_reg(i), &value), 0);
		assert_int_equal(value, frame->saved[i]);
	}
}

/* From the leaf to where the thread began, each frame with the registers that gdb gives it. */
static void walk_step__walks_recorded_stacks_as_gdb_does(void **state)
{
	static const struct {
		const char *path;
		size_t frame_cnt;
	} cases[] = {
		{ "tests/fixtures/stacks/frames.txt", 9 },          { "tests/fixtures/stacks/signal_above.txt", 8 },
		{ "tests/fixtures/stacks/signal_altstack.txt", 9 }, { "tests/fixtures/stacks/python3.txt", 75 },
		{ "tests/fixtures/stacks/perl.txt", 23 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct walk *walk = &recorded.walk;

		setup(cases[i].path);
		assert_int_equal(recorded.frame_cnt, cases[i].frame_cnt);
		for (size_t j = 0; j < recorded.frame_cnt; j++) {
			const struct frame *frame = &recorded.frames[j];
			bool is_last = j + 1 == recorded.frame_cnt;
			bool is_called = j > 0 && recorded.frames[j - 1].rule.cfa != PPROFD_CFA_SIGNAL;

			assert_int_equal(walk->pc, frame->pc);
			assert_int_equal(walk->is_return, is_called);
			check_registers(walk, frame);
			assert_int_equal(walk_step(walk, &frame->rule),
					 is_last ? PPROFD_STOP_COMPLETE : PPROFD_STOP_NONE);
		}
	}
}

/* Pages of the stack that are not there cut it, and what was found until then is right. */
static void walk_step__cuts_a_stack_at_memory_that_is_not_there(void **state)
{
	size_t last_cut = 0;

	(void)state;
	for (size_t page_cnt = 0; page_cnt <= 3; page_cnt++) {
		struct walk *walk = &recorded.walk;
		int stop = PPROFD_STOP_NONE;
		size_t j = 0;

		setup("tests/fixtures/stacks/python3.txt");
		/* It needs three pages at the least. */
		assert_true(host.user.segments[0].len >= 3 * PAGE);
		host.user.segments[0].len = page_cnt < 3 ? page_cnt * PAGE : host.user.segments[0].len;
		while (stop == PPROFD_STOP_NONE) {
			assert_int_equal(walk->pc, recorded.frames[j].pc);
			stop = walk_step(walk, &recorded.frames[j++].rule);
		}
		assert_int_equal(stop, page_cnt < 3 ? PPROFD_STOP_READ_FAULT : PPROFD_STOP_COMPLETE);
		assert_true(j >= last_cut);
		last_cut = j;
	}
	assert_int_equal(last_cut, recorded.frame_cnt);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(walk_step__walks_recorded_stacks_as_gdb_does),
		cmocka_unit_test(walk_step__cuts_a_stack_at_memory_that_is_not_there),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

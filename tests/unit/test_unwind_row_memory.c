/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/row_memory.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "fake_maps.h"

#define CHUNK PPROFD_CHUNK_WORDS
#define CHUNK_BYTES ((size_t)CHUNK * sizeof(uint32_t))
#define LINE 16u

static struct fake_maps fake;
static struct row_memory memory;

static void init(size_t chunk_max)
{
	fake_maps_init(&fake);
	row_memory_init(&memory, &fake.maps, chunk_max * CHUNK_BYTES);
}

static int teardown(void **state)
{
	(void)state;
	row_memory_fini(&memory);
	fake_maps_fini(&fake);
	return 0;
}

static struct row_extent alloc(size_t word_cnt)
{
	struct row_extent extent;

	assert_int_equal(row_memory_alloc(&memory, word_cnt, &extent), 0);
	return extent;
}

static void row_memory_alloc__gives_whole_lines_of_one_chunk(void **state)
{
	static const size_t sizes[] = { 0, 1, 15, 16, 17, 144, 145, 4096, 100000, CHUNK / 2, CHUNK - LINE };

	(void)state;
	init(8);
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		struct row_extent extent = alloc(sizes[i]);

		assert_true(extent.word_cnt >= sizes[i]);
		assert_true(extent.word_cnt < sizes[i] + LINE + 1);
		assert_true(extent.word_cnt > 0);
		assert_int_equal(extent.ref % LINE, 0);
		assert_int_equal(extent.ref >> PPROFD_CHUNK_BITS,
				 (extent.ref + extent.word_cnt - 1) >> PPROFD_CHUNK_BITS);
	}
}

static void row_memory_alloc__never_gives_reference_0(void **state)
{
	(void)state;
	init(1);
	for (size_t left = CHUNK / LINE - 1; left > 0; left--)
		assert_int_not_equal(alloc(1).ref, 0);
	assert_int_equal(row_memory_count_free(&memory), 0);
}

static void row_memory_alloc__refuses_what_no_chunk_holds(void **state)
{
	struct row_extent extent = { 0 };

	(void)state;
	init(4);
	assert_int_equal(row_memory_alloc(&memory, CHUNK - LINE + 1, &extent), -E2BIG);
	assert_int_equal(row_memory_alloc(&memory, SIZE_MAX, &extent), -E2BIG);
	assert_int_equal(fake.maps.chunk_cnt, 0);
}

static void row_memory_alloc__adds_chunks_up_to_the_bound(void **state)
{
	struct row_extent extent;

	(void)state;
	init(3);
	for (size_t i = 0; i < 3; i++) {
		alloc(CHUNK - LINE);
		assert_int_equal(fake.maps.chunk_cnt, i + 1);
	}
	assert_int_equal(row_memory_alloc(&memory, 2 * LINE, &extent), -ENOSPC);
	/* Chunks but the first have a line more to give. */
	alloc(1);
	alloc(1);
	assert_int_equal(row_memory_alloc(&memory, 1, &extent), -ENOSPC);
	assert_int_equal(fake.maps.chunk_cnt, 3);
}

static void row_memory_init__has_one_chunk_at_the_least(void **state)
{
	(void)state;
	init(0);
	alloc(1);
	assert_int_equal(fake.maps.chunk_cnt, 1);
	assert_int_equal(memory.chunk_max, 1);
}

static void row_memory_alloc__says_why_there_is_no_chunk(void **state)
{
	struct row_extent extent;

	(void)state;
	init(2);
	fake.add_chunks_error = -EPERM;
	assert_int_equal(row_memory_alloc(&memory, 1, &extent), -EPERM);
	assert_int_equal(row_memory_reserve(&memory, 1), -EPERM);
	fake.add_chunks_error = 0;
	alloc(1);
}

static void row_memory_alloc__takes_the_first_that_fits(void **state)
{
	struct row_extent blocks[5];

	(void)state;
	init(1);
	for (size_t i = 0; i < ARRAY_LEN(blocks); i++)
		blocks[i] = alloc((i + 1) * 10 * LINE);
	row_memory_release(&memory, blocks[1]);
	row_memory_release(&memory, blocks[3]);
	assert_int_equal(alloc(30 * LINE).ref, blocks[3].ref);
	assert_int_equal(alloc(15 * LINE).ref, blocks[1].ref);
	/* What is left of the block that was taken from. */
	assert_int_equal(alloc(5 * LINE).ref, blocks[1].ref + 15 * LINE);
}

static void row_memory_release__merges_with_its_neighbours(void **state)
{
	/* In which order four blocks that touch are given back. */
	static const size_t orders[][4] = {
		{ 0, 1, 2, 3 }, { 3, 2, 1, 0 }, { 0, 2, 1, 3 }, { 1, 3, 2, 0 }, { 0, 3, 1, 2 }, { 2, 0, 3, 1 },
	};

	(void)state;
	init(1);
	for (size_t i = 0; i < ARRAY_LEN(orders); i++) {
		struct row_extent blocks[4];

		for (size_t k = 0; k < 4; k++)
			blocks[k] = alloc((CHUNK - LINE) / 4 / LINE * LINE);
		for (size_t k = 0; k < 4; k++)
			row_memory_release(&memory, blocks[orders[i][k]]);
		assert_int_equal(memory.free_cnt, 1);
		assert_int_equal(memory.used_words, 0);
	}
	assert_int_equal(alloc(CHUNK - LINE).ref, LINE);
}

static void row_memory_release__does_not_merge_across_chunks(void **state)
{
	struct row_extent first, second, extent;

	(void)state;
	init(2);
	first = alloc(CHUNK - LINE);
	second = alloc(CHUNK - LINE);
	row_memory_release(&memory, second);
	row_memory_release(&memory, first);
	assert_int_equal(memory.free_cnt, 2);
	assert_int_equal(row_memory_count_free(&memory), 2 * CHUNK - LINE);
	assert_int_equal(row_memory_alloc(&memory, CHUNK + LINE, &extent), -E2BIG);
	assert_int_equal(alloc(CHUNK - LINE).ref >> PPROFD_CHUNK_BITS, 0);
	assert_int_equal(alloc(CHUNK - LINE).ref >> PPROFD_CHUNK_BITS, 1);
}

static void row_memory_reserve__adds_as_many_chunks_as_it_takes_at_once(void **state)
{
	static const struct {
		size_t word_cnt, expected_chunks;
	} cases[] = {
		{ 0, 0 },           { 1, 1 },         { CHUNK - LINE, 1 },
		{ CHUNK, 2 },       { 4 * CHUNK, 5 }, { 100 * CHUNK, 6 } /* the bound */,
		{ 100 * CHUNK, 6 },
	};

	(void)state;
	init(6);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_int_equal(row_memory_reserve(&memory, cases[i].word_cnt), 0);
		assert_int_equal(fake.maps.chunk_cnt, cases[i].expected_chunks);
	}
	assert_int_equal(memory.used_words, 0);
}

static void row_memory_open__maps_the_words_of_the_block(void **state)
{
	struct row_extent first, second;
	uint32_t *words;

	(void)state;
	init(2);
	first = alloc(CHUNK - LINE);
	second = alloc(32);
	assert_int_equal(fake_maps_open_cnt(&fake), 0);
	assert_int_equal(row_memory_open(&memory, first, &words), 0);
	assert_ptr_equal(words, fake.chunks[0] + LINE);
	assert_int_equal(row_memory_open(&memory, second, &words), 0);
	assert_ptr_equal(words, fake.chunks[1]);
	assert_int_equal(fake_maps_open_cnt(&fake), 2);
	fake.open_chunk_error = -ENOMEM;
	assert_int_equal(row_memory_open(&memory, second, &words), -ENOMEM);
	maps_close_chunks(&fake.maps);
}

/* ---- against a map of who owns each line ---- */

#define BLOCK_CNT 300
#define MODEL_CHUNKS 3

static uint32_t random_state = 1;

static uint32_t random_next(uint32_t bound)
{
	random_state = random_state * 1664525 + 1013904223;
	return (random_state >> 8) % bound;
}

static void model_mark(bool *owned, struct row_extent extent, bool owner)
{
	for (uint32_t i = extent.ref / LINE; i < (extent.ref + extent.word_cnt) / LINE; i++) {
		assert_int_not_equal(owned[i], owner);
		owned[i] = owner;
	}
}

/* Free extents ascend, do not touch, and are what nobody owns. */
static void model_check(const bool *owned)
{
	size_t free_words = 0, owned_words = 0;

	for (size_t i = 0; i < memory.free_cnt; i++) {
		const struct row_extent *extent = &memory.free[i];

		assert_true(extent->word_cnt > 0);
		if (i > 0 && extent->ref % CHUNK != 0)
			assert_true(extent[-1].ref + extent[-1].word_cnt < extent->ref);
		for (uint32_t k = 0; k < extent->word_cnt; k += LINE)
			assert_false(owned[(extent->ref + k) / LINE]);
		free_words += extent->word_cnt;
	}
	for (size_t i = 0; i < MODEL_CHUNKS * CHUNK / LINE; i++)
		owned_words += owned[i] ? LINE : 0;
	assert_int_equal(memory.used_words, owned_words);
	if (fake.maps.chunk_cnt)
		assert_int_equal(free_words + owned_words, fake.maps.chunk_cnt * CHUNK - LINE);
}

static void row_memory__never_gives_what_is_given(void **state)
{
	static bool owned[MODEL_CHUNKS * CHUNK / LINE];
	struct row_extent blocks[BLOCK_CNT] = { 0 };
	size_t full_cnt = 0;

	(void)state;
	init(MODEL_CHUNKS);
	for (int i = 0; i < 20000; i++) {
		struct row_extent *block = &blocks[random_next(BLOCK_CNT)];

		if (block->word_cnt) {
			model_mark(owned, *block, false);
			row_memory_release(&memory, *block);
			block->word_cnt = 0;
		} else if (row_memory_alloc(&memory, 1 + random_next(1u << (2 + random_next(15))), block) == 0) {
			model_mark(owned, *block, true);
		} else {
			full_cnt++;
		}
		if (i % 500 == 0)
			model_check(owned);
	}
	assert_true(full_cnt > 0);
	for (size_t i = 0; i < BLOCK_CNT; i++) {
		if (blocks[i].word_cnt)
			row_memory_release(&memory, blocks[i]);
	}
	assert_int_equal(memory.free_cnt, MODEL_CHUNKS);
	assert_int_equal(memory.used_words, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
	const struct CMUnitTest tests[] = {
		TEST(row_memory_alloc__gives_whole_lines_of_one_chunk),
		TEST(row_memory_alloc__never_gives_reference_0),
		TEST(row_memory_alloc__refuses_what_no_chunk_holds),
		TEST(row_memory_alloc__adds_chunks_up_to_the_bound),
		TEST(row_memory_init__has_one_chunk_at_the_least),
		TEST(row_memory_alloc__says_why_there_is_no_chunk),
		TEST(row_memory_alloc__takes_the_first_that_fits),
		TEST(row_memory_release__merges_with_its_neighbours),
		TEST(row_memory_release__does_not_merge_across_chunks),
		TEST(row_memory_reserve__adds_as_many_chunks_as_it_takes_at_once),
		TEST(row_memory_open__maps_the_words_of_the_block),
		TEST(row_memory__never_gives_what_is_given),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}

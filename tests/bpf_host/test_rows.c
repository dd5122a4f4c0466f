/* SPDX-License-Identifier: GPL-2.0-only */
/* row_find() on pages that src/unwind/ has packed: both sides of one layout. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <pprofd/abi.h>

#include "base/cleanup.h"
#include "unwind/row_page.h"

#include "vmlinux.h"

#include "rows.bpf.h"
#include "random.h"

#define PAGE_SIZE_OFF (1u << PPROFD_PAGE_BITS)
#define PAGE_NUMBER 3u
#define PAGE_START ((uint64_t)PAGE_NUMBER << PPROFD_PAGE_BITS)

/* The rows of one test: those before the page, in it, and one behind it. */
struct rows {
	uint64_t words[PAGE_SIZE_OFF + 2];
	struct unwind_table table;
};

static void rows_add(struct rows *rows, uint64_t off, uint16_t rule)
{
	assert_true(rows->table.row_cnt < ARRAY_LEN(rows->words));
	rows->words[rows->table.row_cnt++] = UNWIND_ROW(off, rule);
}

static void *must_alloc(size_t len)
{
	void *memory = calloc(1, len);

	assert_non_null(memory);
	return memory;
}

/* One row leads into the page, as if a function began before it; one lies behind it. */
static struct rows *rows_new(void)
{
	struct rows *rows = must_alloc(sizeof(*rows));

	rows->table.rows = rows->words;
	rows_add(rows, PAGE_START - 100, 9);
	return rows;
}

/* Asks for every offset of the page, packed at `word` of a chunk. */
static void rows_check(struct rows *rows, uint32_t word)
{
	_cleanup_(freep) struct row_chunk *chunk = must_alloc(sizeof(*chunk));
	uint32_t packed;
	size_t row = 0;

	rows_add(rows, PAGE_START + PAGE_SIZE_OFF, 11);
	packed = (uint32_t)row_page_word_cnt(&rows->table, PAGE_NUMBER);
	/* What is not the page's own is as wrong as can be. */
	memset(chunk, 0xff, sizeof(*chunk));
	assert_in_range(packed, PPROFD_BUCKET_WORDS + 1, PPROFD_CHUNK_WORDS - word);
	row_page_pack(&rows->table, PAGE_NUMBER, chunk->words + word);
	for (uint32_t pc16 = 0; pc16 < PAGE_SIZE_OFF; pc16++) {
		while (row + 1 < rows->table.row_cnt && UNWIND_ROW_OFF(rows->words[row + 1]) <= PAGE_START + pc16)
			row++;
		assert_int_equal(row_find(chunk, 5u << PPROFD_CHUNK_BITS | word, pc16),
				 UNWIND_ROW_RULE(rows->words[row]));
	}
}

/* Rows at random places, `gap` bytes apart in the middle. */
static void rows_add_random(struct rows *rows, uint64_t gap, uint64_t *seed)
{
	for (uint64_t off = random_below(seed, gap); off < PAGE_SIZE_OFF; off += 1 + random_below(seed, 2 * gap))
		rows_add(rows, PAGE_START + off, (uint16_t)random_below(seed, PPROFD_RULES_MAX));
}

static void row_find__picks_the_last_row_at_or_below_pc(void **state)
{
	static const uint64_t gaps[] = { 2, 3, 8, 40, 255, 256, 257, 3000, 60000 };
	uint64_t seed = 1;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(gaps) * 3; i++) {
		_cleanup_(freep) struct rows *rows = rows_new();

		rows_add_random(rows, gaps[i % ARRAY_LEN(gaps)], &seed);
		rows_check(rows, 16 * (uint32_t)random_below(&seed, 1000));
	}
}

/* 256 rows in one bucket are what the bounded search has to manage. */
static void row_find__manages_a_row_for_every_byte_of_a_bucket(void **state)
{
	static const uint32_t buckets[] = { 0, 1, 2, 100, 254, 255 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(buckets); i++) {
		_cleanup_(freep) struct rows *rows = rows_new();

		for (uint32_t byte = 0; byte < 256; byte++)
			rows_add(rows, PAGE_START + buckets[i] * 256 + byte, (uint16_t)(byte * 7 + 1));
		rows_check(rows, 16);
	}
}

static void row_find__manages_as_many_rows_as_a_page_may_have(void **state)
{
	_cleanup_(freep) struct rows *rows = rows_new();

	(void)state;
	for (uint32_t i = 0; i < PPROFD_PAGE_ROWS_MAX - 1; i++)
		rows_add(rows, PAGE_START + 1 + 2 * (uint64_t)i, (uint16_t)(i % PPROFD_RULES_MAX));
	rows_check(rows, 16);
}

static void row_find__goes_by_the_row_that_leads_into_a_page(void **state)
{
	static const uint64_t firsts[] = { 0, 1, 255, 256, 257, 511, 512, 65535 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(firsts); i++) {
		_cleanup_(freep) struct rows *rows = rows_new();

		rows_add(rows, PAGE_START + firsts[i], 77);
		rows_check(rows, 32);
	}
}

static void row_find__works_up_to_the_last_word_of_a_chunk(void **state)
{
	_cleanup_(freep) struct rows *rows = rows_new();
	uint32_t words;

	(void)state;
	for (uint32_t i = 1; i < 1000; i++)
		rows_add(rows, PAGE_START + i * 64, (uint16_t)i);
	/* With the row that leads in. */
	words = PPROFD_BUCKET_WORDS + 1000;
	rows_check(rows, (PPROFD_CHUNK_WORDS - words) & ~15u);
}

/* User space is trusted, and yet nothing it writes may make the kernel side read elsewhere. */
static void row_find__stays_in_its_chunk_whatever_it_holds(void **state)
{
	_cleanup_(freep) struct row_chunk *chunk = must_alloc(sizeof(*chunk));
	uint64_t seed = 2;

	(void)state;
	for (size_t i = 0; i < PPROFD_CHUNK_WORDS; i++)
		chunk->words[i] = (uint32_t)random_next(&seed);
	for (int i = 0; i < 200000; i++) {
		struct pprofd_rule rule;
		uint32_t number =
			row_find(chunk, (uint32_t)random_next(&seed), (uint32_t)random_below(&seed, PAGE_SIZE_OFF));

		assert_in_range(number, 0, 0xffff);
		row_rule(chunk, (uint32_t)random_next(&seed), number, &rule);
	}
}

static void row_rule__copies_the_rule_of_that_number(void **state)
{
	static const uint32_t words[] = { 16, 4096, PPROFD_CHUNK_WORDS - 4 * 500 };
	_cleanup_(freep) struct row_chunk *chunk = must_alloc(sizeof(*chunk));
	struct pprofd_rule rules[500], found;
	uint64_t seed = 3;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		for (size_t j = 0; j < sizeof(rules); j++)
			((unsigned char *)rules)[j] = (unsigned char)random_next(&seed);
		memcpy(chunk->words + words[i], rules, sizeof(rules));
		for (uint32_t number = 0; number < ARRAY_LEN(rules); number++) {
			row_rule(chunk, 7u << PPROFD_CHUNK_BITS | words[i], number, &found);
			assert_memory_equal(&found, &rules[number], sizeof(found));
		}
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(row_find__picks_the_last_row_at_or_below_pc),
		cmocka_unit_test(row_find__manages_a_row_for_every_byte_of_a_bucket),
		cmocka_unit_test(row_find__manages_as_many_rows_as_a_page_may_have),
		cmocka_unit_test(row_find__goes_by_the_row_that_leads_into_a_page),
		cmocka_unit_test(row_find__works_up_to_the_last_word_of_a_chunk),
		cmocka_unit_test(row_find__stays_in_its_chunk_whatever_it_holds),
		cmocka_unit_test(row_rule__copies_the_rule_of_that_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

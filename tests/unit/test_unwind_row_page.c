/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/row_page.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define PAGE (1u << PPROFD_PAGE_BITS)
#define RULES 8
/* What a page must not be written beyond. */
#define GUARD 0xdeadbeef

struct rows {
	struct unwind_table table;
	struct pprofd_rule rules[RULES];
};

static void rows_init(struct rows *rows)
{
	*rows = (struct rows){ .table = { .rule_cnt = RULES } };
	for (size_t i = 0; i < RULES; i++)
		rows->rules[i] = (struct pprofd_rule){ .cfa = PPROFD_CFA_REG, .off = (int32_t)i };
	rows->table.rules = rows->rules;
}

static void rows_fini(struct rows *rows)
{
	free(rows->table.rows);
}

static void rows_add(struct rows *rows, uint64_t off, uint16_t rule)
{
	struct unwind_table *table = &rows->table;

	table->rows = realloc(table->rows, (table->row_cnt + 1) * sizeof(*table->rows));
	assert_non_null(table->rows);
	table->rows[table->row_cnt++] = UNWIND_ROW(off, rule);
}

/* The rule of `pc16` by the words of abi.h: the index says between which rows, the last at or below is it. */
static uint32_t page_find(const uint32_t *words, uint32_t pc16)
{
	const uint32_t *rows = words + PPROFD_BUCKET_WORDS;
	uint32_t bucket = pc16 >> PPROFD_BUCKET_BITS;
	uint32_t from = words[bucket / 2] >> (bucket % 2 * 16) & 0xffff;
	uint32_t to = words[(bucket + 1) / 2] >> ((bucket + 1) % 2 * 16) & 0xffff;

	assert_true(from <= to);
	assert_true(to - from < 1u << PPROFD_BUCKET_SEARCH_STEPS);
	while (to > from && rows[to] >> 16 > pc16)
		to--;
	return rows[to] & 0xffff;
}

/* Packs every page and asks it for every offset that the table can answer for. */
static void check_pages(const struct unwind_table *table)
{
	uint32_t first, cnt;

	unwind_table_page_range(table, &first, &cnt);
	for (uint32_t page = first; page < first + cnt; page++) {
		size_t word_cnt = row_page_word_cnt(table, page);
		uint32_t *words = calloc(word_cnt + 1, sizeof(*words));

		assert_non_null(words);
		assert_true(word_cnt > PPROFD_BUCKET_WORDS);
		words[word_cnt] = GUARD;
		row_page_pack(table, page, words);
		assert_int_equal(words[word_cnt], GUARD);
		assert_int_equal(words[PPROFD_BUCKET_WORDS] >> 16, 0);
		for (uint32_t pc16 = 0; pc16 < PAGE; pc16++) {
			const struct pprofd_rule *rule = unwind_table_find(table, (uint64_t)page * PAGE + pc16);

			if (rule)
				assert_int_equal(page_find(words, pc16), rule - table->rules);
		}
		free(words);
	}
	assert_int_equal(row_page_word_cnt(table, first + cnt), 0);
	if (first > 0)
		assert_int_equal(row_page_word_cnt(table, first - 1), 0);
}

static void row_page_pack__answers_as_the_table_does(void **state)
{
	static const struct {
		uint64_t offs[8];
		size_t cnt;
		uint32_t first, page_cnt;
	} cases[] = {
		{ { 0 }, 1, 0, 1 },
		{ { PAGE - 1 }, 1, 0, 1 },
		{ { PAGE }, 1, 1, 1 },
		{ { 0x1000, 0x1001, 0x10ff, 0x1100, 0x1101, 0xffff }, 6, 0, 1 },
		{ { 0x1000, PAGE, 2 * PAGE + 5 }, 3, 0, 3 },
		{ { 0x1000, 5 * PAGE + 5 }, 2, 0, 6 }, /* pages without rows of their own */
		{ { 3 * PAGE + 7, 3 * PAGE + 256, 4 * PAGE }, 3, 3, 2 },
		{ { 0xffff0000, 0xffffffff }, 2, 0xffff, 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(rows_fini) struct rows rows;
		uint32_t first, cnt;

		rows_init(&rows);
		for (size_t j = 0; j < cases[i].cnt; j++)
			rows_add(&rows, cases[i].offs[j], (uint16_t)(j % RULES));
		unwind_table_page_range(&rows.table, &first, &cnt);
		assert_int_equal(first, cases[i].first);
		assert_int_equal(cnt, cases[i].page_cnt);
		check_pages(&rows.table);
	}
}

static void row_page_pack__answers_at_any_density(void **state)
{
	/* The largest distance between rows; 1 fills every bucket. */
	static const uint32_t distances[] = { 1, 2, 7, 300, 5000, 100000 };
	uint64_t seed = 4711;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(distances); i++) {
		_cleanup_(rows_fini) struct rows rows;
		uint64_t off = 0x8765;

		rows_init(&rows);
		while (off < 4 * PAGE && rows.table.row_cnt < PPROFD_PAGE_ROWS_MAX) {
			rows_add(&rows, off, (uint16_t)(rows.table.row_cnt % RULES));
			seed = seed * 6364136223846793005u + 1442695040888963407u;
			off += 1 + (seed >> 33) % distances[i];
		}
		check_pages(&rows.table);
	}
}

static void row_page_word_cnt__counts_the_row_that_leads_in(void **state)
{
	_cleanup_(rows_fini) struct rows rows;

	(void)state;
	rows_init(&rows);
	rows_add(&rows, 0, 0);
	rows_add(&rows, 0x10, 1);
	rows_add(&rows, PAGE + 0x10, 2);
	rows_add(&rows, 3 * PAGE, 3);
	assert_int_equal(row_page_word_cnt(&rows.table, 0), PPROFD_BUCKET_WORDS + 2);
	assert_int_equal(row_page_word_cnt(&rows.table, 1), PPROFD_BUCKET_WORDS + 2);
	assert_int_equal(row_page_word_cnt(&rows.table, 2), PPROFD_BUCKET_WORDS + 1);
	assert_int_equal(row_page_word_cnt(&rows.table, 3), PPROFD_BUCKET_WORDS + 1);
	assert_int_equal(row_page_word_cnt(&rows.table, 4), 0);
}

static void unwind_table_page_range__is_empty_without_rows(void **state)
{
	_cleanup_(rows_fini) struct rows rows;
	uint32_t first = 7, cnt = 7;

	(void)state;
	rows_init(&rows);
	unwind_table_page_range(&rows.table, &first, &cnt);
	assert_int_equal(cnt, 0);
	assert_int_equal(row_page_word_cnt(&rows.table, 0), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(row_page_pack__answers_as_the_table_does),
		cmocka_unit_test(row_page_pack__answers_at_any_density),
		cmocka_unit_test(row_page_word_cnt__counts_the_row_that_leads_in),
		cmocka_unit_test(unwind_table_page_range__is_empty_without_rows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

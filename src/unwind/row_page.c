/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/row_page.h"

#include <assert.h>
#include <string.h>

#define ROW_PAGE_MASK ((1u << PPROFD_PAGE_BITS) - 1)

/* The rows of a page: `first` <= i < `end` of the table, after the one that leads in, if any. */
struct row_page {
	size_t first, end;
	bool has_lead_in;
	uint16_t lead_in; /* its rule */
};

/* The first row at or above `off`. */
static size_t row_page_search(const struct unwind_table *table, uint64_t off)
{
	size_t low = 0, high = table->row_cnt;

	while (low < high) {
		size_t middle = low + (high - low) / 2;

		if (UNWIND_ROW_OFF(table->rows[middle]) < off)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static struct row_page row_page_find(const struct unwind_table *table, uint32_t page)
{
	uint64_t start = (uint64_t)page << PPROFD_PAGE_BITS;
	struct row_page found = {
		.first = row_page_search(table, start),
		.end = row_page_search(table, start + (1u << PPROFD_PAGE_BITS)),
	};

	found.has_lead_in = found.first == found.end || UNWIND_ROW_OFF(table->rows[found.first]) != start;
	if (found.has_lead_in) {
		/* Nothing leads into the first page: there is no code below its first row, any rule will do. */
		size_t lead = found.first ? found.first - 1 : 0;

		found.lead_in = UNWIND_ROW_RULE(table->rows[lead]);
	}
	return found;
}

void unwind_table_page_range(const struct unwind_table *table, uint32_t *ret_first, uint32_t *ret_cnt)
{
	*ret_first = *ret_cnt = 0;
	if (!table->row_cnt)
		return;
	*ret_first = (uint32_t)(UNWIND_ROW_OFF(table->rows[0]) >> PPROFD_PAGE_BITS);
	*ret_cnt = (uint32_t)(UNWIND_ROW_OFF(table->rows[table->row_cnt - 1]) >> PPROFD_PAGE_BITS) - *ret_first + 1;
}

size_t row_page_word_cnt(const struct unwind_table *table, uint32_t page)
{
	struct row_page found;
	uint32_t first, cnt;

	unwind_table_page_range(table, &first, &cnt);
	if (page < first || page - first >= cnt)
		return 0;
	found = row_page_find(table, page);
	return PPROFD_BUCKET_WORDS + found.has_lead_in + (found.end - found.first);
}

/* Entry b is the last row at or below b << PPROFD_BUCKET_BITS; the one behind all buckets is the last row. */
static void row_page_index(uint32_t *words, const uint32_t *rows, size_t row_cnt)
{
	size_t row = 0;

	memset(words, 0, PPROFD_BUCKET_WORDS * sizeof(*words));
	for (uint32_t bucket = 0; bucket <= PPROFD_BUCKETS_PER_PAGE; bucket++) {
		while (row + 1 < row_cnt && rows[row + 1] >> 16 <= bucket << PPROFD_BUCKET_BITS)
			row++;
		words[bucket / 2] |= (uint32_t)row << (bucket % 2 * 16);
	}
}

void row_page_pack(const struct unwind_table *table, uint32_t page, uint32_t *words)
{
	struct row_page found = row_page_find(table, page);
	uint32_t *rows = words + PPROFD_BUCKET_WORDS;
	size_t row_cnt = 0;

	if (found.has_lead_in)
		rows[row_cnt++] = found.lead_in;
	for (size_t i = found.first; i < found.end; i++) {
		uint64_t row = table->rows[i];

		rows[row_cnt++] = (uint32_t)(UNWIND_ROW_OFF(row) & ROW_PAGE_MASK) << 16 | UNWIND_ROW_RULE(row);
	}
	assert(row_cnt <= PPROFD_PAGE_ROWS_MAX);
	row_page_index(words, rows, row_cnt);
}

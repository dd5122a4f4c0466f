/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Packs rows into the pages of row memory that the kernel side searches; the layout is abi.h's.
 * Pages are numbered by file offset >> PPROFD_PAGE_BITS.
 *
 * 1. For every offset from the table's first row to the end of its last page, the packed page answers
 *    what unwind_table_find() answers.
 *
 * Any thread.
 */
#ifndef PPROFD_UNWIND_ROW_PAGE_H
#define PPROFD_UNWIND_ROW_PAGE_H

#include "unwind/unwind_table.h"

/* The pages from that of the first row to that of the last. *ret_cnt is 0 for a table without rows. */
void unwind_table_page_range(const struct unwind_table *table, uint32_t *ret_first, uint32_t *ret_cnt);

/* Words that the page takes; 0 outside the range: it has no rows, none lead into it, or none lead out. */
size_t row_page_word_cnt(const struct unwind_table *table, uint32_t page);

/* Writes the row_page_word_cnt() words of the page. */
void row_page_pack(const struct unwind_table *table, uint32_t page, uint32_t *words);

#endif

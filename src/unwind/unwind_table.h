/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The unwind rows of one executable, made from .eh_frame and .debug_frame (DWARF 5, 6.4; LSB 5.0,
 * 10.6; x86-64 psABI, 4.2.4).
 *
 * 1. Row i covers row_off(i) <= off < row_off(i + 1), file offsets; rows ascend strictly by off.
 * 2. Neighbouring rows have different rules. Code between two FDEs has the rule "frame pointer", but
 *    for padding that aligns the second one and for less than 16 bytes of code, which the row before
 *    covers, and for an entry point ("end") and PLTs without unwind information. The last row, behind all code,
 *    is "frame pointer".
 * 3. Rules are held once; rule numbers are below PPROFD_RULES_MAX.
 * 4. A file of n FDEs costs O(n log n) at the worst; what a hostile file can make it do is bounded by
 *    the size of its unwind information.
 *
 * Any thread; one at a time per object.
 *
 * A row is one word: off << 16 | rule.
 */
#ifndef PPROFD_UNWIND_UNWIND_TABLE_H
#define PPROFD_UNWIND_UNWIND_TABLE_H

#include <pprofd/abi.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "target/object.h"

struct unwind_table {
	uint64_t *rows;
	size_t row_cnt, row_cap;
	struct pprofd_rule *rules;
	size_t rule_cnt, rule_cap;
	struct hashmap rule_index;    /* hash of a rule -> its number; while building */
	uint64_t unsupported_row_cnt; /* rows whose rule could not be expressed */
};

#define UNWIND_ROW(off, rule) ((uint64_t)(off) << 16 | (rule))
#define UNWIND_ROW_OFF(row) ((row) >> 16)
#define UNWIND_ROW_RULE(row) ((uint16_t)(row))

/* Rows of one executable at the most: 64 MiB of row memory. */
#define UNWIND_ROWS_MAX (16u << 20)

/*
 * Builds the rows of `object` (borrowed).
 * On success *ret is the caller's; release it with unwind_table_free().
 *
 * Returns 0, -ENODATA when neither .eh_frame nor .debug_frame tells of any code, -EBADMSG when what it
 * has is malformed, -E2BIG past UNWIND_ROWS_MAX, PPROFD_RULES_MAX or PPROFD_PAGE_ROWS_MAX, or -ENOMEM.
 * A single malformed FDE is not an error: the rows it does not give are unsupported.
 */
_must_check_ int unwind_table_new(const struct object *object, struct unwind_table **ret);
void unwind_table_free(struct unwind_table *table);
DEFINE_CLEANUP(struct unwind_table, unwind_table_free);

/* The rule that covers `off`; NULL below the first row. Borrowed. */
const struct pprofd_rule *unwind_table_find(const struct unwind_table *table, uint64_t off);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where functions begin, from the unwind information's search table (Linux Standard Base Core
 * Specification, "DWARF Extensions", .eh_frame_hdr): stripped files keep it. The frames of a function
 * that has no name can so be told to be one function's.
 *
 * One thread at a time per object.
 */
#ifndef PPROFD_SYMBOLIZE_FUNCTION_TABLE_H
#define PPROFD_SYMBOLIZE_FUNCTION_TABLE_H

#include <stdint.h>

#include "base/cleanup.h"
#include "target/object.h"

struct function_table {
	const struct object *object;
	uint64_t elfva; /* of the header */
	uint64_t off;   /* in the file */
	uint32_t cnt;   /* functions */
};

/* Borrows `object`. Returns 0, or -ENODATA when there is no such table or it is of another form than linkers write. */
_must_check_ int function_table_init(struct function_table *table, const struct object *object);

/* The start of the function that holds `elfva`. Returns 0, or -ENODATA when none does. */
_must_check_ int function_table_find(const struct function_table *table, uint64_t elfva, uint64_t *ret);

#endif

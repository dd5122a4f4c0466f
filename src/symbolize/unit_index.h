/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Which compilation unit an address belongs to (DWARF 5, 6.1.2 and 3.1.1).
 *
 * 1. Ranges ascend by their start. Compilers that write .debug_aranges write it for all their units; the
 *    units of the others are asked for their own ranges.
 *
 * One thread at a time.
 */
#ifndef PPROFD_SYMBOLIZE_UNIT_INDEX_H
#define PPROFD_SYMBOLIZE_UNIT_INDEX_H

#include <elfutils/libdw.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

#define UNIT_NONE UINT64_MAX

struct unit_range {
	uint64_t start;
	uint64_t end;
	uint64_t unit; /* offset of the unit's DIE in .debug_info */
};

/* All zero is empty. */
struct unit_index {
	struct unit_range *ranges;
	size_t cnt, cap;
};

void unit_index_fini(struct unit_index *index);

/* Reads the ranges of all units of `dwarf`. Returns 0 or -ENOMEM. */
_must_check_ int unit_index_init(struct unit_index *index, Dwarf *dwarf);

/* The offset of the unit's DIE; UNIT_NONE when no unit has the address. */
uint64_t unit_index_find(const struct unit_index *index, uint64_t elfva);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Functions, inlined calls, files and lines of one compilation unit (DWARF 5, 3.3 and 6.2).
 *
 * 1. The unit's tree is walked once for all addresses asked about; what has no code at any of them
 *    is passed over.
 * 2. The lines of an answer run from the innermost function outwards; each but the first is where
 *    the one before it was inlined. Chains longer than SYMBOL_CHAIN_MAX lose their middle.
 *
 * One thread at a time per Dwarf handle.
 */
#ifndef PPROFD_SYMBOLIZE_UNIT_H
#define PPROFD_SYMBOLIZE_UNIT_H

#include <elfutils/libdw.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "symbolize/symbolizer.h"

/*
 * Of a line, `name` is what the source calls the function; NULL when debug info has no function there.
 * `system_name` is what the linker calls it; NULL when debug info does not say.
 */
struct unit_answer {
	struct symbol_line *lines;
	size_t line_cnt;
};

/*
 * Answers `elfvas` (ascending) from the unit of `die`, the unit's own DIE. Lines and strings are of
 * `arena`. Answers without debug info are left as they are. Returns 0 or -ENOMEM.
 */
_must_check_ int unit_resolve(Dwarf_Die *die, const uint64_t *elfvas, size_t elfva_cnt, struct arena *arena,
			      struct unit_answer *ret);

#endif

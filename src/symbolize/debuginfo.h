/* SPDX-License-Identifier: Apache-2.0 */
/*
 * DWARF of one file: addresses -> functions, inlined calls, files and lines.
 *
 * 1. Only the units that have an address asked about are read, each once; all memory is given back
 *    before debuginfo_resolve() returns.
 * 2. A file of the target is read into memory, not mapped: whoever truncates it would kill us. Files below the
 *    debug roots are the administrator's and are mapped, but for what is compressed. What would take more than
 *    DEBUGINFO_READ_MAX of memory has no debug info for us.
 *
 * One thread at a time.
 */
#ifndef PPROFD_SYMBOLIZE_DEBUGINFO_H
#define PPROFD_SYMBOLIZE_DEBUGINFO_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "symbolize/unit.h"
#include "target/object.h"

#define DEBUGINFO_READ_MAX (64ull << 20)

/* True when the file has debug info itself, and not too much; `is_trusted` as below. */
bool debuginfo_is_usable(const struct object *object, bool is_trusted);

struct debuginfo_source {
	const struct object *object;
	bool is_trusted;                /* the file is below a debug root */
	const char *const *debug_roots; /* where debug info is that dwz moved into a file of its own */
};

/*
 * Answers `elfvas` (ascending). Malformed debug info answers nothing.
 * Returns 0 or -ENOMEM.
 */
_must_check_ int debuginfo_resolve(const struct debuginfo_source *source, const uint64_t *elfvas, size_t elfva_cnt,
				   struct arena *arena, struct unit_answer *ret);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The symbol tables of an ELF file (System V gABI, "Symbol Table").
 *
 * 1. A table is read once from end to end for all addresses asked about, and nothing of it is
 *    kept: a pass over node's 200,000 symbols is cheaper than the memory of a sorted table.
 * 2. A sized symbol names start <= elfva < start + size; of several that do, the one that starts
 *    last. Where there is none, an unsized symbol names what follows it up to the next symbol or
 *    the end of its section. What lies behind a sized symbol has no name.
 * 3. Of symbols with the same start: global before weak before local, functions before labels, the
 *    name with fewer leading underscores.
 *
 * One thread at a time per object.
 */
#ifndef PPROFD_SYMBOLIZE_SYMTAB_H
#define PPROFD_SYMBOLIZE_SYMTAB_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "target/object.h"

/* Names are cut there. */
#define SYMTAB_NAME_MAX (16u << 10)

/*
 * Looks up `elfvas` (ascending) in the table of type SHT_SYMTAB or SHT_DYNSYM. Sets names[i], from
 * `arena` and without "@VERSION", for those that are named; where names[i] is not NULL it is left.
 * A file without such a table names nothing. Returns 0 or -ENOMEM.
 */
_must_check_ int symtab_resolve(const struct object *object, uint32_t table_type, const uint64_t *elfvas,
				size_t elfva_cnt, struct arena *arena, const char **names);

/*
 * The name that symbol `index` of the table has. Returns 0, -ENODATA when there is none, -ENOMEM.
 */
_must_check_ int symtab_get_name(const struct object *object, uint32_t table_type, uint32_t index, struct arena *arena,
				 const char **ret);

#endif

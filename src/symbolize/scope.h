/* SPDX-License-Identifier: Apache-2.0 */
/*
 * "geo::detail::Sum::operator()" from debug info, for C++ functions that debug info gives no linkage name:
 * GCC leaves it out where nothing was linked, as for members of unnamed namespaces and lambdas.
 *
 * One thread at a time per Dwarf handle.
 */
#ifndef PPROFD_SYMBOLIZE_SCOPE_H
#define PPROFD_SYMBOLIZE_SCOPE_H

#include <elfutils/libdw.h>
#include <stdbool.h>

#include "base/strbuf.h"

/* True when names of this unit's language stand in scopes. */
bool scope_is_used(Dwarf_Die *unit);

/*
 * Appends to `buf` the scopes of `function` (a concrete, inlined or abstract one), each followed by
 * "::"; nothing when it stands in none.
 */
void scope_append(Dwarf_Die *function, struct strbuf *buf);

#endif

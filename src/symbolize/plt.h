/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entries of the procedure linkage table: "strlen@plt" (x86-64 psABI, 5.2; AArch64 PCS, "PLT").
 *
 * 1. An entry is named by the slot that it jumps through, whose relocation says the function, so
 *    that all layouts of linkers are one (.plt, .plt.sec, .plt.got; with and without endbr64, bti).
 *
 * One thread at a time per object.
 */
#ifndef PPROFD_SYMBOLIZE_PLT_H
#define PPROFD_SYMBOLIZE_PLT_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "target/object.h"

/*
 * Sets names[i], from `arena`, for those of `elfvas` that are in such an entry and have no name yet.
 * Returns 0 or -ENOMEM.
 */
_must_check_ int plt_resolve(const struct object *object, const uint64_t *elfvas, size_t elfva_cnt, struct arena *arena,
			     const char **names);

#endif

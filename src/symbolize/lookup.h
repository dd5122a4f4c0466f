/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Addresses of one file -> names, without memory of what was asked before: debug info, then the symbol
 * tables, the best that has an answer; then "file+0x1230", where the function begins.
 *
 * One thread at a time.
 */
#ifndef PPROFD_SYMBOLIZE_LOOKUP_H
#define PPROFD_SYMBOLIZE_LOOKUP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "symbolize/symbolizer.h"
#include "target/object.h"

struct lookup_options {
	enum demangle_mode demangle;
	const char *const *debug_roots; /* NULL-terminated */
	struct arena *arena;            /* of the lines and strings that are found */
	bool without_debuginfo;         /* it would take too long now: symbol tables alone */
};

/*
 * Sets ret[i] for elfvas[i] (ascending). *ret_is_final is false when debug info was there and was left out.
 * Returns 0 or -ENOMEM.
 */
_must_check_ int lookup_resolve(const struct lookup_options *options, const struct object *object,
				const uint64_t *elfvas, size_t elfva_cnt, struct symbol *ret, bool *ret_is_final);

#endif

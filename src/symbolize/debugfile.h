/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Debug info that was split off its file (GDB manual, "Debugging Information in Separate Files").
 *
 * 1. What is found belongs to the file: the build ids are equal, or, where one has none, the
 *    checksum that the debuglink names.
 *
 * One thread at a time.
 */
#ifndef PPROFD_SYMBOLIZE_DEBUGFILE_H
#define PPROFD_SYMBOLIZE_DEBUGFILE_H

#include "base/cleanup.h"
#include "target/object.h"

/* Debug files without build id that are larger are not checksummed, and so not used. */
#define DEBUGFILE_CHECKED_MAX (256u << 20)

/*
 * Looks for the debug file of `object` below `roots` (NULL-terminated) by build id, then where its
 * .gnu_debuglink says: beside it, in .debug/, below the roots. *ret is the caller's; object_free().
 * Returns 0, -ENODATA when there is none, -ENOMEM.
 */
_must_check_ int debugfile_open(const struct object *object, const char *const *roots, struct object **ret);

/* Looks for <root>/.build-id/ab/cdef.debug. Returns as debugfile_open(). */
_must_check_ int debugfile_open_build_id(const char *const *roots, const unsigned char *build_id, size_t build_id_len,
					 struct object **ret);

#endif

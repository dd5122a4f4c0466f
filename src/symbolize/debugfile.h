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

/*
 * Opens <root>/.build-id/ab/cdef.debug below the first root that has it; whose build id it really has is for
 * the caller to see. *ret is the caller's; close(). Returns 0, -ENODATA when there is none, -ENOMEM.
 */
_must_check_ int debugfile_open_build_id(const char *const *roots, const void *build_id, size_t build_id_len, int *ret);

#endif

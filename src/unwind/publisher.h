/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Puts the rows of executables where the kernel side finds them, and takes back what is not hit.
 *
 * 1. Row memory is written before the executable's entry names it, and given to another only after
 *    every program that could still read it has ended.
 * 2. When row memory is full, the executables least recently hit go first; one that was hit in the
 *    running window or the one before is never taken: the newcomer gets -ENOSPC instead.
 *
 * The event loop's thread only.
 */
#ifndef PPROFD_UNWIND_PUBLISHER_H
#define PPROFD_UNWIND_PUBLISHER_H

#include <pprofd/abi.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/cleanup.h"
#include "sample/maps.h"
#include "unwind/unwind_table.h"

struct publisher;

/* `maps` is borrowed. *ret is the caller's; publisher_free(). Returns 0, -ENOMEM or the errno of making row memory. */
_must_check_ int publisher_new(struct maps *maps, size_t row_bytes_max, struct publisher **ret);
void publisher_free(struct publisher *publisher);
DEFINE_CLEANUP(struct publisher, publisher_free);

/*
 * Publishes `table` for `key`, which the kernel side has numbered `number`, in the place of what was
 * published before. Returns 0, -ENOSPC when row memory is full of executables that are hit, -E2BIG when a page or the
 * rules exceed a chunk, -ENOENT when the kernel side does not know the file any more (the vDSO is added), -ENOMEM, or
 * the errno of the map.
 */
_must_check_ int publisher_publish(struct publisher *publisher, const struct pprofd_executable_key *key,
				   uint32_t number, const struct unwind_table *table);

enum publisher_wish {
	PUBLISHER_WISH_NONE,
	PUBLISHER_WISH_FILE, /* it was closed, and is hit again */
	PUBLISHER_WISH_ROWS,
};

/* What the kernel side waits for: nothing when it has forgotten the file. */
enum publisher_wish publisher_get_wish(const struct publisher *publisher, const struct pprofd_executable_key *key);

/*
 * Tells the kernel side that user space has closed the file, and wants to be asked for it when it is hit, or
 * that it is open again. Rows stay. Returns 0, also when the kernel side does not know the file, or an errno.
 */
_must_check_ int publisher_set_closed(const struct publisher *publisher, const struct pprofd_executable_key *key,
				      bool is_closed);

/* Tells the kernel side that there are no rows to come: frame pointers it is. Returns 0, -ENOENT, or an errno. */
_must_check_ int publisher_publish_none(struct publisher *publisher, const struct pprofd_executable_key *key,
					uint32_t number);

/*
 * Between windows: keeps some row memory free, and when the kernel side's map of executables fills up,
 * removes the half least recently hit; `on_removed` learns their numbers. Call once a window. Returns 0 or a negative
 * errno.
 */
_must_check_ int publisher_trim(struct publisher *publisher, void (*on_removed)(void *arg, uint32_t number), void *arg);

/* Rows published, executables with rows, bytes of chunks. */
void publisher_get_stats(const struct publisher *publisher, uint64_t *ret_rows, uint64_t *ret_bytes);

#endif

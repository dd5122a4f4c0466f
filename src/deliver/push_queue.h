/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Blobs in the order in which they came, at most bytes_max of them together.
 *
 * 1. bytes is the sum over the blobs; bytes <= bytes_max.
 * 2. While `held`, the first blob is being sent and stays where it is.
 *
 * Not synchronised.
 */
#ifndef PPROFD_DELIVER_PUSH_QUEUE_H
#define PPROFD_DELIVER_PUSH_QUEUE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/cleanup.h"

struct push_item {
	struct push_item *next;
	struct blob blob;
	uint32_t attempt_cnt;
};

/* All zero but bytes_max is empty. */
struct push_queue {
	struct push_item *first, **end; /* end: where the next is linked; NULL at first */
	size_t cnt;
	size_t bytes, bytes_max;
	bool held;
};

void push_queue_fini(struct push_queue *queue);

/*
 * Puts the blob last (it is empty afterwards, also on failure). The oldest that are not held go
 * until it fits; when that would not suffice it goes itself and they stay. *ret_dropped is how many
 * went. Returns 0 or -ENOMEM.
 */
_must_check_ int push_queue_put(struct push_queue *queue, struct blob *blob, size_t *ret_dropped);

/* Removes the first, which must be there, held or not. */
void push_queue_drop_first(struct push_queue *queue);

#endif

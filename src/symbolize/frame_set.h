/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The distinct frames of a window, each with its symbol and its location in the profile being
 * filled. One thread at a time.
 *
 * 1. After frame_set_sort() frames ascend, so those of one executable stand together, their
 *    offsets ascending.
 * 2. locations[i] is valid while profiles[i] is the number of the profile being filled.
 */
#ifndef PPROFD_SYMBOLIZE_FRAME_SET_H
#define PPROFD_SYMBOLIZE_FRAME_SET_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "base/hashmap.h"
#include "symbolize/symbolizer.h"

/* All zero is empty. */
struct frame_set {
	struct hashmap index; /* frame -> i, once sorted */
	uint64_t *frames;
	size_t cnt, cap;
	struct symbol *symbols; /* once sorted */
	uint32_t *locations;
	uint32_t *profiles;
};

void frame_set_fini(struct frame_set *set);

/* Returns 0 or -ENOMEM. Not after frame_set_sort(). */
_must_check_ int frame_set_add(struct frame_set *set, uint64_t frame);

/* Returns 0 or -ENOMEM. */
_must_check_ int frame_set_sort(struct frame_set *set);

/* The index of a frame that was added. */
size_t frame_set_find(const struct frame_set *set, uint64_t frame);

#endif

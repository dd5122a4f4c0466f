/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Gives out row memory: blocks of words in the chunks that the kernel side reads.
 *
 * 1. A block lies within one chunk and starts at a cache line.
 * 2. Free extents are kept sorted and never touch: first fit.
 * 3. Chunks are added when needed and stay; their number is bounded.
 *
 * The event loop's thread only.
 */
#ifndef PPROFD_UNWIND_ROW_MEMORY_H
#define PPROFD_UNWIND_ROW_MEMORY_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"
#include "sample/maps.h"

struct row_extent {
	uint32_t ref; /* abi.h: chunk << PPROFD_CHUNK_BITS | word */
	uint32_t word_cnt;
};

struct row_memory {
	struct maps *maps; /* borrowed */
	size_t chunk_max;
	struct row_extent *free; /* ascending by ref */
	size_t free_cnt, free_cap;
	size_t used_words;
};

void row_memory_init(struct row_memory *memory, struct maps *maps, size_t max_bytes);
void row_memory_fini(struct row_memory *memory);

/*
 * Sees that `word_cnt` words are free, as far as the bound allows, so that the blocks to come need not
 * wait for a chunk each. Returns 0 or the errno of adding chunks.
 */
_must_check_ int row_memory_reserve(struct row_memory *memory, size_t word_cnt);

/* Words that are free, in blocks of any size. */
size_t row_memory_count_free(const struct row_memory *memory);

/*
 * A block of at least `word_cnt` words, undefined content. Returns 0 with *ret filled (its
 * word_cnt is what was given), -ENOSPC when the bound is reached, -E2BIG for more than a chunk, or the errno of adding
 * a chunk.
 */
_must_check_ int row_memory_alloc(struct row_memory *memory, size_t word_cnt, struct row_extent *ret);

/* Takes a block back. Never fails: what cannot be remembered for lack of memory is not given out again. */
void row_memory_release(struct row_memory *memory, struct row_extent extent);

/* The block's words; borrowed until maps_close_chunks(). Returns 0 or the errno of mapping them. */
_must_check_ int row_memory_open(const struct row_memory *memory, struct row_extent extent, uint32_t **ret);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/row_memory.h"

#include <errno.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"

/* Words of a cache line. */
#define ROW_LINE 16u

void row_memory_init(struct row_memory *memory, struct maps *maps, size_t max_bytes)
{
	size_t chunk_max = max_bytes / (PPROFD_CHUNK_WORDS * sizeof(uint32_t));

	*memory = (struct row_memory){ .maps = maps };
	memory->chunk_max = chunk_max < 1 ? 1 : chunk_max > PPROFD_CHUNKS_MAX ? PPROFD_CHUNKS_MAX : chunk_max;
}

void row_memory_fini(struct row_memory *memory)
{
	free(memory->free);
	*memory = (struct row_memory){ 0 };
}

static void row_memory_add_chunk(struct row_memory *memory, uint32_t number)
{
	struct row_extent extent = { .ref = number << PPROFD_CHUNK_BITS, .word_cnt = PPROFD_CHUNK_WORDS };

	if (number == 0) {
		/* Reference 0 means "none". */
		extent.ref += ROW_LINE;
		extent.word_cnt -= ROW_LINE;
	}
	memory->used_words += extent.word_cnt;
	row_memory_release(memory, extent);
}

/* Adds at least one chunk, at most `cnt`, as the bound allows. */
static int row_memory_grow(struct row_memory *memory, size_t cnt)
{
	size_t first = memory->maps->chunk_cnt;
	int err;

	if (first >= memory->chunk_max)
		return -ENOSPC;
	if (cnt > memory->chunk_max - first)
		cnt = memory->chunk_max - first;
	/* Else a chunk could be added and then not be remembered. */
	err = vec_reserve(&memory->free, &memory->free_cap, memory->free_cnt + cnt);
	if (err < 0)
		return err;
	err = maps_add_chunks(memory->maps, (uint32_t)cnt);
	if (err < 0)
		return err;
	for (size_t i = 0; i < cnt; i++)
		row_memory_add_chunk(memory, (uint32_t)(first + i));
	return 0;
}

size_t row_memory_count_free(const struct row_memory *memory)
{
	size_t word_cnt = 0;

	for (size_t i = 0; i < memory->free_cnt; i++)
		word_cnt += memory->free[i].word_cnt;
	return word_cnt;
}

int row_memory_reserve(struct row_memory *memory, size_t word_cnt)
{
	size_t free_words = row_memory_count_free(memory);
	int err;

	if (free_words >= word_cnt)
		return 0;
	err = row_memory_grow(memory, (word_cnt - free_words + PPROFD_CHUNK_WORDS - 1) / PPROFD_CHUNK_WORDS);
	return err == -ENOSPC ? 0 : err;
}

static int row_memory_take(struct row_memory *memory, uint32_t word_cnt, struct row_extent *ret)
{
	for (size_t i = 0; i < memory->free_cnt; i++) {
		struct row_extent *extent = &memory->free[i];

		if (extent->word_cnt < word_cnt)
			continue;
		*ret = (struct row_extent){ .ref = extent->ref, .word_cnt = word_cnt };
		extent->ref += word_cnt;
		extent->word_cnt -= word_cnt;
		if (extent->word_cnt == 0) {
			memmove(extent, extent + 1, (memory->free_cnt - i - 1) * sizeof(*extent));
			memory->free_cnt--;
		}
		memory->used_words += word_cnt;
		return 0;
	}
	return -ENOSPC;
}

int row_memory_alloc(struct row_memory *memory, size_t word_cnt, struct row_extent *ret)
{
	uint32_t rounded;
	int err;

	/* The first chunk has a line less to give. */
	if (word_cnt > PPROFD_CHUNK_WORDS - ROW_LINE)
		return -E2BIG;
	rounded = word_cnt ? ((uint32_t)word_cnt + ROW_LINE - 1) & ~(ROW_LINE - 1) : ROW_LINE;
	err = row_memory_take(memory, rounded, ret);
	if (err == 0)
		return 0;
	err = row_memory_grow(memory, 1);
	return err < 0 ? err : row_memory_take(memory, rounded, ret);
}

/* Do the extents touch within one chunk? */
static bool row_extent_joins(const struct row_extent *low, const struct row_extent *high)
{
	return low->ref + low->word_cnt == high->ref && (high->ref & (PPROFD_CHUNK_WORDS - 1)) != 0;
}

void row_memory_release(struct row_memory *memory, struct row_extent extent)
{
	struct row_extent *extents;
	size_t at = 0;

	memory->used_words -= extent.word_cnt;
	while (at < memory->free_cnt && memory->free[at].ref < extent.ref)
		at++;
	extents = memory->free;
	if (at > 0 && row_extent_joins(&extents[at - 1], &extent)) {
		extents[at - 1].word_cnt += extent.word_cnt;
		if (at < memory->free_cnt && row_extent_joins(&extents[at - 1], &extents[at])) {
			extents[at - 1].word_cnt += extents[at].word_cnt;
			memmove(&extents[at], &extents[at + 1], (memory->free_cnt - at - 1) * sizeof(*extents));
			memory->free_cnt--;
		}
		return;
	}
	if (at < memory->free_cnt && row_extent_joins(&extent, &extents[at])) {
		extents[at].ref = extent.ref;
		extents[at].word_cnt += extent.word_cnt;
		return;
	}
	if (vec_reserve(&memory->free, &memory->free_cap, memory->free_cnt + 1) < 0)
		return;
	memmove(&memory->free[at + 1], &memory->free[at], (memory->free_cnt - at) * sizeof(*memory->free));
	memory->free[at] = extent;
	memory->free_cnt++;
}

int row_memory_open(const struct row_memory *memory, struct row_extent extent, uint32_t **ret)
{
	uint32_t *words;
	int err = maps_open_chunk(memory->maps, extent.ref >> PPROFD_CHUNK_BITS, &words);

	if (err < 0)
		return err;
	*ret = words + (extent.ref & (PPROFD_CHUNK_WORDS - 1));
	return 0;
}

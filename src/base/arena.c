/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define ARENA_BLOCK_MIN (64UL << 10)
#define ARENA_BLOCK_MAX (1UL << 20)
#define ARENA_ALIGN 16UL

struct arena_block {
	struct arena_block *next;
	size_t size;
	_Alignas(16) unsigned char data[];
};

struct arena {
	struct arena_block *blocks; /* the one being filled is first */
	size_t used;                /* of the first block */
	size_t size;
};

int arena_new(struct arena **ret)
{
	struct arena *arena = calloc(1, sizeof(*arena));

	if (!arena)
		return -ENOMEM;
	*ret = arena;
	return 0;
}

void arena_free(struct arena *arena)
{
	struct arena_block *block;

	if (!arena)
		return;
	while ((block = arena->blocks)) {
		arena->blocks = block->next;
		free(block);
	}
	free(arena);
}

static int arena_grow(struct arena *arena, size_t need)
{
	size_t size = arena->size < ARENA_BLOCK_MIN ? ARENA_BLOCK_MIN : arena->size;
	struct arena_block *block;

	if (size > ARENA_BLOCK_MAX)
		size = ARENA_BLOCK_MAX;
	if (size < need)
		size = need;
	block = malloc(sizeof(*block) + size);
	if (!block)
		return -ENOMEM;
	block->size = size;
	block->next = arena->blocks;
	arena->blocks = block;
	arena->used = 0;
	arena->size += size;
	return 0;
}

void *arena_alloc(struct arena *arena, size_t size)
{
	void *result;

	if (size > SIZE_MAX / 2)
		return NULL;
	size = (size + ARENA_ALIGN - 1) & ~(ARENA_ALIGN - 1);
	if (!arena->blocks || arena->blocks->size - arena->used < size) {
		if (arena_grow(arena, size) < 0)
			return NULL;
	}
	result = arena->blocks->data + arena->used;
	arena->used += size;
	return result;
}

void *arena_calloc(struct arena *arena, size_t cnt, size_t size)
{
	size_t bytes;
	void *result;

	if (__builtin_mul_overflow(cnt, size, &bytes))
		return NULL;
	result = arena_alloc(arena, bytes);
	if (result)
		memset(result, 0, bytes);
	return result;
}

char *arena_strndup(struct arena *arena, const char *text, size_t len)
{
	char *copy = arena_alloc(arena, len + 1);

	if (!copy)
		return NULL;
	memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

size_t arena_size(const struct arena *arena)
{
	return arena->size;
}

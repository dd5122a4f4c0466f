/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Answers that are kept: (file, offset) -> lines.
 *
 * 1. Two generations: what is put or found goes into the young one; when that is full, the old one
 *    goes and the young one becomes the old. What was not asked for during two such turns is
 *    forgotten: least recently used, without a list to keep.
 * 2. What the cache hands out stays valid until cache_turn().
 * 3. After cache_turn() it holds at most cache_max bytes: a generation is full at a quarter of that,
 *    as an arena may double by its last block. What a window asks for beyond is kept for the window.
 * 4. Equal strings of a generation are held once.
 *
 * One thread at a time.
 */
#ifndef PPROFD_SYMBOLIZE_CACHE_H
#define PPROFD_SYMBOLIZE_CACHE_H

#include <stdint.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "base/hashmap.h"
#include "symbolize/symbolizer.h"

struct cache_generation {
	struct arena *arena;
	struct hashmap answers; /* hash of the key -> struct cache_answer * */
	struct hashmap strings; /* hash of the text -> const char * */
};

struct cache {
	struct cache_generation young, old;
	struct cache_generation spill; /* what finds the young one full; gone with the window */
	size_t cache_max;
};

/* `file` is whatever stands for the bytes of one file; `off` a place in it. */
struct cache_key {
	uint64_t file;
	uint64_t off;
};

/* Release with cache_fini(). Returns 0 or -ENOMEM. */
_must_check_ int cache_init(struct cache *cache, size_t cache_max);
void cache_fini(struct cache *cache);

/* Returns 0 with the answer (its line_cnt may be 0), -ENODATA when it is not known, -ENOMEM. */
_must_check_ int cache_find(struct cache *cache, struct cache_key key, struct symbol *ret);

/* Copies `lines` with their strings; *ret is what cache_find() will say. Returns 0 or -ENOMEM. */
_must_check_ int cache_put(struct cache *cache, struct cache_key key, const struct symbol_line *lines, size_t line_cnt,
			   struct symbol *ret);

/* Ends a window: forgets what is too old or too much. */
void cache_turn(struct cache *cache);

/* Bytes held. */
size_t cache_size(const struct cache *cache);

#endif

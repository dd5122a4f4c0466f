/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Memory that is released all at once: what lives as long as a window lives in its arena.
 * Not synchronised: one thread at a time.
 *
 * 1. What arena_alloc() gives stays where it is until arena_free().
 * 2. Every result is aligned to 16 bytes.
 */
#ifndef PPROFD_BASE_ARENA_H
#define PPROFD_BASE_ARENA_H

#include <stddef.h>

#include "base/cleanup.h"

struct arena;

/* *ret is the caller's; arena_free(). Returns 0 or -ENOMEM. */
_must_check_ int arena_new(struct arena **ret);
void arena_free(struct arena *arena);
DEFINE_CLEANUP(struct arena, arena_free);

/* Borrowed from the arena; contents undefined. NULL without memory. */
void *arena_alloc(struct arena *arena, size_t size);
/* As arena_alloc, zeroed; NULL also when cnt * size overflows. */
void *arena_calloc(struct arena *arena, size_t cnt, size_t size);
/* A copy of len bytes with a zero byte behind them. NULL without memory. */
char *arena_strndup(struct arena *arena, const char *text, size_t len);

/* Bytes taken from the system. */
size_t arena_size(const struct arena *arena);

#endif

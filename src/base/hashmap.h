/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A map from 64-bit keys to 64-bit values (a number, an index or a pointer), open addressing.
 * Whoever has a longer key hashes it (hashmap_hash_bytes) and keeps the key beside the value.
 * Not synchronised: one thread at a time.
 */
#ifndef PPROFD_BASE_HASHMAP_H
#define PPROFD_BASE_HASHMAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct hashmap_entry {
	uint64_t key;
	uint64_t value;
	bool used;
};

/* All zero is an empty map. */
struct hashmap {
	struct hashmap_entry *entries;
	size_t cap; /* 0 or a power of two */
	size_t cnt;
};

/* Releases the entries and leaves an empty map. */
void hashmap_fini(struct hashmap *map);

/* Borrowed until the next put or remove; NULL when there is none. */
uint64_t *hashmap_find(const struct hashmap *map, uint64_t key);

/* Adds or replaces. Returns 0 or -ENOMEM with the map untouched. */
_must_check_ int hashmap_put(struct hashmap *map, uint64_t key, uint64_t value);

/* True when the key was there. */
bool hashmap_remove(struct hashmap *map, uint64_t key);

/*
 * Walks the entries in no order: start with *pos = 0; NULL at the end.
 * The map must not be changed meanwhile.
 */
const struct hashmap_entry *hashmap_next(const struct hashmap *map, size_t *pos);

uint64_t hashmap_hash_bytes(const void *data, size_t len);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hashmap.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define HASHMAP_CAP_MIN 16

/* The finaliser of MurmurHash3: every input bit reaches every output bit. */
static uint64_t hashmap_mix(uint64_t key)
{
	key ^= key >> 33;
	key *= 0xff51afd7ed558ccdULL;
	key ^= key >> 33;
	key *= 0xc4ceb9fe1a85ec53ULL;
	key ^= key >> 33;
	return key;
}

uint64_t hashmap_hash_bytes(const void *data, size_t len)
{
	const unsigned char *bytes = data;
	uint64_t hash = 0x9e3779b97f4a7c15ULL ^ len;
	uint64_t word;

	for (; len >= sizeof(word); bytes += sizeof(word), len -= sizeof(word)) {
		memcpy(&word, bytes, sizeof(word));
		hash = hashmap_mix(hash ^ word);
	}
	word = 0;
	memcpy(&word, bytes, len);
	return hashmap_mix(hash ^ word);
}

void hashmap_fini(struct hashmap *map)
{
	free(map->entries);
	*map = (struct hashmap){ 0 };
}

/* The entry of `key`, or the free one where it belongs. There is always a free one. */
static struct hashmap_entry *hashmap_probe(const struct hashmap *map, uint64_t key)
{
	size_t i = hashmap_mix(key) & (map->cap - 1);

	while (map->entries[i].used && map->entries[i].key != key)
		i = (i + 1) & (map->cap - 1);
	return &map->entries[i];
}

uint64_t *hashmap_find(const struct hashmap *map, uint64_t key)
{
	struct hashmap_entry *entry;

	if (!map->cnt)
		return NULL;
	entry = hashmap_probe(map, key);
	return entry->used ? &entry->value : NULL;
}

static int hashmap_grow(struct hashmap *map)
{
	struct hashmap grown = { .cap = map->cap ? map->cap * 2 : HASHMAP_CAP_MIN, .cnt = map->cnt };

	grown.entries = calloc(grown.cap, sizeof(*grown.entries));
	if (!grown.entries)
		return -ENOMEM;
	for (size_t i = 0; i < map->cap; i++) {
		if (map->entries[i].used)
			*hashmap_probe(&grown, map->entries[i].key) = map->entries[i];
	}
	free(map->entries);
	*map = grown;
	return 0;
}

int hashmap_put(struct hashmap *map, uint64_t key, uint64_t value)
{
	struct hashmap_entry *entry;

	/* Three quarters full at the most, so that probes stay short and end. */
	if ((map->cnt + 1) * 4 > map->cap * 3) {
		int err = hashmap_grow(map);

		if (err < 0)
			return err;
	}
	entry = hashmap_probe(map, key);
	if (!entry->used)
		map->cnt++;
	*entry = (struct hashmap_entry){ .key = key, .value = value, .used = true };
	return 0;
}

bool hashmap_remove(struct hashmap *map, uint64_t key)
{
	struct hashmap_entry *hole;
	size_t i;

	if (!map->cnt)
		return false;
	hole = hashmap_probe(map, key);
	if (!hole->used)
		return false;
	hole->used = false;
	map->cnt--;

	/* Moves later entries of the run into the hole where they may stand there. */
	i = (size_t)(hole - map->entries);
	for (;;) {
		struct hashmap_entry *entry, *home;

		i = (i + 1) & (map->cap - 1);
		entry = &map->entries[i];
		if (!entry->used)
			return true;
		entry->used = false;
		home = hashmap_probe(map, entry->key);
		*home = *entry;
		home->used = true;
	}
}

const struct hashmap_entry *hashmap_next(const struct hashmap *map, size_t *pos)
{
	while (*pos < map->cap) {
		const struct hashmap_entry *entry = &map->entries[(*pos)++];

		if (entry->used)
			return entry;
	}
	return NULL;
}

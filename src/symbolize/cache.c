/* SPDX-License-Identifier: Apache-2.0 */
#include "symbolize/cache.h"

#include <errno.h>
#include <string.h>

struct cache_answer {
	struct cache_key key;
	size_t line_cnt;
	struct symbol_line lines[];
};

static void cache_generation_fini(struct cache_generation *generation)
{
	hashmap_fini(&generation->answers);
	hashmap_fini(&generation->strings);
	arena_free(take_ptr(generation->arena));
}

static size_t cache_generation_size(const struct cache_generation *generation)
{
	size_t slots = generation->answers.cap + generation->strings.cap;

	return (generation->arena ? arena_size(generation->arena) : 0) + slots * sizeof(struct hashmap_entry);
}

int cache_init(struct cache *cache, size_t cache_max)
{
	*cache = (struct cache){ .cache_max = cache_max };
	return arena_new(&cache->young.arena);
}

static bool cache_is_full(const struct cache *cache)
{
	return cache_generation_size(&cache->young) > cache->cache_max / 4;
}

void cache_fini(struct cache *cache)
{
	cache_generation_fini(&cache->young);
	cache_generation_fini(&cache->old);
	cache_generation_fini(&cache->spill);
}

size_t cache_size(const struct cache *cache)
{
	return cache_generation_size(&cache->young) + cache_generation_size(&cache->old) +
	       cache_generation_size(&cache->spill);
}

static uint64_t cache_hash(struct cache_key key)
{
	const uint64_t words[] = { key.file, key.off };

	return hashmap_hash_bytes(words, sizeof(words));
}

/* Keys of one hash are rare enough that the later one just replaces the earlier. */
static const struct cache_answer *cache_generation_find(const struct cache_generation *generation, struct cache_key key)
{
	const uint64_t *value = hashmap_find(&generation->answers, cache_hash(key));
	const struct cache_answer *answer = value ? (const struct cache_answer *)(uintptr_t)*value : NULL;

	return answer && answer->key.file == key.file && answer->key.off == key.off ? answer : NULL;
}

static const char *cache_intern(struct cache_generation *generation, const char *text)
{
	size_t len = strlen(text);
	uint64_t hash = hashmap_hash_bytes(text, len);
	const uint64_t *value = hashmap_find(&generation->strings, hash);
	const char *copy;

	if (value && strcmp((const char *)(uintptr_t)*value, text) == 0)
		return (const char *)(uintptr_t)*value;
	copy = arena_strndup(generation->arena, text, len);
	if (!copy || hashmap_put(&generation->strings, hash, (uintptr_t)copy) < 0)
		return NULL;
	return copy;
}

int cache_put(struct cache *cache, struct cache_key key, const struct symbol_line *lines, size_t line_cnt,
	      struct symbol *ret)
{
	struct cache_generation *generation = cache_is_full(cache) ? &cache->spill : &cache->young;
	struct cache_answer *answer;
	int err;

	if (!generation->arena) {
		err = arena_new(&generation->arena);
		if (err < 0)
			return err;
	}
	answer = arena_alloc(generation->arena, sizeof(*answer) + line_cnt * sizeof(*lines));
	if (!answer)
		return -ENOMEM;
	answer->key = key;
	answer->line_cnt = line_cnt;
	for (size_t i = 0; i < line_cnt; i++) {
		struct symbol_line *line = &answer->lines[i];

		*line = lines[i];
		line->name = cache_intern(generation, lines[i].name);
		line->system_name = cache_intern(generation, lines[i].system_name);
		line->file = cache_intern(generation, lines[i].file);
		if (!line->name || !line->system_name || !line->file)
			return -ENOMEM;
	}
	err = hashmap_put(&generation->answers, cache_hash(key), (uintptr_t)answer);
	if (err < 0)
		return err;
	*ret = (struct symbol){ answer->lines, line_cnt };
	return 0;
}

int cache_find(struct cache *cache, struct cache_key key, struct symbol *ret)
{
	const struct cache_answer *answer = cache_generation_find(&cache->young, key);

	if (!answer)
		answer = cache_generation_find(&cache->spill, key);
	if (!answer) {
		answer = cache_generation_find(&cache->old, key);
		if (answer && !cache_is_full(cache))
			return cache_put(cache, key, answer->lines, answer->line_cnt, ret);
	}
	if (!answer)
		return -ENODATA;
	*ret = (struct symbol){ answer->lines, answer->line_cnt };
	return 0;
}

void cache_turn(struct cache *cache)
{
	cache_generation_fini(&cache->spill);
	if (!cache_is_full(cache))
		return;
	cache_generation_fini(&cache->old);
	cache->old = cache->young;
	cache->young = (struct cache_generation){ 0 };
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hashmap.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define MODEL_KEYS 512

static bool out_of_memory;

void *__real_calloc(size_t cnt, size_t size);
void *__wrap_calloc(size_t cnt, size_t size);

void *__wrap_calloc(size_t cnt, size_t size)
{
	return out_of_memory ? NULL : __real_calloc(cnt, size);
}

/* Numbers without pattern, the same in each run: Marsaglia's xorshift64. */
static uint64_t next_number(uint64_t *seed)
{
	*seed ^= *seed << 13;
	*seed ^= *seed >> 7;
	*seed ^= *seed << 17;
	return *seed;
}

static void hashmap_find__knows_nothing_at_first(void **state)
{
	struct hashmap map = { 0 };
	size_t pos = 0;

	(void)state;
	assert_null(hashmap_find(&map, 0));
	assert_false(hashmap_remove(&map, 0));
	assert_null(hashmap_next(&map, &pos));
	hashmap_fini(&map);
}

static void hashmap_put__takes_any_key_and_value(void **state)
{
	static const uint64_t numbers[] = { 0, 1, 15, 16, UINT32_MAX, 1ULL << 32, INT64_MAX, UINT64_MAX };
	_cleanup_(hashmap_fini) struct hashmap map = { 0 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++)
		assert_int_equal(hashmap_put(&map, numbers[i], ~numbers[i]), 0);
	assert_int_equal(map.cnt, ARRAY_LEN(numbers));
	for (size_t i = 0; i < ARRAY_LEN(numbers); i++) {
		const uint64_t *value = hashmap_find(&map, numbers[i]);

		assert_non_null(value);
		assert_int_equal(*value, ~numbers[i]);
	}
	assert_null(hashmap_find(&map, 2));
}

static void hashmap_put__replaces_what_is_there(void **state)
{
	_cleanup_(hashmap_fini) struct hashmap map = { 0 };

	(void)state;
	assert_int_equal(hashmap_put(&map, 7, 1), 0);
	assert_int_equal(hashmap_put(&map, 7, 2), 0);
	assert_int_equal(map.cnt, 1);
	assert_int_equal(*hashmap_find(&map, 7), 2);
}

static void hashmap_put__leaves_the_map_untouched_without_memory(void **state)
{
	_cleanup_(hashmap_fini) struct hashmap map = { 0 };
	struct hashmap before;
	uint64_t key = 0;
	int err = 0;

	(void)state;
	out_of_memory = true;
	assert_int_equal(hashmap_put(&map, 1, 1), -ENOMEM);
	out_of_memory = false;
	assert_int_equal(map.cap, 0);

	assert_int_equal(hashmap_put(&map, key, key), 0);
	out_of_memory = true;
	do {
		before = map;
		key++;
		err = hashmap_put(&map, key, key);
	} while (err == 0);
	out_of_memory = false;
	assert_int_equal(err, -ENOMEM);
	assert_memory_equal(&map, &before, sizeof(map));
	assert_null(hashmap_find(&map, key));
	for (uint64_t held = 0; held < key; held++)
		assert_int_equal(*hashmap_find(&map, held), held);
	assert_int_equal(hashmap_put(&map, key, key), 0);
}

/* The truth about keys 0 .. MODEL_KEYS - 1, kept beside the map. */
struct model {
	bool held[MODEL_KEYS];
	uint64_t values[MODEL_KEYS];
	size_t cnt;
};

static void assert_map_is_model(const struct hashmap *map, const struct model *model)
{
	bool walked[MODEL_KEYS] = { false };
	const struct hashmap_entry *entry;
	size_t cnt = 0;

	for (size_t pos = 0; (entry = hashmap_next(map, &pos)); cnt++) {
		assert_true(entry->key < MODEL_KEYS);
		assert_true(model->held[entry->key]);
		assert_false(walked[entry->key]);
		assert_int_equal(entry->value, model->values[entry->key]);
		walked[entry->key] = true;
	}
	assert_int_equal(cnt, model->cnt);
	assert_int_equal(map->cnt, model->cnt);
	for (uint64_t key = 0; key < MODEL_KEYS; key++)
		assert_int_equal(hashmap_find(map, key) != NULL, model->held[key]);
}

static void hashmap__holds_what_a_plain_array_holds(void **state)
{
	_cleanup_(hashmap_fini) struct hashmap map = { 0 };
	struct model model = { 0 };
	uint64_t seed = 88172645463325252ULL;

	(void)state;
	for (size_t step = 0; step < 40000; step++) {
		uint64_t number = next_number(&seed), key = number % MODEL_KEYS;
		/* Swings between nearly full and nearly empty, so that runs of every length are cut. */
		bool adds = (number >> 32) % 100 < (step / 4000 % 2 ? 20 : 80);

		if (adds) {
			assert_int_equal(hashmap_put(&map, key, number), 0);
			model.cnt += !model.held[key];
			model.held[key] = true;
			model.values[key] = number;
		} else {
			assert_int_equal(hashmap_remove(&map, key), model.held[key]);
			model.cnt -= model.held[key];
			model.held[key] = false;
		}
		if (step % 500 == 0)
			assert_map_is_model(&map, &model);
	}
	assert_map_is_model(&map, &model);
}

static void hashmap_hash_bytes__tells_bytes_and_lengths_apart(void **state)
{
	static const struct {
		const char *bytes;
		size_t len;
	} cases[] = {
		{ "", 0 },
		{ "\0", 1 },
		{ "\0\0", 2 },
		{ "a", 1 },
		{ "a\0", 2 },
		{ "\0a", 2 },
		{ "1234567", 7 },
		{ "12345678", 8 },
		{ "12345678\0", 9 },
		{ "123456780", 9 },
		{ "1234567812345678", 16 },
		{ "8765432112345678", 16 },
		{ "0234567812345678", 16 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t hash = hashmap_hash_bytes(cases[i].bytes, cases[i].len);

		assert_int_equal(hash, hashmap_hash_bytes(cases[i].bytes, cases[i].len));
		for (size_t j = 0; j < i; j++)
			assert_int_not_equal(hash, hashmap_hash_bytes(cases[j].bytes, cases[j].len));
	}
}

static void hashmap_hash_bytes__does_not_mind_where_the_bytes_lie(void **state)
{
	static const char bytes[] = "an odd number of bytes: unaligned";
	char room[sizeof(bytes) + 8];
	uint64_t hash = hashmap_hash_bytes(bytes, sizeof(bytes));

	(void)state;
	for (size_t off = 0; off < 8; off++) {
		memset(room, 0, sizeof(room));
		memcpy(room + off, bytes, sizeof(bytes));
		assert_int_equal(hashmap_hash_bytes(room + off, sizeof(bytes)), hash);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(hashmap_find__knows_nothing_at_first),
		cmocka_unit_test(hashmap_put__takes_any_key_and_value),
		cmocka_unit_test(hashmap_put__replaces_what_is_there),
		cmocka_unit_test(hashmap_put__leaves_the_map_untouched_without_memory),
		cmocka_unit_test(hashmap__holds_what_a_plain_array_holds),
		cmocka_unit_test(hashmap_hash_bytes__tells_bytes_and_lengths_apart),
		cmocka_unit_test(hashmap_hash_bytes__does_not_mind_where_the_bytes_lie),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

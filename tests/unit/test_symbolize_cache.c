/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <stdio.h>

#include "symbolize/cache.h"

#define CACHE_MAX (1u << 20)

static int put(struct cache *cache, uint64_t file, uint64_t off)
{
	char name[64];
	struct symbol_line lines[] = {
		{ .name = name, .system_name = name, .file = "/src/a.c", .line = (int64_t)off, .start_line = 7 },
		{ .name = "main", .system_name = "main", .file = "/src/a.c", .line = 3 },
	};
	struct symbol symbol;

	snprintf(name, sizeof(name), "function_%llu_%llu", (unsigned long long)file, (unsigned long long)off);
	return cache_put(cache, (struct cache_key){ file, off }, lines, 2, &symbol);
}

static void cache_find__gives_what_was_put(void **state)
{
	_cleanup_(cache_fini) struct cache cache;
	struct symbol symbol, none;

	(void)state;
	assert_int_equal(cache_init(&cache, CACHE_MAX), 0);
	assert_int_equal(put(&cache, 1, 10), 0);
	assert_int_equal(cache_put(&cache, (struct cache_key){ 1, 11 }, NULL, 0, &none), 0);

	assert_int_equal(cache_find(&cache, (struct cache_key){ 1, 10 }, &symbol), 0);
	assert_int_equal(symbol.line_cnt, 2);
	assert_string_equal(symbol.lines[0].name, "function_1_10");
	assert_string_equal(symbol.lines[0].file, "/src/a.c");
	assert_int_equal(symbol.lines[0].line, 10);
	assert_int_equal(symbol.lines[0].start_line, 7);
	assert_string_equal(symbol.lines[1].name, "main");
	/* Equal strings are one. */
	assert_ptr_equal(symbol.lines[0].file, symbol.lines[1].file);

	assert_int_equal(cache_find(&cache, (struct cache_key){ 1, 11 }, &none), 0);
	assert_int_equal(none.line_cnt, 0);
	assert_int_equal(cache_find(&cache, (struct cache_key){ 2, 10 }, &none), -ENODATA);
	assert_int_equal(cache_find(&cache, (struct cache_key){ 1, 12 }, &none), -ENODATA);
}

static void cache_turn__keeps_what_is_used_and_forgets_the_rest(void **state)
{
	_cleanup_(cache_fini) struct cache cache;
	struct symbol symbol;
	uint64_t off = 0;

	(void)state;
	assert_int_equal(cache_init(&cache, CACHE_MAX), 0);
	assert_int_equal(put(&cache, 1, 0), 0);
	assert_int_equal(put(&cache, 1, 1), 0);
	for (int window = 0; window < 50; window++) {
		assert_int_equal(cache_find(&cache, (struct cache_key){ 1, 0 }, &symbol), 0);
		for (int i = 0; i < 500; i++)
			assert_int_equal(put(&cache, 2, off++), 0);
		cache_turn(&cache);
		assert_true(cache_size(&cache) <= CACHE_MAX);
	}
	assert_string_equal(symbol.lines[1].name, "main");
	assert_int_equal(cache_find(&cache, (struct cache_key){ 1, 0 }, &symbol), 0);
	assert_string_equal(symbol.lines[0].name, "function_1_0");
	assert_int_equal(cache_find(&cache, (struct cache_key){ 1, 1 }, &symbol), -ENODATA);
	/* The latest are still there. */
	assert_int_equal(cache_find(&cache, (struct cache_key){ 2, off - 1 }, &symbol), 0);
}

static void cache_turn__keeps_all_of_a_small_working_set(void **state)
{
	_cleanup_(cache_fini) struct cache cache;
	struct symbol symbol;

	(void)state;
	assert_int_equal(cache_init(&cache, CACHE_MAX), 0);
	for (uint64_t off = 0; off < 500; off++)
		assert_int_equal(put(&cache, 1, off), 0);
	for (int window = 0; window < 10; window++) {
		cache_turn(&cache);
		for (uint64_t off = 0; off < 500; off++)
			assert_int_equal(cache_find(&cache, (struct cache_key){ 1, off }, &symbol), 0);
	}
}

static void cache_turn__keeps_what_fits_of_a_window_beyond_the_bound(void **state)
{
	_cleanup_(cache_fini) struct cache cache;
	struct symbol first, last, symbol;

	(void)state;
	assert_int_equal(cache_init(&cache, CACHE_MAX), 0);
	for (uint64_t off = 0; off < 20000; off++)
		assert_int_equal(put(&cache, 1, off), 0);
	/* All of it is good until the window ends. */
	assert_true(cache_size(&cache) > CACHE_MAX);
	assert_int_equal(cache_find(&cache, (struct cache_key){ 1, 0 }, &first), 0);
	assert_int_equal(cache_find(&cache, (struct cache_key){ 1, 19999 }, &last), 0);
	assert_string_equal(first.lines[0].name, "function_1_0");
	assert_string_equal(last.lines[0].name, "function_1_19999");

	cache_turn(&cache);
	assert_true(cache_size(&cache) <= CACHE_MAX);
	assert_int_equal(cache_find(&cache, (struct cache_key){ 1, 0 }, &symbol), 0);
	assert_int_equal(cache_find(&cache, (struct cache_key){ 1, 19999 }, &symbol), -ENODATA);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cache_find__gives_what_was_put),
		cmocka_unit_test(cache_turn__keeps_what_is_used_and_forgets_the_rest),
		cmocka_unit_test(cache_turn__keeps_all_of_a_small_working_set),
		cmocka_unit_test(cache_turn__keeps_what_fits_of_a_window_beyond_the_bound),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

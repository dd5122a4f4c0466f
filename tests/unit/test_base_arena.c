/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool out_of_memory;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);

void *__wrap_malloc(size_t size)
{
	/* What no machine has is refused here, as the sanitizer would end the program. */
	return out_of_memory || size > SIZE_MAX / 4 ? NULL : __real_malloc(size);
}

static int arena_setup(void **state)
{
	struct arena *arena;

	if (arena_new(&arena) < 0)
		return -1;
	*state = arena;
	return 0;
}

static int arena_teardown(void **state)
{
	arena_free(*state);
	return 0;
}

static void arena_alloc__gives_aligned_places_that_stay(void **state)
{
	static const size_t sizes[] = { 1, 15, 16, 17, 100, 4095, 65536, 65537, 3 << 20, 8 };
	unsigned char *places[200];

	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		size_t size = sizes[i % ARRAY_LEN(sizes)];

		places[i] = arena_alloc(*state, size);
		assert_non_null(places[i]);
		assert_int_equal((uintptr_t)places[i] % 16, 0);
		memset(places[i], (int)i, size);
	}
	for (size_t i = 0; i < ARRAY_LEN(places); i++) {
		size_t size = sizes[i % ARRAY_LEN(sizes)];

		assert_int_equal(places[i][0], i);
		assert_int_equal(places[i][size - 1], i);
	}
}

static void arena_alloc__of_nothing_is_a_place_too(void **state)
{
	assert_non_null(arena_alloc(*state, 0));
}

static void arena_alloc__takes_few_blocks_from_the_system(void **state)
{
	const size_t asked = 10 << 20;

	for (size_t taken = 0; taken < asked; taken += 64)
		assert_non_null(arena_alloc(*state, 64));
	assert_true(arena_size(*state) >= asked);
	assert_true(arena_size(*state) <= asked + (2 << 20));
}

static void arena_calloc__gives_zeros(void **state)
{
	/* The block's bytes are not zero to begin with: what malloc gives under ASan is 0xbe. */
	const unsigned char *bytes = arena_calloc(*state, 300, 7);

	assert_non_null(bytes);
	for (size_t i = 0; i < 2100; i++)
		assert_int_equal(bytes[i], 0);
}

static void arena_calloc__refuses_a_product_that_overflows(void **state)
{
	assert_null(arena_calloc(*state, SIZE_MAX / 2, 3));
	assert_null(arena_calloc(*state, SIZE_MAX, SIZE_MAX));
}

static void arena_strndup__copies_and_ends_with_zero(void **state)
{
	char text[] = "pprofd";
	const char *copy = arena_strndup(*state, text, 5);

	memset(text, 'x', sizeof(text));
	assert_string_equal(copy, "pprof");
	assert_string_equal(arena_strndup(*state, "", 0), "");
}

static void arena__goes_on_after_a_refusal(void **state)
{
	const size_t size = arena_size(*state);
	const char *copy;

	assert_null(arena_alloc(*state, SIZE_MAX));
	assert_null(arena_alloc(*state, SIZE_MAX / 2));
	out_of_memory = true;
	assert_null(arena_alloc(*state, 1));
	assert_null(arena_calloc(*state, 1, 1));
	assert_null(arena_strndup(*state, "a", 1));
	out_of_memory = false;
	assert_int_equal(arena_size(*state), size);
	copy = arena_strndup(*state, "a", 1);
	assert_string_equal(copy, "a");
}

static void arena_free__takes_null(void **state)
{
	(void)state;
	arena_free(NULL);
}

#define ARENA_TEST(name) cmocka_unit_test_setup_teardown(name, arena_setup, arena_teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ARENA_TEST(arena_alloc__gives_aligned_places_that_stay),
		ARENA_TEST(arena_alloc__of_nothing_is_a_place_too),
		ARENA_TEST(arena_alloc__takes_few_blocks_from_the_system),
		ARENA_TEST(arena_calloc__gives_zeros),
		ARENA_TEST(arena_calloc__refuses_a_product_that_overflows),
		ARENA_TEST(arena_strndup__copies_and_ends_with_zero),
		ARENA_TEST(arena__goes_on_after_a_refusal),
		cmocka_unit_test(arena_free__takes_null),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "base/vec.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

static bool out_of_memory;

void *__real_realloc(void *data, size_t size);
void *__wrap_realloc(void *data, size_t size);

void *__wrap_realloc(void *data, size_t size)
{
	return out_of_memory ? NULL : __real_realloc(data, size);
}

static void vec_reserve__grows_at_least_twofold(void **state)
{
	static const struct {
		size_t cap;
		size_t need;
		size_t expected;
	} cases[] = {
		{ 0, 1, 16 }, { 0, 16, 16 }, { 0, 17, 17 }, { 16, 17, 32 }, { 16, 33, 33 }, { 100, 150, 200 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(freep) uint32_t *data = cases[i].cap ? calloc(cases[i].cap, sizeof(*data)) : NULL;
		size_t cap = cases[i].cap;

		assert_int_equal(vec_reserve(&data, &cap, cases[i].need), 0);
		assert_int_equal(cap, cases[i].expected);
		memset(data, 0xff, cap * sizeof(*data));
	}
}

static void vec_reserve__keeps_what_is_there(void **state)
{
	_cleanup_(freep) uint32_t *data = NULL;
	size_t cap = 0;

	(void)state;
	for (uint32_t i = 0; i < 10000; i++) {
		assert_int_equal(vec_reserve(&data, &cap, i + 1), 0);
		data[i] = i;
	}
	for (uint32_t i = 0; i < 10000; i++)
		assert_int_equal(data[i], i);
}

static void vec_reserve__does_nothing_when_there_is_room(void **state)
{
	_cleanup_(freep) uint32_t *data = calloc(4, sizeof(*data));
	const uint32_t *before = data;
	size_t cap = 4;

	(void)state;
	assert_int_equal(vec_reserve(&data, &cap, 4), 0);
	assert_int_equal(vec_reserve(&data, &cap, 0), 0);
	assert_ptr_equal(data, before);
	assert_int_equal(cap, 4);
}

static void vec_reserve__leaves_all_untouched_without_memory(void **state)
{
	_cleanup_(freep) uint64_t *data = calloc(4, sizeof(*data));
	uint64_t *before = data;
	size_t cap = 4;

	(void)state;
	assert_int_equal(vec_reserve(&data, &cap, SIZE_MAX / sizeof(*data) + 1), -ENOMEM);
	out_of_memory = true;
	assert_int_equal(vec_reserve(&data, &cap, 5), -ENOMEM);
	out_of_memory = false;
	assert_ptr_equal(data, before);
	assert_int_equal(cap, 4);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(vec_reserve__grows_at_least_twofold),
		cmocka_unit_test(vec_reserve__keeps_what_is_there),
		cmocka_unit_test(vec_reserve__does_nothing_when_there_is_room),
		cmocka_unit_test(vec_reserve__leaves_all_untouched_without_memory),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

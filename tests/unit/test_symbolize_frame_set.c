/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "symbolize/frame_set.h"

static void frame_set_sort__puts_each_frame_once_and_in_order(void **state)
{
	enum { CNT = 3000, DISTINCT = 1000 };
	_cleanup_(frame_set_fini) struct frame_set set = { 0 };

	(void)state;
	/* 7 has no divisor in common with DISTINCT: all of them, three times, out of order. */
	for (uint64_t i = 0; i < CNT; i++)
		assert_int_equal(frame_set_add(&set, (i * 7 % DISTINCT) << 40 | i % 2), 0);
	assert_int_equal(frame_set_sort(&set), 0);
	assert_int_equal(set.cnt, DISTINCT);
	for (size_t i = 0; i < set.cnt; i++) {
		assert_true(i == 0 || set.frames[i - 1] < set.frames[i]);
		assert_int_equal(frame_set_find(&set, set.frames[i]), i);
		assert_int_equal(set.symbols[i].line_cnt, 0);
		assert_int_equal(set.profiles[i], 0);
	}
}

static void frame_set_sort__bears_an_empty_set(void **state)
{
	_cleanup_(frame_set_fini) struct frame_set set = { 0 };

	(void)state;
	assert_int_equal(frame_set_sort(&set), 0);
	assert_int_equal(set.cnt, 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frame_set_sort__puts_each_frame_once_and_in_order),
		cmocka_unit_test(frame_set_sort__bears_an_empty_set),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

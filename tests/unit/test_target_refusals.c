/* SPDX-License-Identifier: Apache-2.0 */
#include "target/refusals.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

static struct refusals refusals;

static int teardown(void **state)
{
	(void)state;
	refusals_fini(&refusals);
	return 0;
}

static void add(uint32_t number, uint32_t epoch, int err)
{
	assert_int_equal(refusals_add(&refusals, number, epoch, err), 0);
}

static void refusals_hold__not_for_what_never_failed(void **state)
{
	(void)state;
	assert_false(refusals_hold(&refusals, 16, 1));
	add(16, 1, -EPERM);
	assert_false(refusals_hold(&refusals, 17, 1));
}

static void refusals_hold__until_the_next_window_for_what_will_not_change_in_this(void **state)
{
	static const int errors[] = { -EPERM, -EACCES, -ENOENT, -EMFILE, -ENOMEM, -EIO, -ENODEV };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(errors); i++) {
		add((uint32_t)i, 7, errors[i]);
		assert_true(refusals_hold(&refusals, (uint32_t)i, 7));
		assert_false(refusals_hold(&refusals, (uint32_t)i, 8));
	}
}

static void refusals_hold__after_sixteen_processes_that_were_gone(void **state)
{
	(void)state;
	for (int i = 1; i < REFUSALS_TRIES_MAX; i++) {
		add(16, 7, i % 2 ? -ESRCH : -ESTALE);
		assert_false(refusals_hold(&refusals, 16, 7));
	}
	add(16, 7, -ESRCH);
	assert_true(refusals_hold(&refusals, 16, 7));
	/* The next window has sixteen tries of its own. */
	for (int i = 1; i < REFUSALS_TRIES_MAX; i++) {
		assert_false(refusals_hold(&refusals, 16, 8));
		add(16, 8, -ESRCH);
	}
	assert_false(refusals_hold(&refusals, 16, 8));
	add(16, 8, -ESRCH);
	assert_true(refusals_hold(&refusals, 16, 8));
}

static void refusals_hold__twice_as_long_each_time_there_was_no_room(void **state)
{
	uint32_t epoch = 100;

	(void)state;
	for (uint32_t wait = 1; wait <= 4 * REFUSALS_WAIT_MAX; wait *= 2) {
		uint32_t expected = wait < REFUSALS_WAIT_MAX ? wait : REFUSALS_WAIT_MAX;

		add(16, epoch, -ENOSPC);
		assert_true(refusals_hold(&refusals, 16, epoch + expected - 1));
		assert_false(refusals_hold(&refusals, 16, epoch + expected));
		epoch += expected;
	}
}

static void refusals_remove__forgets_the_failures_too(void **state)
{
	(void)state;
	for (int i = 0; i < 5; i++)
		add(16, 7, -ENOSPC);
	assert_int_equal(refusals.by_number.cnt, 1);
	refusals_remove(&refusals, 16);
	assert_int_equal(refusals.by_number.cnt, 0);
	assert_false(refusals_hold(&refusals, 16, 7));
	add(16, 7, -ENOSPC);
	assert_false(refusals_hold(&refusals, 16, 8));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_teardown(refusals_hold__not_for_what_never_failed, teardown),
		cmocka_unit_test_teardown(refusals_hold__until_the_next_window_for_what_will_not_change_in_this,
					  teardown),
		cmocka_unit_test_teardown(refusals_hold__after_sixteen_processes_that_were_gone, teardown),
		cmocka_unit_test_teardown(refusals_hold__twice_as_long_each_time_there_was_no_room, teardown),
		cmocka_unit_test_teardown(refusals_remove__forgets_the_failures_too, teardown),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/publisher.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "fake_publisher.h"

static struct fake_publisher fake;

static int teardown(void **state)
{
	(void)state;
	fake_publisher_fini(&fake);
	return 0;
}

/* ---- publishing ---- */

static void publisher_publish__lets_the_kernel_side_find_every_row(void **state)
{
	static const struct {
		size_t row_cnt;
		uint64_t off;
		uint32_t step;
	} cases[] = {
		{ 1, 0, 1 },
		{ 2, FAKE_PAGE - 1, 1 },
		{ 1000, 0x1040, 5 },
		{ 20000, 0x1000, 3 },
		{ 100, 5 * FAKE_PAGE, FAKE_PAGE / 3 },
		{ 12, 0, 3 * FAKE_PAGE },
	};

	(void)state;
	fake_publisher_init(&fake, 4);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(unwind_table_freep) struct unwind_table *table =
			fake_table_new(cases[i].row_cnt, cases[i].off, cases[i].step, 0);

		fake_maps_meet(&fake.maps, 100 + i, (uint32_t)(16 + i));
		assert_int_equal(fake_publish(&fake, 100 + i, (uint32_t)(16 + i), table), 0);
		assert_true(fake_is_ready(&fake, 100 + i));
		assert_int_equal(fake_maps_find(&fake.maps, 100 + i)->number, 16 + i);
		fake_assert_rules(&fake, 100 + i, table);
	}
}

static void publisher_publish__keeps_what_the_kernel_side_has_written(void **state)
{
	(void)state;
	fake_publisher_init(&fake, 1);
	fake_maps_meet(&fake.maps, 16, 16);
	fake.maps.executables[0].value.last_request_tick = 99;
	fake.maps.epoch = 5;
	fake_maps_hit(&fake.maps, 16);
	assert_int_equal(fake_publish_seventh(&fake, 16), 0);
	assert_int_equal(fake_maps_find(&fake.maps, 16)->last_hit_epoch, 5);
	assert_int_equal(fake_maps_find(&fake.maps, 16)->last_request_tick, 99);
}

static void publisher_publish__adds_the_vdso_which_nobody_has_met(void **state)
{
	_cleanup_(unwind_table_freep) struct unwind_table *table = fake_table_new(10, 0x500, 7, 0);

	(void)state;
	fake_publisher_init(&fake, 1);
	assert_int_equal(fake_publish(&fake, 0, PPROFD_EXECUTABLE_VDSO, table), 0);
	assert_true(fake_is_ready(&fake, 0));
	fake_assert_rules(&fake, 0, table);
}

static void publisher_publish__adds_no_other_that_the_kernel_side_does_not_know(void **state)
{
	const struct pprofd_executable_key key = fake_key(16);
	_cleanup_(unwind_table_freep) struct unwind_table *table = fake_table_new(10, 0x500, 7, 0);
	uint64_t row_cnt, bytes;

	(void)state;
	fake_publisher_init(&fake, 1);
	assert_int_equal(fake_publish(&fake, 16, 16, table), -ENOENT);
	assert_int_equal(publisher_publish_none(fake.publisher, &key, 16), -ENOENT);
	assert_null(fake_maps_find(&fake.maps, 16));
	publisher_get_stats(fake.publisher, &row_cnt, &bytes);
	assert_int_equal(row_cnt, 0);
}

static void publisher_publish__puts_new_rows_in_the_place_of_old_ones(void **state)
{
	_cleanup_(unwind_table_freep) struct unwind_table *old = fake_table_new(3000, 0x1000, 4, 1);
	_cleanup_(unwind_table_freep) struct unwind_table *new = fake_table_new(2000, 0x2000, 9, 2);
	uint64_t row_cnt, bytes;

	(void)state;
	fake_publisher_init(&fake, 1);
	fake_maps_meet(&fake.maps, 16, 16);
	assert_int_equal(fake_publish(&fake, 16, 16, old), 0);
	fake_assert_rules(&fake, 16, old);
	for (int i = 0; i < 100; i++)
		assert_int_equal(fake_publish(&fake, 16, 16, i % 2 ? old : new), 0);
	fake_assert_rules(&fake, 16, old);
	publisher_get_stats(fake.publisher, &row_cnt, &bytes);
	assert_int_equal(row_cnt, 3000);
	assert_int_equal(bytes, FAKE_CHUNK_BYTES);
}

static void publisher_publish_none__says_that_there_are_no_rows_to_come(void **state)
{
	const struct pprofd_executable_key key = fake_key(16);

	(void)state;
	fake_publisher_init(&fake, 1);
	fake_maps_meet(&fake.maps, 16, 16);
	assert_int_equal(fake_get_wish(&fake, 16), PUBLISHER_WISH_ROWS);
	assert_int_equal(publisher_publish_none(fake.publisher, &key, 16), 0);
	assert_int_equal(fake_maps_find(&fake.maps, 16)->state, PPROFD_EXECUTABLE_NO_ROWS);
	assert_int_equal(fake_maps_find(&fake.maps, 16)->last_hit_epoch, 1);
	assert_int_equal(fake_get_wish(&fake, 16), PUBLISHER_WISH_NONE);
}

static void publisher_get_wish__rows_until_they_are_there_and_after_they_went(void **state)
{
	(void)state;
	fake_publisher_init(&fake, 1);
	assert_int_equal(fake_get_wish(&fake, 16), PUBLISHER_WISH_NONE);
	fake_maps_meet(&fake.maps, 16, 16);
	assert_int_equal(fake_get_wish(&fake, 16), PUBLISHER_WISH_ROWS);
	assert_int_equal(fake_publish_seventh(&fake, 16), 0);
	assert_int_equal(fake_get_wish(&fake, 16), PUBLISHER_WISH_NONE);
	fake.maps.epoch = 3;
	for (uint64_t inode = 17; inode < 17 + FAKE_SEVENTHS; inode++)
		assert_int_equal(fake_publish_seventh(&fake, inode), 0);
	assert_int_equal(fake_get_wish(&fake, 16), PUBLISHER_WISH_ROWS);
	/* It is hit again, and can have its rows back. */
	fake.maps.epoch = 6;
	fake_maps_hit(&fake.maps, 16);
	assert_int_equal(fake_publish_seventh(&fake, 16), 0);
	assert_int_equal(fake_get_wish(&fake, 16), PUBLISHER_WISH_NONE);
}

static void publisher_set_closed__makes_the_kernel_side_ask_for_the_file(void **state)
{
	const struct pprofd_executable_key key = fake_key(16), pending = fake_key(17), unknown = fake_key(18);
	struct pprofd_executable before;

	(void)state;
	fake_publisher_init(&fake, 1);
	assert_int_equal(fake_publish_seventh(&fake, 16), 0);
	before = *fake_maps_find(&fake.maps, 16);
	assert_int_equal(publisher_set_closed(fake.publisher, &key, true), 0);
	assert_int_equal(publisher_get_wish(fake.publisher, &key), PUBLISHER_WISH_FILE);
	assert_int_equal(fake_maps_find(&fake.maps, 16)->state, PPROFD_EXECUTABLE_READY | PPROFD_EXECUTABLE_CLOSED);
	assert_int_equal(fake_maps_find(&fake.maps, 16)->page_table, before.page_table);
	assert_int_equal(publisher_set_closed(fake.publisher, &key, false), 0);
	assert_memory_equal(fake_maps_find(&fake.maps, 16), &before, sizeof(before));
	assert_int_equal(publisher_get_wish(fake.publisher, &key), PUBLISHER_WISH_NONE);
	/* Those that ask anyway, and those that are forgotten, stay as they are. */
	fake_maps_meet(&fake.maps, 17, 17);
	assert_int_equal(publisher_set_closed(fake.publisher, &pending, true), 0);
	assert_int_equal(publisher_get_wish(fake.publisher, &pending), PUBLISHER_WISH_ROWS);
	assert_int_equal(publisher_set_closed(fake.publisher, &unknown, true), 0);
	assert_null(fake_maps_find(&fake.maps, 18));
	fake.maps.put_error = -EPERM;
	assert_int_equal(publisher_set_closed(fake.publisher, &key, true), -EPERM);
}

static void publisher_publish__takes_rows_of_a_closed_file_too(void **state)
{
	const struct pprofd_executable_key key = fake_key(16);

	(void)state;
	fake_publisher_init(&fake, 1);
	assert_int_equal(fake_publish_seventh(&fake, 16), 0);
	assert_int_equal(publisher_set_closed(fake.publisher, &key, true), 0);
	fake.maps.epoch = 3;
	for (uint64_t inode = 17; inode < 17 + FAKE_SEVENTHS; inode++)
		assert_int_equal(fake_publish_seventh(&fake, inode), 0);
	assert_int_equal(publisher_get_wish(fake.publisher, &key), PUBLISHER_WISH_ROWS);
	fake.maps.epoch = 6;
	assert_int_equal(fake_publish_seventh(&fake, 16), 0);
	assert_int_equal(publisher_get_wish(fake.publisher, &key), PUBLISHER_WISH_NONE);
}

/* ---- when something fails ---- */

/* Nothing leaked when a table that fills all row memory still fits. */
static void assert_no_leak(uint64_t inode)
{
	_cleanup_(unwind_table_freep) struct unwind_table *table =
		fake_table_new(FAKE_SEVENTH * FAKE_SEVENTHS, 0, 8, 3);

	if (!fake_maps_find(&fake.maps, inode))
		fake_maps_meet(&fake.maps, inode, (uint32_t)inode);
	assert_int_equal(fake_publish(&fake, inode, (uint32_t)inode, table), 0);
	fake_assert_rules(&fake, inode, table);
}

static void publisher_publish__refuses_a_table_larger_than_all_row_memory(void **state)
{
	_cleanup_(unwind_table_freep) struct unwind_table *table = fake_table_new(PPROFD_CHUNK_WORDS * 2, 0, 8, 0);

	(void)state;
	fake_publisher_init(&fake, 1);
	assert_int_equal(fake_publish_seventh(&fake, 16), 0);
	fake.maps.epoch = 10;
	fake_maps_meet(&fake.maps, 17, 17);
	for (int i = 0; i < 10; i++)
		assert_int_equal(fake_publish(&fake, 17, 17, table), -ENOSPC);
	/* It would not do to take what others have. */
	assert_true(fake_is_ready(&fake, 16));
	assert_int_equal(fake_get_wish(&fake, 17), PUBLISHER_WISH_ROWS);
	assert_no_leak(17);
}

static void publisher_publish__takes_no_memory_for_a_table_that_will_not_fit(void **state)
{
	_cleanup_(unwind_table_freep) struct unwind_table *table = fake_table_new(PPROFD_CHUNK_WORDS * 5, 0, 8, 0);
	uint64_t row_cnt, before, after;

	(void)state;
	fake_publisher_init(&fake, 4);
	fake_maps_meet(&fake.maps, 17, 17);
	publisher_get_stats(fake.publisher, &row_cnt, &before);
	assert_int_equal(fake_publish(&fake, 17, 17, table), -ENOSPC);
	publisher_get_stats(fake.publisher, &row_cnt, &after);
	assert_int_equal(before, after);
}

static void publisher_publish__gives_everything_back_when_row_memory_runs_out_midway(void **state)
{
	/* A chunk holds 15 pages of 16,384 rows and most of one more: two chunks have the words of 31, and room for 30.
	 */
	const size_t row_cnt = FAKE_PAGE / 4;
	_cleanup_(unwind_table_freep) struct unwind_table *fits = fake_table_new(30 * row_cnt, 0, 4, 0);
	_cleanup_(unwind_table_freep) struct unwind_table *table = fake_table_new(31 * row_cnt, 0, 4, 0);

	(void)state;
	fake_publisher_init(&fake, 2);
	fake_maps_meet(&fake.maps, 17, 17);
	for (int i = 0; i < 10; i++)
		assert_int_equal(fake_publish(&fake, 17, 17, table), -ENOSPC);
	assert_int_equal(fake_get_wish(&fake, 17), PUBLISHER_WISH_ROWS);
	assert_int_equal(fake_publish(&fake, 17, 17, fits), 0);
	fake_assert_rules(&fake, 17, fits);
}

static void publisher_publish__gives_everything_back_when_memory_cannot_be_mapped(void **state)
{
	_cleanup_(unwind_table_freep) struct unwind_table *table =
		fake_table_new(FAKE_SEVENTH * FAKE_SEVENTHS, 0, 8, 0);

	(void)state;
	fake_publisher_init(&fake, 1);
	fake_maps_meet(&fake.maps, 17, 17);
	fake.maps.open_chunk_error = -ENOMEM;
	for (size_t i = 0; i < 12; i++) {
		fake.maps.open_chunk_left = i;
		assert_int_equal(fake_publish(&fake, 17, 17, table), -ENOMEM);
		assert_int_equal(fake_get_wish(&fake, 17), PUBLISHER_WISH_ROWS);
	}
	fake.maps.open_chunk_error = 0;
	assert_no_leak(17);
}

static void publisher_publish__gives_everything_back_when_the_map_refuses(void **state)
{
	_cleanup_(unwind_table_freep) struct unwind_table *table =
		fake_table_new(FAKE_SEVENTH * FAKE_SEVENTHS, 0, 8, 0);
	uint64_t row_cnt, bytes;

	(void)state;
	fake_publisher_init(&fake, 1);
	fake_maps_meet(&fake.maps, 17, 17);
	for (int i = 0; i < 10; i++) {
		fake.maps.put_error = i % 2 ? -E2BIG : 0;
		fake.maps.get_error = i % 2 ? 0 : -EPERM;
		assert_int_equal(fake_publish(&fake, 17, 17, table), i % 2 ? -E2BIG : -EPERM);
		fake.maps.put_error = fake.maps.get_error = 0;
		publisher_get_stats(fake.publisher, &row_cnt, &bytes);
		assert_int_equal(row_cnt, 0);
	}
	assert_no_leak(17);
}

static void publisher_new__fails_without_row_memory(void **state)
{
	struct publisher *none = NULL;

	(void)state;
	fake_maps_init(&fake.maps);
	fake.maps.add_chunks_error = -EPERM;
	assert_int_equal(publisher_new(&fake.maps.maps, FAKE_CHUNK_BYTES, &none), -EPERM);
	assert_null(none);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
	const struct CMUnitTest tests[] = {
		TEST(publisher_publish__lets_the_kernel_side_find_every_row),
		TEST(publisher_publish__keeps_what_the_kernel_side_has_written),
		TEST(publisher_publish__adds_the_vdso_which_nobody_has_met),
		TEST(publisher_publish__adds_no_other_that_the_kernel_side_does_not_know),
		TEST(publisher_publish__puts_new_rows_in_the_place_of_old_ones),
		TEST(publisher_publish_none__says_that_there_are_no_rows_to_come),
		TEST(publisher_get_wish__rows_until_they_are_there_and_after_they_went),
		TEST(publisher_set_closed__makes_the_kernel_side_ask_for_the_file),
		TEST(publisher_publish__takes_rows_of_a_closed_file_too),
		TEST(publisher_publish__refuses_a_table_larger_than_all_row_memory),
		TEST(publisher_publish__takes_no_memory_for_a_table_that_will_not_fit),
		TEST(publisher_publish__gives_everything_back_when_row_memory_runs_out_midway),
		TEST(publisher_publish__gives_everything_back_when_memory_cannot_be_mapped),
		TEST(publisher_publish__gives_everything_back_when_the_map_refuses),
		TEST(publisher_new__fails_without_row_memory),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}

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

/* ---- when row memory is full ---- */

/* Fills one chunk: file i was last hit in epoch hits[i]; then `now` runs. */
static void fill(const uint32_t *hits, uint32_t now)
{
	fake_publisher_init(&fake, 1);
	for (uint32_t i = 0; i < FAKE_SEVENTHS; i++) {
		fake.maps.epoch = hits[i];
		assert_int_equal(fake_publish_seventh(&fake, 16 + i), 0);
	}
	fake.maps.epoch = now;
}

static void publisher_publish__takes_the_rows_that_were_hit_longest_ago(void **state)
{
	static const uint32_t hits[FAKE_SEVENTHS] = { 5, 3, 7, 2, 6, 4, 8 };

	(void)state;
	fill(hits, 10);
	assert_int_equal(fake.maps.forget_cnt, 0);
	assert_int_equal(fake_publish_seventh(&fake, 100), 0);
	assert_false(fake_is_ready(&fake, 16 + 3));
	assert_int_equal(fake_publish_seventh(&fake, 101), 0);
	assert_false(fake_is_ready(&fake, 16 + 1));
	assert_int_equal(fake_publish_seventh(&fake, 102), 0);
	assert_false(fake_is_ready(&fake, 16 + 5));
	for (uint32_t i = 0; i < FAKE_SEVENTHS; i++)
		assert_int_equal(fake_is_ready(&fake, 16 + i), i != 3 && i != 1 && i != 5);
	assert_true(fake_is_ready(&fake, 100) && fake_is_ready(&fake, 101) && fake_is_ready(&fake, 102));
}

static void publisher_publish__never_takes_rows_hit_in_this_window_or_the_last(void **state)
{
	static const uint32_t hits[FAKE_SEVENTHS] = { 9, 10, 9, 10, 9, 10, 9 };

	(void)state;
	fill(hits, 10);
	assert_int_equal(fake_publish_seventh(&fake, 100), -ENOSPC);
	for (uint32_t i = 0; i < FAKE_SEVENTHS; i++)
		assert_true(fake_is_ready(&fake, 16 + i));
	assert_int_equal(fake_get_wish(&fake, 100), PUBLISHER_WISH_ROWS);
	assert_int_equal(fake.maps.forget_cnt, 0);
	/* One window later those of epoch 9 may go. */
	fake.maps.epoch = 11;
	assert_int_equal(fake_publish_seventh(&fake, 100), 0);
}

static void publisher_publish__waits_for_programs_before_memory_changes_hands(void **state)
{
	static const uint32_t hits[FAKE_SEVENTHS] = { 1, 1, 1, 1, 1, 1, 1 };

	(void)state;
	fill(hits, 10);
	for (uint64_t inode = 100; inode < 120; inode++) {
		size_t forget_cnt = fake.maps.forget_cnt;

		assert_int_equal(fake_publish_seventh(&fake, inode), 0);
		assert_int_equal(fake.maps.forget_cnt, forget_cnt + 1);
		fake.maps.epoch += 2;
	}
	/* teardown() sees whether rows were overwritten earlier. */
}

static void publisher_publish__makes_room_for_many_blocks_with_one_wait(void **state)
{
	/* Of a page each. */
	const size_t row_cnt = FAKE_PAGE / 8;
	_cleanup_(unwind_table_freep) struct unwind_table *large = fake_table_new(FAKE_SEVENTH * 3, 0, 8, 0);
	uint64_t inode = 16;
	int err = 0;

	(void)state;
	fake_publisher_init(&fake, 1);
	fake_maps_meet(&fake.maps, 1000, 1000);
	while (err == 0) {
		_cleanup_(unwind_table_freep) struct unwind_table *small = fake_table_new(row_cnt, 0, 8, 0);

		fake_maps_meet(&fake.maps, inode, (uint32_t)inode);
		err = fake_publish(&fake, inode, (uint32_t)inode, small);
		inode++;
	}
	assert_int_equal(err, -ENOSPC);
	assert_true(inode > 16 + 20);
	fake.maps.epoch = 10;
	fake_maps_hit(&fake.maps, 1000);
	assert_int_equal(fake_publish(&fake, 1000, 1000, large), 0);
	assert_int_equal(fake.maps.forget_cnt, 1);
	fake_assert_rules(&fake, 1000, large);
}

static void publisher_publish__takes_nothing_where_that_would_not_do(void **state)
{
	static const uint32_t hits[FAKE_SEVENTHS] = { 10, 10, 2, 10, 10, 10, 10 };
	_cleanup_(unwind_table_freep) struct unwind_table *large = fake_table_new(FAKE_SEVENTH * 3, 0, 8, 0);

	(void)state;
	fill(hits, 10);
	fake_maps_meet(&fake.maps, 100, 100);
	assert_int_equal(fake_publish(&fake, 100, 100, large), -ENOSPC);
	assert_true(fake_is_ready(&fake, 16 + 2));
	assert_int_equal(fake.maps.forget_cnt, 0);
}

static void publisher_publish__takes_rows_of_a_file_that_the_kernel_side_forgot(void **state)
{
	static const uint32_t hits[FAKE_SEVENTHS] = { 9, 9, 9, 9, 9, 9, 9 };
	const struct pprofd_executable_key key = fake_key(18);

	(void)state;
	fill(hits, 10);
	assert_int_equal(maps_remove_executable(&fake.maps.maps, &key), 0);
	assert_int_equal(fake_publish_seventh(&fake, 100), 0);
	assert_null(fake_maps_find(&fake.maps, 18));
}

static void publisher_publish__keeps_memory_that_programs_may_still_read(void **state)
{
	static const uint32_t hits[FAKE_SEVENTHS] = { 2, 3, 4, 5, 6, 7, 8 };

	(void)state;
	fill(hits, 20);
	fake.maps.wait_error = -EINTR;
	/* The rows of the oldest are hidden, but nobody was waited for. */
	assert_int_equal(fake_publish_seventh(&fake, 100), -EINTR);
	assert_int_equal(fake_publish_seventh(&fake, 100), -EINTR);
	assert_false(fake_is_ready(&fake, 100));
	fake.maps.wait_error = 0;
	assert_int_equal(fake_publish_seventh(&fake, 100), 0);
	assert_true(fake_is_ready(&fake, 100));
	/* Rows that were hidden in vain can be published again. */
	fake_maps_hit(&fake.maps, 16);
	assert_int_equal(fake_get_wish(&fake, 16), PUBLISHER_WISH_ROWS);
	assert_int_equal(fake_publish_seventh(&fake, 16), 0);
}

/* ---- trimming ---- */

#define FULL (PPROFD_EXECUTABLES_MAX / 4 * 3)

static uint32_t removed[PPROFD_EXECUTABLES_MAX];
static size_t removed_cnt;

static void on_removed(void *arg, uint32_t number)
{
	assert_ptr_equal(arg, &fake);
	removed[removed_cnt++] = number;
}

static void trim(void)
{
	removed_cnt = 0;
	assert_int_equal(publisher_trim(fake.publisher, on_removed, &fake), 0);
}

/* `cnt` files, of which number i (from 16 on) was last hit in epoch i; every thousandth has rows. */
static void meet_many(uint32_t cnt)
{
	_cleanup_(unwind_table_freep) struct unwind_table *table = fake_table_new(10, 0, 8, 0);

	fake_publisher_init(&fake, 1);
	assert_int_equal(fake_publish(&fake, 0, PPROFD_EXECUTABLE_VDSO, table), 0);
	for (uint32_t i = 16; i < 16 + cnt; i++) {
		fake.maps.epoch = i;
		fake_maps_meet(&fake.maps, i, i);
		if (i % 1000 == 0)
			assert_int_equal(fake_publish(&fake, i, i, table), 0);
	}
}

static void publisher_trim__leaves_a_map_with_room_alone(void **state)
{
	(void)state;
	meet_many(FULL - 1);
	trim();
	assert_int_equal(removed_cnt, 0);
	assert_int_equal(fake.maps.forget_cnt, 0);
}

static void publisher_trim__removes_the_half_that_was_hit_longest_ago(void **state)
{
	uint64_t row_cnt, bytes;

	(void)state;
	meet_many(FULL);
	trim();
	/* The vDSO, never hit, is the oldest of the half and stays. */
	assert_int_equal(removed_cnt, FULL / 2 - 1);
	for (size_t i = 0; i < removed_cnt; i++)
		assert_int_equal(removed[i], 16 + i);
	for (uint32_t i = 16; i < 16 + FULL; i++) {
		if (i < 16 + removed_cnt)
			assert_null(fake_maps_find(&fake.maps, i));
		else
			assert_non_null(fake_maps_find(&fake.maps, i));
	}
	assert_true(fake_is_ready(&fake, 0));
	assert_int_equal(fake.maps.forget_cnt, 1);
	publisher_get_stats(fake.publisher, &row_cnt, &bytes);
	assert_int_equal(row_cnt, 10 + 10 * (FULL / 1000 - (16 + removed_cnt - 1) / 1000));
	trim();
	assert_int_equal(removed_cnt, 0);
}

static void publisher_trim__keeps_what_was_hit_in_this_window_or_the_last(void **state)
{
	(void)state;
	meet_many(FULL);
	for (uint32_t i = 16; i < 16 + FULL; i++) {
		fake.maps.epoch = 20000 + i % 2;
		fake_maps_hit(&fake.maps, i);
	}
	fake.maps.epoch = 20001;
	trim();
	assert_int_equal(removed_cnt, 0);
	fake.maps.epoch = 20002;
	trim();
	/* Those of 20001, the window before, are in the half as well as those of 20000. */
	assert_true(removed_cnt > 0 && removed_cnt <= FULL / 2);
	for (size_t i = 0; i < removed_cnt; i++)
		assert_int_equal(removed[i] % 2, 0);
}

static void publisher_trim__goes_on_counting_from_what_it_removed(void **state)
{
	(void)state;
	meet_many(FULL);
	trim();
	assert_true(removed_cnt > 0);
	for (uint32_t i = 0; i < FULL / 2 - 2; i++)
		fake_maps_meet(&fake.maps, 100000 + i, 100000 + i);
	trim();
	assert_int_equal(removed_cnt, 0);
	fake_maps_meet(&fake.maps, 200000, 200000);
	trim();
	assert_true(removed_cnt > 0);
}

static void publisher_trim__removes_nothing_while_programs_cannot_be_waited_for(void **state)
{
	(void)state;
	meet_many(FULL);
	fake.maps.wait_error = -EPERM;
	removed_cnt = 0;
	assert_int_equal(publisher_trim(fake.publisher, on_removed, &fake), -EPERM);
	assert_int_equal(removed_cnt, 0);
	assert_non_null(fake_maps_find(&fake.maps, 16));
	fake.maps.wait_error = 0;
	trim();
	assert_int_equal(removed_cnt, FULL / 2 - 1);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_teardown(name, teardown)
	const struct CMUnitTest tests[] = {
		TEST(publisher_publish__takes_the_rows_that_were_hit_longest_ago),
		TEST(publisher_publish__never_takes_rows_hit_in_this_window_or_the_last),
		TEST(publisher_publish__waits_for_programs_before_memory_changes_hands),
		TEST(publisher_publish__makes_room_for_many_blocks_with_one_wait),
		TEST(publisher_publish__takes_nothing_where_that_would_not_do),
		TEST(publisher_publish__takes_rows_of_a_file_that_the_kernel_side_forgot),
		TEST(publisher_publish__keeps_memory_that_programs_may_still_read),
		TEST(publisher_trim__leaves_a_map_with_room_alone),
		TEST(publisher_trim__removes_the_half_that_was_hit_longest_ago),
		TEST(publisher_trim__keeps_what_was_hit_in_this_window_or_the_last),
		TEST(publisher_trim__goes_on_counting_from_what_it_removed),
		TEST(publisher_trim__removes_nothing_while_programs_cannot_be_waited_for),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/publisher.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <string.h>

#include <cmocka.h>

#include "fake_maps.h"
#include "unwind/row_page.h"

#define PAGE (1u << PPROFD_PAGE_BITS)
#define CHUNK_BYTES ((size_t)PPROFD_CHUNK_WORDS * sizeof(uint32_t))
#define RULE_CNT 5
/* Row memory of one chunk holds seven tables of this many rows. */
#define SEVENTH (PPROFD_CHUNK_WORDS / 8)
#define SEVENTHS 7

static struct fake_maps fake;
static struct publisher *publisher;
static struct pprofd_rule rules[RULE_CNT];

static void init(size_t chunk_max)
{
	fake_maps_init(&fake);
	for (size_t i = 0; i < RULE_CNT; i++)
		rules[i] = (struct pprofd_rule){ .cfa = PPROFD_CFA_REG, .base = (uint8_t)i, .off = (int32_t)i * 8 };
	assert_int_equal(publisher_new(&fake.maps, chunk_max * CHUNK_BYTES, &publisher), 0);
}

/* Whatever a test did: no row that programs could remember was overwritten, nothing is left mapped. */
static int teardown(void **state)
{
	(void)state;
	assert_int_equal(fake.torn_cnt, 0);
	assert_int_equal(fake_maps_open_cnt(&fake), 0);
	publisher_free(take_ptr(publisher));
	fake_maps_fini(&fake);
	return 0;
}

/* A table of `row_cnt` rows, one every `step` bytes from `off` on; `seed` makes its rules differ. */
static struct unwind_table *new_table(size_t row_cnt, uint64_t off, uint32_t step, uint32_t seed)
{
	struct unwind_table *table = calloc(1, sizeof(*table));

	assert_non_null(table);
	table->rows = calloc(row_cnt, sizeof(*table->rows));
	table->rules = calloc(RULE_CNT, sizeof(*table->rules));
	assert_true(table->rows && table->rules);
	memcpy(table->rules, rules, sizeof(rules));
	table->rule_cnt = RULE_CNT;
	table->row_cnt = row_cnt;
	for (size_t i = 0; i < row_cnt; i++)
		table->rows[i] = UNWIND_ROW(off + i * step, (i * 7 + seed) % RULE_CNT);
	return table;
}

static int publish(uint64_t inode, uint32_t number, const struct unwind_table *table)
{
	const struct pprofd_executable_key key = fake_key(inode);

	return publisher_publish(publisher, &key, number, table);
}

/* Publishes a table of a seventh of a chunk for a file that programs meet now. */
static int publish_seventh(uint64_t inode)
{
	_cleanup_(unwind_table_freep) struct unwind_table *table = new_table(SEVENTH, 0, 8, (uint32_t)inode);

	if (!fake_maps_find(&fake, inode))
		fake_maps_meet(&fake, inode, (uint32_t)inode);
	return publish(inode, (uint32_t)inode, table);
}

static bool is_ready(uint64_t inode)
{
	const struct pprofd_executable *executable = fake_maps_find(&fake, inode);

	return executable && executable->state == PPROFD_EXECUTABLE_READY;
}

static bool is_wanted(uint64_t inode)
{
	const struct pprofd_executable_key key = fake_key(inode);

	return publisher_is_wanted(publisher, &key);
}

static void assert_rules_equal(uint64_t inode, const struct unwind_table *table)
{
	uint64_t end = UNWIND_ROW_OFF(table->rows[table->row_cnt - 1]) + 64;

	for (uint64_t off = UNWIND_ROW_OFF(table->rows[0]); off < end; off += 3) {
		const struct pprofd_rule *expected = unwind_table_find(table, off);
		const struct pprofd_rule *found = fake_maps_find_rule(&fake, inode, off);

		if (!found &&
		    off >> PPROFD_PAGE_BITS > UNWIND_ROW_OFF(table->rows[table->row_cnt - 1]) >> PPROFD_PAGE_BITS)
			break;
		assert_non_null(expected);
		assert_non_null(found);
		assert_memory_equal(found, expected, sizeof(*found));
	}
}

/* ---- publishing ---- */

static void publisher_publish__lets_the_kernel_side_find_every_row(void **state)
{
	static const struct {
		size_t row_cnt;
		uint64_t off;
		uint32_t step;
	} cases[] = {
		{ 1, 0, 1 },          { 2, PAGE - 1, 1 },          { 1000, 0x1040, 5 },
		{ 20000, 0x1000, 3 }, { 100, 5 * PAGE, PAGE / 3 }, { 12, 0, 3 * PAGE },
	};

	(void)state;
	init(4);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(unwind_table_freep) struct unwind_table *table =
			new_table(cases[i].row_cnt, cases[i].off, cases[i].step, 0);

		fake_maps_meet(&fake, 100 + i, (uint32_t)(16 + i));
		assert_int_equal(publish(100 + i, (uint32_t)(16 + i), table), 0);
		assert_true(is_ready(100 + i));
		assert_int_equal(fake_maps_find(&fake, 100 + i)->number, 16 + i);
		assert_rules_equal(100 + i, table);
	}
}

static void publisher_publish__keeps_what_the_kernel_side_has_written(void **state)
{
	(void)state;
	init(1);
	fake_maps_meet(&fake, 16, 16);
	fake.executables[0].value.last_request_tick = 99;
	fake.epoch = 5;
	fake_maps_hit(&fake, 16);
	assert_int_equal(publish_seventh(16), 0);
	assert_int_equal(fake_maps_find(&fake, 16)->last_hit_epoch, 5);
	assert_int_equal(fake_maps_find(&fake, 16)->last_request_tick, 99);
}

static void publisher_publish__adds_the_vdso_which_nobody_has_met(void **state)
{
	_cleanup_(unwind_table_freep) struct unwind_table *table = new_table(10, 0x500, 7, 0);

	(void)state;
	init(1);
	assert_int_equal(publish(0, PPROFD_EXECUTABLE_VDSO, table), 0);
	assert_true(is_ready(0));
	assert_rules_equal(0, table);
}

static void publisher_publish__adds_no_other_that_the_kernel_side_does_not_know(void **state)
{
	const struct pprofd_executable_key key = fake_key(16);
	_cleanup_(unwind_table_freep) struct unwind_table *table = new_table(10, 0x500, 7, 0);
	uint64_t row_cnt, bytes;

	(void)state;
	init(1);
	assert_int_equal(publish(16, 16, table), -ENOENT);
	assert_int_equal(publisher_publish_none(publisher, &key, 16), -ENOENT);
	assert_null(fake_maps_find(&fake, 16));
	publisher_get_stats(publisher, &row_cnt, &bytes);
	assert_int_equal(row_cnt, 0);
}

static void publisher_publish__puts_new_rows_in_the_place_of_old_ones(void **state)
{
	_cleanup_(unwind_table_freep) struct unwind_table *old = new_table(3000, 0x1000, 4, 1);
	_cleanup_(unwind_table_freep) struct unwind_table *new = new_table(2000, 0x2000, 9, 2);
	uint64_t row_cnt, bytes;

	(void)state;
	init(1);
	fake_maps_meet(&fake, 16, 16);
	assert_int_equal(publish(16, 16, old), 0);
	assert_rules_equal(16, old);
	for (int i = 0; i < 100; i++)
		assert_int_equal(publish(16, 16, i % 2 ? old : new), 0);
	assert_rules_equal(16, old);
	publisher_get_stats(publisher, &row_cnt, &bytes);
	assert_int_equal(row_cnt, 3000);
	assert_int_equal(bytes, CHUNK_BYTES);
}

static void publisher_publish_none__says_that_there_are_no_rows_to_come(void **state)
{
	const struct pprofd_executable_key key = fake_key(16);

	(void)state;
	init(1);
	fake_maps_meet(&fake, 16, 16);
	assert_true(is_wanted(16));
	assert_int_equal(publisher_publish_none(publisher, &key, 16), 0);
	assert_int_equal(fake_maps_find(&fake, 16)->state, PPROFD_EXECUTABLE_NO_ROWS);
	assert_int_equal(fake_maps_find(&fake, 16)->last_hit_epoch, 1);
	assert_false(is_wanted(16));
}

static void publisher_is_wanted__until_rows_are_there_and_after_they_went(void **state)
{
	(void)state;
	init(1);
	assert_false(is_wanted(16));
	fake_maps_meet(&fake, 16, 16);
	assert_true(is_wanted(16));
	assert_int_equal(publish_seventh(16), 0);
	assert_false(is_wanted(16));
	fake.epoch = 3;
	for (uint64_t inode = 17; inode < 17 + SEVENTHS; inode++)
		assert_int_equal(publish_seventh(inode), 0);
	assert_true(is_wanted(16));
	/* It is hit again, and can have its rows back. */
	fake.epoch = 6;
	fake_maps_hit(&fake, 16);
	assert_int_equal(publish_seventh(16), 0);
	assert_false(is_wanted(16));
}

/* ---- when row memory is full ---- */

/* Fills one chunk: file i was last hit in epoch hits[i]; then `now` runs. */
static void fill(const uint32_t *hits, uint32_t now)
{
	init(1);
	for (uint32_t i = 0; i < SEVENTHS; i++) {
		fake.epoch = hits[i];
		assert_int_equal(publish_seventh(16 + i), 0);
	}
	fake.epoch = now;
}

static void publisher_publish__takes_the_rows_that_were_hit_longest_ago(void **state)
{
	static const uint32_t hits[SEVENTHS] = { 5, 3, 7, 2, 6, 4, 8 };

	(void)state;
	fill(hits, 10);
	assert_int_equal(fake.forget_cnt, 0);
	assert_int_equal(publish_seventh(100), 0);
	assert_false(is_ready(16 + 3));
	assert_int_equal(publish_seventh(101), 0);
	assert_false(is_ready(16 + 1));
	assert_int_equal(publish_seventh(102), 0);
	assert_false(is_ready(16 + 5));
	for (uint32_t i = 0; i < SEVENTHS; i++)
		assert_int_equal(is_ready(16 + i), i != 3 && i != 1 && i != 5);
	assert_true(is_ready(100) && is_ready(101) && is_ready(102));
}

static void publisher_publish__never_takes_rows_hit_in_this_window_or_the_last(void **state)
{
	static const uint32_t hits[SEVENTHS] = { 9, 10, 9, 10, 9, 10, 9 };

	(void)state;
	fill(hits, 10);
	assert_int_equal(publish_seventh(100), -ENOSPC);
	for (uint32_t i = 0; i < SEVENTHS; i++)
		assert_true(is_ready(16 + i));
	assert_true(is_wanted(100));
	assert_int_equal(fake.forget_cnt, 0);
	/* One window later those of epoch 9 may go. */
	fake.epoch = 11;
	assert_int_equal(publish_seventh(100), 0);
}

static void publisher_publish__waits_for_programs_before_memory_changes_hands(void **state)
{
	static const uint32_t hits[SEVENTHS] = { 1, 1, 1, 1, 1, 1, 1 };

	(void)state;
	fill(hits, 10);
	for (uint64_t inode = 100; inode < 120; inode++) {
		size_t forget_cnt = fake.forget_cnt;

		assert_int_equal(publish_seventh(inode), 0);
		assert_int_equal(fake.forget_cnt, forget_cnt + 1);
		fake.epoch += 2;
	}
	/* teardown() sees whether rows were overwritten earlier. */
}

static void publisher_publish__makes_room_for_many_blocks_with_one_wait(void **state)
{
	/* Of a page each. */
	const size_t row_cnt = PAGE / 8;
	_cleanup_(unwind_table_freep) struct unwind_table *large = new_table(SEVENTH * 3, 0, 8, 0);
	uint64_t inode = 16;
	int err = 0;

	(void)state;
	init(1);
	fake_maps_meet(&fake, 1000, 1000);
	while (err == 0) {
		_cleanup_(unwind_table_freep) struct unwind_table *small = new_table(row_cnt, 0, 8, 0);

		fake_maps_meet(&fake, inode, (uint32_t)inode);
		err = publish(inode, (uint32_t)inode, small);
		inode++;
	}
	assert_int_equal(err, -ENOSPC);
	assert_true(inode > 16 + 20);
	fake.epoch = 10;
	fake_maps_hit(&fake, 1000);
	assert_int_equal(publish(1000, 1000, large), 0);
	assert_int_equal(fake.forget_cnt, 1);
	assert_rules_equal(1000, large);
}

static void publisher_publish__takes_nothing_where_that_would_not_do(void **state)
{
	static const uint32_t hits[SEVENTHS] = { 10, 10, 2, 10, 10, 10, 10 };
	_cleanup_(unwind_table_freep) struct unwind_table *large = new_table(SEVENTH * 3, 0, 8, 0);

	(void)state;
	fill(hits, 10);
	fake_maps_meet(&fake, 100, 100);
	assert_int_equal(publish(100, 100, large), -ENOSPC);
	assert_true(is_ready(16 + 2));
	assert_int_equal(fake.forget_cnt, 0);
}

static void publisher_publish__takes_rows_of_a_file_that_the_kernel_side_forgot(void **state)
{
	static const uint32_t hits[SEVENTHS] = { 9, 9, 9, 9, 9, 9, 9 };
	const struct pprofd_executable_key key = fake_key(18);

	(void)state;
	fill(hits, 10);
	assert_int_equal(maps_remove_executable(&fake.maps, &key), 0);
	assert_int_equal(publish_seventh(100), 0);
	assert_null(fake_maps_find(&fake, 18));
}

/* ---- when something fails ---- */

/* Nothing leaked when a table that fills all row memory still fits. */
static void assert_no_leak(uint64_t inode)
{
	_cleanup_(unwind_table_freep) struct unwind_table *table = new_table(SEVENTH * SEVENTHS, 0, 8, 3);

	if (!fake_maps_find(&fake, inode))
		fake_maps_meet(&fake, inode, (uint32_t)inode);
	assert_int_equal(publish(inode, (uint32_t)inode, table), 0);
	assert_rules_equal(inode, table);
}

static void publisher_publish__refuses_a_table_larger_than_all_row_memory(void **state)
{
	_cleanup_(unwind_table_freep) struct unwind_table *table = new_table(PPROFD_CHUNK_WORDS * 2, 0, 8, 0);

	(void)state;
	init(1);
	assert_int_equal(publish_seventh(16), 0);
	fake.epoch = 10;
	fake_maps_meet(&fake, 17, 17);
	for (int i = 0; i < 10; i++)
		assert_int_equal(publish(17, 17, table), -ENOSPC);
	/* It would not do to take what others have. */
	assert_true(is_ready(16));
	assert_true(is_wanted(17));
	assert_no_leak(17);
}

static void publisher_publish__takes_no_memory_for_a_table_that_will_not_fit(void **state)
{
	_cleanup_(unwind_table_freep) struct unwind_table *table = new_table(PPROFD_CHUNK_WORDS * 5, 0, 8, 0);
	uint64_t row_cnt, before, after;

	(void)state;
	init(4);
	fake_maps_meet(&fake, 17, 17);
	publisher_get_stats(publisher, &row_cnt, &before);
	assert_int_equal(publish(17, 17, table), -ENOSPC);
	publisher_get_stats(publisher, &row_cnt, &after);
	assert_int_equal(before, after);
}

static void publisher_publish__gives_everything_back_when_row_memory_runs_out_midway(void **state)
{
	/* A chunk holds 15 pages of 16,384 rows and most of one more: two chunks have the words of 31, and room for 30.
	 */
	const size_t row_cnt = PAGE / 4;
	_cleanup_(unwind_table_freep) struct unwind_table *fits = new_table(30 * row_cnt, 0, 4, 0);
	_cleanup_(unwind_table_freep) struct unwind_table *table = new_table(31 * row_cnt, 0, 4, 0);

	(void)state;
	init(2);
	fake_maps_meet(&fake, 17, 17);
	for (int i = 0; i < 10; i++)
		assert_int_equal(publish(17, 17, table), -ENOSPC);
	assert_true(is_wanted(17));
	assert_int_equal(publish(17, 17, fits), 0);
	assert_rules_equal(17, fits);
}

static void publisher_publish__gives_everything_back_when_memory_cannot_be_mapped(void **state)
{
	_cleanup_(unwind_table_freep) struct unwind_table *table = new_table(SEVENTH * SEVENTHS, 0, 8, 0);

	(void)state;
	init(1);
	fake_maps_meet(&fake, 17, 17);
	fake.open_chunk_error = -ENOMEM;
	for (size_t i = 0; i < 12; i++) {
		fake.open_chunk_left = i;
		assert_int_equal(publish(17, 17, table), -ENOMEM);
		assert_true(is_wanted(17));
	}
	fake.open_chunk_error = 0;
	assert_no_leak(17);
}

static void publisher_publish__gives_everything_back_when_the_map_refuses(void **state)
{
	_cleanup_(unwind_table_freep) struct unwind_table *table = new_table(SEVENTH * SEVENTHS, 0, 8, 0);
	uint64_t row_cnt, bytes;

	(void)state;
	init(1);
	fake_maps_meet(&fake, 17, 17);
	for (int i = 0; i < 10; i++) {
		fake.put_error = i % 2 ? -E2BIG : 0;
		fake.get_error = i % 2 ? 0 : -EPERM;
		assert_int_equal(publish(17, 17, table), i % 2 ? -E2BIG : -EPERM);
		fake.put_error = fake.get_error = 0;
		publisher_get_stats(publisher, &row_cnt, &bytes);
		assert_int_equal(row_cnt, 0);
	}
	assert_no_leak(17);
}

static void publisher_publish__keeps_memory_that_programs_may_still_read(void **state)
{
	static const uint32_t hits[SEVENTHS] = { 2, 3, 4, 5, 6, 7, 8 };

	(void)state;
	fill(hits, 20);
	fake.wait_error = -EINTR;
	/* The rows of the oldest are hidden, but nobody was waited for. */
	assert_int_equal(publish_seventh(100), -EINTR);
	assert_int_equal(publish_seventh(100), -EINTR);
	assert_false(is_ready(100));
	fake.wait_error = 0;
	assert_int_equal(publish_seventh(100), 0);
	assert_true(is_ready(100));
	/* Rows that were hidden in vain can be published again. */
	fake_maps_hit(&fake, 16);
	assert_true(is_wanted(16));
	assert_int_equal(publish_seventh(16), 0);
}

static void publisher_new__fails_without_row_memory(void **state)
{
	struct publisher *none = NULL;

	(void)state;
	init(1);
	fake.maps.chunk_cnt = 0;
	fake.add_chunks_error = -EPERM;
	assert_int_equal(publisher_new(&fake.maps, CHUNK_BYTES, &none), -EPERM);
	assert_null(none);
	fake.maps.chunk_cnt = 1;
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
	assert_int_equal(publisher_trim(publisher, on_removed, &fake), 0);
}

/* `cnt` files, of which number i (from 16 on) was last hit in epoch i; every thousandth has rows. */
static void meet_many(uint32_t cnt)
{
	_cleanup_(unwind_table_freep) struct unwind_table *table = new_table(10, 0, 8, 0);

	init(1);
	assert_int_equal(publish(0, PPROFD_EXECUTABLE_VDSO, table), 0);
	for (uint32_t i = 16; i < 16 + cnt; i++) {
		fake.epoch = i;
		fake_maps_meet(&fake, i, i);
		if (i % 1000 == 0)
			assert_int_equal(publish(i, i, table), 0);
	}
}

static void publisher_trim__leaves_a_map_with_room_alone(void **state)
{
	(void)state;
	meet_many(FULL - 1);
	trim();
	assert_int_equal(removed_cnt, 0);
	assert_int_equal(fake.forget_cnt, 0);
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
			assert_null(fake_maps_find(&fake, i));
		else
			assert_non_null(fake_maps_find(&fake, i));
	}
	assert_true(is_ready(0));
	assert_int_equal(fake.forget_cnt, 1);
	publisher_get_stats(publisher, &row_cnt, &bytes);
	assert_int_equal(row_cnt, 10 + 10 * (FULL / 1000 - (16 + removed_cnt - 1) / 1000));
	trim();
	assert_int_equal(removed_cnt, 0);
}

static void publisher_trim__keeps_what_was_hit_in_this_window_or_the_last(void **state)
{
	(void)state;
	meet_many(FULL);
	for (uint32_t i = 16; i < 16 + FULL; i++) {
		fake.epoch = 20000 + i % 2;
		fake_maps_hit(&fake, i);
	}
	fake.epoch = 20001;
	trim();
	assert_int_equal(removed_cnt, 0);
	fake.epoch = 20002;
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
		fake_maps_meet(&fake, 100000 + i, 100000 + i);
	trim();
	assert_int_equal(removed_cnt, 0);
	fake_maps_meet(&fake, 200000, 200000);
	trim();
	assert_true(removed_cnt > 0);
}

static void publisher_trim__removes_nothing_while_programs_cannot_be_waited_for(void **state)
{
	(void)state;
	meet_many(FULL);
	fake.wait_error = -EPERM;
	removed_cnt = 0;
	assert_int_equal(publisher_trim(publisher, on_removed, &fake), -EPERM);
	assert_int_equal(removed_cnt, 0);
	assert_non_null(fake_maps_find(&fake, 16));
	fake.wait_error = 0;
	trim();
	assert_int_equal(removed_cnt, FULL / 2 - 1);
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
		TEST(publisher_is_wanted__until_rows_are_there_and_after_they_went),
		TEST(publisher_publish__takes_the_rows_that_were_hit_longest_ago),
		TEST(publisher_publish__never_takes_rows_hit_in_this_window_or_the_last),
		TEST(publisher_publish__waits_for_programs_before_memory_changes_hands),
		TEST(publisher_publish__makes_room_for_many_blocks_with_one_wait),
		TEST(publisher_publish__takes_nothing_where_that_would_not_do),
		TEST(publisher_publish__takes_rows_of_a_file_that_the_kernel_side_forgot),
		TEST(publisher_publish__refuses_a_table_larger_than_all_row_memory),
		TEST(publisher_publish__takes_no_memory_for_a_table_that_will_not_fit),
		TEST(publisher_publish__gives_everything_back_when_row_memory_runs_out_midway),
		TEST(publisher_publish__gives_everything_back_when_memory_cannot_be_mapped),
		TEST(publisher_publish__gives_everything_back_when_the_map_refuses),
		TEST(publisher_publish__keeps_memory_that_programs_may_still_read),
		TEST(publisher_new__fails_without_row_memory),
		TEST(publisher_trim__leaves_a_map_with_room_alone),
		TEST(publisher_trim__removes_the_half_that_was_hit_longest_ago),
		TEST(publisher_trim__keeps_what_was_hit_in_this_window_or_the_last),
		TEST(publisher_trim__goes_on_counting_from_what_it_removed),
		TEST(publisher_trim__removes_nothing_while_programs_cannot_be_waited_for),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}

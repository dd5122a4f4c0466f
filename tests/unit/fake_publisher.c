/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_publisher.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define RULE_CNT 5

void fake_publisher_init(struct fake_publisher *fake, size_t chunk_max)
{
	fake_maps_init(&fake->maps);
	assert_int_equal(publisher_new(&fake->maps.maps, chunk_max * FAKE_CHUNK_BYTES, &fake->publisher), 0);
}

void fake_publisher_fini(struct fake_publisher *fake)
{
	assert_int_equal(fake->maps.torn_cnt, 0);
	assert_int_equal(fake_maps_open_cnt(&fake->maps), 0);
	publisher_free(take_ptr(fake->publisher));
	fake_maps_fini(&fake->maps);
}

struct unwind_table *fake_table_new(size_t row_cnt, uint64_t off, uint32_t step, uint32_t seed)
{
	struct unwind_table *table = calloc(1, sizeof(*table));

	assert_non_null(table);
	table->rows = calloc(row_cnt, sizeof(*table->rows));
	table->rules = calloc(RULE_CNT, sizeof(*table->rules));
	assert_true(table->rows && table->rules);
	for (size_t i = 0; i < RULE_CNT; i++)
		table->rules[i] =
			(struct pprofd_rule){ .cfa = PPROFD_CFA_REG, .base = (uint8_t)i, .off = (int32_t)i * 8 };
	table->rule_cnt = RULE_CNT;
	table->row_cnt = row_cnt;
	for (size_t i = 0; i < row_cnt; i++)
		table->rows[i] = UNWIND_ROW(off + i * step, (i * 7 + seed) % RULE_CNT);
	return table;
}

int fake_publish(struct fake_publisher *fake, uint64_t inode, uint32_t number, const struct unwind_table *table)
{
	const struct pprofd_executable_key key = fake_key(inode);

	return publisher_publish(fake->publisher, &key, number, table);
}

int fake_publish_seventh(struct fake_publisher *fake, uint64_t inode)
{
	_cleanup_(unwind_table_freep) struct unwind_table *table = fake_table_new(FAKE_SEVENTH, 0, 8, (uint32_t)inode);

	if (!fake_maps_find(&fake->maps, inode))
		fake_maps_meet(&fake->maps, inode, (uint32_t)inode);
	return fake_publish(fake, inode, (uint32_t)inode, table);
}

bool fake_is_ready(const struct fake_publisher *fake, uint64_t inode)
{
	const struct pprofd_executable *executable = fake_maps_find(&fake->maps, inode);

	return executable && executable->state == PPROFD_EXECUTABLE_READY;
}

enum publisher_wish fake_get_wish(const struct fake_publisher *fake, uint64_t inode)
{
	const struct pprofd_executable_key key = fake_key(inode);

	return publisher_get_wish(fake->publisher, &key);
}

void fake_assert_rules(const struct fake_publisher *fake, uint64_t inode, const struct unwind_table *table)
{
	uint64_t last = UNWIND_ROW_OFF(table->rows[table->row_cnt - 1]);

	/* To the end of the last row's page, as far as it goes. */
	for (uint64_t off = UNWIND_ROW_OFF(table->rows[0]); off < last + 64; off += 3) {
		const struct pprofd_rule *expected = unwind_table_find(table, off);
		const struct pprofd_rule *found = fake_maps_find_rule(&fake->maps, inode, off);

		if (off >> PPROFD_PAGE_BITS > last >> PPROFD_PAGE_BITS)
			break;
		assert_non_null(expected);
		assert_non_null(found);
		assert_memory_equal(found, expected, sizeof(*found));
	}
}

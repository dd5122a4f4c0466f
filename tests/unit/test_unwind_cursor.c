/* SPDX-License-Identifier: Apache-2.0 */
#include "unwind/cursor.h"

#include <setjmp.h>
#include <stdarg.h>

#include <cmocka.h>

#include "base/cleanup.h"

#define BYTES_MAX 16

struct leb_case {
	uint8_t bytes[BYTES_MAX];
	size_t len;
	uint64_t expected;
	bool fails;
};

/* DWARF 5, 7.6, has most of these. */
static const struct leb_case uleb_cases[] = {
	{ { 2 }, 1, 2, false },
	{ { 0x7f }, 1, 127, false },
	{ { 0x80, 1 }, 2, 128, false },
	{ { 0xb9, 0x64 }, 2, 12857, false },
	{ { 0x80, 0x80, 0 }, 3, 0, false },
	{ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 1 }, 10, UINT64_MAX, false },
	{ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f }, 12, UINT64_MAX, false },
	{ { 0x80 }, 1, 0, true },
	{ { 0 }, 0, 0, true },
};
static const struct leb_case sleb_cases[] = {
	{ { 2 }, 1, 2, false },
	{ { 0x7e }, 1, (uint64_t)-2, false },
	{ { 0xff, 0 }, 2, 127, false },
	{ { 0x81, 0x7f }, 2, (uint64_t)-127, false },
	{ { 0x80, 0x7f }, 2, (uint64_t)-128, false },
	{ { 0x78 }, 1, (uint64_t)-8, false },
	{ { 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x80, 0x7f }, 10, 1ULL << 63, false },
	{ { 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x7f }, 11, (uint64_t)-1, false },
	{ { 0xff, 0xff }, 2, 0, true },
};

static void check_leb(const struct leb_case *expected, struct cursor cursor, uint64_t value)
{
	assert_int_equal(value, expected->expected);
	assert_int_equal(cursor.failed, expected->fails);
	assert_int_equal(cursor_left(&cursor), 0);
}

static void cursor_leb__reads_what_dwarf_says(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(uleb_cases); i++) {
		const struct leb_case *c = &uleb_cases[i];
		struct cursor cursor = { .pos = c->bytes, .end = c->bytes + c->len };
		uint64_t value = cursor_uleb(&cursor);

		check_leb(c, cursor, value);
	}
	for (size_t i = 0; i < ARRAY_LEN(sleb_cases); i++) {
		const struct leb_case *c = &sleb_cases[i];
		struct cursor cursor = { .pos = c->bytes, .end = c->bytes + c->len };
		uint64_t value = (uint64_t)cursor_sleb(&cursor);

		check_leb(c, cursor, value);
	}
}

static void cursor_read__takes_little_endian_numbers(void **state)
{
	static const uint8_t bytes[] = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 };
	struct cursor cursor = { .pos = bytes, .end = bytes + sizeof(bytes) };

	(void)state;
	assert_int_equal(cursor_u8(&cursor), 1);
	assert_int_equal(cursor_u16(&cursor), 0x0302);
	assert_int_equal(cursor_u32(&cursor), 0x07060504);
	assert_int_equal(cursor_u64(&cursor), 0x0f0e0d0c0b0a0908);
	assert_false(cursor.failed);
}

static void cursor_read__stays_at_the_end_once_past_it(void **state)
{
	static const uint8_t bytes[] = { 1, 2, 3 };
	struct cursor cursor = { .pos = bytes, .end = bytes + sizeof(bytes) };

	(void)state;
	assert_int_equal(cursor_u32(&cursor), 0);
	assert_true(cursor.failed);
	assert_ptr_equal(cursor.pos, cursor.end);
	assert_int_equal(cursor_u8(&cursor), 0);
	cursor_skip(&cursor, 0);
	assert_true(cursor.failed);
}

static void cursor_cut__gives_a_piece_or_nothing(void **state)
{
	static const uint8_t bytes[] = { 1, 2, 3, 4 };
	struct cursor cursor = { .pos = bytes, .end = bytes + sizeof(bytes) };
	struct cursor piece = cursor_cut(&cursor, 3);

	(void)state;
	assert_int_equal(cursor_left(&piece), 3);
	assert_int_equal(cursor_left(&cursor), 1);
	piece = cursor_cut(&cursor, UINT64_MAX);
	assert_true(piece.failed);
	assert_int_equal(cursor_left(&piece), 0);
	assert_true(cursor.failed);
}

static void cursor_string__needs_its_zero_byte(void **state)
{
	static const uint8_t bytes[] = { 'z', 'R', 0, 'x' };
	struct cursor cursor = { .pos = bytes, .end = bytes + sizeof(bytes) };

	(void)state;
	assert_string_equal(cursor_string(&cursor), "zR");
	assert_int_equal(cursor_left(&cursor), 1);
	assert_string_equal(cursor_string(&cursor), "");
	assert_true(cursor.failed);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(cursor_leb__reads_what_dwarf_says),
		cmocka_unit_test(cursor_read__takes_little_endian_numbers),
		cmocka_unit_test(cursor_read__stays_at_the_end_once_past_it),
		cmocka_unit_test(cursor_cut__gives_a_piece_or_nothing),
		cmocka_unit_test(cursor_string__needs_its_zero_byte),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

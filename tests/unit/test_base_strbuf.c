/* SPDX-License-Identifier: Apache-2.0 */
#include "base/strbuf.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static bool out_of_memory;

void *__real_realloc(void *data, size_t size);
void *__wrap_realloc(void *data, size_t size);

void *__wrap_realloc(void *data, size_t size)
{
	return out_of_memory ? NULL : __real_realloc(data, size);
}

static void strbuf_append__joins_bytes_and_ends_them_with_zero(void **state)
{
	_cleanup_(strbuf_fini) struct strbuf buf = { 0 };

	(void)state;
	strbuf_puts(&buf, "flame");
	strbuf_append(&buf, "\0graph", 6);
	strbuf_printf(&buf, " %d%%", 99);
	assert_int_equal(strbuf_error(&buf), 0);
	assert_int_equal(buf.len, 15);
	assert_memory_equal(buf.data, "flame\0graph 99%", 16);
}

static void strbuf_append__grows_over_any_boundary(void **state)
{
	_cleanup_(strbuf_fini) struct strbuf buf = { 0 };

	(void)state;
	for (size_t i = 0; i < 5000; i++) {
		char letter = (char)('a' + i % 26);

		strbuf_append(&buf, &letter, 1);
		assert_int_equal(buf.data[buf.len], '\0');
	}
	assert_int_equal(buf.len, 5000);
	for (size_t i = 0; i < buf.len; i++)
		assert_int_equal(buf.data[i], 'a' + (int)(i % 26));
}

static void strbuf_printf__fits_text_of_any_length(void **state)
{
	static const int widths[] = { 0, 1, 14, 15, 16, 17, 31, 32, 1000, 100000 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(widths); i++) {
		_cleanup_(strbuf_fini) struct strbuf buf = { 0 };

		strbuf_printf(&buf, "%*s", widths[i], "");
		assert_int_equal(strbuf_error(&buf), 0);
		assert_int_equal(buf.len, widths[i]);
		assert_int_equal(strlen(buf.data), widths[i]);
	}
}

static void strbuf_text__is_empty_at_first(void **state)
{
	const struct strbuf buf = { 0 };

	(void)state;
	assert_string_equal(strbuf_text(&buf), "");
}

static void strbuf_take__hands_on_and_leaves_an_empty_one(void **state)
{
	_cleanup_(strbuf_fini) struct strbuf buf = { 0 };
	_cleanup_(freep) char *text = NULL, *empty = NULL;
	size_t len;

	(void)state;
	strbuf_puts(&buf, "leaf");
	assert_int_equal(strbuf_take(&buf, &text, &len), 0);
	assert_string_equal(text, "leaf");
	assert_int_equal(len, 4);
	assert_null(buf.data);
	assert_int_equal(buf.len, 0);

	assert_int_equal(strbuf_take(&buf, &empty, NULL), 0);
	assert_string_equal(empty, "");
}

static void strbuf_take__reports_the_append_that_failed(void **state)
{
	_cleanup_(strbuf_fini) struct strbuf buf = { 0 };
	char untouched[] = "untouched";
	char *text = untouched;

	(void)state;
	strbuf_puts(&buf, "begun");
	out_of_memory = true;
	strbuf_printf(&buf, "%1000d", 1);
	out_of_memory = false;
	strbuf_puts(&buf, " and gone on");
	assert_int_equal(strbuf_error(&buf), -ENOMEM);
	assert_int_equal(strbuf_take(&buf, &text, NULL), -ENOMEM);
	assert_ptr_equal(text, untouched);
	assert_string_equal(strbuf_text(&buf), "begun");
}

static void strbuf_append__refuses_a_length_that_overflows(void **state)
{
	_cleanup_(strbuf_fini) struct strbuf buf = { 0 };

	(void)state;
	strbuf_puts(&buf, "x");
	strbuf_append(&buf, "y", SIZE_MAX - 1);
	assert_int_equal(strbuf_error(&buf), -ENOMEM);
	assert_string_equal(strbuf_text(&buf), "x");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(strbuf_append__joins_bytes_and_ends_them_with_zero),
		cmocka_unit_test(strbuf_append__grows_over_any_boundary),
		cmocka_unit_test(strbuf_printf__fits_text_of_any_length),
		cmocka_unit_test(strbuf_text__is_empty_at_first),
		cmocka_unit_test(strbuf_take__hands_on_and_leaves_an_empty_one),
		cmocka_unit_test(strbuf_take__reports_the_append_that_failed),
		cmocka_unit_test(strbuf_append__refuses_a_length_that_overflows),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

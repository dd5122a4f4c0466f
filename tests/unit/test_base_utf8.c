/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/utf8.h"

#define R "\xef\xbf\xbd"

static const struct {
	const char *what;
	const char *text;
	const char *mended;
} cases[] = {
	{ "ascii", "operator new(unsigned long)", "operator new(unsigned long)" },
	{ "first and last of two bytes", "\xc2\x80\xdf\xbf", "\xc2\x80\xdf\xbf" },
	{ "first and last of three bytes", "\xe0\xa0\x80\xef\xbf\xbf", "\xe0\xa0\x80\xef\xbf\xbf" },
	{ "around the surrogates", "\xed\x9f\xbf\xee\x80\x80", "\xed\x9f\xbf\xee\x80\x80" },
	{ "first and last of four bytes", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf", "\xf0\x90\x80\x80\xf4\x8f\xbf\xbf" },
	{ "lonely continuation", "a\x80z", "a" R "z" },
	{ "latin-1", "caf\xe9s", "caf" R "s" },
	{ "overlong slash", "\xc0\xaf", R R },
	{ "overlong in three", "\xe0\x80\xaf", R R R },
	{ "overlong in four", "\xf0\x80\x80\xaf", R R R R },
	{ "surrogate", "\xed\xa0\x80", R R R },
	{ "past the last", "\xf4\x90\x80\x80", R R R R },
	{ "never used bytes", "\xf5\xff\xfe", R R R },
	{ "cut after two of three", "\xe2\x82", R },
	{ "cut in the middle", "\xe2\x82x", R "x" },
	{ "cut after three of four", "\xf0\x9f\x94", R },
	{ "the example of table 3-8", "\xc0\xaf\xe0\x80\xbf\xf0\x81\x82\x41", R R R R R R R R "A" },
	{ "the example of table 3-11", "\xe1\x80\xe2\xf0\x91\x92\xf1\xbf\x41", R R R R "A" },
	{ "after eight ascii bytes",
	  "12345678\xff"
	  "12345678",
	  "12345678" R "12345678" },
	{ "two good around one bad", "\xc3\xa9\xff\xc3\xa9", "\xc3\xa9" R "\xc3\xa9" },
};

static void utf8_append_mended__replaces_maximal_invalid_runs(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(strbuf_fini) struct strbuf buf = { 0 };

		utf8_append_mended(&buf, cases[i].text, strlen(cases[i].text));
		assert_int_equal(strbuf_error(&buf), 0);
		if (strcmp(strbuf_text(&buf), cases[i].mended) != 0)
			fail_msg("%s: got \"%s\"", cases[i].what, strbuf_text(&buf));
	}
}

static void utf8_find_invalid__is_the_length_exactly_for_valid_text(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		size_t len = strlen(cases[i].text), mended_len = strlen(cases[i].mended);
		bool valid = strcmp(cases[i].text, cases[i].mended) == 0;

		assert_int_equal(utf8_find_invalid(cases[i].text, len) == len, valid);
		assert_int_equal(utf8_find_invalid(cases[i].mended, mended_len), mended_len);
	}
	assert_int_equal(utf8_find_invalid(NULL, 0), 0);
}

static void utf8_find_invalid__does_not_read_past_the_length(void **state)
{
	static const char fire[] = "\xf0\x9f\x94\xa5";

	(void)state;
	for (size_t len = 1; len < 4; len++) {
		_cleanup_(freep) char *exact = malloc(len);

		assert_non_null(exact);
		memcpy(exact, fire, len);
		assert_int_equal(utf8_find_invalid(exact, len), 0);
	}
}

static void utf8_clip__never_cuts_a_character(void **state)
{
	static const char text[] = "a\xc3\xa9\xe2\x82\xac\xf0\x9f\x94\xa5z";
	static const size_t want[] = { 0, 1, 1, 3, 3, 3, 6, 6, 6, 6, 10, 11, 11 };

	(void)state;
	for (size_t max = 0; max < ARRAY_LEN(want); max++)
		assert_int_equal(utf8_clip(text, strlen(text), max), want[max]);
}

static void utf8_clip__cuts_invalid_text_at_the_limit(void **state)
{
	(void)state;
	assert_int_equal(utf8_clip("\x80\x80\x80\x80\x80\x80\x80", 7, 5), 5);
	assert_int_equal(utf8_clip("\x80\x80\x80", 3, 1), 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(utf8_append_mended__replaces_maximal_invalid_runs),
		cmocka_unit_test(utf8_find_invalid__is_the_length_exactly_for_valid_text),
		cmocka_unit_test(utf8_find_invalid__does_not_read_past_the_length),
		cmocka_unit_test(utf8_clip__never_cuts_a_character),
		cmocka_unit_test(utf8_clip__cuts_invalid_text_at_the_limit),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

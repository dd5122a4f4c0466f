/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>

#include "config/value.h"

#define MS 1000000ULL
#define SEC 1000000000ULL

/* `text` parses to `value` with 0, or to nothing with `err`. */
struct parse_case {
	const char *text;
	int err;
	uint64_t value;
};

static void expect_parse(int (*parse)(const char *text, uint64_t *ret), const struct parse_case *cases, size_t cnt)
{
	for (size_t i = 0; i < cnt; i++) {
		uint64_t value = 4711;
		int err = parse(cases[i].text, &value);

		if (err != cases[i].err || value != (err ? 4711 : cases[i].value))
			fail_msg("\"%s\": %d, %llu", cases[i].text, err, (unsigned long long)value);
	}
}

static void number_parse__takes_decimal_digits_only(void **state)
{
	static const struct parse_case cases[] = {
		{ "0", 0, 0 },
		{ "99", 0, 99 },
		{ "007", 0, 7 },
		{ "18446744073709551615", 0, UINT64_MAX },
		{ "18446744073709551616", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ " 1", -EINVAL, 0 },
		{ "1 ", -EINVAL, 0 },
		{ "+1", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
		{ "0x10", -EINVAL, 0 },
		{ "1.5", -EINVAL, 0 },
	};

	(void)state;
	expect_parse(number_parse, cases, ARRAY_LEN(cases));
}

static void duration_parse__adds_up_its_parts(void **state)
{
	static const struct parse_case cases[] = {
		{ "0", 0, 0 },
		{ "15", 0, 15 * SEC },
		{ "15s", 0, 15 * SEC },
		{ "500ms", 0, 500 * MS },
		{ "2m", 0, 120 * SEC },
		{ "1h", 0, 3600 * SEC },
		{ "1m30s", 0, 90 * SEC },
		{ "1h1m1s1ms1us1ns", 0, 3661 * SEC + 1001001 },
		{ "0.5", 0, 500 * MS },
		{ "1.5h", 0, 5400 * SEC },
		{ "0.0000000019s", 0, 1 },
		{ "18446744073s", 0, 18446744073 * SEC },
		{ "18446744074s", -ERANGE, 0 },
		{ "18446744073s18446744073s", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "s", -EINVAL, 0 },
		{ "1x", -EINVAL, 0 },
		{ "1.", -EINVAL, 0 },
		{ "1.s", -EINVAL, 0 },
		{ ".5s", -EINVAL, 0 },
		{ "-1s", -EINVAL, 0 },
		{ "1 s", -EINVAL, 0 },
		{ "1S", -EINVAL, 0 },
	};

	(void)state;
	expect_parse(duration_parse, cases, ARRAY_LEN(cases));
}

static void bytes_parse__knows_binary_and_decimal_units(void **state)
{
	static const struct parse_case cases[] = {
		{ "0", 0, 0 },
		{ "4096", 0, 4096 },
		{ "4096B", 0, 4096 },
		{ "1K", 0, 1024 },
		{ "1KiB", 0, 1024 },
		{ "1kB", 0, 1000 },
		{ "64MiB", 0, 64 << 20 },
		{ "64M", 0, 64 << 20 },
		{ "5MB", 0, 5000000 },
		{ "1.5GiB", 0, 3ULL << 29 },
		{ "2TiB", 0, 2ULL << 40 },
		{ "16777215TiB", 0, 16777215ULL << 40 },
		{ "16777216TiB", -ERANGE, 0 },
		{ "", -EINVAL, 0 },
		{ "MiB", -EINVAL, 0 },
		{ "1mib", -EINVAL, 0 },
		{ "1MiB1KiB", -EINVAL, 0 },
		{ "-1", -EINVAL, 0 },
	};

	(void)state;
	expect_parse(bytes_parse, cases, ARRAY_LEN(cases));
}

static void bool_parse__knows_the_usual_words(void **state)
{
	bool value;

	(void)state;
	assert_int_equal(bool_parse("true", &value), 0);
	assert_true(value);
	assert_int_equal(bool_parse("0", &value), 0);
	assert_false(value);
	assert_int_equal(bool_parse("maybe", &value), -EINVAL);
	assert_int_equal(bool_parse("", &value), -EINVAL);
}

static void duration_format__is_read_back_to_the_same_number(void **state)
{
	static const struct {
		uint64_t duration_ns;
		const char *text;
	} cases[] = {
		{ 0, "0s" },
		{ 15 * SEC, "15s" },
		{ 90 * SEC, "1m30s" },
		{ 500 * MS, "500ms" },
		{ 3661 * SEC + 1, "1h1m1s1ns" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(strbuf_fini) struct strbuf buf = { 0 };
		uint64_t back = 0;

		duration_format(cases[i].duration_ns, &buf);
		assert_string_equal(strbuf_text(&buf), cases[i].text);
		assert_int_equal(duration_parse(strbuf_text(&buf), &back), 0);
		assert_int_equal(back, cases[i].duration_ns);
	}
}

static void bytes_format__is_read_back_to_the_same_number(void **state)
{
	static const struct {
		uint64_t bytes;
		const char *text;
	} cases[] = {
		{ 0, "0B" }, { 1000, "1000B" }, { 1024, "1KiB" }, { 64 << 20, "64MiB" }, { 1ULL << 40, "1TiB" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(strbuf_fini) struct strbuf buf = { 0 };
		uint64_t back = 1;

		bytes_format(cases[i].bytes, &buf);
		assert_string_equal(strbuf_text(&buf), cases[i].text);
		assert_int_equal(bytes_parse(strbuf_text(&buf), &back), 0);
		assert_int_equal(back, cases[i].bytes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(number_parse__takes_decimal_digits_only),
		cmocka_unit_test(duration_parse__adds_up_its_parts),
		cmocka_unit_test(bytes_parse__knows_binary_and_decimal_units),
		cmocka_unit_test(bool_parse__knows_the_usual_words),
		cmocka_unit_test(duration_format__is_read_back_to_the_same_number),
		cmocka_unit_test(bytes_format__is_read_back_to_the_same_number),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/utf8.h"
#include "profile/profile.h"

static struct profile *make_profile(void)
{
	struct profile *profile;

	assert_int_equal(profile_new("process_cpu", &profile), 0);
	profile->value_types[0] = (struct profile_value_type){ "samples", "count" };
	profile->value_types[1] = (struct profile_value_type){ "cpu", "nanoseconds" };
	profile->value_type_cnt = 2;
	return profile;
}

static uint32_t add_string(struct profile *profile, const char *text)
{
	uint32_t index;

	assert_int_equal(profile_add_string(profile, text, &index), 0);
	return index;
}

static uint32_t add_location(struct profile *profile, uint64_t address)
{
	uint32_t index;

	assert_int_equal(profile_add_location(profile, PROFILE_NO_MAPPING, address, NULL, 0, &index), 0);
	return index;
}

static void profile_new__holds_only_the_empty_string(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();

	(void)state;
	assert_string_equal(profile->name, "process_cpu");
	assert_int_equal(profile->string_cnt, 1);
	assert_string_equal(profile->strings[0], "");
	assert_int_equal(add_string(profile, ""), 0);
	assert_int_equal(add_string(profile, NULL), 0);
	assert_int_equal(profile->string_cnt, 1);
}

static void profile_add_string__holds_equal_strings_once(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	char text[32];

	(void)state;
	/* Enough of them that arrays and maps have grown many times. */
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < 5000; i++) {
			snprintf(text, sizeof(text), "function_%u", i);
			assert_int_equal(add_string(profile, text), i + 1);
		}
	}
	assert_int_equal(profile->string_cnt, 5001);
	assert_string_equal(profile->strings[4711], "function_4710");
}

static void profile_add_string__tells_a_prefix_from_the_whole(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();

	(void)state;
	assert_int_equal(add_string(profile, "main"), 1);
	assert_int_equal(add_string(profile, "mai"), 2);
	assert_int_equal(add_string(profile, "mainly"), 3);
}

static uint64_t mix(uint64_t key)
{
	key ^= key >> 33;
	key *= 0xff51afd7ed558ccdULL;
	key ^= key >> 33;
	key *= 0xc4ceb9fe1a85ec53ULL;
	key ^= key >> 33;
	return key;
}

static bool is_printable(uint64_t word)
{
	for (int i = 0; i < 8; i++, word >>= 8) {
		if ((word & 0xff) < 0x21 || (word & 0xff) > 0x7e)
			return false;
	}
	return true;
}

/*
 * Makes a string of 16 characters with the hash of `text`: whatever the first eight are, there are
 * eight bytes that bring hashmap_hash_bytes() back to the same state, and some try is printable.
 */
static void make_colliding(const char text[17], unsigned int skip, char ret[17])
{
	const uint64_t seed = 0x9e3779b97f4a7c15ULL ^ 16;
	uint64_t words[2], first, second;
	char head[9];

	memcpy(words, text, sizeof(words));
	for (unsigned int i = 0;; i++) {
		snprintf(head, sizeof(head), "%08u", i);
		memcpy(&first, head, sizeof(first));
		second = words[1] ^ mix(seed ^ words[0]) ^ mix(seed ^ first);
		if (is_printable(second) && skip-- == 0)
			break;
	}
	memcpy(ret, &first, sizeof(first));
	memcpy(ret + sizeof(first), &second, sizeof(second));
	ret[16] = '\0';
}

static void profile_add_string__keeps_strings_of_one_hash_apart(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	static const char original[17] = "sixteen_letters!";
	char texts[4][17];

	(void)state;
	memcpy(texts[0], original, sizeof(original));
	for (unsigned int i = 1; i < 4; i++) {
		make_colliding(original, i, texts[i]);
		assert_int_equal(hashmap_hash_bytes(texts[i], 16), hashmap_hash_bytes(original, 16));
		assert_string_not_equal(texts[i], texts[i - 1]);
	}
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < 4; i++)
			assert_int_equal(add_string(profile, texts[i]), i + 1);
	}
	for (uint32_t i = 0; i < 4; i++)
		assert_string_equal(profile->strings[i + 1], texts[i]);
}

static void profile_add_string__mends_what_is_not_utf8(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	uint32_t index;

	(void)state;
	index = add_string(profile, "caf\xe9");
	assert_string_equal(profile->strings[index], "caf\xef\xbf\xbd");
	assert_int_equal(add_string(profile, "caf\xef\xbf\xbd"), index);
	index = add_string(profile, "caf\xc3\xa9 \xf0\x9f\x94\xa5");
	assert_string_equal(profile->strings[index], "caf\xc3\xa9 \xf0\x9f\x94\xa5");
}

static void profile_add_string__cuts_at_a_character_boundary(void **state)
{
	/* The character that crosses the limit, and how much of it is left in front of it. */
	static const struct {
		const char *character;
		size_t before;
		size_t want_len;
	} cases[] = {
		{ "a", 0, PROFILE_STRING_MAX },
		{ "\xc3\xa9", 1, PROFILE_STRING_MAX - 1 },
		{ "\xe2\x82\xac", 2, PROFILE_STRING_MAX - 2 },
		{ "\xe2\x82\xac", 3, PROFILE_STRING_MAX },
		{ "\xf0\x9f\x94\xa5", 3, PROFILE_STRING_MAX - 3 },
		{ "\xff", 1, PROFILE_STRING_MAX - 1 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(profile_freep) struct profile *profile = make_profile();
		_cleanup_(freep) char *text = malloc(PROFILE_STRING_MAX + 16);
		size_t head = PROFILE_STRING_MAX - cases[i].before;
		const char *held;

		assert_non_null(text);
		memset(text, 'x', head);
		strcpy(text + head, cases[i].character);
		strcat(text, "tail");
		held = profile->strings[add_string(profile, text)];
		assert_int_equal(strlen(held), cases[i].want_len);
		assert_int_equal(utf8_find_invalid(held, strlen(held)), strlen(held));
	}
}

static void profile_add_string__bounds_text_that_grows_by_mending(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	_cleanup_(freep) char *text = malloc(PROFILE_STRING_MAX * 2 + 1);
	const char *held;

	(void)state;
	assert_non_null(text);
	memset(text, 0xff, PROFILE_STRING_MAX * 2);
	text[PROFILE_STRING_MAX * 2] = '\0';
	held = profile->strings[add_string(profile, text)];
	assert_int_equal(strlen(held), PROFILE_STRING_MAX / 3 * 3);
	assert_memory_equal(held + strlen(held) - 3, "\xef\xbf\xbd", 3);
}

static void profile_add_mapping__holds_equal_mappings_once(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	uint32_t main_binary, libc, again;

	(void)state;
	assert_int_equal(profile_add_mapping(profile, 0x1000, 0x2000, 0, "/bin/a", "aa11", &main_binary), 0);
	assert_int_equal(profile_add_mapping(profile, 0x1000, 0x2000, 0, "/lib/libc.so.6", "bb22", &libc), 0);
	assert_int_equal(profile_add_mapping(profile, 0x1000, 0x2000, 0, "/bin/a", "aa11", &again), 0);
	assert_int_equal(main_binary, 0);
	assert_int_equal(libc, 1);
	assert_int_equal(again, 0);
	assert_int_equal(profile_add_mapping(profile, 0x1000, 0x2000, 0, "/bin/a", NULL, &again), 0);
	assert_int_equal(again, 2);
	assert_int_equal(profile->mapping_cnt, 3);
}

static void profile_add_function__tells_apart_by_every_field(void **state)
{
	static const struct {
		const char *name, *system_name, *filename;
		int64_t start_line;
	} functions[] = {
		{ "f", "_Z1fv", "a.cc", 3 }, { "g", "_Z1fv", "a.cc", 3 }, { "f", "_Z1gv", "a.cc", 3 },
		{ "f", "_Z1fv", "b.cc", 3 }, { "f", "_Z1fv", "a.cc", 4 },
	};
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	uint32_t index;

	(void)state;
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < ARRAY_LEN(functions); i++) {
			assert_int_equal(profile_add_function(profile, functions[i].name, functions[i].system_name,
							      functions[i].filename, functions[i].start_line, &index),
					 0);
			assert_int_equal(index, i);
		}
	}
	assert_int_equal(profile->function_cnt, ARRAY_LEN(functions));
}

static void profile_add_location__tells_apart_by_every_field_and_line(void **state)
{
	static const struct {
		uint32_t mapping;
		uint64_t address;
		struct profile_line lines[2];
		size_t line_cnt;
	} locations[] = {
		{ 0, 0x10, { { 0, 1 }, { 1, 2 } }, 2 },
		{ 0, 0x10, { { 1, 2 }, { 0, 1 } }, 2 },
		{ 0, 0x10, { { 0, 1 } }, 1 },
		{ 0, 0x10, { { 0, 1 }, { 1, 3 } }, 2 },
		{ 0, 0x10, { { 0, 0 } }, 0 },
		{ 0, 0x11, { { 0, 1 }, { 1, 2 } }, 2 },
		{ PROFILE_NO_MAPPING, 0x10, { { 0, 1 }, { 1, 2 } }, 2 },
	};
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	uint32_t index;

	(void)state;
	assert_int_equal(profile_add_mapping(profile, 0, 0x1000, 0, "a", "", &index), 0);
	for (int pass = 0; pass < 2; pass++) {
		for (uint32_t i = 0; i < ARRAY_LEN(locations); i++) {
			assert_int_equal(profile_add_location(profile, locations[i].mapping, locations[i].address,
							      locations[i].lines, locations[i].line_cnt, &index),
					 0);
			assert_int_equal(index, i);
		}
	}
	assert_int_equal(profile->location_cnt, ARRAY_LEN(locations));
}

static void profile_add_location__copies_the_lines(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	struct profile_line lines[] = { { 0, 10 }, { 0, 20 } };
	uint32_t index;

	(void)state;
	/* Padding differs between equal lines: it must not be looked at. */
	memset(lines, 0xaa, sizeof(lines));
	lines[0].function = lines[1].function = 0;
	lines[0].line = 10;
	lines[1].line = 20;
	assert_int_equal(profile_add_location(profile, PROFILE_NO_MAPPING, 1, lines, 2, &index), 0);
	memset(lines, 0x55, sizeof(lines));
	assert_int_equal(profile->locations[0].lines[0].line, 10);
	assert_int_equal(profile->locations[0].lines[1].line, 20);
	lines[0].function = lines[1].function = 0;
	lines[0].line = 10;
	lines[1].line = 20;
	assert_int_equal(profile_add_location(profile, PROFILE_NO_MAPPING, 1, lines, 2, &index), 0);
	assert_int_equal(index, 0);
	assert_int_equal(profile->location_cnt, 1);
}

static void profile_add_sample__adds_up_what_has_the_same_stack(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	uint32_t a = add_location(profile, 1), b = add_location(profile, 2);
	const struct {
		uint32_t stack[3];
		size_t cnt;
		size_t want_index;
	} adds[] = {
		{ { a, b }, 2, 0 }, { { b, a }, 2, 1 }, { { a }, 1, 2 }, { { a, b, b }, 3, 3 },
		{ { a, b }, 2, 0 }, { { 0 }, 0, 4 },    { { 0 }, 0, 4 },
	};
	int64_t want[5][2] = { { 0 } };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(adds); i++) {
		const int64_t values[] = { (int64_t)i + 1, (int64_t)(i + 1) * 1000 };

		assert_int_equal(profile_add_sample(profile, adds[i].cnt ? adds[i].stack : NULL, adds[i].cnt, values),
				 0);
		want[adds[i].want_index][0] += values[0];
		want[adds[i].want_index][1] += values[1];
	}
	assert_int_equal(profile->sample_cnt, 5);
	for (size_t i = 0; i < 5; i++) {
		assert_int_equal(profile->samples[i].values[0], want[i][0]);
		assert_int_equal(profile->samples[i].values[1], want[i][1]);
		assert_int_equal(profile->samples[i].values[2], 0);
	}
	assert_int_equal(profile->samples[3].location_cnt, 3);
	assert_int_equal(profile->samples[3].locations[0], a);
}

static void profile_add_sample__saturates_instead_of_turning_negative(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	const uint32_t stack[] = { add_location(profile, 1) };
	const int64_t values[] = { 1, INT64_MAX - 5 };

	(void)state;
	assert_int_equal(profile_add_sample(profile, stack, 1, values), 0);
	assert_int_equal(profile_add_sample(profile, stack, 1, values), 0);
	assert_int_equal(profile->samples[0].values[0], 2);
	assert_true(profile->samples[0].values[1] == INT64_MAX);
}

static void profile_add_label__replaces_the_value_of_a_name(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	char value[] = "web";

	(void)state;
	assert_null(profile_find_label(profile, "service_name"));
	assert_int_equal(profile_add_label(profile, "service_name", value), 0);
	value[0] = 'X';
	assert_string_equal(profile_find_label(profile, "service_name"), "web");
	assert_int_equal(profile_add_label(profile, "host", "node-1"), 0);
	assert_int_equal(profile_add_label(profile, "service_name", "db"), 0);
	assert_string_equal(profile_find_label(profile, "service_name"), "db");
	assert_int_equal(profile->label_cnt, 2);
	assert_null(profile_find_label(profile, "service"));
}

static void profile_add_comment__is_a_string_of_the_profile(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();

	(void)state;
	assert_int_equal(profile_add_comment(profile, "lost: 3 \xff"), 0);
	assert_int_equal(profile->comment_cnt, 1);
	assert_string_equal(profile->comments[0], "lost: 3 \xef\xbf\xbd");
	assert_ptr_equal(profile->comments[0], profile->strings[1]);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(profile_new__holds_only_the_empty_string),
		cmocka_unit_test(profile_add_string__holds_equal_strings_once),
		cmocka_unit_test(profile_add_string__tells_a_prefix_from_the_whole),
		cmocka_unit_test(profile_add_string__keeps_strings_of_one_hash_apart),
		cmocka_unit_test(profile_add_string__mends_what_is_not_utf8),
		cmocka_unit_test(profile_add_string__cuts_at_a_character_boundary),
		cmocka_unit_test(profile_add_string__bounds_text_that_grows_by_mending),
		cmocka_unit_test(profile_add_mapping__holds_equal_mappings_once),
		cmocka_unit_test(profile_add_function__tells_apart_by_every_field),
		cmocka_unit_test(profile_add_location__tells_apart_by_every_field_and_line),
		cmocka_unit_test(profile_add_location__copies_the_lines),
		cmocka_unit_test(profile_add_sample__adds_up_what_has_the_same_stack),
		cmocka_unit_test(profile_add_sample__saturates_instead_of_turning_negative),
		cmocka_unit_test(profile_add_label__replaces_the_value_of_a_name),
		cmocka_unit_test(profile_add_comment__is_a_string_of_the_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "encode/pprof.h"
#include "encode/pprof_message.h"
#include "pprof_text.h"

static struct profile *make_profile(void)
{
	struct profile *profile;

	assert_int_equal(profile_new("process_cpu", &profile), 0);
	profile->value_types[0] = (struct profile_value_type){ "samples", "count" };
	profile->value_types[1] = (struct profile_value_type){ "cpu", "nanoseconds" };
	profile->value_type_cnt = 2;
	profile->period_type = profile->value_types[1];
	profile->period = 10101010;
	profile->time_wall_ns = 1700000000000000000;
	profile->duration_ns = 15000000000;
	return profile;
}

static uint32_t add_mapping(struct profile *profile, uint64_t start, const char *filename, const char *build_id)
{
	uint32_t index;

	assert_int_equal(profile_add_mapping(profile, start, start + 0x1000, 0x1000, filename, build_id, &index), 0);
	profile->mappings[index].has_functions = true;
	return index;
}

static uint32_t add_function(struct profile *profile, const char *name, const char *filename, int64_t start_line)
{
	uint32_t index;

	assert_int_equal(profile_add_function(profile, name, name, filename, start_line, &index), 0);
	return index;
}

static uint32_t add_location(struct profile *profile, uint32_t mapping, uint64_t address, uint32_t function,
			     int64_t line)
{
	const struct profile_line lines[] = { { function, line } };
	uint32_t index;

	assert_int_equal(profile_add_location(profile, mapping, address, lines, 1, &index), 0);
	return index;
}

static void add_sample(struct profile *profile, const uint32_t *stack, size_t cnt, int64_t count)
{
	const int64_t values[] = { count, count * 10101010 };

	assert_int_equal(profile_add_sample(profile, stack, cnt, values), 0);
}

static void assert_text(const struct profile *profile, const char *want)
{
	_cleanup_(blob_fini) struct blob blob = { 0 }, raw = { 0 };
	_cleanup_(strbuf_fini) struct strbuf text = { 0 };

	assert_int_equal(pprof_encode(profile, &blob), 0);
	gunzip(&blob, &raw);
	pprof_text_append(&text, raw.data, raw.len);
	assert_string_equal(strbuf_text(&text), want);
}

static void pprof_encode__writes_every_field_where_pprof_expects_it(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	uint32_t program = add_mapping(profile, 0x1000, "/bin/prog", "aa11");
	uint32_t libc = add_mapping(profile, 0x7000, "/lib/libc.so.6", "bb22");
	uint32_t main_function, inner, outer, inlined, stack[3];

	(void)state;
	assert_int_equal(profile_add_function(profile, "main(int)", "_Z4maini", "/src/a.cc", 10, &main_function), 0);
	inner = add_function(profile, "inner", "/src/b.h", 3);
	outer = add_function(profile, "outer", "/src/a.cc", 20);
	{
		const struct profile_line lines[] = { { inner, 4 }, { outer, 22 } };

		assert_int_equal(profile_add_location(profile, program, 0x1010, lines, 2, &inlined), 0);
	}
	stack[0] = add_location(profile, libc, 0x7010, add_function(profile, "memcpy", "", 0), 0);
	stack[1] = inlined;
	stack[2] = add_location(profile, program, 0x1020, main_function, 12);
	add_sample(profile, stack, 3, 7);
	add_sample(profile, stack + 1, 2, 1);
	assert_int_equal(profile_add_comment(profile, "lost: 3"), 0);
	assert_text(profile, "type samples/count\n"
			     "type cpu/nanoseconds\n"
			     "sample 1 2 3 = 7 70707070\n"
			     "sample 2 3 = 1 10101010\n"
			     "mapping 1 1000-2000@1000 /bin/prog aa11 functions filenames lines inlines\n"
			     "mapping 2 7000-8000@1000 /lib/libc.so.6 bb22 functions\n"
			     "location 1 in 2 7010 memcpy(memcpy,-:0):0\n"
			     "location 2 in 1 1010 inner(inner,/src/b.h:3):4 outer(outer,/src/a.cc:20):22\n"
			     "location 3 in 1 1020 main(int)(_Z4maini,/src/a.cc:10):12\n"
			     "time 1700000000000000000\n"
			     "duration 15000000000\n"
			     "period_type cpu/nanoseconds\n"
			     "period 10101010\n"
			     "comment lost: 3\n"
			     "default cpu\n");
}

static void pprof_encode__leaves_out_what_no_sample_leads_to(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	uint32_t unused, other, leaf, zero;

	(void)state;
	profile->value_type_cnt = 1;
	/* The first mapping is the main binary and stays, used or not. */
	add_mapping(profile, 0x1000, "/bin/prog", "aa11");
	unused = add_mapping(profile, 0x3000, "/lib/unused.so", "cc33");
	other = add_mapping(profile, 0x5000, "/lib/used.so", "dd44");
	zero = add_location(profile, unused, 0x3010, add_function(profile, "never", "/src/never.c", 1), 1);
	leaf = add_location(profile, other, 0x5010, add_function(profile, "leaf", "", 0), 0);
	add_sample(profile, &zero, 1, 0);
	add_sample(profile, &leaf, 1, 2);
	assert_text(profile, "type samples/count\n"
			     "sample 1 = 2\n"
			     "mapping 1 1000-2000@1000 /bin/prog aa11 functions\n"
			     "mapping 2 5000-6000@1000 /lib/used.so dd44 functions\n"
			     "location 1 in 2 5010 leaf(leaf,-:0):0\n"
			     "time 1700000000000000000\n"
			     "duration 15000000000\n"
			     "period_type cpu/nanoseconds\n"
			     "period 10101010\n"
			     "default samples\n");
}

static void pprof_encode__keeps_a_sample_with_one_value_that_is_not_zero(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	uint32_t leaf = add_location(profile, PROFILE_NO_MAPPING, 0, add_function(profile, "[truncated]", "", 0), 0);
	const int64_t values[] = { 0, 5 };

	(void)state;
	assert_int_equal(profile_add_sample(profile, &leaf, 1, values), 0);
	assert_text(profile, "type samples/count\n"
			     "type cpu/nanoseconds\n"
			     "sample 1 = 0 5\n"
			     "location 1 in 0 0 [truncated]([truncated],-:0):0\n"
			     "time 1700000000000000000\n"
			     "duration 15000000000\n"
			     "period_type cpu/nanoseconds\n"
			     "period 10101010\n"
			     "default cpu\n");
}

static void pprof_encode__sets_the_period_type_also_without_one(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();

	(void)state;
	profile->period_type = (struct profile_value_type){ 0 };
	profile->period = 0;
	assert_text(profile, "type samples/count\n"
			     "type cpu/nanoseconds\n"
			     "time 1700000000000000000\n"
			     "duration 15000000000\n"
			     "period_type -/-\n"
			     "default cpu\n");
}

static void pprof_encode__claims_no_detail_for_a_mapping_without_functions(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	uint32_t mapping = add_mapping(profile, 0x1000, "/bin/prog", "aa11");
	uint32_t leaf = add_location(profile, mapping, 0x1010, add_function(profile, "f", "/src/f.c", 1), 2);

	(void)state;
	profile->mappings[mapping].has_functions = false;
	add_sample(profile, &leaf, 1, 1);
	assert_text(profile, "type samples/count\n"
			     "type cpu/nanoseconds\n"
			     "sample 1 = 1 10101010\n"
			     "mapping 1 1000-2000@1000 /bin/prog aa11\n"
			     "location 1 in 1 1010 f(f,/src/f.c:1):2\n"
			     "time 1700000000000000000\n"
			     "duration 15000000000\n"
			     "period_type cpu/nanoseconds\n"
			     "period 10101010\n"
			     "default cpu\n");
}

static void pprof_encode__is_the_same_for_the_same_profile(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	_cleanup_(blob_fini) struct blob first = { 0 }, second = { 0 };
	uint32_t leaf = add_location(profile, PROFILE_NO_MAPPING, 0, add_function(profile, "f", "", 0), 0);

	(void)state;
	add_sample(profile, &leaf, 1, 1);
	assert_int_equal(pprof_encode(profile, &first), 0);
	assert_int_equal(pprof_encode(profile, &second), 0);
	assert_int_equal(first.len, second.len);
	assert_memory_equal(first.data, second.data, first.len);
}

enum breakage {
	BREAK_LOCATION,
	BREAK_FUNCTION,
	BREAK_MAPPING,
	BREAK_STRING,
	BREAK_NEGATIVE,
	BREAK_TYPES,
	BREAK_CNT,
};

static void break_profile(struct profile *profile, enum breakage breakage)
{
	switch (breakage) {
	case BREAK_LOCATION:
		profile->samples[0].locations[0] = 99;
		return;
	case BREAK_FUNCTION:
		profile->locations[0].lines[0].function = 99;
		return;
	case BREAK_MAPPING:
		profile->locations[0].mapping = 99;
		return;
	case BREAK_STRING:
		profile->functions[0].name = 99;
		return;
	case BREAK_NEGATIVE:
		profile->samples[0].values[1] = -1;
		return;
	case BREAK_TYPES:
		profile->value_type_cnt = 0;
		return;
	case BREAK_CNT:
		return;
	}
}

static void pprof_encode__refuses_a_profile_that_breaks_its_invariants(void **state)
{
	(void)state;
	for (enum breakage breakage = BREAK_LOCATION; breakage <= BREAK_CNT; breakage++) {
		_cleanup_(profile_freep) struct profile *profile = make_profile();
		_cleanup_(blob_fini) struct blob blob = { 0 };
		uint32_t mapping = add_mapping(profile, 0x1000, "/bin/prog", "aa11");
		uint32_t leaf = add_location(profile, mapping, 0x1010, add_function(profile, "f", "", 0), 0);

		add_sample(profile, &leaf, 1, 1);
		break_profile(profile, breakage);
		assert_int_equal(pprof_encode(profile, &blob), breakage == BREAK_CNT ? 0 : -EINVAL);
		/* Untouched on failure. */
		assert_int_equal(blob.data != NULL, breakage == BREAK_CNT);
	}
}

static void pprof_message_pack__fits_the_bytes_and_loses_no_sample(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	struct pprof_slice slice = { .bytes_max = 20000 };
	size_t pieces = 0;
	char name[200];

	(void)state;
	for (uint32_t i = 0; i < 3000; i++) {
		uint32_t leaf;

		snprintf(name, sizeof(name), "function_%0*u", (int)(i % 150) + 10, i);
		leaf = add_location(profile, PROFILE_NO_MAPPING, i + 1, add_function(profile, name, "", 0), 0);
		add_sample(profile, &leaf, 1, i + 1);
	}
	for (; slice.first < profile->sample_cnt; slice.first += slice.cnt, pieces++) {
		_cleanup_(blob_fini) struct blob blob = { 0 };

		slice.cnt = profile->sample_cnt - slice.first;
		assert_int_equal(pprof_message_pack(profile, &slice, &blob), 0);
		assert_true(slice.cnt > 0);
		assert_true(blob.len <= slice.bytes_max);
	}
	assert_int_equal(slice.first, profile->sample_cnt);
	/* About 400 KB of names: pieces are filled well, not cut to shreds. */
	assert_in_range(pieces, 15, 45);
}

static void pprof_message_pack__packs_a_sample_that_is_larger_than_the_bytes(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	struct pprof_slice slice = { .cnt = 2, .bytes_max = 10 };
	_cleanup_(blob_fini) struct blob blob = { 0 };

	(void)state;
	for (uint64_t i = 1; i <= 2; i++) {
		uint32_t leaf = add_location(profile, PROFILE_NO_MAPPING, i, add_function(profile, "f", "", 0), 0);

		add_sample(profile, &leaf, 1, 1);
	}
	assert_int_equal(pprof_message_pack(profile, &slice, &blob), 0);
	assert_int_equal(slice.cnt, 1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pprof_encode__writes_every_field_where_pprof_expects_it),
		cmocka_unit_test(pprof_encode__leaves_out_what_no_sample_leads_to),
		cmocka_unit_test(pprof_encode__keeps_a_sample_with_one_value_that_is_not_zero),
		cmocka_unit_test(pprof_encode__sets_the_period_type_also_without_one),
		cmocka_unit_test(pprof_encode__claims_no_detail_for_a_mapping_without_functions),
		cmocka_unit_test(pprof_encode__is_the_same_for_the_same_profile),
		cmocka_unit_test(pprof_encode__refuses_a_profile_that_breaks_its_invariants),
		cmocka_unit_test(pprof_message_pack__fits_the_bytes_and_loses_no_sample),
		cmocka_unit_test(pprof_message_pack__packs_a_sample_that_is_larger_than_the_bytes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

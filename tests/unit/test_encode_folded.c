/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "encode/folded.h"

static struct profile *make_profile(void)
{
	struct profile *profile;

	assert_int_equal(profile_new("process_cpu", &profile), 0);
	profile->value_types[0] = (struct profile_value_type){ "samples", "count" };
	profile->value_types[1] = (struct profile_value_type){ "cpu", "nanoseconds" };
	profile->value_type_cnt = 2;
	return profile;
}

/* A location of functions from the innermost outwards; NULL ends them. */
static uint32_t add_location(struct profile *profile, uint32_t mapping, uint64_t address, const char *const *names)
{
	struct profile_line lines[8] = { { 0 } };
	uint32_t index;
	size_t cnt;

	for (cnt = 0; names && names[cnt]; cnt++)
		assert_int_equal(profile_add_function(profile, names[cnt], "", "", 0, &lines[cnt].function), 0);
	assert_int_equal(profile_add_location(profile, mapping, address, lines, cnt, &index), 0);
	return index;
}

static uint32_t add_named(struct profile *profile, uint64_t address, const char *name)
{
	const char *const names[] = { name, NULL };

	return add_location(profile, PROFILE_NO_MAPPING, address, names);
}

static void add_sample(struct profile *profile, const uint32_t *stack, size_t cnt, int64_t count)
{
	const int64_t values[] = { count, count * 1000 };

	assert_int_equal(profile_add_sample(profile, stack, cnt, values), 0);
}

static void assert_folded(const struct profile *profile, const char *want)
{
	_cleanup_(blob_fini) struct blob blob = { 0 };

	assert_int_equal(folded_encode(profile, &blob), 0);
	assert_int_equal(blob.len, strlen(want));
	assert_memory_equal(blob.data, want, blob.len);
}

static void folded_encode__writes_the_root_first(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	const uint32_t stack[] = { add_named(profile, 1, "leaf"), add_named(profile, 2, "middle"),
				   add_named(profile, 3, "main") };

	(void)state;
	add_sample(profile, stack, 3, 5);
	add_sample(profile, stack + 1, 2, 2);
	assert_folded(profile, "main;middle 2\n"
			       "main;middle;leaf 5\n");
}

static void folded_encode__makes_inlined_functions_frames(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	static const char *const inlined[] = { "innermost", "inlined", "outer", NULL };
	const uint32_t stack[] = { add_location(profile, PROFILE_NO_MAPPING, 1, inlined),
				   add_named(profile, 2, "main") };

	(void)state;
	add_sample(profile, stack, 2, 1);
	assert_folded(profile, "main;outer;inlined;innermost 1\n");
}

static void folded_encode__adds_up_stacks_that_read_the_same(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();

	(void)state;
	for (uint64_t address = 1; address <= 3; address++) {
		const uint32_t stack[] = { add_named(profile, address, "work") };

		add_sample(profile, stack, 1, 10);
	}
	assert_folded(profile, "work 30\n");
}

static void folded_encode__keeps_names_from_breaking_the_line(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	const uint32_t stack[] = { add_named(profile, 1, "<[u8; 16] as Debug>::fmt"),
				   add_named(profile, 2, "a\nb\rc;") };

	(void)state;
	add_sample(profile, stack, 2, 1);
	assert_folded(profile, "a b c:;<[u8: 16] as Debug>::fmt 1\n");
}

static void folded_encode__names_what_has_no_name_by_its_file(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	static const char *const empty[] = { "", NULL };
	uint32_t mapping, stack[3];

	(void)state;
	assert_int_equal(profile_add_mapping(profile, 0, 0x2000, 0, "/usr/lib/libfoo.so", "", &mapping), 0);
	stack[0] = add_location(profile, mapping, 0x1234, NULL);
	stack[1] = add_location(profile, mapping, 0x1f, empty);
	stack[2] = add_location(profile, PROFILE_NO_MAPPING, 0xbeef, NULL);
	add_sample(profile, stack, 3, 1);
	add_sample(profile, NULL, 0, 4);
	assert_folded(profile, "0xbeef;libfoo.so+0x1f;libfoo.so+0x1234 1\n"
			       "[no stack] 4\n");
}

static void folded_encode__is_empty_without_a_first_value(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile();
	const uint32_t stack[] = { add_named(profile, 1, "f") };

	(void)state;
	assert_folded(profile, "");
	add_sample(profile, stack, 1, 0);
	assert_folded(profile, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(folded_encode__writes_the_root_first),
		cmocka_unit_test(folded_encode__makes_inlined_functions_frames),
		cmocka_unit_test(folded_encode__adds_up_stacks_that_read_the_same),
		cmocka_unit_test(folded_encode__keeps_names_from_breaking_the_line),
		cmocka_unit_test(folded_encode__names_what_has_no_name_by_its_file),
		cmocka_unit_test(folded_encode__is_empty_without_a_first_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

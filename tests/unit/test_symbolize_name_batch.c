/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <link.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/strbuf.h"
#include "symbolize/name_batch.h"

#define OURSELVES PPROFD_EXECUTABLE_FIRST
#define UNOPENED (PPROFD_EXECUTABLE_FIRST + 1)
#define NEVER_SEEN (PPROFD_EXECUTABLE_FIRST + 2)
#define KERNEL_FUNCTION 0xffffffff81001010ULL
#define KERNEL_UNNAMED 0xffffffff90000000ULL

__attribute__((noinline)) static int name_batch_leaf(int x)
{
	__asm__ volatile("" : "+r"(x));
	return x + 1;
}

struct fixture {
	struct symbolizer *symbolizer;
	struct executables executables;
	struct executable ourselves, unopened;
	struct batch *batch;
	struct profile *profiles[2];
	int pick_error;
	int pick_cnt;
	char kallsyms[64];
};

static int note_bias(struct dl_phdr_info *info, size_t size, void *bias)
{
	(void)size;
	*(uint64_t *)bias = info->dlpi_addr;
	return 1; /* the first is the program itself */
}

/* A frame inside `function` of this very program. */
static uint64_t frame_in(const struct fixture *fixture, const void *function)
{
	uint64_t bias = 0, off;

	dl_iterate_phdr(note_bias, &bias);
	assert_int_equal(object_elfva_to_off(fixture->ourselves.object, (uintptr_t)function - bias, &off), 0);
	return (uint64_t)OURSELVES << PPROFD_OFF_BITS | off;
}

static int setup(void **state)
{
	static const char text[] = "ffffffff81001010 T do_one_initcall\nffffffff82000000 T _etext\n";
	static const char *const roots[] = { "/nonexistent", NULL };
	struct fixture *fixture = calloc(1, sizeof(*fixture));
	struct symbolizer_options options = { .debug_roots = roots, .cache_max = 1 << 20 };
	int fd;

	assert_non_null(fixture);
	snprintf(fixture->kallsyms, sizeof(fixture->kallsyms), "/tmp/test_symbolize_name_batch.XXXXXX");
	fd = mkstemp(fixture->kallsyms);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, sizeof(text) - 1), sizeof(text) - 1);
	close(fd);
	options.kallsyms_path = fixture->kallsyms;
	assert_int_equal(symbolizer_new(&options, &fixture->symbolizer), 0);
	assert_int_equal(object_new_path("/proc/self/exe", &fixture->ourselves.object), 0);
	snprintf(fixture->unopened.name, sizeof(fixture->unopened.name), "libgone.so.1");
	assert_int_equal(hashmap_put(&fixture->executables.by_number, OURSELVES, (uintptr_t)&fixture->ourselves), 0);
	assert_int_equal(hashmap_put(&fixture->executables.by_number, UNOPENED, (uintptr_t)&fixture->unopened), 0);
	assert_int_equal(batch_new(&fixture->batch), 0);
	for (size_t i = 0; i < ARRAY_LEN(fixture->profiles); i++) {
		assert_int_equal(profile_new("process_cpu", &fixture->profiles[i]), 0);
		fixture->profiles[i]->value_type_cnt = 2;
	}
	*state = fixture;
	return 0;
}

static int teardown(void **state)
{
	struct fixture *fixture = *state;

	for (size_t i = 0; i < ARRAY_LEN(fixture->profiles); i++)
		profile_free(fixture->profiles[i]);
	batch_free(fixture->batch);
	object_free(fixture->ourselves.object);
	hashmap_fini(&fixture->executables.by_number);
	symbolizer_free(fixture->symbolizer);
	unlink(fixture->kallsyms);
	free(fixture);
	return 0;
}

/* Odd processes go to the second profile. */
static int pick(void *arg, const struct batch_process *process, struct profile **ret)
{
	struct fixture *fixture = arg;

	fixture->pick_cnt++;
	if (fixture->pick_error)
		return fixture->pick_error;
	*ret = fixture->profiles[process->process & 1];
	return 0;
}

static int name(struct fixture *fixture)
{
	const struct name_batch_picker picker = { pick, fixture };

	return name_batch(fixture->symbolizer, &fixture->executables, fixture->batch, &picker);
}

static void add_process(struct fixture *fixture, uint64_t process, uint32_t executable)
{
	const struct batch_process added = { .process = process, .executable = executable };

	assert_int_equal(batch_add_process(fixture->batch, &added), 0);
}

struct sample {
	uint64_t process;
	enum pprofd_stop stop;
	uint16_t kernel_cnt;
	const uint64_t *frames;
	uint16_t frame_cnt;
	uint32_t count; /* worth 10 ns each */
};

#define add_sample(fixture, ...) add_sample_of(fixture, &(const struct sample){ __VA_ARGS__ })

static void add_sample_of(struct fixture *fixture, const struct sample *sample)
{
	_cleanup_(freep) struct pprofd_stack_record *record =
		calloc(1, sizeof(*record) + sample->frame_cnt * sizeof(record->frames[0]));
	struct pprofd_slot slot = { .process = sample->process,
				    .count = sample->count,
				    .value = sample->count * 10ULL };

	assert_non_null(record);
	record->stack = fixture->batch->stacks.cnt + 1;
	record->kernel_cnt = sample->kernel_cnt;
	record->user_cnt = (uint16_t)(sample->frame_cnt - sample->kernel_cnt);
	record->stop = sample->stop;
	for (size_t i = 0; i < sample->frame_cnt; i++)
		record->frames[i] = sample->frames[i];
	slot.stack = record->stack;
	assert_int_equal(batch_add_stack(fixture->batch, record), 0);
	assert_int_equal(batch_add_count(fixture->batch, &slot), 0);
}

/* The names of a sample, leaf first: "a;b". Outermost line of each location. */
static void assert_stack(const struct profile *profile, size_t sample, const char *expected)
{
	_cleanup_(strbuf_fini) struct strbuf text = { 0 };

	assert_true(sample < profile->sample_cnt);
	for (size_t i = 0; i < profile->samples[sample].location_cnt; i++) {
		const struct profile_location *location = &profile->locations[profile->samples[sample].locations[i]];

		assert_true(location->line_cnt > 0);
		strbuf_printf(
			&text, "%s%s", i > 0 ? ";" : "",
			profile->strings[profile->functions[location->lines[location->line_cnt - 1].function].name]);
	}
	assert_string_equal(strbuf_text(&text), expected);
}

static const struct profile_mapping *mapping_of(const struct profile *profile, size_t sample, size_t frame)
{
	uint32_t location = profile->samples[sample].locations[frame];

	assert_true(profile->locations[location].mapping < profile->mapping_cnt);
	return &profile->mappings[profile->locations[location].mapping];
}

static void name_batch__names_frames_of_every_kind(void **state)
{
	struct fixture *fixture = *state;
	const struct profile *profile = fixture->profiles[0];
	const uint64_t leaf = frame_in(fixture, (const void *)(uintptr_t)name_batch_leaf);
	const struct {
		enum pprofd_stop stop;
		uint16_t kernel_cnt, frame_cnt;
		uint64_t frames[4];
		const char *expected;
	} cases[] = {
		{ PPROFD_STOP_COMPLETE, 0, 1, { leaf }, "name_batch_leaf" },
		{ PPROFD_STOP_COMPLETE, 1, 2, { KERNEL_FUNCTION + 4, leaf }, "do_one_initcall;name_batch_leaf" },
		{ PPROFD_STOP_NONE, 1, 1, { KERNEL_UNNAMED }, "[kernel.kallsyms]+0xffffffff90000000" },
		{ PPROFD_STOP_PENDING,
		  0,
		  1,
		  { (uint64_t)UNOPENED << PPROFD_OFF_BITS | 0x1234 },
		  "libgone.so.1+0x1234" },
		{ PPROFD_STOP_COMPLETE, 0, 1, { (uint64_t)NEVER_SEEN << PPROFD_OFF_BITS | 1 }, "[unknown]+0x1" },
		{ PPROFD_STOP_NO_MAPPING, 0, 1, { 0x7fffff }, "[unknown]+0x7fffff" },
		{ PPROFD_STOP_COMPLETE,
		  0,
		  1,
		  { (uint64_t)(PPROFD_EXECUTABLE_ANON | 0x7f0) << PPROFD_OFF_BITS | 0x123456789 },
		  "[jit]+0x7f0123456789" },
		{ PPROFD_STOP_TRUNCATED, 0, 2, { leaf, leaf }, "name_batch_leaf;name_batch_leaf;[truncated]" },
		{ PPROFD_STOP_READ_FAULT, 0, 2, { leaf, leaf }, "name_batch_leaf;name_batch_leaf" },
		{ PPROFD_STOP_NONE, 0, 0, { 0 }, "[unknown]" },
	};

	add_process(fixture, 2, OURSELVES);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++)
		add_sample(fixture, 2, cases[i].stop, cases[i].kernel_cnt, cases[i].frames, cases[i].frame_cnt,
			   (uint32_t)i + 1);
	assert_int_equal(name(fixture), 0);
	assert_int_equal(profile->sample_cnt, ARRAY_LEN(cases));
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		assert_stack(profile, i, cases[i].expected);
		assert_int_equal(profile->samples[i].values[0], i + 1);
		assert_int_equal(profile->samples[i].values[1], (i + 1) * 10);
	}
}

static void name_batch__ties_frames_to_mappings(void **state)
{
	struct fixture *fixture = *state;
	const struct profile *profile = fixture->profiles[0];
	const uint64_t leaf = frame_in(fixture, (const void *)(uintptr_t)name_batch_leaf);
	const uint64_t frames[] = {
		KERNEL_FUNCTION,
		(uint64_t)(PPROFD_EXECUTABLE_ANON | 0x7f) << PPROFD_OFF_BITS | 5,
		(uint64_t)(PPROFD_EXECUTABLE_ANON | 0x7e) << PPROFD_OFF_BITS | 5,
		(uint64_t)UNOPENED << PPROFD_OFF_BITS | 7,
		leaf,
	};
	static const char *const files[] = { "[kernel.kallsyms]", "[anon]", "[anon]", "libgone.so.1",
					     "/proc/self/exe" };
	char build_id[2 * OBJECT_BUILD_ID_MAX + 1];
	uint64_t elfva;

	add_process(fixture, 2, OURSELVES);
	add_sample(fixture, 2, PPROFD_STOP_COMPLETE, 1, frames, ARRAY_LEN(frames), 1);
	assert_int_equal(name(fixture), 0);
	for (size_t i = 0; i < ARRAY_LEN(frames); i++) {
		const struct profile_mapping *mapping = mapping_of(profile, 0, i);
		uint64_t address = profile->locations[profile->samples[0].locations[i]].address;

		assert_string_equal(profile->strings[mapping->filename], files[i]);
		assert_true(mapping->has_functions);
		assert_true(mapping->start <= address && address < mapping->limit);
	}
	assert_int_equal(profile->mapping_cnt, 4);

	/* The main binary is the first, though other frames came before. */
	object_format_build_id(fixture->ourselves.object, build_id);
	assert_string_equal(profile->strings[profile->mappings[0].filename], "/proc/self/exe");
	assert_string_equal(profile->strings[profile->mappings[0].build_id], build_id);
	assert_int_equal(object_off_to_elfva(fixture->ourselves.object, leaf & PPROFD_OFF_MASK, &elfva), 0);
	assert_int_equal(profile->locations[profile->samples[0].locations[4]].address, elfva);
}

static void name_batch__puts_the_main_binary_first_without_a_frame_in_it(void **state)
{
	struct fixture *fixture = *state;
	const struct profile *profile = fixture->profiles[0];
	const uint64_t frame = KERNEL_FUNCTION;

	add_process(fixture, 2, OURSELVES);
	add_sample(fixture, 2, PPROFD_STOP_NONE, 1, &frame, 1, 1);
	assert_int_equal(name(fixture), 0);
	assert_int_equal(profile->mapping_cnt, 2);
	assert_string_equal(profile->strings[profile->mappings[0].filename], "/proc/self/exe");
}

static void name_batch__asks_once_a_process_where_its_samples_go(void **state)
{
	struct fixture *fixture = *state;
	const uint64_t leaf = frame_in(fixture, (const void *)(uintptr_t)name_batch_leaf);
	const uint64_t deeper[] = { leaf, leaf };

	add_process(fixture, 2, OURSELVES);
	add_process(fixture, 3, OURSELVES);
	add_process(fixture, 4, PPROFD_EXECUTABLE_NONE);
	for (int i = 0; i < 3; i++) {
		add_sample(fixture, 2, PPROFD_STOP_COMPLETE, 0, &leaf, 1, 1);
		add_sample(fixture, 3, PPROFD_STOP_COMPLETE, 0, deeper, 2, 2);
		add_sample(fixture, 4, PPROFD_STOP_COMPLETE, 0, deeper, 2, 3);
	}
	assert_int_equal(name(fixture), 0);
	assert_int_equal(fixture->pick_cnt, 3);
	/* Equal stacks are one sample. */
	assert_int_equal(fixture->profiles[0]->sample_cnt, 2);
	assert_int_equal(fixture->profiles[0]->samples[0].values[0], 3);
	assert_int_equal(fixture->profiles[0]->samples[1].values[0], 9);
	assert_int_equal(fixture->profiles[1]->sample_cnt, 1);
	assert_stack(fixture->profiles[1], 0, "name_batch_leaf;name_batch_leaf");
	assert_int_equal(fixture->profiles[1]->samples[0].values[1], 60);
	assert_int_equal(fixture->profiles[1]->location_cnt, 1);
}

static void name_batch__adds_to_what_earlier_windows_left(void **state)
{
	struct fixture *fixture = *state;
	const struct profile *profile = fixture->profiles[0];
	const uint64_t frames[] = { KERNEL_FUNCTION, frame_in(fixture, (const void *)(uintptr_t)name_batch_leaf) };

	add_process(fixture, 2, OURSELVES);
	add_sample(fixture, 2, PPROFD_STOP_COMPLETE, 1, frames, 2, 1);
	for (int window = 0; window < 3; window++) {
		assert_int_equal(name(fixture), 0);
		symbolizer_end_window(fixture->symbolizer);
	}
	assert_int_equal(profile->mapping_cnt, 2);
	assert_int_equal(profile->location_cnt, 2);
	assert_int_equal(profile->sample_cnt, 1);
	assert_int_equal(profile->samples[0].values[0], 3);
}

static void name_batch__hands_on_the_failure_of_the_picker(void **state)
{
	struct fixture *fixture = *state;
	const uint64_t frame = KERNEL_FUNCTION;

	add_process(fixture, 2, OURSELVES);
	add_sample(fixture, 2, PPROFD_STOP_NONE, 1, &frame, 1, 1);
	fixture->pick_error = -ENOSPC;
	assert_int_equal(name(fixture), -ENOSPC);
}

static void name_batch__does_nothing_with_an_empty_window(void **state)
{
	struct fixture *fixture = *state;

	assert_int_equal(name(fixture), 0);
	assert_int_equal(fixture->pick_cnt, 0);
	assert_int_equal(fixture->profiles[0]->sample_cnt, 0);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(name_batch__names_frames_of_every_kind),
		TEST(name_batch__ties_frames_to_mappings),
		TEST(name_batch__puts_the_main_binary_first_without_a_frame_in_it),
		TEST(name_batch__asks_once_a_process_where_its_samples_go),
		TEST(name_batch__adds_to_what_earlier_windows_left),
		TEST(name_batch__hands_on_the_failure_of_the_picker),
		TEST(name_batch__does_nothing_with_an_empty_window),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "drain/drain.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#include "fake_maps.h"

#define PROCESS 0x500000064ULL

static struct fake_maps fake;
static struct drain *drain;

/* What on_executable() was given. */
static uint32_t executable_numbers[4];
static size_t executable_cnt;

static void on_executable(void *arg, const struct pprofd_executable_record *record)
{
	assert_ptr_equal(arg, &fake);
	assert_true(executable_cnt < ARRAY_LEN(executable_numbers));
	executable_numbers[executable_cnt++] = record->number;
}

static int setup(void **state)
{
	(void)state;
	executable_cnt = 0;
	fake_maps_init(&fake);
	return drain_new(&fake.maps, on_executable, &fake, &drain);
}

static int teardown(void **state)
{
	(void)state;
	drain_free(take_ptr(drain));
	assert_null(fake.maps.on_record);
	fake_maps_fini(&fake);
	return 0;
}

static struct pprofd_slot slot(uint64_t stack, uint64_t process, uint32_t count)
{
	return (struct pprofd_slot){ .stack = stack, .process = process, .value = count * 10ULL, .count = count };
}

static struct batch *end_window(void)
{
	struct batch *batch;

	assert_int_equal(drain_end_window(drain, &batch), 0);
	return batch;
}

/* The samples of `stack` in the next window that ends, and of the others. */
static void assert_window(uint64_t stack, uint64_t expected, uint64_t expected_others)
{
	struct batch *batch = end_window();
	uint64_t found = 0, others = 0;

	for (size_t i = 0; i < batch->sample_cnt; i++) {
		const struct batch_sample *sample = &batch->samples[i];

		assert_non_null(sample->stack);
		assert_non_null(sample->process);
		assert_int_equal(sample->value, sample->count * 10);
		if (sample->stack->hash == stack)
			found += sample->count;
		else
			others += sample->count;
	}
	assert_int_equal(found, expected);
	assert_int_equal(others, expected_others);
	batch_free(batch);
}

static void drain_end_window__brings_stacks_processes_and_counts_together(void **state)
{
	struct batch *batch;

	(void)state;
	fake_maps_send_stack(&fake, 1, 0xa, 0x1234);
	fake_maps_send_process(&fake, 1, PROCESS);
	fake_maps_count(&fake, 1, 2, 5, slot(0xa, PROCESS, 3));
	batch = end_window();
	assert_int_equal(batch->sample_cnt, 1);
	assert_int_equal(batch->samples[0].count, 3);
	assert_int_equal(batch->samples[0].value, 30);
	assert_int_equal(batch->samples[0].stack->user_cnt, 1);
	assert_int_equal(batch->samples[0].stack->frames[0], 0x1234);
	assert_int_equal(batch->samples[0].stack->stop, PPROFD_STOP_COMPLETE);
	assert_int_equal(batch->samples[0].process->tgid, 100);
	assert_string_equal(batch->samples[0].process->comm, "fake");
	batch_free(batch);
	assert_int_equal(drain_get_lost(drain), 0);
}

/* While epoch 1 is drained, programs already count in epoch 2. */
static void run_next_epoch(struct fake_maps *maps)
{
	assert_int_equal(maps->epoch, 2);
	fake_maps_send_stack(maps, 2, 0xb, 2);
	fake_maps_send_process(maps, 2, PROCESS);
	fake_maps_count(maps, 2, 0, 0, slot(0xb, PROCESS, 5));
}

static void drain_end_window__leaves_what_belongs_to_the_running_epoch_to_its_own_window(void **state)
{
	(void)state;
	fake_maps_send_stack(&fake, 1, 0xa, 1);
	fake_maps_send_process(&fake, 1, PROCESS);
	fake_maps_count(&fake, 1, 0, 0, slot(0xa, PROCESS, 3));
	fake.on_wait = run_next_epoch;
	assert_window(0xa, 3, 0);
	assert_int_equal(fake.record_cnt, 0);
	assert_window(0xb, 5, 0);
	assert_int_equal(drain_get_lost(drain), 0);
}

/* A program that began in epoch 1 ends while user space waits for it. */
static void end_last_program(struct fake_maps *maps)
{
	fake_maps_send_stack(maps, 1, 0xc, 3);
	fake_maps_send_process(maps, 1, PROCESS);
	fake_maps_count(maps, 1, 1, 1, slot(0xc, PROCESS, 1));
}

static void drain_end_window__takes_what_programs_under_way_still_count(void **state)
{
	(void)state;
	fake.on_wait = end_last_program;
	assert_window(0xc, 1, 0);
	assert_window(0xc, 0, 0);
	assert_int_equal(drain_get_lost(drain), 0);
}

static void drain_dispatch__keeps_what_it_reads_for_the_window(void **state)
{
	(void)state;
	fake_maps_send_stack(&fake, 1, 0xa, 1);
	assert_int_equal(drain_dispatch(drain), 0);
	fake_maps_send_process(&fake, 1, PROCESS);
	assert_int_equal(drain_dispatch(drain), 0);
	assert_int_equal(fake.record_cnt, 0);
	fake_maps_count(&fake, 1, 0, 0, slot(0xa, PROCESS, 2));
	assert_window(0xa, 2, 0);
}

static void drain_end_window__starts_each_window_without_the_stacks_of_the_last(void **state)
{
	(void)state;
	fake_maps_send_stack(&fake, 1, 0xa, 1);
	fake_maps_send_process(&fake, 1, PROCESS);
	assert_window(0xa, 0, 0);
	assert_window(0xa, 0, 0);
	/* Epoch 3 has the places of epoch 1, and neither its stacks nor its processes. */
	fake_maps_count(&fake, 3, 0, 0, slot(0xa, PROCESS, 4));
	assert_window(0xa, 0, 0);
	assert_int_equal(drain_get_lost(drain), 4);
}

static void drain_end_window__counts_what_misses_its_stack_or_process_as_lost(void **state)
{
	(void)state;
	fake_maps_send_stack(&fake, 1, 0xa, 1);
	fake_maps_send_process(&fake, 1, PROCESS);
	fake_maps_count(&fake, 1, 0, 0, slot(0xa, PROCESS, 2));
	fake_maps_count(&fake, 1, 0, 1, slot(0xdead, PROCESS, 7));
	fake_maps_count(&fake, 1, 1, 0, slot(0xa, PROCESS + 1, 11));
	fake_maps_count(&fake, 1, 2, FAKE_BUCKET_CNT * PPROFD_BUCKET_SLOTS - 1, slot(0xdead, 1, 13));
	assert_window(0xa, 2, 0);
	assert_int_equal(drain_get_lost(drain), 7 + 11 + 13);
}

static void drain_end_window__adds_counts_that_were_sent_early(void **state)
{
	struct pprofd_count_record early = { .head = { PPROFD_RECORD_COUNT, 1 }, .slot = slot(0xa, PROCESS, 6) };

	(void)state;
	fake_maps_send_stack(&fake, 1, 0xa, 1);
	fake_maps_send_process(&fake, 1, PROCESS);
	fake_maps_send(&fake, &early, sizeof(early));
	early.slot.stack = 0xdead;
	fake_maps_send(&fake, &early, sizeof(early));
	fake_maps_count(&fake, 1, 0, 0, slot(0xa, PROCESS, 1));
	assert_window(0xa, 7, 0);
	assert_int_equal(drain_get_lost(drain), 6);
}

static void drain_end_window__leaves_zeroes_for_the_epoch_after_the_next(void **state)
{
	static const struct pprofd_bucket zero;

	(void)state;
	fake_maps_send_stack(&fake, 1, 0xa, 1);
	fake_maps_send_process(&fake, 1, PROCESS);
	for (uint32_t cpu = 0; cpu < FAKE_CPU_CNT; cpu++) {
		for (uint32_t i = 0; i < FAKE_BUCKET_CNT * PPROFD_BUCKET_SLOTS; i++) {
			fake_maps_count(&fake, 1, cpu, i, slot(i % 2 ? 0xa : 0xdead, PROCESS, 1));
			fake_maps_count(&fake, 2, cpu, i, slot(0xb, PROCESS, 1));
		}
	}
	assert_window(0xa, FAKE_CPU_CNT * FAKE_BUCKET_CNT * PPROFD_BUCKET_SLOTS / 2, 0);
	for (uint32_t cpu = 0; cpu < FAKE_CPU_CNT; cpu++) {
		for (uint32_t i = 0; i < FAKE_BUCKET_CNT; i++) {
			assert_memory_equal(maps_get_buckets(&fake.maps, 3, cpu) + i, &zero, sizeof(zero));
			assert_int_equal(maps_get_buckets(&fake.maps, 2, cpu)[i].slots[0].count, 1);
		}
	}
}

static void drain_dispatch__reads_on_behind_a_record_that_breaks_its_format(void **state)
{
	const struct pprofd_record heads[] = {
		{ PPROFD_RECORD_STACK, 1 },
		{ PPROFD_RECORD_COUNT, 1 },
		{ PPROFD_RECORD_PROCESS, 1 },
		{ PPROFD_RECORD_EXECUTABLE, 1 },
		{ 0, 1 },
		{ 99, 1 },
	};
	struct pprofd_stack_record endless = {
		.head = heads[0], .stack = 0xbad, .kernel_cnt = 65535, .user_cnt = 65535
	};

	(void)state;
	fake_maps_send(&fake, heads, 0);
	fake_maps_send(&fake, heads, sizeof(heads[0]) - 1);
	for (size_t i = 0; i < ARRAY_LEN(heads); i++)
		fake_maps_send(&fake, &heads[i], sizeof(heads[i]));
	/* More frames than the record holds. */
	fake_maps_send(&fake, &endless, sizeof(endless));
	endless.kernel_cnt = 0;
	endless.user_cnt = 1;
	fake_maps_send(&fake, &endless, sizeof(endless));
	fake_maps_send_stack(&fake, 1, 0xa, 1);
	fake_maps_send_process(&fake, 1, PROCESS);
	assert_int_equal(drain_dispatch(drain), 0);
	assert_int_equal(fake.record_cnt, 0);
	assert_int_equal(executable_cnt, 0);
	fake_maps_count(&fake, 1, 0, 0, slot(0xa, PROCESS, 2));
	fake_maps_count(&fake, 1, 0, 1, slot(0xbad, PROCESS, 3));
	assert_window(0xa, 2, 0);
	assert_int_equal(drain_get_lost(drain), 3);
}

static void drain_dispatch__ends_a_name_that_fills_its_field(void **state)
{
	struct pprofd_process_record record = { .head = { PPROFD_RECORD_PROCESS, 1 }, .process = PROCESS };
	struct batch *batch;

	(void)state;
	memset(record.comm, 'x', sizeof(record.comm));
	fake_maps_send(&fake, &record, sizeof(record));
	fake_maps_send_stack(&fake, 1, 0xa, 1);
	fake_maps_count(&fake, 1, 0, 0, slot(0xa, PROCESS, 1));
	batch = end_window();
	assert_int_equal(batch->sample_cnt, 1);
	assert_string_equal(batch->samples[0].process->comm, "xxxxxxxxxxxxxxx");
	batch_free(batch);
}

static void drain_dispatch__hands_on_what_rows_are_wanted_for(void **state)
{
	struct pprofd_executable_record record = { .head = { PPROFD_RECORD_EXECUTABLE, 1 }, .number = 16 };

	(void)state;
	fake_maps_send(&fake, &record, sizeof(record));
	record.number = 17;
	fake_maps_send(&fake, &record, sizeof(record));
	assert_int_equal(drain_dispatch(drain), 0);
	assert_int_equal(executable_cnt, 2);
	assert_int_equal(executable_numbers[0], 16);
	assert_int_equal(executable_numbers[1], 17);
}

static void drain_end_window__loses_nothing_when_programs_cannot_be_waited_for(void **state)
{
	struct batch *batch = NULL;

	(void)state;
	fake_maps_send_stack(&fake, 1, 0xa, 1);
	fake_maps_send_process(&fake, 1, PROCESS);
	fake_maps_count(&fake, 1, 0, 0, slot(0xa, PROCESS, 2));
	fake.wait_error = -EPERM;
	assert_int_equal(drain_end_window(drain, &batch), -EPERM);
	assert_null(batch);
	fake.wait_error = 0;
	fake_maps_send_stack(&fake, 2, 0xb, 1);
	fake_maps_send_process(&fake, 2, PROCESS);
	fake_maps_count(&fake, 2, 0, 0, slot(0xb, PROCESS, 3));
	assert_window(0xb, 3, 0);
	/* Epoch 3 shares its place with epoch 1, which nobody has read. */
	assert_window(0xa, 2, 0);
	assert_int_equal(drain_get_lost(drain), 0);
}

static void drain_end_window__counts_as_lost_what_the_unread_records_leave_without_stack(void **state)
{
	(void)state;
	fake_maps_send_stack(&fake, 1, 0xa, 1);
	fake_maps_send_process(&fake, 1, PROCESS);
	fake_maps_count(&fake, 1, 0, 0, slot(0xa, PROCESS, 9));
	fake.consume_error = -EIO;
	assert_window(0xa, 0, 0);
	assert_int_equal(drain_get_lost(drain), 9);
}

static void drain_end_window__leaves_no_time_between_windows(void **state)
{
	struct batch *first, *second;

	(void)state;
	first = end_window();
	second = end_window();
	assert_true(first->start_wall_ns <= first->end_wall_ns);
	assert_int_equal(first->end_wall_ns, second->start_wall_ns);
	batch_free(first);
	batch_free(second);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(drain_end_window__brings_stacks_processes_and_counts_together),
		TEST(drain_end_window__leaves_what_belongs_to_the_running_epoch_to_its_own_window),
		TEST(drain_end_window__takes_what_programs_under_way_still_count),
		TEST(drain_dispatch__keeps_what_it_reads_for_the_window),
		TEST(drain_end_window__starts_each_window_without_the_stacks_of_the_last),
		TEST(drain_end_window__counts_what_misses_its_stack_or_process_as_lost),
		TEST(drain_end_window__adds_counts_that_were_sent_early),
		TEST(drain_end_window__leaves_zeroes_for_the_epoch_after_the_next),
		TEST(drain_dispatch__reads_on_behind_a_record_that_breaks_its_format),
		TEST(drain_dispatch__ends_a_name_that_fills_its_field),
		TEST(drain_dispatch__hands_on_what_rows_are_wanted_for),
		TEST(drain_end_window__loses_nothing_when_programs_cannot_be_waited_for),
		TEST(drain_end_window__counts_as_lost_what_the_unread_records_leave_without_stack),
		TEST(drain_end_window__leaves_no_time_between_windows),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}

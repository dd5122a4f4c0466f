/* SPDX-License-Identifier: Apache-2.0 */
#include "requests.h"

#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <cmocka.h>

#include "fake_publisher.h"

/* The program that runs this is the one file that is there for sure, through its own /proc entry. */
static struct fake_publisher fake;
static struct executables executables;
static struct requests requests;

static int setup(void **state)
{
	(void)state;
	fake_publisher_init(&fake, 16);
	requests.maps = &fake.maps.maps;
	requests.executables = &executables;
	requests.publisher = fake.publisher;
	return 0;
}

static int teardown(void **state)
{
	(void)state;
	requests_fini(&requests);
	executables_fini(&executables);
	fake_publisher_fini(&fake);
	return 0;
}

/* A request for our own program as executable `number`, which programs have met. */
static struct pprofd_executable_record meet(uint32_t number)
{
	struct pprofd_executable_record record = {
		.head = { PPROFD_RECORD_EXECUTABLE, 1 },
		.number = number,
		.tgid = (uint32_t)getpid(),
		.name = "test",
	};
	struct stat status;

	assert_int_equal(stat("/proc/self/exe", &status), 0);
	record.key = fake_key(status.st_ino);
	record.key.dev = (uint32_t)major(status.st_dev) << 20 | (uint32_t)minor(status.st_dev);
	record.key.ctime_ns = number; /* another for each number */
	fake_maps_meet_key(&fake.maps, &record.key, number);
	return record;
}

static struct pprofd_executable entry(const struct pprofd_executable_record *record)
{
	struct pprofd_executable executable = { 0 };

	assert_int_equal(maps_get_executable(&fake.maps.maps, &record->key, &executable), 0);
	return executable;
}

static void requests_answer_next__publishes_the_rows_of_what_was_asked_for(void **state)
{
	const struct pprofd_executable_record record = meet(16);

	(void)state;
	assert_false(requests_answer_next(&requests));
	requests_add(&requests, &record);
	/* Open, but not read yet. */
	assert_true(object_is_open(executables_find(&executables, 16)->object));
	assert_int_equal(entry(&record).state, PPROFD_EXECUTABLE_PENDING);
	assert_true(requests_answer_next(&requests));
	assert_int_equal(entry(&record).state, PPROFD_EXECUTABLE_READY);
	assert_true(entry(&record).page_cnt > 0);
	assert_false(requests_answer_next(&requests));
	assert_int_equal(requests.refusals.by_number.cnt, 0);
}

static void requests_add__takes_what_is_asked_twice_once(void **state)
{
	const struct pprofd_executable_record first = meet(16), second = meet(17);

	(void)state;
	for (int i = 0; i < 3; i++) {
		requests_add(&requests, &first);
		requests_add(&requests, &second);
	}
	assert_int_equal(requests.cnt, 2);
	while (requests_answer_next(&requests))
		;
	/* What is in the ring buffer from before is answered by now. */
	requests_add(&requests, &first);
	assert_int_equal(requests.cnt, 0);
}

static void requests_add__gives_rows_back_that_had_to_make_room(void **state)
{
	const struct pprofd_executable_record record = meet(16);
	struct pprofd_executable taken;

	(void)state;
	requests_add(&requests, &record);
	assert_true(requests_answer_next(&requests));
	taken = (struct pprofd_executable){ .number = 16, .state = PPROFD_EXECUTABLE_PENDING };
	assert_int_equal(maps_put_executable(&fake.maps.maps, &record.key, &taken), 0);
	requests_add(&requests, &record);
	assert_true(requests_answer_next(&requests));
	assert_int_equal(entry(&record).state, PPROFD_EXECUTABLE_READY);
}

static void requests_add__ignores_what_the_kernel_side_has_forgotten(void **state)
{
	const struct pprofd_executable_record record = meet(16);

	(void)state;
	assert_int_equal(maps_remove_executable(&fake.maps.maps, &record.key), 0);
	requests_add(&requests, &record);
	assert_int_equal(requests.cnt, 0);
	assert_int_equal(executables.by_number.cnt, 0);
	assert_int_equal(requests.refusals.by_number.cnt, 0);
}

static int agree(void *arg, const struct executable *executable)
{
	(void)arg;
	return publisher_set_closed(fake.publisher, &executable->key, true);
}

static void requests_add__opens_again_what_was_closed(void **state)
{
	const struct pprofd_executable_record record = meet(16);
	const struct executable *executable;
	uint32_t page_table;

	(void)state;
	requests_add(&requests, &record);
	assert_true(requests_answer_next(&requests));
	executable = executables_find(&executables, 16);
	page_table = entry(&record).page_table;
	for (int i = 0; i <= EXECUTABLE_IDLE_WINDOWS; i++)
		executables_end_window(&executables, agree, NULL);
	assert_false(object_is_open(executable->object));
	assert_int_equal(entry(&record).state, PPROFD_EXECUTABLE_READY | PPROFD_EXECUTABLE_CLOSED);
	requests_add(&requests, &record);
	assert_true(object_is_open(executable->object));
	assert_int_equal(entry(&record).state, PPROFD_EXECUTABLE_READY);
	/* Its rows were there all the time. */
	assert_int_equal(requests.cnt, 0);
	assert_int_equal(entry(&record).page_table, page_table);
}

static void requests_add__asks_no_more_of_what_fails_again_and_again(void **state)
{
	struct pprofd_executable_record record = meet(16);

	(void)state;
	/* No process has this number: PID_MAX_LIMIT is 2^22. */
	record.tgid = 1u << 30;
	for (int i = 0; i < REFUSALS_TRIES_MAX; i++)
		requests_add(&requests, &record);
	assert_int_equal(requests.refusals.by_number.cnt, 1);
	/* Not even when there is a process that has it, until the next window. */
	record.tgid = (uint32_t)getpid();
	requests_add(&requests, &record);
	assert_int_equal(requests.cnt, 0);
	fake.maps.epoch++;
	requests_add(&requests, &record);
	assert_int_equal(requests.cnt, 1);
	assert_true(requests_answer_next(&requests));
	assert_int_equal(requests.refusals.by_number.cnt, 0);
}

/* Row memory of one chunk, full of what is hit. */
static void fill_row_memory(void)
{
	static const size_t row_cnts[] = { FAKE_SEVENTH, 4096, 256, 1 };
	uint32_t number = 1000;

	fake_publisher_fini(&fake);
	fake_publisher_init(&fake, 1);
	requests.publisher = fake.publisher;
	for (size_t i = 0; i < ARRAY_LEN(row_cnts); i++) {
		_cleanup_(unwind_table_freep) struct unwind_table *table = fake_table_new(row_cnts[i], 0, 8, 0);

		do {
			number++;
			fake_maps_meet(&fake.maps, number, number);
		} while (fake_publish(&fake, number, number, table) == 0);
	}
}

static void requests_answer_next__waits_longer_and_longer_for_row_memory(void **state)
{
	/* The epochs from 1 on in which it is tried: one, two, four windows later. */
	static const bool is_tried[] = { true, true, false, true, false, false, false, true };
	struct pprofd_executable_record record;

	(void)state;
	fill_row_memory();
	record = meet(16);
	for (size_t i = 0; i < ARRAY_LEN(is_tried); i++) {
		requests_add(&requests, &record);
		assert_int_equal(requests_answer_next(&requests), is_tried[i]);
		assert_int_equal(entry(&record).state, PPROFD_EXECUTABLE_PENDING);
		fake.maps.epoch++;
		for (uint32_t number = 1001; fake_maps_find(&fake.maps, number); number++)
			fake_maps_hit(&fake.maps, number);
	}
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, setup, teardown)
	const struct CMUnitTest tests[] = {
		TEST(requests_answer_next__publishes_the_rows_of_what_was_asked_for),
		TEST(requests_add__takes_what_is_asked_twice_once),
		TEST(requests_add__gives_rows_back_that_had_to_make_room),
		TEST(requests_add__ignores_what_the_kernel_side_has_forgotten),
		TEST(requests_add__opens_again_what_was_closed),
		TEST(requests_add__asks_no_more_of_what_fails_again_and_again),
		TEST(requests_answer_next__waits_longer_and_longer_for_row_memory),
	};
#undef TEST

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: Apache-2.0 */
#include "sample/perf_event.h"

#include <errno.h>
#include <linux/perf_event.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

/* ---- names ---- */

static const struct {
	const char *name;
	int expected;
	uint32_t type;
	uint64_t config;
} names[] = {
	{ "cpu-clock", 0, PERF_TYPE_SOFTWARE, PERF_COUNT_SW_CPU_CLOCK },
	{ "cycles", 0, PERF_TYPE_HARDWARE, PERF_COUNT_HW_CPU_CYCLES },
	{ "instructions", 0, PERF_TYPE_HARDWARE, PERF_COUNT_HW_INSTRUCTIONS },
	{ "branch-misses", 0, PERF_TYPE_HARDWARE, PERF_COUNT_HW_BRANCH_MISSES },
	{ "stalled-cycles-backend", 0, PERF_TYPE_HARDWARE, PERF_COUNT_HW_STALLED_CYCLES_BACKEND },
	{ "", -EINVAL, 0, 0 },
	{ "cpu-cloc", -EINVAL, 0, 0 },
	{ "cpu-clock ", -EINVAL, 0, 0 },
	{ "CYCLES", -EINVAL, 0, 0 },
	{ "page-faults", -EINVAL, 0, 0 },
};

static void perf_event_parse__knows_the_names_of_events(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		uint64_t config = 0;
		uint32_t type = 0;

		print_message("name \"%s\"\n", names[i].name);
		assert_int_equal(perf_event_parse(names[i].name, &type, &config), names[i].expected);
		assert_int_equal(type, names[i].type);
		assert_int_equal(config, names[i].config);
	}
}

/* ---- a ring of the kernel's, made up ---- */

struct ring {
	size_t page;
	struct perf_event_mmap_page *control;
	unsigned char *data;
	struct perf_event event;
};

static void ring_init(struct ring *ring)
{
	ring->page = (size_t)sysconf(_SC_PAGESIZE);
	ring->control = calloc(2, ring->page);
	assert_non_null(ring->control);
	ring->data = (unsigned char *)ring->control + ring->page;
	ring->event = (struct perf_event){ .fd = -1, .ring = ring->control };
}

static void ring_fini(struct ring *ring)
{
	free(ring->control);
}

/* As the kernel writes: the head grows for ever, the place is the head modulo the ring. */
static void ring_write(struct ring *ring, uint32_t type, uint16_t size)
{
	struct perf_event_header header = { .type = type, .size = size };
	unsigned char record[256] = { 0 };

	assert_true(size <= sizeof(record));
	memset(record, 0xee, size);
	memcpy(record, &header, sizeof(header));
	for (size_t i = 0; i < size; i++)
		ring->data[(ring->control->data_head + i) % ring->page] = record[i];
	ring->control->data_head += size;
}

static void perf_event_take_throttled__counts_throttle_records_only(void **state)
{
	struct ring ring;

	(void)state;
	ring_init(&ring);
	ring_write(&ring, PERF_RECORD_THROTTLE, 32);
	ring_write(&ring, PERF_RECORD_UNTHROTTLE, 32);
	ring_write(&ring, PERF_RECORD_LOST, 24);
	ring_write(&ring, PERF_RECORD_THROTTLE, 32);
	assert_int_equal(perf_event_take_throttled(&ring.event), 2);
	ring_fini(&ring);
}

static void perf_event_take_throttled__counts_each_record_once(void **state)
{
	struct ring ring;

	(void)state;
	ring_init(&ring);
	assert_int_equal(perf_event_take_throttled(&ring.event), 0);
	ring_write(&ring, PERF_RECORD_THROTTLE, 32);
	assert_int_equal(perf_event_take_throttled(&ring.event), 1);
	assert_int_equal(perf_event_take_throttled(&ring.event), 0);
	ring_write(&ring, PERF_RECORD_THROTTLE, 32);
	assert_int_equal(perf_event_take_throttled(&ring.event), 1);
	ring_fini(&ring);
}

static void perf_event_take_throttled__gives_the_ring_back_to_the_kernel(void **state)
{
	struct ring ring;

	(void)state;
	ring_init(&ring);
	ring_write(&ring, PERF_RECORD_THROTTLE, 32);
	ring_write(&ring, PERF_RECORD_UNTHROTTLE, 40);
	assert_int_equal(perf_event_take_throttled(&ring.event), 1);
	assert_int_equal(ring.control->data_tail, 72);
	ring_fini(&ring);
}

/* Records of 24 and 40 bytes do not divide a page: some begin at its end and go on at its start. */
static void perf_event_take_throttled__follows_records_around_the_ring(void **state)
{
	uint64_t throttled = 0;
	struct ring ring;

	(void)state;
	ring_init(&ring);
	for (int i = 0; i < 1000; i++) {
		ring_write(&ring, PERF_RECORD_THROTTLE, 40);
		ring_write(&ring, PERF_RECORD_LOST, 24);
		if (i % 3 == 0)
			throttled += perf_event_take_throttled(&ring.event);
	}
	throttled += perf_event_take_throttled(&ring.event);
	assert_int_equal(throttled, 1000);
	ring_fini(&ring);
}

static void perf_event_take_throttled__ends_at_a_record_without_size(void **state)
{
	struct ring ring;

	(void)state;
	ring_init(&ring);
	ring_write(&ring, PERF_RECORD_THROTTLE, 32);
	ring.control->data_head += 64;
	assert_int_equal(perf_event_take_throttled(&ring.event), 1);
	/* What cannot be read is left behind, not read again. */
	assert_int_equal(ring.control->data_tail, 96);
	ring_write(&ring, PERF_RECORD_THROTTLE, 32);
	assert_int_equal(perf_event_take_throttled(&ring.event), 1);
	ring_fini(&ring);
}

static void perf_event_take_throttled__sees_nothing_without_a_ring(void **state)
{
	struct perf_event event = { .fd = -1 };

	(void)state;
	assert_int_equal(perf_event_take_throttled(&event), 0);
}

static void perf_event_fini__may_be_called_again(void **state)
{
	struct perf_event event = { .cpu = 3, .fd = -1 };

	(void)state;
	perf_event_fini(&event);
	perf_event_fini(&event);
	assert_int_equal(event.cpu, 3);
	assert_int_equal(event.fd, -1);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(perf_event_parse__knows_the_names_of_events),
		cmocka_unit_test(perf_event_take_throttled__counts_throttle_records_only),
		cmocka_unit_test(perf_event_take_throttled__counts_each_record_once),
		cmocka_unit_test(perf_event_take_throttled__gives_the_ring_back_to_the_kernel),
		cmocka_unit_test(perf_event_take_throttled__follows_records_around_the_ring),
		cmocka_unit_test(perf_event_take_throttled__ends_at_a_record_without_size),
		cmocka_unit_test(perf_event_take_throttled__sees_nothing_without_a_ring),
		cmocka_unit_test(perf_event_fini__may_be_called_again),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

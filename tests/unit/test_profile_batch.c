/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <errno.h>
#include <string.h>

#include "profile/batch.h"

#define FRAMES_CNT (PPROFD_KERNEL_FRAMES_MAX + PPROFD_USER_FRAMES_MAX)

union record {
	struct pprofd_stack_record head;
	unsigned char bytes[sizeof(struct pprofd_stack_record) + FRAMES_CNT * sizeof(uint64_t)];
};

static union record record_of(uint64_t hash, uint16_t kernel_cnt, uint16_t user_cnt)
{
	union record record = {
		.head = {
			.stack = hash,
			.kernel_cnt = kernel_cnt,
			.user_cnt = user_cnt,
			.stop = PPROFD_STOP_COMPLETE,
		},
	};

	for (size_t i = 0; i < (size_t)kernel_cnt + user_cnt; i++)
		record.head.frames[i] = hash << 16 | i;
	return record;
}

static int add_stack(struct batch *batch, const union record *record)
{
	return batch_add_stack(batch, &record->head);
}

static struct pprofd_slot slot_of(uint64_t stack, uint64_t process, uint32_t count)
{
	return (struct pprofd_slot){
		.stack = stack,
		.process = process,
		.value = count * 10ULL,
		.count = count,
		.source = PPROFD_SOURCE_CPU,
	};
}

static void batch_add_stack__copies_what_it_is_given(void **state)
{
	static const struct {
		uint16_t kernel_cnt, user_cnt;
	} cases[] = {
		{ 0, 0 }, { 1, 0 }, { 0, 3 }, { 2, 5 }, { PPROFD_KERNEL_FRAMES_MAX, PPROFD_USER_FRAMES_MAX },
	};
	_cleanup_(batch_freep) struct batch *batch = NULL;

	(void)state;
	assert_int_equal(batch_new(&batch), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		union record record = record_of(i + 1, cases[i].kernel_cnt, cases[i].user_cnt);

		assert_int_equal(add_stack(batch, &record), 0);
		memset(&record, 0xaa, sizeof(record));
	}
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		union record record = record_of(i + 1, cases[i].kernel_cnt, cases[i].user_cnt);
		const uint64_t *found = hashmap_find(&batch->stacks, i + 1);
		const struct batch_stack *stack;

		assert_non_null(found);
		stack = (const struct batch_stack *)(uintptr_t)*found;
		assert_int_equal(stack->hash, i + 1);
		assert_int_equal(stack->kernel_cnt, cases[i].kernel_cnt);
		assert_int_equal(stack->user_cnt, cases[i].user_cnt);
		assert_int_equal(stack->stop, PPROFD_STOP_COMPLETE);
		assert_memory_equal(stack->frames, record.head.frames,
				    ((size_t)stack->kernel_cnt + stack->user_cnt) * sizeof(uint64_t));
	}
}

static void batch_add_stack__keeps_the_first_of_a_hash(void **state)
{
	_cleanup_(batch_freep) struct batch *batch = NULL;
	union record first = record_of(7, 1, 2);
	union record second = record_of(7, 0, 4);
	const struct batch_stack *stack;

	(void)state;
	assert_int_equal(batch_new(&batch), 0);
	assert_int_equal(add_stack(batch, &first), 0);
	assert_int_equal(add_stack(batch, &second), 0);
	assert_int_equal(batch->stacks.cnt, 1);
	stack = (const struct batch_stack *)(uintptr_t)*hashmap_find(&batch->stacks, 7);
	assert_int_equal(stack->user_cnt, 2);
}

static void batch_add_count__ties_stack_and_process(void **state)
{
	_cleanup_(batch_freep) struct batch *batch = NULL;
	struct batch_process process = { .process = 99, .tgid = 5, .executable = 16, .comm = "redis-server" };
	union record record = record_of(7, 1, 2);
	struct pprofd_slot slot = slot_of(7, 99, 3);

	(void)state;
	assert_int_equal(batch_new(&batch), 0);
	assert_int_equal(add_stack(batch, &record), 0);
	assert_int_equal(batch_add_process(batch, &process), 0);
	process.tgid = 6;
	assert_int_equal(batch_add_process(batch, &process), 0);
	assert_int_equal(batch_add_count(batch, &slot), 0);

	assert_int_equal(batch->sample_cnt, 1);
	assert_int_equal(batch->samples[0].count, 3);
	assert_int_equal(batch->samples[0].value, 30);
	assert_int_equal(batch->samples[0].source, PPROFD_SOURCE_CPU);
	assert_int_equal(batch->samples[0].stack->hash, 7);
	assert_int_equal(batch->samples[0].process->tgid, 5);
	assert_string_equal(batch->samples[0].process->comm, "redis-server");
}

static void batch_add_count__refuses_what_never_arrived(void **state)
{
	static const struct {
		uint64_t stack, process;
		int err;
	} cases[] = {
		{ 7, 99, 0 },
		{ 8, 99, -ENOENT },
		{ 7, 98, -ENOENT },
		{ 8, 98, -ENOENT },
	};
	_cleanup_(batch_freep) struct batch *batch = NULL;
	struct batch_process process = { .process = 99 };
	union record record = record_of(7, 0, 1);

	(void)state;
	assert_int_equal(batch_new(&batch), 0);
	assert_int_equal(add_stack(batch, &record), 0);
	assert_int_equal(batch_add_process(batch, &process), 0);
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct pprofd_slot slot = slot_of(cases[i].stack, cases[i].process, 1);

		assert_int_equal(batch_add_count(batch, &slot), cases[i].err);
	}
	assert_int_equal(batch->sample_cnt, 1);
}

static void batch_add_count__pointers_outlive_growth(void **state)
{
	enum { STACKS = 5000 };
	_cleanup_(batch_freep) struct batch *batch = NULL;
	struct batch_process process = { .process = 1 };
	uint64_t sum = 0;

	(void)state;
	assert_int_equal(batch_new(&batch), 0);
	assert_int_equal(batch_add_process(batch, &process), 0);
	for (uint64_t i = 1; i <= STACKS; i++) {
		union record record = record_of(i, 2, 20);
		struct pprofd_slot slot = slot_of(i, 1, (uint32_t)i);

		assert_int_equal(add_stack(batch, &record), 0);
		assert_int_equal(batch_add_count(batch, &slot), 0);
	}
	for (size_t i = 0; i < batch->sample_cnt; i++) {
		assert_int_equal(batch->samples[i].stack->frames[21], (i + 1) << 16 | 21);
		sum += batch->samples[i].count;
	}
	assert_int_equal(sum, (uint64_t)STACKS * (STACKS + 1) / 2);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(batch_add_stack__copies_what_it_is_given),
		cmocka_unit_test(batch_add_stack__keeps_the_first_of_a_hash),
		cmocka_unit_test(batch_add_count__ties_stack_and_process),
		cmocka_unit_test(batch_add_count__refuses_what_never_arrived),
		cmocka_unit_test(batch_add_count__pointers_outlive_growth),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

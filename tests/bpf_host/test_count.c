/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Whole ticks, and a user space that believes nothing: it adds up what it is sent and what it finds, and
 * compares with the counters, whatever is full.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"

#include "process.h"
#include "random.h"

#define PERIOD 10101010u
#define SENT_CNT (1u << 18)

static uint64_t seed;

/* ---- user space ---- */

static struct receiver {
	uint64_t sent[SENT_CNT]; /* hash table of stacks and processes, each with its epoch */
	uint64_t samples, value;
	uint32_t refuse_one_in; /* of the records; 0: none */
	uint32_t nested_one_in; /* of the records: another tick hits while it is written */
	uint64_t nested;
} receiver;

static uint64_t *sent_place(uint64_t id)
{
	size_t place = id % SENT_CNT;

	while (receiver.sent[place] != 0 && receiver.sent[place] != id)
		place = (place + 1) % SENT_CNT;
	return &receiver.sent[place];
}

static uint64_t sent_id(uint64_t what, uint32_t in_epoch)
{
	return hash_finish(hash_add(what, in_epoch));
}

static void receive_slot(const struct pprofd_slot *slot, uint32_t in_epoch)
{
	assert_int_not_equal(*sent_place(sent_id(slot->stack, in_epoch)), 0);
	assert_int_not_equal(*sent_place(sent_id(slot->process, in_epoch)), 0);
	assert_int_equal(slot->value, (uint64_t)slot->count * PERIOD);
	assert_int_equal(slot->source, PPROFD_SOURCE_CPU);
	receiver.samples += slot->count;
	receiver.value += slot->value;
}

static void receive(const struct pprofd_record *record, __u64 len)
{
	const struct pprofd_stack_record *stack = (const void *)record;
	const struct pprofd_process_record *made = (const void *)record;

	assert_int_equal(record->epoch, epoch);
	switch (record->type) {
	case PPROFD_RECORD_STACK:
		assert_int_equal(len, sizeof(*stack) + 8 * (stack->kernel_cnt + stack->user_cnt));
		*sent_place(sent_id(stack->stack, record->epoch)) = sent_id(stack->stack, record->epoch);
		break;
	case PPROFD_RECORD_PROCESS:
		assert_int_equal(len, sizeof(*made));
		assert_int_equal(made->tgid, host.pid_tgid >> 32);
		assert_string_equal(made->comm, "program");
		*sent_place(sent_id(made->process, record->epoch)) = sent_id(made->process, record->epoch);
		break;
	case PPROFD_RECORD_COUNT:
		assert_int_equal(len, sizeof(struct pprofd_count_record));
		receive_slot(&((const struct pprofd_count_record *)record)->slot, record->epoch);
		break;
	default:
		fail();
	}
}

static bool on_record(const void *record, __u64 len, void *arg)
{
	(void)arg;
	if (receiver.nested_one_in && random_below(&seed, receiver.nested_one_in) == 0) {
		receiver.nested++;
		assert_int_equal(on_tick(&process.tick), 0);
	}
	if (receiver.refuse_one_in && random_below(&seed, receiver.refuse_one_in) == 0)
		return false;
	receive(record, len);
	return true;
}

/* Ends the epoch: what stands in its buckets is taken, and they are free again. */
static void end_epoch(void)
{
	uint32_t ended = epoch, bucket_cnt = buckets_per_cpu_mask + 1;

	epoch++;
	for (uint32_t i = 0; i < bucket_cnt; i++) {
		uint32_t place = (ended & 1) * bucket_cnt + i;
		struct pprofd_bucket *bucket = bpf_map_lookup_elem(&counts, &place);

		for (int slot = 0; slot < PPROFD_BUCKET_SLOTS; slot++) {
			if (bucket->slots[slot].stack)
				receive_slot(&bucket->slots[slot], ended);
		}
		memset(bucket, 0, sizeof(*bucket));
	}
}

/* ---- the law ---- */

static uint64_t sum_of(enum pprofd_counter first, enum pprofd_counter last)
{
	uint64_t sum = 0;

	for (int counter = first; counter <= (int)last; counter++)
		sum += process_counter((enum pprofd_counter)counter);
	return sum;
}

static void assert_law(uint64_t ticks)
{
	uint64_t recorded = process_counter(PPROFD_COUNTER_RECORDED);

	assert_int_equal(process_counter(PPROFD_COUNTER_EVENTS), ticks + receiver.nested);
	assert_int_equal(recorded + sum_of(PPROFD_COUNTER_LOST_RING, PPROFD_COUNTER_LOST_MAP), ticks + receiver.nested);
	assert_int_equal(sum_of(PPROFD_COUNTER_USER_NONE, PPROFD_COUNTER_USER_COMPAT), recorded);
	assert_int_equal(process_counter(PPROFD_COUNTER_LOST_NESTED), receiver.nested);
	assert_int_equal(receiver.samples, recorded);
	assert_int_equal(receiver.value, recorded * PERIOD);
}

static void setup(uint32_t buckets_mask, uint32_t stacks_mask, uint32_t processes_mask)
{
	process_reset(PROCESS_KERNEL_MAPLE);
	process_set_masks(buckets_mask, stacks_mask, processes_mask);
	memset(&receiver, 0, sizeof(receiver));
	host.on_record = on_record;
	process.tick.sample_period = PERIOD;
}

/* One tick somewhere: user code that is nowhere, the kernel, 32-bit code; of one of many processes. */
static void tick(uint64_t stack_cnt, uint64_t process_cnt)
{
	static __u64 kernel_frame;
	uint64_t tgid = 1 + random_below(&seed, process_cnt);

	kernel_frame = 0xffffffff81000000 + random_below(&seed, stack_cnt);
	host.kernel_stack = &kernel_frame;
	host.kernel_stack_cnt = 1;
	host.pid_tgid = tgid << 32 | tgid;
	process.task.start_boottime = tgid << 30;
	process.tick.regs.ip = 0x10000 + random_below(&seed, stack_cnt);
	process.tick.regs.cs = random_below(&seed, 3) ? 0x33 : random_below(&seed, 2) ? 0x10 : 0x23;
	assert_int_equal(on_tick(&process.tick), 0);
}

static void on_tick__accounts_for_every_event_whatever_is_full(void **state)
{
	static const struct {
		uint32_t buckets_mask, stacks_mask, processes_mask;
		uint64_t stack_cnt, process_cnt;
		uint32_t refuse_one_in, nested_one_in;
	} cases[] = {
		{ 63, 4095, 1023, 50, 5, 0, 0 },
		/* A bucket for all, a place for all: everything collides. */
		{ 0, 0, 0, 50, 5, 0, 0 },
		{ 0, 0, 0, 3, 1, 0, 0 },
		{ 3, 15, 3, 1000, 50, 0, 0 },
		/* A ring buffer that is full now and then, mostly, and always. */
		{ 63, 4095, 1023, 200, 20, 10, 0 },
		{ 0, 0, 0, 50, 5, 2, 0 },
		{ 3, 15, 3, 1000, 50, 1, 0 },
		/* Ticks within ticks. */
		{ 3, 15, 3, 200, 20, 5, 3 },
	};
	const int ticks = 20000;

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		seed = i;
		setup(cases[i].buckets_mask, cases[i].stacks_mask, cases[i].processes_mask);
		receiver.refuse_one_in = cases[i].refuse_one_in;
		receiver.nested_one_in = cases[i].nested_one_in;
		for (int j = 0; j < ticks; j++) {
			tick(cases[i].stack_cnt, cases[i].process_cnt);
			if (random_below(&seed, 1500) == 0)
				end_epoch();
		}
		end_epoch();
		assert_law((uint64_t)ticks);
		/* The ring buffer that is always full loses everything, and no other anything without being full. */
		assert_int_equal(process_counter(PPROFD_COUNTER_RECORDED) == 0, cases[i].refuse_one_in == 1);
		assert_int_equal(process_counter(PPROFD_COUNTER_LOST_RING) == 0, cases[i].refuse_one_in == 0);
		assert_int_equal(process_counter(PPROFD_COUNTER_LOST_MAP), 0);
	}
	host_reset();
}

static void on_tick__sends_a_stack_and_a_process_once_an_epoch(void **state)
{
	(void)state;
	setup(63, 4095, 1023);
	/* Five stacks, which three processes share. */
	for (int i = 0; i < 10; i++) {
		for (uint64_t j = 0; j < 100; j++) {
			process.tick.regs.ip = 0x10000 + j % 5;
			host.pid_tgid = (1 + j % 3) << 32;
			assert_int_equal(on_tick(&process.tick), 0);
		}
		end_epoch();
	}
	assert_law(1000);
	assert_int_equal(process_counter(PPROFD_COUNTER_STACKS_SENT), 10 * 5);
	assert_int_equal(process_counter(PPROFD_COUNTER_PROCESSES_SENT), 10 * 3);
	assert_int_equal(process_counter(PPROFD_COUNTER_COUNTS_SENT), 0);
	host_reset();
}

/* Where a map element is missing, which cannot be, it is counted all the same. */
static void on_tick__counts_what_cannot_be(void **state)
{
	(void)state;
	setup(63, 4095, 1023);
	assert_int_equal(on_tick(&process.tick), 0);
	/* As many CPUs as there were when the maps were made, and one more. */
	host.cpu = 1;
	assert_int_equal(on_tick(&process.tick), 0);
	host.cpu = 0;
	end_epoch();
	assert_int_equal(process_counter(PPROFD_COUNTER_EVENTS), 1);
	assert_law(1);
	host_reset();
}

static void on_tick__leaves_out_the_idle_task_and_who_is_no_target(void **state)
{
	uint8_t only = 1, one = 1;
	uint32_t tgid = PROCESS_TGID;

	(void)state;
	setup(63, 4095, 1023);
	host.pid_tgid = 0;
	assert_int_equal(on_tick(&process.tick), 0);
	assert_int_equal(process_counter(PPROFD_COUNTER_EVENTS), 0);
	host_set(&only_targets, &only, sizeof(only));
	host.pid_tgid = (uint64_t)PROCESS_TGID << 32 | 4243;
	assert_int_equal(on_tick(&process.tick), 0);
	assert_int_equal(process_counter(PPROFD_COUNTER_EVENTS), 0);
	bpf_map_update_elem(&targets, &tgid, &one, BPF_ANY);
	assert_int_equal(on_tick(&process.tick), 0);
	assert_int_equal(process_counter(PPROFD_COUNTER_RECORDED), 1);
	only = 0;
	host_set(&only_targets, &only, sizeof(only));
	host_reset();
}

/* ---- processes that are followed ---- */

static union {
	struct bpf_raw_tracepoint_args args;
	__u64 words[2];
} tracepoint;

static void fork_from(struct task_struct *parent, struct task_struct *child)
{
	tracepoint.words[0] = (uintptr_t)parent;
	tracepoint.words[1] = (uintptr_t)child;
	assert_int_equal(on_fork(&tracepoint.args), 0);
}

static void free_task(struct task_struct *task)
{
	tracepoint.words[0] = (uintptr_t)task;
	assert_int_equal(on_process_free(&tracepoint.args), 0);
}

static bool is_target(uint32_t tgid)
{
	return bpf_map_lookup_elem(&targets, &tgid) != NULL;
}

static void on_fork__follows_the_children_of_targets(void **state)
{
	static struct task_struct tasks[7];
	uint8_t only = 1, one = 1;
	uint32_t tgid = 10;

	(void)state;
	setup(0, 0, 0);
	host_set(&only_targets, &only, sizeof(only));
	host_add_object(tasks, sizeof(tasks));
	for (int i = 0; i < 7; i++)
		tasks[i].pid = tasks[i].tgid = 10 + i;
	bpf_map_update_elem(&targets, &tgid, &one, BPF_ANY);
	/* A child, and its child; not a stranger's. */
	fork_from(&tasks[0], &tasks[1]);
	fork_from(&tasks[1], &tasks[2]);
	fork_from(&tasks[3], &tasks[4]);
	assert_true(is_target(11) && is_target(12));
	assert_false(is_target(13) || is_target(14));
	/* A thread of the process is there already, and its end is not the process's. */
	tasks[5].tgid = 10;
	fork_from(&tasks[0], &tasks[5]);
	free_task(&tasks[5]);
	assert_true(is_target(10));
	/* The map has room for four. */
	fork_from(&tasks[0], &tasks[6]);
	assert_int_equal(process_counter(PPROFD_COUNTER_TARGETS_FULL), 0);
	fork_from(&tasks[0], &tasks[3]);
	assert_int_equal(process_counter(PPROFD_COUNTER_TARGETS_FULL), 1);
	free_task(&tasks[2]);
	assert_false(is_target(12));
	fork_from(&tasks[0], &tasks[3]);
	assert_true(is_target(13));
	only = 0;
	host_set(&only_targets, &only, sizeof(only));
	host_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(on_tick__accounts_for_every_event_whatever_is_full),
		cmocka_unit_test(on_tick__sends_a_stack_and_a_process_once_an_epoch),
		cmocka_unit_test(on_tick__counts_what_cannot_be),
		cmocka_unit_test(on_tick__leaves_out_the_idle_task_and_who_is_no_target),
		cmocka_unit_test(on_fork__follows_the_children_of_targets),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

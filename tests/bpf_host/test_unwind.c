/* SPDX-License-Identifier: GPL-2.0-only */
/* Whole user stacks: mappings found and remembered, frames made, rows asked for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"

#include "process.h"

#define PROGRAM 0x400000ULL
#define LIBRARY 0x7f0000000000ULL
#define JIT 0x7f1000000000ULL
#define VDSO 0x7ffe00000000ULL
#define SIZE 0x8000ULL

#define FRAME(number, off) ((uint64_t)(number) << PPROFD_OFF_BITS | (off))
#define ADDRESS_FRAME(number, address) (((uint64_t)(number) << PPROFD_OFF_BITS) + (address))

/* Every function pushes 8 bytes below its return address. */
static const struct pprofd_rule by_sp = { .cfa = PPROFD_CFA_REG, .base = ARCH_REG_SP, .ra = 1, .off = 16 };

static size_t requests;
static struct pprofd_executable_record request;

static bool on_record(const void *record, __u64 len, void *arg)
{
	(void)arg;
	if (((const struct pprofd_record *)record)->type == PPROFD_RECORD_EXECUTABLE) {
		assert_int_equal(len, sizeof(request));
		memcpy(&request, record, sizeof(request));
		requests++;
	}
	return true;
}

/* A program, a library mapped from its page 2 on, code without a file, the vDSO. */
static void setup(enum process_kernel kernel)
{
	process_reset(kernel);
	process_map(PROGRAM, PROGRAM + SIZE, 0, 0);
	process_map(LIBRARY, LIBRARY + SIZE, 1, 0x2000);
	process_map(JIT, JIT + SIZE, -1, 0);
	process_map(VDSO, VDSO + 0x2000, -1, 0);
	process.mm.context.vdso = (void *)VDSO;
	process_plant(kernel);
	requests = 0;
	host.on_record = on_record;
}

static int sample(uint64_t pc)
{
	struct scratch *scratch = process_scratch();
	uint64_t id = PPROFD_PROCESS(PROCESS_TGID, process.task.start_boottime, (uint32_t)process.task.self_exec_id);

	process.tick.regs.ip = pc;
	sample_stack(scratch, &process.tick, &process.task, id);
	return (int)scratch->stack.stop;
}

static void assert_frames(const uint64_t *frames, size_t cnt)
{
	const struct scratch *scratch = process_scratch();

	assert_int_equal(scratch->stack.user_cnt, cnt);
	for (size_t i = 0; i < cnt; i++)
		assert_int_equal(scratch->frames[scratch->stack.kernel_cnt + i], frames[i]);
}

/* Runs `test` as on each kind of kernel. */
static void on_each_kernel(void (*test)(enum process_kernel kernel))
{
	for (int kernel = 0; kernel < PROCESS_KERNEL_CNT; kernel++) {
		setup((enum process_kernel)kernel);
		test((enum process_kernel)kernel);
	}
	host_reset();
}

static void walk_through(enum process_kernel kernel)
{
	static const uint64_t frames[] = {
		FRAME(21, 0x2123),                                 /* the leaf: library, mapped from 0x2000 on */
		FRAME(20, 0x1fff),                                 /* a caller: its return address less one */
		ADDRESS_FRAME(PPROFD_EXECUTABLE_ANON, JIT + 0x4f), /* code without a file: by frame pointer */
		FRAME(20, 0x2fff),
	};

	(void)kernel;
	process_publish(0, 20, &by_sp);
	process_publish(1, 21, &by_sp);
	process.stack[1] = PROGRAM + 0x2000;
	process.stack[3] = JIT + 0x50;
	process.tick.regs.bp = PROCESS_STACK + 10 * 8;
	process.stack[10] = 0;
	process.stack[11] = PROGRAM + 0x3000;
	process.stack[13] = 0;
	assert_int_equal(sample(LIBRARY + 0x123), PPROFD_STOP_COMPLETE);
	assert_frames(frames, ARRAY_LEN(frames));
	assert_int_equal(requests, 0);
}

static void unwind_user__walks_through_every_kind_of_mapping(void **state)
{
	(void)state;
	on_each_kernel(walk_through);
}

static void ask_for_rows(enum process_kernel kernel)
{
	const struct pprofd_executable_key key = process_key(1);
	const uint64_t frame = FRAME(PPROFD_EXECUTABLE_FIRST, 0x2123);

	(void)kernel;
	for (int i = 0; i < 5; i++) {
		assert_int_equal(sample(LIBRARY + 0x123), PPROFD_STOP_PENDING);
		assert_frames(&frame, 1);
	}
	/* Once, until some time has passed. */
	assert_int_equal(requests, 1);
	assert_memory_equal(&request.key, &key, sizeof(key));
	assert_int_equal(request.number, PPROFD_EXECUTABLE_FIRST);
	assert_int_equal(request.tgid, PROCESS_TGID);
	assert_int_equal(request.vma_start, LIBRARY);
	assert_int_equal(request.vma_end, LIBRARY + SIZE);
	assert_string_equal(request.name, "program");
	host.mono_ns += 1ULL << REQUEST_TICK_BITS;
	assert_int_equal(sample(LIBRARY + 0x123), PPROFD_STOP_PENDING);
	assert_int_equal(requests, 2);
	/* The answer holds from the next sample on. */
	process_publish(1, PPROFD_EXECUTABLE_FIRST, &by_sp);
	assert_int_equal(sample(LIBRARY + 0x123), PPROFD_STOP_COMPLETE);
	assert_int_equal(requests, 2);
}

static void unwind_user__asks_for_rows_once_and_goes_by_them_at_once(void **state)
{
	(void)state;
	on_each_kernel(ask_for_rows);
}

static void number_executables(enum process_kernel kernel)
{
	const uint64_t program = FRAME(PPROFD_EXECUTABLE_FIRST, 0x10),
		       library = FRAME(PPROFD_EXECUTABLE_FIRST + 1, 0x2010),
		       vdso = FRAME(PPROFD_EXECUTABLE_FIRST + 2, 0x20);

	(void)kernel;
	assert_int_equal(sample(PROGRAM + 0x10), PPROFD_STOP_PENDING);
	assert_frames(&program, 1);
	assert_int_equal(sample(LIBRARY + 0x10), PPROFD_STOP_PENDING);
	assert_frames(&library, 1);
	assert_int_equal(sample(VDSO + 0x20), PPROFD_STOP_PENDING);
	assert_frames(&vdso, 1);
	assert_int_equal(request.key.ctime_ns, PPROFD_EXECUTABLE_VDSO);
	assert_int_equal(request.key.inode, 0);
	assert_string_equal(request.name, "");
	assert_int_equal(sample(PROGRAM + 0x10), PPROFD_STOP_PENDING);
	assert_frames(&program, 1);
	assert_int_equal(process_counter(PPROFD_COUNTER_EXECUTABLES_SEEN), 3);
}

static void unwind_user__gives_each_file_one_number(void **state)
{
	(void)state;
	on_each_kernel(number_executables);
}

static void end_nowhere(enum process_kernel kernel)
{
	const uint64_t nowhere = 0x500000000000;
	const uint64_t leaf = ADDRESS_FRAME(PPROFD_EXECUTABLE_UNKNOWN, nowhere);
	const uint64_t caller = FRAME(20, 0x10);

	process_publish(0, 20, &by_sp);
	/* A leaf that is nowhere is where the CPU was; a caller that is nowhere is none. */
	assert_int_equal(sample(nowhere), PPROFD_STOP_NO_MAPPING);
	assert_frames(&leaf, 1);
	process.stack[1] = nowhere;
	assert_int_equal(sample(PROGRAM + 0x10), PPROFD_STOP_NO_MAPPING);
	assert_frames(&caller, 1);
	/* Data is no code. */
	process.vmas[1].vm_flags = 0;
	process.mm.mm_lock_seq.sequence += 2;
	process.stack[1] = LIBRARY + 0x10;
	assert_int_equal(sample(PROGRAM + 0x10), PPROFD_STOP_NO_MAPPING);
	assert_frames(&caller, 1);
	(void)kernel;
}

static void unwind_user__ends_at_an_address_that_is_no_code(void **state)
{
	(void)state;
	on_each_kernel(end_nowhere);
}

/*
 * Mappings are remembered between samples as long as the VMAs stand still. One that had to make room for
 * an address that turned out to be nowhere must be gone, not cover all that lies above it.
 */
static void forget_replaced(enum process_kernel kernel)
{
	const uint64_t gap = LIBRARY + SIZE + 0x1000;
	const uint64_t frame = ADDRESS_FRAME(PPROFD_EXECUTABLE_UNKNOWN, gap);

	(void)kernel;
	process_publish(0, 20, &by_sp);
	for (int i = 0; i < 3 * PPROFD_MAPPING_CACHE; i++) {
		assert_int_equal(sample(PROGRAM + 0x10), PPROFD_STOP_COMPLETE);
		assert_int_equal(sample(gap), PPROFD_STOP_NO_MAPPING);
		assert_frames(&frame, 1);
	}
}

static void unwind_user__forgets_a_mapping_that_was_replaced(void **state)
{
	(void)state;
	on_each_kernel(forget_replaced);
}

/* The program is mapped anew, elsewhere in its file: what the kernel says of it is what counts. */
static void follow_changes(enum process_kernel kernel)
{
	const uint64_t before = FRAME(20, 0x10), after = FRAME(20, 0x5010);

	(void)kernel;
	process_publish(0, 20, &by_sp);
	assert_int_equal(sample(PROGRAM + 0x10), PPROFD_STOP_COMPLETE);
	assert_frames(&before, 1);
	process.vmas[0].vm_pgoff = 5;
	process.mm.mm_lock_seq.sequence += 2;
	assert_int_equal(sample(PROGRAM + 0x10), PPROFD_STOP_COMPLETE);
	assert_frames(&after, 1);
	/* While they change nothing may be remembered. */
	process.mm.mm_lock_seq.sequence += 1;
	assert_int_equal(sample(PROGRAM + 0x10), PPROFD_STOP_COMPLETE);
	process.vmas[0].vm_pgoff = 0;
	assert_int_equal(sample(PROGRAM + 0x10), PPROFD_STOP_COMPLETE);
	assert_frames(&before, 1);
	/* Another program of the same process, and another epoch. */
	process.mm.mm_lock_seq.sequence += 1;
	assert_int_equal(sample(PROGRAM + 0x10), PPROFD_STOP_COMPLETE);
	process.vmas[0].vm_pgoff = 5;
	process.task.self_exec_id++;
	assert_int_equal(sample(PROGRAM + 0x10), PPROFD_STOP_COMPLETE);
	assert_frames(&after, 1);
	process.vmas[0].vm_pgoff = 0;
	epoch++;
	assert_int_equal(sample(PROGRAM + 0x10), PPROFD_STOP_COMPLETE);
	assert_frames(&before, 1);
}

static void unwind_user__looks_anew_when_the_mappings_have_changed(void **state)
{
	(void)state;
	on_each_kernel(follow_changes);
}

static void remember(enum process_kernel kernel)
{
	uint64_t reads;

	process_publish(0, 20, &by_sp);
	assert_int_equal(sample(PROGRAM + 0x10), PPROFD_STOP_COMPLETE);
	reads = host.kernel.read_cnt;
	/* Where it cannot be known that they stand still, the tree is asked each time. */
	process.vmas[0].vm_pgoff = 5;
	assert_int_equal(sample(PROGRAM + 0x10), PPROFD_STOP_COMPLETE);
	assert_int_equal(process_scratch()->frames[0] & PPROFD_OFF_MASK,
			 kernel >= PROCESS_KERNEL_SEQUENCE ? 0x10 : 0x5010);
	if (kernel >= PROCESS_KERNEL_SEQUENCE)
		assert_true(host.kernel.read_cnt - reads < 5);
}

static void unwind_user__remembers_mappings_that_stand_still(void **state)
{
	(void)state;
	on_each_kernel(remember);
}

static void cut_deep_stack(enum process_kernel kernel)
{
	(void)kernel;
	process_publish(0, 20, &by_sp);
	for (size_t i = 0; i < PROCESS_STACK_WORDS; i++)
		process.stack[i] = PROGRAM + 0x100;
	assert_int_equal(sample(PROGRAM + 0x10), PPROFD_STOP_TRUNCATED);
	assert_int_equal(process_scratch()->stack.user_cnt, PPROFD_USER_FRAMES_MAX);
	/* The deepest that fits is complete. */
	process.stack[2 * PPROFD_USER_FRAMES_MAX - 1] = 0;
	assert_int_equal(sample(PROGRAM + 0x10), PPROFD_STOP_COMPLETE);
	assert_int_equal(process_scratch()->stack.user_cnt, PPROFD_USER_FRAMES_MAX);
}

static void unwind_user__cuts_a_stack_that_is_too_deep(void **state)
{
	(void)state;
	on_each_kernel(cut_deep_stack);
}

static void paravirtual_code(enum process_kernel kernel)
{
	(void)kernel;
	process.tick.regs.cs = 0xe033;
	assert_int_not_equal(sample(PROGRAM + 0x10), PPROFD_STOP_COMPAT);
	process.tick.regs.cs = 0xe023;
	assert_int_equal(sample(PROGRAM + 0x10), PPROFD_STOP_COMPAT);
}

static void unwind_user__knows_the_code_segments_of_xen(void **state)
{
	(void)state;
	on_each_kernel(paravirtual_code);
}

static void no_user_stack(enum process_kernel kernel)
{
	(void)kernel;
	/* 32-bit code; no pc; in the kernel: a kernel thread, a process that has lost its memory or just got another.
	 */
	process.tick.regs.cs = 0x23;
	assert_int_equal(sample(PROGRAM + 0x10), PPROFD_STOP_COMPAT);
	process.tick.regs.cs = 0x33;
	assert_int_equal(sample(0), PPROFD_STOP_NONE);
	process.tick.regs.cs = 0x10;
	process.task.flags = PF_KTHREAD;
	assert_int_equal(sample(0xffffffff81000000), PPROFD_STOP_NONE);
	process.task.flags = 0;
	process.mm.end_code = 0;
	assert_int_equal(sample(0xffffffff81000000), PPROFD_STOP_NONE);
	process.mm.end_code = 1;
	process.task.mm = NULL;
	assert_int_equal(sample(0xffffffff81000000), PPROFD_STOP_NONE);
	assert_int_equal(process_scratch()->stack.user_cnt, 0);
}

static void unwind_user__knows_what_has_no_user_stack(void **state)
{
	(void)state;
	on_each_kernel(no_user_stack);
}

/* The user part of a sample in the kernel goes by the registers with which the task has entered it. */
static void from_kernel(enum process_kernel kernel)
{
	static const __u64 kernel_frames[] = { 0xffffffff81000010, 0xffffffff81000020, 0xffffffff81000030 };
	const uint64_t frame = FRAME(20, 0x10);
	struct arch_pt_regs entered = process.tick.regs;

	(void)kernel;
	process_publish(0, 20, &by_sp);
	host.kernel_stack = kernel_frames;
	host.kernel_stack_cnt = ARRAY_LEN(kernel_frames);
	entered.ip = PROGRAM + 0x10;
	host.task_regs = &entered;
	host_add_object(&entered, sizeof(entered));
	process.tick.regs.cs = 0x10;
	assert_int_equal(sample(0xffffffff81000010), PPROFD_STOP_COMPLETE);
	assert_int_equal(process_scratch()->stack.kernel_cnt, ARRAY_LEN(kernel_frames));
	assert_memory_equal(process_scratch()->frames, kernel_frames, sizeof(kernel_frames));
	assert_frames(&frame, 1);
}

static void sample_stack__puts_the_user_part_behind_the_kernels(void **state)
{
	(void)state;
	on_each_kernel(from_kernel);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(unwind_user__walks_through_every_kind_of_mapping),
		cmocka_unit_test(unwind_user__asks_for_rows_once_and_goes_by_them_at_once),
		cmocka_unit_test(unwind_user__gives_each_file_one_number),
		cmocka_unit_test(unwind_user__ends_at_an_address_that_is_no_code),
		cmocka_unit_test(unwind_user__forgets_a_mapping_that_was_replaced),
		cmocka_unit_test(unwind_user__looks_anew_when_the_mappings_have_changed),
		cmocka_unit_test(unwind_user__remembers_mappings_that_stand_still),
		cmocka_unit_test(unwind_user__cuts_a_stack_that_is_too_deep),
		cmocka_unit_test(unwind_user__knows_the_code_segments_of_xen),
		cmocka_unit_test(unwind_user__knows_what_has_no_user_stack),
		cmocka_unit_test(sample_stack__puts_the_user_part_behind_the_kernels),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

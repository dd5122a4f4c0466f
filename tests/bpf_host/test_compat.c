/* SPDX-License-Identifier: GPL-2.0-only */
/* What differs between kernels, each as it is laid out there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"

#include "process.h"

static void compat_inode_ctime_ns__is_the_time_of_the_last_change(void **state)
{
	/* Linux 6.11 and later, 6.6, before. */
	static struct inode newest = { .i_ctime_sec = 1777320873, .i_ctime_nsec = 147483648 };
	static struct inode___private private = { .__i_ctime = { 1777320873, 147483648 } };
	static struct inode___timespec oldest = { .i_ctime = { 1777320873, 147483648 } };

	(void)state;
	host_reset();
	host_add_object(&newest, sizeof(newest));
	host_add_object(&private, sizeof(private));
	host_add_object(&oldest, sizeof(oldest));
	assert_int_equal(compat_inode_ctime_ns(&newest), 1777320873147483648);
	host_forget("i_ctime_sec");
	assert_int_equal(compat_inode_ctime_ns((struct inode *)&private), 1777320873147483648);
	host_forget("__i_ctime");
	assert_int_equal(compat_inode_ctime_ns((struct inode *)&oldest), 1777320873147483648);
	host_reset();
}

/* I_CTIME_QUERIED, bit 31 of the nanoseconds since 6.13: stat() has been called. */
static void compat_inode_ctime_ns__is_the_same_once_it_was_asked_for(void **state)
{
	static struct inode inode = { .i_ctime_sec = 1777320873, .i_ctime_nsec = 999999999 };
	uint64_t before;

	(void)state;
	host_reset();
	host_add_object(&inode, sizeof(inode));
	before = compat_inode_ctime_ns(&inode);
	inode.i_ctime_nsec |= 1u << 31;
	assert_int_equal(compat_inode_ctime_ns(&inode), before);
	host_reset();
}

static void compat_mm_sequence__is_odd_where_there_is_none(void **state)
{
	static struct mm_struct mm = { .mm_lock_seq.sequence = 6 };

	(void)state;
	host_reset();
	host_add_object(&mm, sizeof(mm));
	assert_int_equal(compat_mm_sequence(&mm), 6);
	/* 6.4 to 6.12: a number that grows when a change is over. */
	host_forget("mm_lock_seq.sequence");
	mm.mm_lock_seq.sequence = 7;
	assert_int_equal(compat_mm_sequence(&mm), 14);
	host_forget("mm_lock_seq");
	assert_int_equal(compat_mm_sequence(&mm) & 1, 1);
	host_reset();
}

static void compat_task_regs__are_at_the_top_of_the_kernel_stack(void **state)
{
	static struct task_struct task = { .stack = (void *)0xffffc90000000000 };
	static struct arch_pt_regs regs;

	(void)state;
	host_reset();
	host_add_object(&task, sizeof(task));
	host.task = &task;
	host.task_regs = &regs;
	assert_ptr_equal(compat_task_regs(&task), &regs);
	/* Linux before 5.15 has no helper: 16 KiB, and struct pt_regs at their end. */
	host_forget("BPF_FUNC_task_pt_regs");
	assert_ptr_equal(compat_task_regs(&task), (void *)(0xffffc90000004000 - 168));
	host_reset();
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(compat_inode_ctime_ns__is_the_time_of_the_last_change),
		cmocka_unit_test(compat_inode_ctime_ns__is_the_same_once_it_was_asked_for),
		cmocka_unit_test(compat_mm_sequence__is_odd_where_there_is_none),
		cmocka_unit_test(compat_task_regs__are_at_the_top_of_the_kernel_stack),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

/* SPDX-License-Identifier: GPL-2.0-only */
/* One sample, from the event to its count. */
#ifndef PPROFD_SAMPLE_BPF_H
#define PPROFD_SAMPLE_BPF_H

/* Kernel frames into the scratch, leaf first; the walk's hash takes them in. */
static __always_inline void sample_kernel(struct scratch *scratch, void *ctx)
{
	long len = bpf_get_stack(ctx, scratch->frames, PPROFD_KERNEL_FRAMES_MAX * sizeof(__u64), 0);
	__u32 cnt = len > 0 ? (__u32)len / sizeof(__u64) : 0;

	for (__u32 i = 0; i < PPROFD_KERNEL_FRAMES_MAX; i++) {
		if (i >= cnt)
			break;
		scratch->walk.hash = hash_add(scratch->walk.hash, scratch->frames[i]);
	}
	scratch->stack.kernel_cnt = cnt;
}

/* The user part of a task that was interrupted in the kernel, from the registers it entered with. */
static __always_inline int sample_user_of_task(struct scratch *scratch, struct task_struct *task, __u64 process)
{
	struct mm_struct *mm = kernel_load(struct task_struct, task, mm);
	struct arch_pt_regs *regs = &scratch->regs;
	int stop;

	if (kernel_load(struct task_struct, task, flags) & PF_KTHREAD || !mm)
		return PPROFD_STOP_NONE;
	/*
	 * execve() has replaced the memory and not yet the registers: fs/binfmt_elf.c sets end_code when
	 * the new program is in place, right before start_thread().
	 */
	if (kernel_load(struct mm_struct, mm, end_code) == 0)
		return PPROFD_STOP_NONE;
	if (kernel_read(regs, sizeof(*regs), compat_task_regs(task)))
		return PPROFD_STOP_READ_FAULT;
	stop = unwind_user(scratch, task, process, regs);
	/* Above the first frame of a thread that has not left the kernel yet there is nothing, not even a zero. */
	if (stop != PPROFD_STOP_PENDING && scratch->walk.frame_cnt == 1 && arch_regs_are_newborn(regs))
		return PPROFD_STOP_COMPLETE;
	return stop;
}

/* Both parts of the stack into the scratch. */
static __always_inline void sample_stack(struct scratch *scratch, struct arch_perf_context *ctx,
					 struct task_struct *task, __u64 process)
{
	int stop;

	scratch->walk.hash = HASH_SEED;
	scratch->walk.frame_cnt = 0;
	scratch->stack.kernel_cnt = 0;
	if (arch_regs_are_user(&ctx->regs)) {
		stop = unwind_user(scratch, task, process, &ctx->regs);
	} else {
		sample_kernel(scratch, ctx);
		stop = sample_user_of_task(scratch, task, process);
	}
	scratch->stack.user_cnt = scratch->walk.frame_cnt;
	scratch->stack.stop = stop;
	scratch->walk.hash = hash_add(scratch->walk.hash, (__u64)scratch->stack.kernel_cnt << 32 | stop);
}

static __always_inline void sample_take(struct scratch *scratch, struct arch_perf_context *ctx)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct task_struct *leader = kernel_load(struct task_struct, task, group_leader);
	__u64 start_ns = kernel_load(struct task_struct, leader, start_boottime);
	__u32 now = epoch;
	struct pprofd_slot sample = { 0 };
	int outcome;

	sample.process = PPROFD_PROCESS(bpf_get_current_pid_tgid() >> 32, start_ns,
					(__u32)kernel_load(struct task_struct, task, self_exec_id));
	sample_stack(scratch, ctx, task, sample.process);
	sample.stack = hash_finish(scratch->walk.hash);
	sample.value = ctx->sample_period;
	sample.count = 1;
	sample.source = PPROFD_SOURCE_CPU;
	outcome = count_sample(scratch, &sample, start_ns, now);
	count(outcome);
	if (outcome == PPROFD_COUNTER_RECORDED)
		count(PPROFD_COUNTER_USER_NONE + scratch->stack.stop);
}

/* Is the current process one that is recorded? */
static __always_inline int sample_is_wanted(void)
{
	__u64 pid_tgid = bpf_get_current_pid_tgid();
	__u32 tgid = pid_tgid >> 32;

	/* Hardware events that know no exclude_idle hit the idle task too. */
	if (pid_tgid == 0)
		return 0;
	return !only_targets || bpf_map_lookup_elem(&targets, &tgid);
}

#endif

/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where kernels differ, newest first, decided by what is there and never by version.
 */
#ifndef PPROFD_COMPAT_BPF_H
#define PPROFD_COMPAT_BPF_H

#define kernel_read(to, len, from) bpf_probe_read_kernel(to, len, (const void *)(from))

/* VMAs are in a maple tree: Linux d4af56c5c7c6 ("mm: start tracking VMAs with maple tree") (v6.1). */
static __always_inline int compat_has_maple(void)
{
	return bpf_core_field_exists(((struct mm_struct *)0)->mm_mt);
}

struct mm_struct___rb {
	struct rb_root mm_rb;
} __attribute__((preserve_access_index));

struct vm_area_struct___rb {
	struct rb_node vm_rb;
} __attribute__((preserve_access_index));

struct vm_area_struct___flags {
	unsigned long vm_flags;
} __attribute__((preserve_access_index));

struct inode___timespec {
	struct timespec64 i_ctime;
} __attribute__((preserve_access_index));

struct inode___private {
	struct timespec64 __i_ctime;
} __attribute__((preserve_access_index));

/*
 * In i_ctime_nsec: somebody has asked for the time since it was set.
 * Linux 4e40eff0b573 ("fs: add infrastructure for multigrain timestamps") (v6.13).
 */
#define COMPAT_CTIME_QUERIED (1u << 31)

/*
 * When the inode last changed, in ns: the same whether or not it has been asked for.
 * Linux 3aa63a569c64 ("fs: switch timespec64 fields in inode to discrete integers") (v6.11);
 * Linux 13bc24457850 ("fs: rename i_ctime field to __i_ctime") (v6.6).
 */
static __always_inline __u64 compat_inode_ctime_ns(struct inode *inode)
{
	struct inode___private *private = (void *)inode;
	struct inode___timespec *old = (void *)inode;

	if (bpf_core_field_exists(inode->i_ctime_sec))
		return (__u64)BPF_CORE_READ(inode, i_ctime_sec) * 1000000000ULL +
		       (BPF_CORE_READ(inode, i_ctime_nsec) & ~COMPAT_CTIME_QUERIED);
	if (bpf_core_field_exists(private->__i_ctime))
		return (__u64)BPF_CORE_READ(private, __i_ctime.tv_sec) * 1000000000ULL +
		       (__u64)BPF_CORE_READ(private, __i_ctime.tv_nsec);
	return (__u64)BPF_CORE_READ(old, i_ctime.tv_sec) * 1000000000ULL + (__u64)BPF_CORE_READ(old, i_ctime.tv_nsec);
}

/*
 * The registers with which the task entered the kernel.
 * Linux dd6e10fbd9fb ("bpf: Add bpf_task_pt_regs() helper") (v5.15); before that, the top of the kernel stack.
 */
static __always_inline struct arch_pt_regs *compat_task_regs(struct task_struct *task)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs) &&
	    bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf))
		return (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	return (void *)((__u64)BPF_CORE_READ(task, stack) + ARCH_THREAD_SIZE - sizeof(struct pt_regs));
}

#endif

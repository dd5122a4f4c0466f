/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Where kernels differ, newest first, decided by what is there and never by version.
 */
#ifndef PPROFD_COMPAT_BPF_H
#define PPROFD_COMPAT_BPF_H

#define kernel_read(to, len, from) bpf_probe_read_kernel(to, len, (const void *)(from))

/*
 * kernel_load(struct file, file, f_inode): a field behind a pointer that nobody vouches for, 0 when
 * it cannot be read. With bpf_rdonly_cast() it is a load that the kernel guards by its exception table, else a helper
 * call: Linux a35b9af4ec2c ("bpf: Add a kfunc for generic type cast") (v6.2).
 */
extern void *bpf_rdonly_cast(const void *pointer, __u32 btf_id) __ksym __weak;

#define kernel_cast(type, pointer) ((type *)bpf_rdonly_cast((const void *)(pointer), bpf_core_type_id_kernel(type)))
#define kernel_load(type, pointer, field) \
	(can_cast ? kernel_cast(type, pointer)->field : BPF_CORE_READ((type *)(pointer), field))

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
		return (__u64)kernel_load(struct inode, inode, i_ctime_sec) * 1000000000ULL +
		       (kernel_load(struct inode, inode, i_ctime_nsec) & ~COMPAT_CTIME_QUERIED);
	if (bpf_core_field_exists(private->__i_ctime))
		return (__u64)BPF_CORE_READ(private, __i_ctime.tv_sec) * 1000000000ULL +
		       (__u64)BPF_CORE_READ(private, __i_ctime.tv_nsec);
	return (__u64)BPF_CORE_READ(old, i_ctime.tv_sec) * 1000000000ULL + (__u64)BPF_CORE_READ(old, i_ctime.tv_nsec);
}

struct mm_struct___int {
	int mm_lock_seq;
} __attribute__((preserve_access_index));

/*
 * A number that is another whenever the process's VMAs may have changed; odd while they change.
 * Linux eb449bd96954 ("mm: convert mm_lock_seq to a proper seqcount") (v6.13);
 * Linux 5e31275cc997 ("mm: add per-VMA lock and helper functions to control it") (v6.4). Before that there is none:
 * odd.
 */
static __always_inline __u32 compat_mm_sequence(struct mm_struct *mm)
{
	struct mm_struct___int *old = (void *)mm;

	if (bpf_core_field_exists(mm->mm_lock_seq.sequence))
		return kernel_load(struct mm_struct, mm, mm_lock_seq.sequence);
	if (bpf_core_field_exists(old->mm_lock_seq))
		return (__u32)BPF_CORE_READ(old, mm_lock_seq) << 1;
	return 1;
}

/*
 * The registers with which the task entered the kernel.
 * Linux dd6e10fbd9fb ("bpf: Add bpf_task_pt_regs() helper") (v5.15); before that, the top of the kernel stack, by
 * the size that struct pt_regs has there: on arm64 it was 336 bytes, and is 320.
 */
static __always_inline struct arch_pt_regs *compat_task_regs(struct task_struct *task)
{
	if (bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_task_pt_regs) &&
	    bpf_core_enum_value_exists(enum bpf_func_id, BPF_FUNC_get_current_task_btf))
		return (void *)bpf_task_pt_regs(bpf_get_current_task_btf());
	return (void *)((__u64)BPF_CORE_READ(task, stack) + ARCH_THREAD_SIZE - bpf_core_type_size(struct pt_regs));
}

#endif

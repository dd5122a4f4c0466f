/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * From a user address to the executable mapped there, by the kernel's own tree of VMAs.
 * Everything is read without a lock, so what is found is checked before it is believed:
 * vm_start <= address < vm_end.
 */
#ifndef PPROFD_MAPPING_BPF_H
#define PPROFD_MAPPING_BPF_H

#define PF_KTHREAD 0x00200000u
#define VM_EXEC 4ULL
#define PAGE_BITS 12

/* A pending executable is asked for again after this many ns, as a power of two: 34 ms. */
#define REQUEST_TICK_BITS 25

static __always_inline void vma_load(__u64 at, struct vma *ret)
{
	struct vm_area_struct *vma = (void *)at;
	struct vm_area_struct___flags *with_flags = (void *)at;

	ret->start = kernel_load(struct vm_area_struct, vma, vm_start);
	ret->end = kernel_load(struct vm_area_struct, vma, vm_end);
	ret->flags = kernel_load(struct vm_area_struct___flags, with_flags, vm_flags);
	ret->pgoff = kernel_load(struct vm_area_struct, vma, vm_pgoff);
	ret->file = kernel_load(struct vm_area_struct, vma, vm_file);
}

/* The entry for `address` in the node that `entry` is; 0 when there is none or it cannot be read. */
static __always_inline __u64 maple_descend(struct scratch *scratch, __u64 entry, __u64 address)
{
	const __u64 *node = (const __u64 *)(entry & ~MAPLE_NODE_MASK);
	__u32 type = maple_type(entry);
	__u64 next = 0;

	if (can_cast) {
		__u32 word = maple_slot_word(kernel_cast(struct maple_range_64, node)->pivot, type, address);

		kernel_read(&next, sizeof(next), node + word);
		return next;
	}
	if (kernel_read(scratch->maple, sizeof(scratch->maple), node))
		return 0;
	return scratch->maple[maple_slot_word((unsigned long *)scratch->maple + 1, type, address) & 31];
}

/* Linux 6.1 and later. Returns the VMA that may cover `address`, or 0. */
static __always_inline __u64 vma_find_maple(struct scratch *scratch, struct mm_struct *mm, __u64 address)
{
	/* By the helper, as a number: it is taken apart like one. */
	__u64 entry = (__u64)BPF_CORE_READ(mm, mm_mt.ma_root);

	if (!maple_root_is_node(entry))
		return 0;
	for (int depth = 0; depth < PPROFD_MAPLE_DEPTH_MAX; depth++) {
		__u32 type = maple_type(entry);

		entry = maple_descend(scratch, entry, address);
		if (entry == 0 || type == MAPLE_TYPE_LEAF)
			return entry;
	}
	return 0;
}

/* Linux before 6.1: a red-black tree of the VMAs themselves. */
static __always_inline __u64 vma_find_rb(struct mm_struct *mm, __u64 address)
{
	__u64 node = (__u64)BPF_CORE_READ((struct mm_struct___rb *)mm, mm_rb.rb_node);
	__u64 at = bpf_core_field_offset(((struct vm_area_struct___rb *)0)->vm_rb);

	for (int depth = 0; depth < PPROFD_RB_DEPTH_MAX; depth++) {
		struct vm_area_struct *vma = (void *)(node - at);

		if (node == 0)
			return 0;
		if (BPF_CORE_READ(vma, vm_end) <= address)
			node = (__u64)BPF_CORE_READ((struct vm_area_struct___rb *)vma, vm_rb.rb_right);
		else if (BPF_CORE_READ(vma, vm_start) > address)
			node = (__u64)BPF_CORE_READ((struct vm_area_struct___rb *)vma, vm_rb.rb_left);
		else
			return (__u64)vma;
	}
	return 0;
}

static __always_inline void executable_key_load(struct file *file, struct pprofd_executable_key *ret)
{
	struct inode *inode = kernel_load(struct file, file, f_inode);
	struct super_block *super = kernel_load(struct inode, inode, i_sb);

	ret->inode = kernel_load(struct inode, inode, i_ino);
	ret->ctime_ns = compat_inode_ctime_ns(inode);
	ret->dev = kernel_load(struct super_block, super, s_dev);
	ret->generation = kernel_load(struct inode, inode, i_generation);
}

/* Asks user space for rows; `file` may be NULL (the vDSO), the range empty. */
static __always_inline void executable_request(struct scratch *scratch, struct file *file, __u64 start, __u64 end)
{
	struct pprofd_executable_record *seen = &scratch->seen;

	seen->head.type = PPROFD_RECORD_EXECUTABLE;
	seen->head.epoch = epoch;
	seen->vma_start = start;
	seen->vma_end = end;
	seen->tgid = bpf_get_current_pid_tgid() >> 32;
	seen->name[0] = 0;
	if (file)
		bpf_probe_read_kernel_str(seen->name, sizeof(seen->name),
					  BPF_CORE_READ(file, f_path.dentry, d_name.name));
	if (notify_now(seen, sizeof(*seen)))
		count(PPROFD_COUNTER_EXECUTABLE_RING);
}

/*
 * The entry of scratch->seen.key, made when it is not there. NULL when the map is full.
 * Numbers are dealt out by each CPU from its own share, so that no two ever meet.
 */
static __always_inline struct pprofd_executable *executable_find(struct scratch *scratch)
{
	struct pprofd_executable_key *key = &scratch->seen.key;
	struct pprofd_executable *found = bpf_map_lookup_elem(&executables, key);
	struct pprofd_executable *made = &scratch->executable;
	__u32 number;

	if (found)
		return found;
	number = PPROFD_EXECUTABLE_FIRST + bpf_get_smp_processor_id() + scratch->executables_made * cpu_cnt;
	if (number >= PPROFD_EXECUTABLE_UNKNOWN) {
		count(PPROFD_COUNTER_EXECUTABLES_FULL);
		return 0;
	}
	__builtin_memset(made, 0, sizeof(*made));
	made->number = number;
	if (bpf_map_update_elem(&executables, key, made, BPF_NOEXIST) == 0) {
		scratch->executables_made++;
		count(PPROFD_COUNTER_EXECUTABLES_SEEN);
	}
	/* Another CPU may have been first; then its number holds. */
	found = bpf_map_lookup_elem(&executables, key);
	if (!found)
		count(PPROFD_COUNTER_EXECUTABLES_FULL);
	return found;
}

static __always_inline __u32 executable_load(const struct pprofd_executable *found, struct mapping *mapping)
{
	if (mapping) {
		mapping->state = found->state & PPROFD_EXECUTABLE_STATE_MASK;
		mapping->page_table = found->page_table;
		mapping->rules = found->rules;
		mapping->first_page = found->first_page;
		mapping->page_cnt = found->page_cnt;
	}
	return found->number;
}

/*
 * The number of `file`'s executable, asking for its rows when they are not there yet, or for the file itself.
 *
 * An element that is replaced or removed is used for another key at once: kernel/bpf/hashtab.c,
 * alloc_htab_elem(). Should that have happened while it was read, the key has another element by now.
 */
static __always_inline __u32 executable_use(struct scratch *scratch, struct file *file, struct mapping *mapping)
{
	__u32 sequence = executables_sequence;
	struct pprofd_executable *found = executable_find(scratch);
	__u32 number;

	if (!found)
		return PPROFD_EXECUTABLE_NONE;
	number = executable_load(found, mapping);
	if (executables_sequence != sequence) {
		found = bpf_map_lookup_elem(&executables, &scratch->seen.key);
		if (!found)
			return PPROFD_EXECUTABLE_NONE;
		number = executable_load(found, mapping);
	}
	if (found->last_hit_epoch != epoch)
		found->last_hit_epoch = epoch;
	if (found->state == PPROFD_EXECUTABLE_PENDING || found->state & PPROFD_EXECUTABLE_CLOSED) {
		__u32 tick = bpf_ktime_get_ns() >> REQUEST_TICK_BITS;

		if (found->last_request_tick != tick) {
			found->last_request_tick = tick;
			scratch->seen.number = number;
			executable_request(scratch, file, mapping ? mapping->start : 0, mapping ? mapping->end : 0);
		}
	}
	return number;
}

/* What stands for the main binary of `task`'s process in its record. */
static __always_inline __u32 executable_of_task(struct scratch *scratch, struct task_struct *task)
{
	struct mm_struct *mm = kernel_load(struct task_struct, task, mm);
	struct file *file = 0;

	if (kernel_load(struct task_struct, task, flags) & PF_KTHREAD)
		return PPROFD_EXECUTABLE_KERNEL;
	if (mm)
		file = kernel_load(struct mm_struct, mm, exe_file);
	if (!file)
		return PPROFD_EXECUTABLE_NONE;
	executable_key_load(file, &scratch->seen.key);
	return executable_use(scratch, file, 0);
}

/* What is mapped by `vma`, into *mapping. Returns -1 when it is not executable. */
static __always_inline int mapping_identify(struct scratch *scratch, struct mm_struct *mm, const struct vma *vma,
					    struct mapping *mapping)
{
	struct pprofd_executable_key *key = &scratch->seen.key;
	struct file *file = vma->file;

	if (!(vma->flags & VM_EXEC))
		return -1;
	mapping->start = vma->start;
	mapping->end = vma->end;
	mapping->bias = vma->start;
	if (file) {
		mapping->bias -= vma->pgoff << PAGE_BITS;
		executable_key_load(file, key);
	} else if (vma->start == (__u64)BPF_CORE_READ(mm, context.vdso)) {
		__builtin_memset(key, 0, sizeof(*key));
		key->ctime_ns = PPROFD_EXECUTABLE_VDSO;
	} else {
		mapping->state = PPROFD_EXECUTABLE_NO_ROWS;
		mapping->number = PPROFD_EXECUTABLE_ANON;
		return 0;
	}
	mapping->number = executable_use(scratch, file, mapping);
	if (mapping->number == PPROFD_EXECUTABLE_NONE) {
		mapping->number = PPROFD_EXECUTABLE_UNKNOWN;
		mapping->state = PPROFD_EXECUTABLE_NO_ROWS;
	}
	return 0;
}

/* The frame of `address`, which `mapping` covers. */
static __always_inline __u64 mapping_frame(const struct mapping *mapping, __u64 address)
{
	if (mapping->number >= PPROFD_EXECUTABLE_UNKNOWN)
		return (__u64)mapping->number << PPROFD_OFF_BITS | (address & PPROFD_ADDRESS_MASK);
	return (__u64)mapping->number << PPROFD_OFF_BITS | ((address - mapping->bias) & PPROFD_OFF_MASK);
}

#endif

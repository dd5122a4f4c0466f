/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Walks a user stack: per frame the mapping of the pc, its rule, and one step.
 *
 * mapping_load() and unwind_step() are global functions: the verifier proves each once instead of
 * once per frame. They take scalars because 5.10 allows nothing better: the CPU whose scratch
 * holds their state.
 */
#ifndef PPROFD_UNWIND_BPF_H
#define PPROFD_UNWIND_BPF_H

/* Element of row memory that holds `ref`; NULL for a chunk that is not there. */
static __always_inline const struct row_chunk *row_chunk_get(__u32 ref)
{
	__u32 number = ref >> PPROFD_CHUNK_BITS;
	__u32 zero = 0;
	void *chunk = bpf_map_lookup_elem(&row_chunks, &number);

	return chunk ? bpf_map_lookup_elem(chunk, &zero) : 0;
}

/* The rule for file offset `off` of `mapping`, whose rows are published. */
static __always_inline int rule_find(const struct mapping *mapping, __u64 off, struct pprofd_rule *ret)
{
	__u64 index = (off >> PPROFD_PAGE_BITS) - mapping->first_page;
	const struct row_chunk *table_chunk, *page_chunk, *rule_chunk;
	__u32 page, number;

	ret->cfa = PPROFD_CFA_FP;
	if (index >= mapping->page_cnt)
		return 0;
	table_chunk = row_chunk_get(mapping->page_table);
	if (!table_chunk)
		return -1;
	page = row_word(table_chunk, mapping->page_table + (__u32)index);
	if (page == 0)
		return 0;
	page_chunk = row_chunk_get(page);
	if (!page_chunk)
		return -1;
	number = row_find(page_chunk, page, off & ((1 << PPROFD_PAGE_BITS) - 1));
	rule_chunk = row_chunk_get(mapping->rules);
	if (!rule_chunk)
		return -1;
	row_rule(rule_chunk, mapping->rules, number, ret);
	return 0;
}

static __always_inline struct mapping_set *mapping_set_of(const struct scratch *scratch)
{
	__u32 set = scratch->mapping_set;

	return bpf_map_lookup_elem(&mapping_sets, &set);
}

/* Fills mapping `slot` of the process's set for the current pc. Returns 0, or -1 when there is none. */
__attribute__((noinline)) int mapping_load(__u32 cpu, __u32 slot)
{
	struct scratch *scratch = scratch_of(cpu);
	struct task_struct *task = (void *)bpf_get_current_task();
	struct mm_struct *mm = kernel_load(struct task_struct, task, mm);
	struct mapping_set *set;
	struct mapping *mapping;
	struct vma vma;
	__u64 address, found;

	if (!scratch || !mm)
		return -1;
	set = mapping_set_of(scratch);
	if (!set)
		return -1;
	address = scratch->walk.pc - scratch->walk.is_return;
	mapping = &set->mappings[slot & (PPROFD_MAPPING_CACHE - 1)];
	/* Both: with the start of what it was, an end of 0 would cover every address above. */
	mapping->start = mapping->end = 0;
	found = compat_has_maple() ? vma_find_maple(scratch, mm, address) : vma_find_rb(mm, address);
	if (!found)
		return -1;
	vma_load(found, &vma);
	if (address < vma.start || address >= vma.end)
		return -1;
	return mapping_identify(scratch, mm, &vma, mapping);
}

/* The mapping of `address`, from those at hand or from the tree. NULL when there is none. */
static __always_inline struct mapping *mapping_find(const struct scratch *scratch, __u32 cpu, __u64 address)
{
	struct mapping_set *set = mapping_set_of(scratch);
	__u32 slot;

	if (!set)
		return 0;
	for (__u32 i = 0; i < PPROFD_MAPPING_CACHE; i++) {
		if (address - set->mappings[i].start < set->mappings[i].end - set->mappings[i].start)
			return &set->mappings[i];
	}
	slot = set->next++ & (PPROFD_MAPPING_CACHE - 1);
	if (mapping_load(cpu, slot))
		return 0;
	return &set->mappings[slot];
}

/*
 * Chooses the set of mappings for the current process, and empties it unless it still holds. `process` names
 * the program too, so one that gets the sequence of the one before it is no danger.
 */
static __always_inline int mapping_set_choose(struct scratch *scratch, __u32 cpu, struct task_struct *task,
					      __u64 process)
{
	struct mm_struct *mm = kernel_load(struct task_struct, task, mm);
	__u32 sequence = compat_mm_sequence(mm);
	struct mapping_set *set;
	__u64 tag;

	tag = hash_add(process, sequence);
	tag = hash_add(tag, (__u64)epoch << 32 | rows_generation);
	scratch->mapping_set = cpu * (mapping_sets_mask + 1) + (hash_finish(process * HASH_MUL) & mapping_sets_mask);
	set = mapping_set_of(scratch);
	if (!set)
		return -1;
	if (set->tag != tag || sequence & 1) {
#pragma unroll
		for (int i = 0; i < PPROFD_MAPPING_CACHE; i++)
			set->mappings[i].start = set->mappings[i].end = 0;
		set->tag = tag;
	}
	return 0;
}

static __always_inline void unwind_push(struct scratch *scratch, __u64 frame)
{
	__u32 at = scratch->stack.kernel_cnt + scratch->walk.frame_cnt;

	scratch->frames[at & (PPROFD_FRAMES_CAP - 1)] = frame;
	scratch->walk.hash = hash_add(scratch->walk.hash, frame);
	scratch->walk.frame_cnt++;
}

/* Records the frame of the present pc and goes to its caller. Returns PPROFD_STOP_NONE to go on. */
__attribute__((noinline)) int unwind_step(__u32 cpu)
{
	struct scratch *scratch = scratch_of(cpu);
	struct pprofd_rule rule = { .cfa = PPROFD_CFA_FP };
	struct mapping *mapping;
	struct walk *walk;
	__u64 address;

	if (!scratch)
		return PPROFD_STOP_NO_MAPPING;
	walk = &scratch->walk;
	address = walk->pc - walk->is_return;
	mapping = mapping_find(scratch, cpu, address);
	if (!mapping) {
		/* A leaf that is nowhere is still where the CPU was; a caller that is nowhere is a wrong guess. */
		if (!walk->is_return)
			unwind_push(scratch, (__u64)PPROFD_EXECUTABLE_UNKNOWN << PPROFD_OFF_BITS |
						     (address & PPROFD_ADDRESS_MASK));
		return PPROFD_STOP_NO_MAPPING;
	}
	if (mapping->state == PPROFD_EXECUTABLE_READY && rule_find(mapping, address - mapping->bias, &rule))
		mapping->state = PPROFD_EXECUTABLE_PENDING;
	/* The restorer of a signal frame was never called: its pc is where it will go on. */
	if (rule.cfa == PPROFD_CFA_SIGNAL)
		address = walk->pc;
	unwind_push(scratch, mapping_frame(mapping, address));
	if (mapping->state == PPROFD_EXECUTABLE_PENDING) {
		/* To be looked at anew by the next sample. */
		mapping->end = mapping->start;
		return PPROFD_STOP_PENDING;
	}
	return walk_step(walk, &rule);
}

/* Walks from the registers in `regs`. Returns why it ended: an enum pprofd_stop. */
static __always_inline int unwind_user(struct scratch *scratch, struct task_struct *task, __u64 process,
				       const struct arch_pt_regs *regs)
{
	struct walk *walk = &scratch->walk;
	__u32 cpu = bpf_get_smp_processor_id();

	if (arch_regs_are_compat(regs))
		return PPROFD_STOP_COMPAT;
	arch_regs_load(regs, walk->regs, &walk->pc);
	/* A thread of the kernel that borrows a process (io_uring's workers) never ran user code. */
	if (walk->pc == 0)
		return PPROFD_STOP_NONE;
	__builtin_memset(walk->regs_at, 0, sizeof(walk->regs_at));
	walk->window_start = 0;
	walk->window_len = 0;
	walk->is_return = 0;
	walk->is_partial = 0;
	if (mapping_set_choose(scratch, cpu, task, process))
		return PPROFD_STOP_NO_MAPPING;
	for (int i = 0; i < PPROFD_USER_FRAMES_MAX; i++) {
		int stop = unwind_step(cpu);

		if (stop)
			return stop;
	}
	return PPROFD_STOP_TRUNCATED;
}

#endif

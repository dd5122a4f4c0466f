/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * A process made up for tests of whole samples: VMAs in a tree that the kernel side searches, files, a
 * stack, and rows in row memory. One at a time; process_reset() begins anew. For one file of a program.
 */
#ifndef PPROFD_HOST_PROCESS_H
#define PPROFD_HOST_PROCESS_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "bpf_side.h"

#define PROCESS_VMAS_MAX 12
#define PROCESS_STACK 0x7ffd00000000ULL
#define PROCESS_STACK_WORDS 2048
#define PROCESS_TGID 4242
#define PROCESS_MAPPING_SETS 8

/* How the kernel of a test keeps VMAs and lets them be read. */
enum process_kernel {
	PROCESS_KERNEL_RB,       /* a red-black tree, read by the helper */
	PROCESS_KERNEL_MAPLE,    /* a maple tree, read by the helper */
	PROCESS_KERNEL_SEQUENCE, /* and VMAs have a sequence number */
	PROCESS_KERNEL_CAST,     /* and pointers can be followed */
	PROCESS_KERNEL_CNT
};

static struct process {
	_Alignas(256) struct maple_range_64 node;
	struct vm_area_struct vmas[PROCESS_VMAS_MAX];
	struct file files[PROCESS_VMAS_MAX];
	struct inode inodes[PROCESS_VMAS_MAX];
	struct dentry dentry;
	struct super_block super;
	struct mm_struct mm;
	struct task_struct task;
	struct arch_perf_context tick;
	uint64_t stack[PROCESS_STACK_WORDS];
	size_t vma_cnt;
	/* Of row memory: the next free word, rules. */
	uint32_t word;
} process;

static inline struct scratch *process_scratch(void)
{
	return scratch_of(0);
}

static inline uint64_t process_counter(enum pprofd_counter counter)
{
	uint32_t cpu = 0;
	const struct pprofd_counters *of_cpu = bpf_map_lookup_elem(&counters, &cpu);

	return of_cpu->value[counter];
}

/* Bounds as small as a test likes them: they are masks. */
static inline void process_set_masks(uint32_t buckets, uint32_t stacks, uint32_t processes)
{
	host_set(&buckets_per_cpu_mask, &buckets, sizeof(buckets));
	host_set(&stacks_sent_mask, &stacks, sizeof(stacks));
	host_set(&processes_sent_mask, &processes, sizeof(processes));
	host_add_array(&counts, sizeof(struct pprofd_bucket), 2 * (buckets + 1));
	host_add_array(&stacks_sent, sizeof(__u64), stacks + 1);
	host_add_array(&processes_sent, sizeof(__u64), processes + 1);
}

static inline void process_add_maps(void)
{
	uint32_t sets_mask = PROCESS_MAPPING_SETS - 1;

	host_set(&mapping_sets_mask, &sets_mask, sizeof(sets_mask));
	host_add_array(&scratches, sizeof(struct scratch), 1);
	host_add_array(&counters, sizeof(struct pprofd_counters), 1);
	host_add_array(&mapping_sets, sizeof(struct mapping_set), PROCESS_MAPPING_SETS);
	host_add_array(&row_chunks, sizeof(struct row_chunk), 1);
	host_add_hash(&executables, sizeof(struct pprofd_executable_key), sizeof(struct pprofd_executable), 16);
	host_add_hash(&targets, sizeof(__u32), sizeof(__u8), 4);
}

static inline void process_choose_kernel(enum process_kernel kernel)
{
	uint8_t cast = kernel == PROCESS_KERNEL_CAST;

	host_set(&can_cast, &cast, sizeof(cast));
	if (kernel == PROCESS_KERNEL_RB)
		host_forget("mm_mt");
	if (kernel <= PROCESS_KERNEL_MAPLE)
		host_forget("mm_lock_seq");
}

static inline void process_reset(enum process_kernel kernel)
{
	host_reset();
	memset(&process, 0, sizeof(process));
	process_add_maps();
	process_choose_kernel(kernel);
	process.word = 16;
	process.super.s_dev = 0xfe00001;
	process.dentry.d_name.name = (const unsigned char *)"program";
	process.mm.end_code = 1;
	process.mm.mm_lock_seq.sequence = 2;
	process.task.mm = &process.mm;
	process.task.group_leader = &process.task;
	process.task.start_boottime = 77ULL << 24;
	process.task.self_exec_id = 1;
	memcpy(process.task.comm, "program", 8);
	process.tick.sample_period = 10101010;
	process.tick.regs.cs = 0x33;
	process.tick.regs.sp = PROCESS_STACK;
	host_add_object(&process, sizeof(process));
	host_add_object(process.dentry.d_name.name, sizeof("program"));
	host_add_memory(&host.user, PROCESS_STACK, process.stack, sizeof(process.stack));
	host.task = &process.task;
	host.pid_tgid = (uint64_t)PROCESS_TGID << 32 | PROCESS_TGID;
	host.mono_ns = 1000ULL << 27;
	host.task_regs = &process.tick.regs;
	epoch = 1;
}

/* ---- VMAs; in ascending order, with gaps between them ---- */

/* Maps file `file` (0 and up) from `off` on, or without a file when it is -1. */
static inline void process_map(uint64_t start, uint64_t end, int file, uint64_t off)
{
	struct vm_area_struct *vma = &process.vmas[process.vma_cnt];

	vma->vm_start = start;
	vma->vm_end = end;
	vma->vm_flags = VM_EXEC;
	vma->vm_pgoff = off >> PAGE_BITS;
	if (file >= 0) {
		process.inodes[file] = (struct inode){ .i_sb = &process.super, .i_ino = 100 + (unsigned long)file };
		process.files[file] =
			(struct file){ .f_inode = &process.inodes[file], .f_path.dentry = &process.dentry };
		vma->vm_file = &process.files[file];
	}
	process.vma_cnt++;
}

/* One leaf: a pivot for each gap and each VMA. */
static inline void process_plant_maple(void)
{
	size_t slot = 0;

	memset(&process.node, 0, sizeof(process.node));
	for (size_t i = 0; i < process.vma_cnt; i++) {
		process.node.pivot[slot++] = process.vmas[i].vm_start - 1;
		process.node.slot[slot] = &process.vmas[i];
		process.node.pivot[slot++] = process.vmas[i].vm_end - 1;
	}
	process.mm.mm_mt.ma_root = (void *)((uintptr_t)&process.node | MAPLE_TYPE_LEAF << MAPLE_TYPE_SHIFT | 2);
}

/* Each VMA to the right of the one before. */
static inline void process_plant_rb(void)
{
	for (size_t i = 0; i + 1 < process.vma_cnt; i++)
		process.vmas[i].vm_rb.rb_right = &process.vmas[i + 1].vm_rb;
	process.mm.mm_rb.rb_node = process.vma_cnt ? &process.vmas[0].vm_rb : NULL;
}

/* Makes the tree of what was mapped. */
static inline void process_plant(enum process_kernel kernel)
{
	if (kernel == PROCESS_KERNEL_RB)
		process_plant_rb();
	else
		process_plant_maple();
}

/* ---- executables ---- */

static inline struct pprofd_executable_key process_key(int file)
{
	return (struct pprofd_executable_key){ .inode = 100 + (uint64_t)file, .dev = process.super.s_dev };
}

/* Publishes one rule for offsets 0 <= off < 64 KiB of `file`, which has `number`. */
static inline void process_publish(int file, uint32_t number, const struct pprofd_rule *rule)
{
	struct pprofd_executable_key key = process_key(file);
	struct pprofd_executable executable = { .number = number, .state = PPROFD_EXECUTABLE_READY, .page_cnt = 1 };
	uint32_t zero = 0;
	struct row_chunk *chunk = bpf_map_lookup_elem(&row_chunks, &zero);

	executable.page_table = process.word;
	executable.rules = process.word + 16;
	chunk->words[process.word] = process.word + 32;
	memcpy(&chunk->words[process.word + 16], rule, sizeof(*rule));
	/* A page whose index is all 0, with one row, which has rule 0. */
	process.word += 32 + PPROFD_BUCKET_WORDS + 16;
	bpf_map_update_elem(&executables, &key, &executable, BPF_ANY);
}

#endif

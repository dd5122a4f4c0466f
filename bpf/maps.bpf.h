/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Every map. Sizes given as 1 are set before loading (src/sample/), by the number of CPUs and the options.
 * Arrays that are indexed by CPU take the place of per-CPU maps: their look-up is inlined on every
 * kernel, and user space maps them into its memory.
 */
#ifndef PPROFD_MAPS_BPF_H
#define PPROFD_MAPS_BPF_H

/* `frames` continues `stack`: they are sent as one record. */
#pragma clang diagnostic ignored "-Wgnu-variable-sized-type-not-at-end"

/* One CPU's working memory; nobody else reads it. */
struct scratch {
	struct walk walk;
	__u32 busy;        /* a sample is being taken on this CPU */
	__u32 mapping_set; /* the set of the current process: index into mapping_sets */
	__u32 executables_made;
	__u32 reserved;
	struct arch_pt_regs regs; /* of a task that was interrupted in the kernel */
	__u64 maple[32];          /* a maple node, where it must be copied to be read */
	struct pprofd_executable executable;
	struct pprofd_process_record process;
	struct pprofd_executable_record seen;
	struct pprofd_count_record evicted;
	struct pprofd_stack_record stack;
	__u64 frames[PPROFD_FRAMES_CAP];
} __attribute__((aligned(64)));

/* CPU -> its scratch. Written and read by that CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct scratch);
} scratches SEC(".maps");

/* (CPU, hash of process) -> mappings that process has been seen to have. Written and read by that CPU. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct mapping_set);
} mapping_sets SEC(".maps");

/* CPU -> its counters. Written by that CPU; read by user space through memory. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pprofd_counters);
} counters SEC(".maps");

/*
 * (epoch, CPU, hash of stack and process) -> counts (abi.h). Written by that CPU; read and zeroed by
 * user space when the epoch is over. A full bucket sends its first slot on as a record.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct pprofd_bucket);
} counts SEC(".maps");

/*
 * Hash of a stack -> tag of the stack and epoch that were sent last. Any CPU writes. Two stacks in
 * one place send each other again, which costs a record and loses nothing.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} stacks_sent SEC(".maps");

/* As stacks_sent, of processes. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u64);
} processes_sent SEC(".maps");

/*
 * File -> number and rows. The kernel side adds; user space fills in the rows and removes what has
 * not been hit for long. When it is full, frames keep their address and EXECUTABLES_FULL counts.
 */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, PPROFD_EXECUTABLES_MAX);
	__type(key, struct pprofd_executable_key);
	__type(value, struct pprofd_executable);
} executables SEC(".maps");

struct row_chunk_map {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct row_chunk));
};

/* Chunk number -> row memory (abi.h). User space adds chunks and writes them; the kernel side reads. */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY_OF_MAPS);
	__uint(max_entries, PPROFD_CHUNKS_MAX);
	__uint(key_size, sizeof(__u32));
	__array(values, struct row_chunk_map);
} row_chunks SEC(".maps");

/* Process -> 1, for what is recorded when only_targets is set. Full: the child is not followed. */
struct {
	__uint(type, BPF_MAP_TYPE_HASH);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, __u8);
} targets SEC(".maps");

/* Records (abi.h) to user space. Full: the sample is lost and counted. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ring SEC(".maps");

static __always_inline struct scratch *scratch_of(__u32 cpu)
{
	return bpf_map_lookup_elem(&scratches, &cpu);
}

static __always_inline void count(enum pprofd_counter counter)
{
	__u32 cpu = bpf_get_smp_processor_id();
	struct pprofd_counters *of_cpu = bpf_map_lookup_elem(&counters, &cpu);

	if (of_cpu)
		__sync_fetch_and_add(&of_cpu->value[counter & 31], 1);
}

#endif

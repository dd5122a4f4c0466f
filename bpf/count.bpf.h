/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Counts a finished sample: one bucket of its CPU is touched, and only what is new in this epoch is
 * sent: the frames of a stack, the record of a process.
 *
 * 1. A slot is written only after its stack and process have been sent in the same epoch.
 * 2. A sample is either in a slot or record, or counted as lost.
 */
#ifndef PPROFD_COUNT_BPF_H
#define PPROFD_COUNT_BPF_H

/* What stands in stacks_sent and processes_sent once `id` was sent in epoch `now`. */
static __always_inline __u64 sent_tag(__u64 id, __u32 now)
{
	return hash_add(id, now);
}

/* Sends the stack in the scratch unless this epoch has it. */
static __always_inline int stack_send(struct scratch *scratch, __u64 hash, __u32 now)
{
	struct pprofd_stack_record *record = &scratch->stack;
	__u32 place = hash & stacks_sent_mask;
	__u64 *sent = bpf_map_lookup_elem(&stacks_sent, &place);
	__u64 tag = sent_tag(hash, now);
	__u64 len;

	if (!sent)
		return PPROFD_COUNTER_LOST_MAP;
	if (*sent == tag)
		return 0;
	record->head.type = PPROFD_RECORD_STACK;
	record->head.epoch = now;
	record->stack = hash;
	len = sizeof(*record) + ((__u32)record->kernel_cnt + record->user_cnt) * 8;
	/* verifier: the length has a bound it can see, though the two counts have theirs. */
	if (len > sizeof(*record) + sizeof(scratch->frames))
		return PPROFD_COUNTER_LOST_MAP;
	if (notify_lazily(record, len))
		return PPROFD_COUNTER_LOST_RING;
	*sent = tag;
	count(PPROFD_COUNTER_STACKS_SENT);
	return 0;
}

/* Sends the record of the current process unless this epoch has it. */
static __always_inline int process_send(struct scratch *scratch, __u64 process, __u64 start_ns, __u32 now)
{
	struct task_struct *task = (void *)bpf_get_current_task();
	struct pprofd_process_record *record = &scratch->process;
	__u32 place = hash_finish(process * HASH_MUL) & processes_sent_mask;
	__u64 *sent = bpf_map_lookup_elem(&processes_sent, &place);
	__u64 tag = sent_tag(process, now);

	if (!sent)
		return PPROFD_COUNTER_LOST_MAP;
	if (*sent == tag)
		return 0;
	record->head.type = PPROFD_RECORD_PROCESS;
	record->head.epoch = now;
	record->process = process;
	record->start_ns = start_ns;
	record->cgroup_id = bpf_get_current_cgroup_id();
	record->tgid = bpf_get_current_pid_tgid() >> 32;
	record->executable = executable_of_task(scratch, task);
	__builtin_memset(record->comm, 0, sizeof(record->comm));
	BPF_CORE_READ_STR_INTO(&record->comm, task, group_leader, comm);
	if (notify_lazily(record, sizeof(*record)))
		return PPROFD_COUNTER_LOST_RING;
	*sent = tag;
	count(PPROFD_COUNTER_PROCESSES_SENT);
	return 0;
}

/* Sends the first slot of a full bucket on, so that it is free. */
static __always_inline int bucket_evict(struct scratch *scratch, struct pprofd_bucket *bucket, __u32 now)
{
	struct pprofd_count_record *record = &scratch->evicted;

	record->head.type = PPROFD_RECORD_COUNT;
	record->head.epoch = now;
	record->slot = bucket->slots[0];
	if (notify_lazily(record, sizeof(*record)))
		return -1;
	bucket->slots[0].stack = 0;
	count(PPROFD_COUNTER_COUNTS_SENT);
	return 0;
}

/* The bucket of (epoch, CPU, stack and process). */
static __always_inline struct pprofd_bucket *bucket_get(__u64 stack, __u64 process, __u32 now)
{
	__u32 cpu = bpf_get_smp_processor_id();
	__u32 of_cpu = ((now & 1) * cpu_cnt + cpu) * (buckets_per_cpu_mask + 1);
	__u32 place = of_cpu + (hash_finish(stack ^ process * HASH_MUL) & buckets_per_cpu_mask);

	return bpf_map_lookup_elem(&counts, &place);
}

static __always_inline int slot_matches(const struct pprofd_slot *slot, const struct pprofd_slot *sample)
{
	return slot->stack == sample->stack && slot->process == sample->process && slot->source == sample->source;
}

/*
 * Adds `sample` (a slot with the values of this one) to the counts of epoch `now`.
 * Returns the counter that says what became of it.
 */
static __always_inline int count_sample(struct scratch *scratch, const struct pprofd_slot *sample, __u64 start_ns,
					__u32 now)
{
	struct pprofd_bucket *bucket = bucket_get(sample->stack, sample->process, now);
	int lost;

	if (!bucket)
		return PPROFD_COUNTER_LOST_MAP;
#pragma unroll
	for (int i = 0; i < PPROFD_BUCKET_SLOTS; i++) {
		if (slot_matches(&bucket->slots[i], sample)) {
			bucket->slots[i].count++;
			bucket->slots[i].value += sample->value;
			return PPROFD_COUNTER_RECORDED;
		}
	}
	lost = stack_send(scratch, sample->stack, now);
	if (!lost)
		lost = process_send(scratch, sample->process, start_ns, now);
	if (lost)
		return lost;
	if (bucket->slots[PPROFD_BUCKET_SLOTS - 1].stack && bucket_evict(scratch, bucket, now))
		return PPROFD_COUNTER_LOST_RING;
#pragma unroll
	for (int i = 0; i < PPROFD_BUCKET_SLOTS; i++) {
		if (bucket->slots[i].stack == 0) {
			bucket->slots[i] = *sample;
			return PPROFD_COUNTER_RECORDED;
		}
	}
	return PPROFD_COUNTER_LOST_MAP;
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/batch.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/vec.h"

int batch_new(struct batch **ret)
{
	_cleanup_(batch_freep) struct batch *batch = calloc(1, sizeof(*batch));
	int err;

	if (!batch)
		return -ENOMEM;
	err = arena_new(&batch->arena);
	if (err < 0)
		return err;
	*ret = take_ptr(batch);
	return 0;
}

void batch_free(struct batch *batch)
{
	if (!batch)
		return;
	hashmap_fini(&batch->stacks);
	hashmap_fini(&batch->processes);
	free(batch->samples);
	arena_free(batch->arena);
	free(batch);
}

int batch_add_stack(struct batch *batch, const struct pprofd_stack_record *record)
{
	size_t frame_cnt = (size_t)record->kernel_cnt + record->user_cnt;
	struct batch_stack *stack;
	uint64_t *frames;

	if (hashmap_find(&batch->stacks, record->stack))
		return 0;
	stack = arena_alloc(batch->arena, sizeof(*stack));
	frames = arena_alloc(batch->arena, frame_cnt * sizeof(*frames));
	if (!stack || !frames)
		return -ENOMEM;
	memcpy(frames, record->frames, frame_cnt * sizeof(*frames));
	*stack = (struct batch_stack){
		.hash = record->stack,
		.kernel_cnt = record->kernel_cnt,
		.user_cnt = record->user_cnt,
		.stop = (enum pprofd_stop)record->stop,
		.frames = frames,
	};
	return hashmap_put(&batch->stacks, record->stack, (uintptr_t)stack);
}

int batch_add_process(struct batch *batch, const struct batch_process *process)
{
	struct batch_process *copy;

	if (hashmap_find(&batch->processes, process->process))
		return 0;
	copy = arena_alloc(batch->arena, sizeof(*copy));
	if (!copy)
		return -ENOMEM;
	*copy = *process;
	return hashmap_put(&batch->processes, process->process, (uintptr_t)copy);
}

int batch_add_count(struct batch *batch, const struct pprofd_slot *slot)
{
	const uint64_t *stack = hashmap_find(&batch->stacks, slot->stack);
	const uint64_t *process = hashmap_find(&batch->processes, slot->process);
	int err;

	if (!stack || !process)
		return -ENOENT;
	err = vec_reserve(&batch->samples, &batch->sample_cap, batch->sample_cnt + 1);
	if (err < 0)
		return err;
	batch->samples[batch->sample_cnt++] = (struct batch_sample){
		.stack = (const struct batch_stack *)(uintptr_t)*stack,
		.process = (const struct batch_process *)(uintptr_t)*process,
		.count = slot->count,
		.value = slot->value,
		.source = (enum pprofd_source)slot->source,
	};
	return 0;
}

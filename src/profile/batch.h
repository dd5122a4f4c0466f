/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One window as it came out of the kernel: counts of (stack, process), in addresses.
 * Stacks and processes live in its arena. The event loop's thread only.
 *
 * 1. samples[i].stack and .process point into the same batch and are never NULL.
 * 2. The sum of samples[i].count is the number of samples the kernel side recorded in the window.
 */
#ifndef PPROFD_PROFILE_BATCH_H
#define PPROFD_PROFILE_BATCH_H

#include <pprofd/abi.h>

#include "base/arena.h"
#include "base/hashmap.h"

struct batch_stack {
	uint64_t hash;
	uint16_t kernel_cnt;
	uint16_t user_cnt;
	enum pprofd_stop stop;
	const uint64_t *frames; /* kernel_cnt + user_cnt; abi.h says what a frame is */
};

struct batch_process {
	uint64_t process; /* PPROFD_PROCESS() */
	uint64_t start_ns;
	uint64_t cgroup_id;
	uint32_t tgid;
	uint32_t executable; /* number of the main binary, PPROFD_EXECUTABLE_NONE or _KERNEL */
	char comm[PPROFD_COMM_MAX];
};

struct batch_sample {
	const struct batch_stack *stack;
	const struct batch_process *process;
	uint64_t count;
	uint64_t value; /* sum of the event's period: ns of CPU for clocks */
	enum pprofd_source source;
};

struct batch {
	uint64_t start_wall_ns;
	uint64_t end_wall_ns;
	uint64_t duration_ns; /* by the monotonic clock */
	struct batch_sample *samples;
	size_t sample_cnt;
	size_t sample_cap;
	struct hashmap stacks;    /* hash -> struct batch_stack * */
	struct hashmap processes; /* PPROFD_PROCESS() -> struct batch_process * */
	struct arena *arena;
};

/* *ret is the caller's; batch_free(). Returns 0 or -ENOMEM. */
_must_check_ int batch_new(struct batch **ret);
void batch_free(struct batch *batch);
DEFINE_CLEANUP(struct batch, batch_free);

/* Copies a stack or a process in unless it is there already. Return 0 or -ENOMEM. */
_must_check_ int batch_add_stack(struct batch *batch, const struct pprofd_stack_record *record);
_must_check_ int batch_add_process(struct batch *batch, const struct batch_process *process);

/* Adds a count. Returns 0, -ENOENT when its stack or process never arrived, -ENOMEM. */
_must_check_ int batch_add_count(struct batch *batch, const struct pprofd_slot *slot);

#endif

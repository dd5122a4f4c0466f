/* SPDX-License-Identifier: Apache-2.0 */
#include "drain/drain.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/log.h"

struct drain {
	struct maps *maps;
	void (*on_executable)(void *arg, const struct pprofd_executable_record *record);
	void *arg;
	struct batch *batches[2]; /* by the lowest bit of the epoch */
	uint64_t start_wall_ns;   /* of the running epoch */
	uint64_t start_mono_ns;
	uint64_t lost_cnt;
};

static int drain_on_stack(struct drain *drain, const struct pprofd_stack_record *record, size_t len)
{
	size_t frame_cnt;

	if (len < sizeof(*record))
		return -EBADMSG;
	frame_cnt = (size_t)record->kernel_cnt + record->user_cnt;
	if (len - sizeof(*record) < frame_cnt * sizeof(record->frames[0]))
		return -EBADMSG;
	return batch_add_stack(drain->batches[record->head.epoch & 1], record);
}

static int drain_on_process(struct drain *drain, const struct pprofd_process_record *record, size_t len)
{
	struct batch_process process;

	if (len < sizeof(*record))
		return -EBADMSG;
	process = (struct batch_process){
		.process = record->process,
		.start_ns = record->start_ns,
		.cgroup_id = record->cgroup_id,
		.tgid = record->tgid,
		.executable = record->executable,
	};
	memcpy(process.comm, record->comm, sizeof(process.comm));
	process.comm[sizeof(process.comm) - 1] = '\0';
	return batch_add_process(drain->batches[record->head.epoch & 1], &process);
}

static void drain_add_count(struct drain *drain, struct batch *batch, const struct pprofd_slot *slot)
{
	if (batch_add_count(batch, slot) < 0)
		drain->lost_cnt += slot->count;
}

static int drain_take_record(struct drain *drain, const struct pprofd_record *head, size_t len)
{
	const struct pprofd_count_record *counted = (const void *)head;

	if (len < sizeof(*head))
		return -EBADMSG;
	switch ((enum pprofd_record_type)head->type) {
	case PPROFD_RECORD_STACK:
		return drain_on_stack(drain, (const void *)head, len);
	case PPROFD_RECORD_PROCESS:
		return drain_on_process(drain, (const void *)head, len);
	case PPROFD_RECORD_COUNT:
		if (len < sizeof(*counted))
			return -EBADMSG;
		drain_add_count(drain, drain->batches[head->epoch & 1], &counted->slot);
		return 0;
	case PPROFD_RECORD_EXECUTABLE:
		if (len < sizeof(struct pprofd_executable_record))
			return -EBADMSG;
		drain->on_executable(drain->arg, (const void *)head);
		return 0;
	}
	return -EBADMSG;
}

/* A record that cannot be kept must not keep others from being read. */
static int drain_on_record(void *arg, const void *record, size_t len)
{
	int err = drain_take_record(arg, record, len);

	if (err < 0)
		log_debug("a record of %zu bytes: %s", len, strerror(-err));
	return 0;
}

int drain_new(struct maps *maps, void (*on_executable)(void *arg, const struct pprofd_executable_record *), void *arg,
	      struct drain **ret)
{
	_cleanup_(drain_freep) struct drain *drain = calloc(1, sizeof(*drain));

	if (!drain)
		return -ENOMEM;
	drain->maps = maps;
	drain->on_executable = on_executable;
	drain->arg = arg;
	drain->start_wall_ns = clock_wall_ns();
	drain->start_mono_ns = clock_mono_ns();
	for (size_t i = 0; i < ARRAY_LEN(drain->batches); i++) {
		int err = batch_new(&drain->batches[i]);

		if (err < 0)
			return err;
	}
	maps_set_on_record(maps, drain_on_record, drain);
	*ret = take_ptr(drain);
	return 0;
}

void drain_free(struct drain *drain)
{
	if (!drain)
		return;
	maps_set_on_record(drain->maps, NULL, NULL);
	batch_free(drain->batches[0]);
	batch_free(drain->batches[1]);
	free(drain);
}

int drain_dispatch(struct drain *drain)
{
	return maps_consume(drain->maps);
}

/* The counts of epoch `ended` into its batch; the kernel side finds them zero when it comes round again. */
static void drain_counts(struct drain *drain, uint32_t ended, struct batch *batch)
{
	const struct maps *maps = drain->maps;

	for (uint32_t cpu = 0; cpu < maps->cpu_cnt; cpu++) {
		struct pprofd_bucket *buckets = maps_get_buckets(maps, ended, cpu);

		for (uint32_t i = 0; i < maps->bucket_cnt * PPROFD_BUCKET_SLOTS; i++) {
			struct pprofd_slot *slot = &buckets[i / PPROFD_BUCKET_SLOTS].slots[i % PPROFD_BUCKET_SLOTS];

			if (slot->stack == 0)
				continue;
			drain_add_count(drain, batch, slot);
			*slot = (struct pprofd_slot){ 0 };
		}
	}
}

int drain_end_window(struct drain *drain, struct batch **ret)
{
	_cleanup_(batch_freep) struct batch *fresh = NULL;
	uint64_t mono_ns, wall_ns;
	uint32_t ended;
	int err = batch_new(&fresh);

	if (err < 0)
		return err;
	err = maps_end_epoch(drain->maps, &ended);
	if (err < 0)
		return err;
	mono_ns = clock_mono_ns();
	wall_ns = clock_wall_ns();
	/* Counts whose records cannot be read come out as lost below. */
	err = maps_consume(drain->maps);
	if (err < 0)
		log_debug("reading the ring buffer: %s", strerror(-err));
	drain_counts(drain, ended, drain->batches[ended & 1]);
	*ret = drain->batches[ended & 1];
	drain->batches[ended & 1] = take_ptr(fresh);
	(*ret)->start_wall_ns = drain->start_wall_ns;
	(*ret)->end_wall_ns = wall_ns;
	(*ret)->duration_ns = mono_ns - drain->start_mono_ns;
	drain->start_wall_ns = wall_ns;
	drain->start_mono_ns = mono_ns;
	return 0;
}

uint64_t drain_get_lost(const struct drain *drain)
{
	return drain->lost_cnt;
}

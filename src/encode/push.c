/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/push.h"

#include <errno.h>
#include <stdbool.h>

#include "base/arena.h"
#include "base/hashmap.h"
#include "base/vec.h"
#include "encode/gzip.h"
#include "encode/pprof_message.h"
#include "encode/push.pb-c.h"
#include "encode/push_labels.h"

/*
 * A body that is being made. Each profile becomes a PushRequest of one series: messages written one
 * after the other are read as one with all of their series (Protocol Buffers, "Encoding": last one
 * wins, repeated fields concatenate), so only one profile at a time is held unpacked.
 *
 * Compressed is the body as a whole and not each profile in it: either would do for the server, both
 * would be work twice, and one stream also shares what profiles of a window have in common.
 */
struct push {
	struct gzip *gzip;
	struct hashmap taken; /* hash of labels and time -> 0 */
	size_t series_cnt;
};

/* One profile's share of the body. */
struct push_series {
	struct push_labels labels;
	uint64_t labels_hash;
	struct blob *chunks; /* packed profiles */
	size_t chunk_cnt, chunk_cap;
	struct arena *arena;
};

static void push_fini(struct push *push)
{
	gzip_free(push->gzip);
	hashmap_fini(&push->taken);
}

static void push_series_fini(struct push_series *series)
{
	for (size_t i = 0; i < series->chunk_cnt; i++)
		blob_fini(&series->chunks[i]);
	free(series->chunks);
	arena_free(series->arena);
}

/* The first time from *time_wall_ns on that no profile of these labels has yet. */
static int push_take_time(struct push *push, uint64_t labels_hash, uint64_t *time_wall_ns)
{
	for (;; (*time_wall_ns)++) {
		const uint64_t words[] = { labels_hash, *time_wall_ns };
		uint64_t key = hashmap_hash_bytes(words, sizeof(words));

		/* Equal hashes of different labels cost 1 ns. */
		if (!hashmap_find(&push->taken, key))
			return hashmap_put(&push->taken, key, 0);
	}
}

static bool push_has_value(const struct profile *profile, const struct profile_sample *sample)
{
	for (size_t i = 0; i < profile->value_type_cnt; i++) {
		if (sample->values[i] != 0)
			return true;
	}
	return false;
}

static int push_series_add_chunk(struct push_series *series, const struct profile *profile, struct pprof_slice *slice)
{
	int err = vec_reserve(&series->chunks, &series->chunk_cap, series->chunk_cnt + 1);

	if (err < 0)
		return err;
	err = pprof_message_pack(profile, slice, &series->chunks[series->chunk_cnt]);
	if (err < 0)
		return err;
	series->chunk_cnt++;
	return 0;
}

static int push_split(struct push *push, struct push_series *series, const struct profile *profile)
{
	struct pprof_slice slice = { .bytes_max = PUSH_PROFILE_MAX, .time_wall_ns = profile->time_wall_ns };
	int err;

	for (; slice.first < profile->sample_cnt; slice.first += slice.cnt) {
		/* What begins with a value is not empty, however few samples of it fit. */
		slice.cnt = 1;
		if (!push_has_value(profile, &profile->samples[slice.first]))
			continue;
		slice.cnt = profile->sample_cnt - slice.first;
		if (slice.cnt > PUSH_SAMPLES_MAX)
			slice.cnt = PUSH_SAMPLES_MAX;
		err = push_take_time(push, series->labels_hash, &slice.time_wall_ns);
		if (err < 0)
			return err;
		err = push_series_add_chunk(series, profile, &slice);
		if (err < 0)
			return err;
	}
	return 0;
}

/* Makes the message of `series`, in its arena and from its chunks. */
static int push_series_make(struct push_series *series, Push__RawProfileSeries *ret)
{
	Push__LabelPair *pairs = arena_calloc(series->arena, series->labels.cnt, sizeof(*pairs));
	Push__RawSample *samples = arena_calloc(series->arena, series->chunk_cnt, sizeof(*samples));

	push__raw_profile_series__init(ret);
	ret->labels = arena_calloc(series->arena, series->labels.cnt, sizeof(*ret->labels));
	ret->samples = arena_calloc(series->arena, series->chunk_cnt, sizeof(*ret->samples));
	if (!pairs || !samples || !ret->labels || !ret->samples)
		return -ENOMEM;
	for (size_t i = 0; i < series->labels.cnt; i++) {
		push__label_pair__init(&pairs[i]);
		/* Only read while it is packed. */
		pairs[i].name = (char *)series->labels.labels[i].name;
		pairs[i].value = (char *)series->labels.labels[i].value;
		ret->labels[ret->n_labels++] = &pairs[i];
	}
	for (size_t i = 0; i < series->chunk_cnt; i++) {
		push__raw_sample__init(&samples[i]);
		samples[i].raw_profile.data = series->chunks[i].data;
		samples[i].raw_profile.len = series->chunks[i].len;
		ret->samples[ret->n_samples++] = &samples[i];
	}
	return 0;
}

static int push_write_series(struct push *push, struct push_series *series)
{
	_cleanup_(freep) unsigned char *packed = NULL;
	Push__RawProfileSeries message;
	Push__RawProfileSeries *messages[] = { &message };
	Push__PushRequest request = PUSH__PUSH_REQUEST__INIT;
	size_t len;
	int err = push_series_make(series, &message);

	if (err < 0)
		return err;
	request.series = messages;
	request.n_series = ARRAY_LEN(messages);
	len = protobuf_c_message_get_packed_size(&request.base);
	packed = malloc(len);
	if (!packed)
		return -ENOMEM;
	protobuf_c_message_pack(&request.base, packed);
	push->series_cnt++;
	return gzip_write(push->gzip, packed, len);
}

static int push_add_profile(struct push *push, const struct profile *profile)
{
	_cleanup_(push_series_fini) struct push_series series = { 0 };
	int err = arena_new(&series.arena);

	if (err < 0)
		return err;
	err = push_labels_init(&series.labels, profile, series.arena);
	if (err < 0)
		return err;
	series.labels_hash = push_labels_hash(&series.labels);
	err = push_split(push, &series, profile);
	if (err < 0)
		return err;
	return series.chunk_cnt > 0 ? push_write_series(push, &series) : 0;
}

int push_encode(const struct profile *const *profiles, size_t profile_cnt, struct blob *ret)
{
	_cleanup_(push_fini) struct push push = { 0 };
	int err = gzip_new(&push.gzip);

	if (err < 0)
		return err;
	for (size_t i = 0; i < profile_cnt; i++) {
		err = push_add_profile(&push, profiles[i]);
		if (err < 0)
			return err;
	}
	if (push.series_cnt == 0) {
		*ret = (struct blob){ 0 };
		return 0;
	}
	return gzip_finish(push.gzip, ret);
}

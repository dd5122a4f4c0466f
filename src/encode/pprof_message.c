/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/pprof_message.h"

#include <errno.h>
#include <stdbool.h>

#include "base/arena.h"
#include "encode/profile.pb-c.h"

/* Strings that are not the profile's own: types and units of the values and of the period. */
#define PPROF_OWN_STRINGS_MAX (2 * PROFILE_VALUES_MAX + 2)

/*
 * A message that is being built; it and all it points to live in the arena. The arrays of `pb` are
 * as large as the profile's own. ids[i] is the id of the profile's i-th, or 0 when it is not in
 * the message yet.
 */
struct pprof_message {
	const struct profile *profile;
	struct arena *arena;
	Pprof__Profile pb;
	uint64_t *string_ids; /* string_table index; string 0 has 0 as well */
	uint64_t *mapping_ids;
	uint64_t *function_ids;
	uint64_t *location_ids;
};

static int pprof_message_init(struct pprof_message *message, const struct profile *profile, struct arena *arena)
{
	Pprof__Profile *pb = &message->pb;
	size_t string_max = profile->string_cnt + profile->comment_cnt + PPROF_OWN_STRINGS_MAX;

	*message = (struct pprof_message){ .profile = profile, .arena = arena, .pb = PPROF__PROFILE__INIT };
	message->string_ids = arena_calloc(arena, profile->string_cnt, sizeof(*message->string_ids));
	message->mapping_ids = arena_calloc(arena, profile->mapping_cnt, sizeof(*message->mapping_ids));
	message->function_ids = arena_calloc(arena, profile->function_cnt, sizeof(*message->function_ids));
	message->location_ids = arena_calloc(arena, profile->location_cnt, sizeof(*message->location_ids));
	pb->sample_type = arena_calloc(arena, profile->value_type_cnt, sizeof(*pb->sample_type));
	pb->mapping = arena_calloc(arena, profile->mapping_cnt, sizeof(*pb->mapping));
	pb->location = arena_calloc(arena, profile->location_cnt, sizeof(*pb->location));
	pb->function = arena_calloc(arena, profile->function_cnt, sizeof(*pb->function));
	pb->comment = arena_calloc(arena, profile->comment_cnt, sizeof(*pb->comment));
	pb->string_table = arena_calloc(arena, string_max, sizeof(*pb->string_table));
	if (!message->string_ids || !message->mapping_ids || !message->function_ids || !message->location_ids ||
	    !pb->sample_type || !pb->mapping || !pb->location || !pb->function || !pb->comment || !pb->string_table)
		return -ENOMEM;
	pb->string_table[pb->n_string_table++] = (char *)"";
	return 0;
}

/* The index of `text`, which the table does not hold yet unless it is "". */
static int64_t pprof_message_put_text(struct pprof_message *message, const char *text)
{
	Pprof__Profile *pb = &message->pb;

	if (!text || !*text)
		return 0;
	/* protobuf-c packs strings without writing to them. */
	pb->string_table[pb->n_string_table] = (char *)text;
	return (int64_t)pb->n_string_table++;
}

static int pprof_message_add_string(struct pprof_message *message, uint32_t string, int64_t *ret)
{
	if (string >= message->profile->string_cnt)
		return -EINVAL;
	if (!message->string_ids[string])
		message->string_ids[string] =
			(uint64_t)pprof_message_put_text(message, message->profile->strings[string]);
	*ret = (int64_t)message->string_ids[string];
	return 0;
}

static int pprof_message_add_mapping(struct pprof_message *message, uint32_t index)
{
	const struct profile_mapping *mapping = &message->profile->mappings[index];
	Pprof__Mapping *pb;
	int err;

	if (message->mapping_ids[index])
		return 0;
	pb = arena_alloc(message->arena, sizeof(*pb));
	if (!pb)
		return -ENOMEM;
	pprof__mapping__init(pb);
	err = pprof_message_add_string(message, mapping->filename, &pb->filename);
	if (err < 0)
		return err;
	err = pprof_message_add_string(message, mapping->build_id, &pb->build_id);
	if (err < 0)
		return err;
	pb->memory_start = mapping->start;
	pb->memory_limit = mapping->limit;
	pb->file_offset = mapping->off;
	pb->has_functions = mapping->has_functions;
	message->pb.mapping[message->pb.n_mapping++] = pb;
	pb->id = message->mapping_ids[index] = message->pb.n_mapping;
	return 0;
}

static int pprof_message_add_function(struct pprof_message *message, uint32_t index)
{
	const struct profile_function *function = &message->profile->functions[index];
	Pprof__Function *pb;
	int err;

	if (message->function_ids[index])
		return 0;
	pb = arena_alloc(message->arena, sizeof(*pb));
	if (!pb)
		return -ENOMEM;
	pprof__function__init(pb);
	err = pprof_message_add_string(message, function->name, &pb->name);
	if (err < 0)
		return err;
	err = pprof_message_add_string(message, function->system_name, &pb->system_name);
	if (err < 0)
		return err;
	err = pprof_message_add_string(message, function->filename, &pb->filename);
	if (err < 0)
		return err;
	pb->start_line = function->start_line;
	message->pb.function[message->pb.n_function++] = pb;
	pb->id = message->function_ids[index] = message->pb.n_function;
	return 0;
}

static int pprof_message_add_lines(struct pprof_message *message, const struct profile_location *location,
				   Pprof__Location *pb)
{
	Pprof__Line *lines = arena_calloc(message->arena, location->line_cnt, sizeof(*lines));

	pb->line = arena_calloc(message->arena, location->line_cnt, sizeof(*pb->line));
	if (!lines || !pb->line)
		return -ENOMEM;
	for (uint32_t i = 0; i < location->line_cnt; i++) {
		uint32_t function = location->lines[i].function;
		int err;

		if (function >= message->profile->function_cnt)
			return -EINVAL;
		err = pprof_message_add_function(message, function);
		if (err < 0)
			return err;
		pprof__line__init(&lines[i]);
		lines[i].function_id = message->function_ids[function];
		lines[i].line = location->lines[i].line;
		pb->line[i] = &lines[i];
	}
	pb->n_line = location->line_cnt;
	return 0;
}

/* has_functions is the profile's word; that there is more than names is seen from the locations. */
static void pprof_message_refine_mapping(struct pprof_message *message, const struct profile_location *location)
{
	Pprof__Mapping *mapping = message->pb.mapping[message->mapping_ids[location->mapping] - 1];

	if (!mapping->has_functions)
		return;
	for (uint32_t i = 0; i < location->line_cnt; i++) {
		const struct profile_line *line = &location->lines[i];

		mapping->has_filenames |= message->profile->functions[line->function].filename != 0;
		mapping->has_line_numbers |= line->line != 0;
	}
	mapping->has_inline_frames |= location->line_cnt > 1;
}

static int pprof_message_add_location(struct pprof_message *message, uint32_t index)
{
	const struct profile_location *location = &message->profile->locations[index];
	Pprof__Location *pb;
	int err;

	if (message->location_ids[index])
		return 0;
	pb = arena_alloc(message->arena, sizeof(*pb));
	if (!pb)
		return -ENOMEM;
	pprof__location__init(pb);
	err = pprof_message_add_lines(message, location, pb);
	if (err < 0)
		return err;
	if (location->mapping != PROFILE_NO_MAPPING) {
		if (location->mapping >= message->profile->mapping_cnt)
			return -EINVAL;
		err = pprof_message_add_mapping(message, location->mapping);
		if (err < 0)
			return err;
		pb->mapping_id = message->mapping_ids[location->mapping];
		pprof_message_refine_mapping(message, location);
	}
	pb->address = location->address;
	message->pb.location[message->pb.n_location++] = pb;
	pb->id = message->location_ids[index] = message->pb.n_location;
	return 0;
}

static int pprof_message_add_sample(struct pprof_message *message, const struct profile_sample *sample)
{
	Pprof__Sample *pb = arena_alloc(message->arena, sizeof(*pb));

	if (!pb)
		return -ENOMEM;
	pprof__sample__init(pb);
	pb->location_id = arena_calloc(message->arena, sample->location_cnt, sizeof(*pb->location_id));
	if (!pb->location_id)
		return -ENOMEM;
	for (uint32_t i = 0; i < sample->location_cnt; i++) {
		uint32_t location = sample->locations[i];
		int err;

		if (location >= message->profile->location_cnt)
			return -EINVAL;
		err = pprof_message_add_location(message, location);
		if (err < 0)
			return err;
		pb->location_id[i] = message->location_ids[location];
	}
	pb->n_location_id = sample->location_cnt;
	/* Read only while it is packed, and the profile outlives the message. */
	pb->value = (int64_t *)sample->values;
	pb->n_value = message->profile->value_type_cnt;
	message->pb.sample[message->pb.n_sample++] = pb;
	return 0;
}

/* Pyroscope refuses negative values and samples without any. */
static int pprof_check_values(const struct profile_sample *sample, size_t value_cnt, bool *ret_zero)
{
	bool zero = true;

	for (size_t i = 0; i < value_cnt; i++) {
		if (sample->values[i] < 0)
			return -EINVAL;
		zero = zero && sample->values[i] == 0;
	}
	*ret_zero = zero;
	return 0;
}

static int pprof_message_add_samples(struct pprof_message *message, const struct pprof_slice *slice)
{
	const struct profile *profile = message->profile;

	message->pb.sample = arena_calloc(message->arena, slice->cnt, sizeof(*message->pb.sample));
	if (!message->pb.sample)
		return -ENOMEM;
	for (size_t i = slice->first; i < slice->first + slice->cnt; i++) {
		bool zero;
		int err = pprof_check_values(&profile->samples[i], profile->value_type_cnt, &zero);

		if (err < 0)
			return err;
		if (zero)
			continue;
		err = pprof_message_add_sample(message, &profile->samples[i]);
		if (err < 0)
			return err;
	}
	return 0;
}

static Pprof__ValueType *pprof_message_make_type(struct pprof_message *message, const struct profile_value_type *type)
{
	Pprof__ValueType *pb = arena_alloc(message->arena, sizeof(*pb));

	if (!pb)
		return NULL;
	pprof__value_type__init(pb);
	pb->type = pprof_message_put_text(message, type->type);
	pb->unit = pprof_message_put_text(message, type->unit);
	return pb;
}

static int pprof_message_add_head(struct pprof_message *message, const struct pprof_slice *slice)
{
	const struct profile *profile = message->profile;
	Pprof__Profile *pb = &message->pb;

	for (size_t i = 0; i < profile->value_type_cnt; i++) {
		pb->sample_type[i] = pprof_message_make_type(message, &profile->value_types[i]);
		if (!pb->sample_type[i])
			return -ENOMEM;
	}
	pb->n_sample_type = profile->value_type_cnt;
	/* Where there is more than one, the last is the one in units of what is measured. */
	pb->default_sample_type = pb->sample_type[profile->value_type_cnt - 1]->type;
	pb->period_type = pprof_message_make_type(message, &profile->period_type);
	if (!pb->period_type)
		return -ENOMEM;
	pb->period = profile->period;
	pb->time_nanos = (int64_t)slice->time_wall_ns;
	pb->duration_nanos = (int64_t)profile->duration_ns;
	for (size_t i = 0; i < profile->comment_cnt; i++)
		pb->comment[pb->n_comment++] = pprof_message_put_text(message, profile->comments[i]);
	/* The main binary stays mapping 1 whether a sample of this slice was in it or not. */
	return profile->mapping_cnt > 0 ? pprof_message_add_mapping(message, 0) : 0;
}

static int pprof_message_build(struct pprof_message *message, const struct profile *profile,
			       const struct pprof_slice *slice, struct arena *arena)
{
	int err = pprof_message_init(message, profile, arena);

	if (err < 0)
		return err;
	err = pprof_message_add_head(message, slice);
	if (err < 0)
		return err;
	return pprof_message_add_samples(message, slice);
}

int pprof_message_pack(const struct profile *profile, struct pprof_slice *slice, struct blob *ret)
{
	struct pprof_slice packed = *slice;

	if (profile->value_type_cnt == 0 || profile->value_type_cnt > PROFILE_VALUES_MAX ||
	    slice->first > profile->sample_cnt || slice->cnt > profile->sample_cnt - slice->first)
		return -EINVAL;
	for (;;) {
		_cleanup_(arena_freep) struct arena *arena = NULL;
		_cleanup_(blob_fini) struct blob blob = { 0 };
		struct pprof_message message;
		int err = arena_new(&arena);

		if (err < 0)
			return err;
		err = pprof_message_build(&message, profile, &packed, arena);
		if (err < 0)
			return err;
		blob.len = protobuf_c_message_get_packed_size(&message.pb.base);
		if (blob.len > packed.bytes_max && packed.cnt > 1) {
			/* By proportion, and some less, as the samples that stay share what they lead to. */
			size_t fitting =
				(size_t)((double)packed.cnt * 0.9 * (double)packed.bytes_max / (double)blob.len);

			packed.cnt = fitting > 0 ? fitting : 1;
			continue;
		}
		blob.data = malloc(blob.len);
		if (!blob.data)
			return -ENOMEM;
		protobuf_c_message_pack(&message.pb.base, blob.data);
		slice->cnt = packed.cnt;
		*ret = blob;
		blob = (struct blob){ 0 };
		return 0;
	}
}

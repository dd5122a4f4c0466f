/* SPDX-License-Identifier: Apache-2.0 */
#include "profile/profile.h"

#include <assert.h>
#include <errno.h>
#include <string.h>

#include "base/strbuf.h"
#include "base/utf8.h"
#include "base/vec.h"

/* Text as it is looked for: not ended by a zero byte. */
struct profile_text {
	const char *data;
	size_t len;
};

int profile_new(const char *name, struct profile **ret)
{
	_cleanup_(profile_freep) struct profile *profile = calloc(1, sizeof(*profile));
	uint32_t empty;
	int err;

	if (!profile)
		return -ENOMEM;
	profile->name = name;
	err = arena_new(&profile->arena);
	if (err < 0)
		return err;
	err = profile_add_string(profile, "", &empty);
	if (err < 0)
		return err;
	*ret = take_ptr(profile);
	return 0;
}

void profile_free(struct profile *profile)
{
	if (!profile)
		return;
	hashmap_fini(&profile->string_index);
	hashmap_fini(&profile->function_index);
	hashmap_fini(&profile->location_index);
	hashmap_fini(&profile->sample_index);
	free(profile->labels);
	free(profile->strings);
	free(profile->mappings);
	free(profile->functions);
	free(profile->locations);
	free(profile->samples);
	free(profile->comments);
	arena_free(profile->arena);
	free(profile);
}

/*
 * The index in `map` of what `equal` says is `wanted`; NULL when there is none, and then *key,
 * its hash on the way in, is the free key to put it under. Elements whose hashes are the same
 * stand under keys that follow each other; nothing is ever removed, so such a run has no gaps.
 */
static const uint64_t *profile_find(const struct profile *profile, const struct hashmap *map,
				    bool (*equal)(const struct profile *profile, size_t i, const void *wanted),
				    const void *wanted, uint64_t *key)
{
	const uint64_t *i;

	for (i = hashmap_find(map, *key); i; i = hashmap_find(map, *key)) {
		if (equal(profile, *i, wanted))
			return i;
		(*key)++;
	}
	return NULL;
}

static bool profile_equal_string(const struct profile *profile, size_t i, const void *wanted)
{
	const struct profile_text *text = wanted;

	return strncmp(profile->strings[i], text->data, text->len) == 0 && profile->strings[i][text->len] == '\0';
}

/* As profile_add_string() for text that is valid and not too long. */
static int profile_intern(struct profile *profile, const char *data, size_t len, uint32_t *ret)
{
	const struct profile_text text = { data, len };
	uint64_t key = hashmap_hash_bytes(data, len);
	const uint64_t *found = profile_find(profile, &profile->string_index, profile_equal_string, &text, &key);
	char *copy;
	int err;

	if (found) {
		*ret = (uint32_t)*found;
		return 0;
	}
	if (profile->string_cnt >= UINT32_MAX)
		return -ENOMEM;
	err = vec_reserve(&profile->strings, &profile->string_cap, profile->string_cnt + 1);
	if (err < 0)
		return err;
	copy = arena_strndup(profile->arena, data, len);
	if (!copy)
		return -ENOMEM;
	err = hashmap_put(&profile->string_index, key, profile->string_cnt);
	if (err < 0)
		return err;
	*ret = (uint32_t)profile->string_cnt;
	profile->strings[profile->string_cnt++] = copy;
	return 0;
}

int profile_add_string(struct profile *profile, const char *text, uint32_t *ret)
{
	_cleanup_(strbuf_fini) struct strbuf mended = { 0 };
	size_t len = text ? strlen(text) : 0;

	len = utf8_clip(text, len, PROFILE_STRING_MAX);
	if (utf8_find_invalid(text, len) == len)
		return profile_intern(profile, text ? text : "", len, ret);

	utf8_append_mended(&mended, text, len);
	if (strbuf_error(&mended))
		return strbuf_error(&mended);
	len = utf8_clip(mended.data, mended.len, PROFILE_STRING_MAX);
	return profile_intern(profile, mended.data, len, ret);
}

/* What a line of /proc/PID/maps says, in its order: a struct for one call would only hide how many there are. */
/* NOLINTNEXTLINE(readability-function-size) */
int profile_add_mapping(struct profile *profile, uint64_t start, uint64_t limit, uint64_t off, const char *filename,
			const char *build_id, uint32_t *ret)
{
	struct profile_mapping mapping = { .start = start, .limit = limit, .off = off };
	int err;

	err = profile_add_string(profile, filename, &mapping.filename);
	if (err < 0)
		return err;
	err = profile_add_string(profile, build_id, &mapping.build_id);
	if (err < 0)
		return err;
	for (size_t i = 0; i < profile->mapping_cnt; i++) {
		const struct profile_mapping *held = &profile->mappings[i];

		if (held->start == start && held->limit == limit && held->off == off &&
		    held->filename == mapping.filename && held->build_id == mapping.build_id) {
			*ret = (uint32_t)i;
			return 0;
		}
	}
	if (profile->mapping_cnt >= PROFILE_NO_MAPPING)
		return -ENOMEM;
	err = vec_reserve(&profile->mappings, &profile->mapping_cap, profile->mapping_cnt + 1);
	if (err < 0)
		return err;
	*ret = (uint32_t)profile->mapping_cnt;
	profile->mappings[profile->mapping_cnt++] = mapping;
	return 0;
}

static bool profile_equal_function(const struct profile *profile, size_t i, const void *wanted)
{
	const struct profile_function *held = &profile->functions[i], *function = wanted;

	return held->name == function->name && held->system_name == function->system_name &&
	       held->filename == function->filename && held->start_line == function->start_line;
}

/* Field by field: struct profile_function has padding. */
static uint64_t profile_hash_function(const struct profile_function *function)
{
	const uint64_t words[] = {
		function->name,
		function->system_name,
		function->filename,
		(uint64_t)function->start_line,
	};

	return hashmap_hash_bytes(words, sizeof(words));
}

int profile_add_function(struct profile *profile, const char *name, const char *system_name, const char *filename,
			 int64_t start_line, uint32_t *ret)
{
	struct profile_function function = { .start_line = start_line };
	const uint64_t *found;
	uint64_t key;
	int err;

	err = profile_add_string(profile, name, &function.name);
	if (err < 0)
		return err;
	err = profile_add_string(profile, system_name, &function.system_name);
	if (err < 0)
		return err;
	err = profile_add_string(profile, filename, &function.filename);
	if (err < 0)
		return err;
	key = profile_hash_function(&function);
	found = profile_find(profile, &profile->function_index, profile_equal_function, &function, &key);
	if (found) {
		*ret = (uint32_t)*found;
		return 0;
	}
	if (profile->function_cnt >= UINT32_MAX)
		return -ENOMEM;
	err = vec_reserve(&profile->functions, &profile->function_cap, profile->function_cnt + 1);
	if (err < 0)
		return err;
	err = hashmap_put(&profile->function_index, key, profile->function_cnt);
	if (err < 0)
		return err;
	*ret = (uint32_t)profile->function_cnt;
	profile->functions[profile->function_cnt++] = function;
	return 0;
}

static bool profile_equal_location(const struct profile *profile, size_t i, const void *wanted)
{
	const struct profile_location *held = &profile->locations[i], *location = wanted;

	if (held->mapping != location->mapping || held->address != location->address ||
	    held->line_cnt != location->line_cnt)
		return false;
	for (uint32_t line = 0; line < held->line_cnt; line++) {
		if (held->lines[line].function != location->lines[line].function ||
		    held->lines[line].line != location->lines[line].line)
			return false;
	}
	return true;
}

static uint64_t profile_hash_location(const struct profile_location *location)
{
	uint64_t hash = hashmap_hash_bytes(&location->address, sizeof(location->address)) ^ location->mapping;

	/* Field by field: struct profile_line has padding. */
	for (uint32_t i = 0; i < location->line_cnt; i++) {
		const uint64_t words[] = { hash, location->lines[i].function, (uint64_t)location->lines[i].line };

		hash = hashmap_hash_bytes(words, sizeof(words));
	}
	return hash;
}

static int profile_copy_lines(struct profile *profile, struct profile_location *location)
{
	struct profile_line *lines = arena_calloc(profile->arena, location->line_cnt, sizeof(*lines));

	if (!lines)
		return -ENOMEM;
	for (uint32_t i = 0; i < location->line_cnt; i++)
		lines[i] = location->lines[i];
	location->lines = lines;
	return 0;
}

int profile_add_location(struct profile *profile, uint32_t mapping, uint64_t address, const struct profile_line *lines,
			 size_t line_cnt, uint32_t *ret)
{
	/* `lines` is only read until it is replaced by a copy. */
	struct profile_location location = { mapping, (uint32_t)line_cnt, address, (struct profile_line *)lines };
	const uint64_t *found;
	uint64_t key;
	int err;

	assert(mapping == PROFILE_NO_MAPPING || mapping < profile->mapping_cnt);
	if (line_cnt > UINT32_MAX || profile->location_cnt >= UINT32_MAX)
		return -ENOMEM;
	key = profile_hash_location(&location);
	found = profile_find(profile, &profile->location_index, profile_equal_location, &location, &key);
	if (found) {
		*ret = (uint32_t)*found;
		return 0;
	}
	err = vec_reserve(&profile->locations, &profile->location_cap, profile->location_cnt + 1);
	if (err < 0)
		return err;
	err = profile_copy_lines(profile, &location);
	if (err < 0)
		return err;
	err = hashmap_put(&profile->location_index, key, profile->location_cnt);
	if (err < 0)
		return err;
	*ret = (uint32_t)profile->location_cnt;
	profile->locations[profile->location_cnt++] = location;
	return 0;
}

static bool profile_equal_sample(const struct profile *profile, size_t i, const void *wanted)
{
	const struct profile_sample *held = &profile->samples[i], *sample = wanted;
	size_t bytes = sample->location_cnt * sizeof(*sample->locations);

	return held->location_cnt == sample->location_cnt &&
	       (bytes == 0 || memcmp(held->locations, sample->locations, bytes) == 0);
}

/* What would overflow stays at the largest value: a wrapped sum would be a negative sample. */
static void profile_sum_values(const struct profile *profile, struct profile_sample *sample, const int64_t *values)
{
	for (size_t i = 0; i < profile->value_type_cnt; i++) {
		if (__builtin_add_overflow(sample->values[i], values[i], &sample->values[i]))
			sample->values[i] = values[i] < 0 ? INT64_MIN : INT64_MAX;
	}
}

int profile_add_sample(struct profile *profile, const uint32_t *locations, size_t location_cnt, const int64_t *values)
{
	struct profile_sample sample = { .locations = (uint32_t *)locations, .location_cnt = (uint32_t)location_cnt };
	size_t bytes = location_cnt * sizeof(*locations);
	uint64_t key = bytes > 0 ? hashmap_hash_bytes(locations, bytes) : 0;
	const uint64_t *found;
	int err;

	assert(profile->value_type_cnt <= PROFILE_VALUES_MAX);
	if (location_cnt > UINT32_MAX || profile->sample_cnt >= UINT32_MAX)
		return -ENOMEM;
	found = profile_find(profile, &profile->sample_index, profile_equal_sample, &sample, &key);
	if (found) {
		profile_sum_values(profile, &profile->samples[*found], values);
		return 0;
	}
	err = vec_reserve(&profile->samples, &profile->sample_cap, profile->sample_cnt + 1);
	if (err < 0)
		return err;
	sample.locations = arena_alloc(profile->arena, bytes);
	if (!sample.locations)
		return -ENOMEM;
	if (bytes > 0)
		memcpy(sample.locations, locations, bytes);
	profile_sum_values(profile, &sample, values);
	err = hashmap_put(&profile->sample_index, key, profile->sample_cnt);
	if (err < 0)
		return err;
	profile->samples[profile->sample_cnt++] = sample;
	return 0;
}

static struct profile_label *profile_find_label_slot(const struct profile *profile, const char *name)
{
	for (size_t i = 0; i < profile->label_cnt; i++) {
		if (strcmp(profile->labels[i].name, name) == 0)
			return &profile->labels[i];
	}
	return NULL;
}

int profile_add_label(struct profile *profile, const char *name, const char *value)
{
	struct profile_label *label = profile_find_label_slot(profile, name);
	char *name_copy, *value_copy;
	int err;

	value_copy = arena_strndup(profile->arena, value, strlen(value));
	if (!value_copy)
		return -ENOMEM;
	if (label) {
		label->value = value_copy;
		return 0;
	}
	err = vec_reserve(&profile->labels, &profile->label_cap, profile->label_cnt + 1);
	if (err < 0)
		return err;
	name_copy = arena_strndup(profile->arena, name, strlen(name));
	if (!name_copy)
		return -ENOMEM;
	profile->labels[profile->label_cnt++] = (struct profile_label){ name_copy, value_copy };
	return 0;
}

const char *profile_find_label(const struct profile *profile, const char *name)
{
	const struct profile_label *label = profile_find_label_slot(profile, name);

	return label ? label->value : NULL;
}

int profile_add_comment(struct profile *profile, const char *text)
{
	uint32_t string;
	int err;

	err = vec_reserve(&profile->comments, &profile->comment_cap, profile->comment_cnt + 1);
	if (err < 0)
		return err;
	err = profile_add_string(profile, text, &string);
	if (err < 0)
		return err;
	profile->comments[profile->comment_cnt++] = profile->strings[string];
	return 0;
}

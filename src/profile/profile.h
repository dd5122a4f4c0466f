/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A profile with names, in the terms of pprof's profile.proto but independent of any encoding.
 * Everything lives in the profile's arena. One thread at a time.
 *
 * 1. Indices, not pointers, tie it together: a sample holds location indices, a location a
 *    mapping index and its lines, a line a function index, a function string indices.
 * 2. string 0 is "". Every string is valid UTF-8 and at most PROFILE_STRING_MAX bytes: what is
 *    not is mended when it comes in.
 * 3. Strings, mappings, functions, locations and samples are each held once: adding an equal one
 *    gives the index of the first, and an equal sample's values are added up. Labels likewise: a
 *    name that is there gets the new value.
 * 4. Lines of a location run from the innermost inlined function outwards, as in profile.proto.
 */
#ifndef PPROFD_PROFILE_PROFILE_H
#define PPROFD_PROFILE_PROFILE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/hashmap.h"

#define PROFILE_VALUES_MAX 4
#define PROFILE_STRING_MAX 65535
#define PROFILE_NO_MAPPING UINT32_MAX

struct profile_value_type {
	const char *type; /* static: "cpu" */
	const char *unit; /* static: "nanoseconds" */
};

struct profile_mapping {
	uint64_t start;
	uint64_t limit;
	uint64_t off;
	uint32_t filename; /* string */
	uint32_t build_id; /* string, hexadecimal */
	bool has_functions;
};

struct profile_function {
	uint32_t name;        /* string: what people read */
	uint32_t system_name; /* string: as linked */
	uint32_t filename;    /* string */
	int64_t start_line;   /* 0 unknown */
};

struct profile_line {
	uint32_t function;
	int64_t line; /* 0 unknown */
};

struct profile_location {
	uint32_t mapping; /* PROFILE_NO_MAPPING for pseudo frames such as [truncated] */
	uint32_t line_cnt;
	uint64_t address;
	struct profile_line *lines;
};

struct profile_sample {
	uint32_t *locations; /* leaf first */
	uint32_t location_cnt;
	int64_t values[PROFILE_VALUES_MAX];
};

struct profile_label {
	const char *name;
	const char *value;
};

struct profile {
	/* Which profile it is: "process_cpu"; becomes __name__. Static. */
	const char *name;
	struct profile_value_type value_types[PROFILE_VALUES_MAX];
	size_t value_type_cnt;
	struct profile_value_type period_type;
	int64_t period;
	uint64_t time_wall_ns;
	uint64_t duration_ns;
	/* Labels of the series (service_name, host, ...): of the push, not inside the pprof. */
	struct profile_label *labels;
	size_t label_cnt, label_cap;

	const char **strings;
	size_t string_cnt, string_cap;
	struct profile_mapping *mappings;
	size_t mapping_cnt, mapping_cap;
	struct profile_function *functions;
	size_t function_cnt, function_cap;
	struct profile_location *locations;
	size_t location_cnt, location_cap;
	struct profile_sample *samples;
	size_t sample_cnt, sample_cap;
	const char **comments; /* for people: what was lost, and how */
	size_t comment_cnt, comment_cap;

	/* Only profile.c looks at these. */
	struct hashmap string_index, function_index, location_index, sample_index;
	struct arena *arena;
};

/* *ret is the caller's, with string 0 in it; profile_free(). Returns 0 or -ENOMEM. */
_must_check_ int profile_new(const char *name, struct profile **ret);
void profile_free(struct profile *profile);
DEFINE_CLEANUP(struct profile, profile_free);

/* Each returns 0 with the index in *ret, or -ENOMEM. NULL text is "". */
_must_check_ int profile_add_string(struct profile *profile, const char *text, uint32_t *ret);
_must_check_ int profile_add_mapping(struct profile *profile, uint64_t start, uint64_t limit, uint64_t off,
				     const char *filename, const char *build_id, uint32_t *ret);
_must_check_ int profile_add_function(struct profile *profile, const char *name, const char *system_name,
				      const char *filename, int64_t start_line, uint32_t *ret);
/* Copies `lines`. */
_must_check_ int profile_add_location(struct profile *profile, uint32_t mapping, uint64_t address,
				      const struct profile_line *lines, size_t line_cnt, uint32_t *ret);

/* Copies `locations` (leaf first) and value_type_cnt `values`. Returns 0 or -ENOMEM. */
_must_check_ int profile_add_sample(struct profile *profile, const uint32_t *locations, size_t location_cnt,
				    const int64_t *values);

_must_check_ int profile_add_label(struct profile *profile, const char *name, const char *value);
/* NULL when there is no such label. */
const char *profile_find_label(const struct profile *profile, const char *name);
_must_check_ int profile_add_comment(struct profile *profile, const char *text);

#endif

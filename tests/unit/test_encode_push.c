/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "encode/push.h"
#include "pprof_text.h"

#define TIME_NS 1700000000000000000ULL
#define CHUNKS_MAX 64

/* What one packed profile of a body says. */
struct chunk {
	size_t series; /* of the body, from 0 */
	uint64_t time_ns;
	size_t sample_cnt;
	uint64_t sum; /* of the first values */
	size_t len;
};

struct body {
	struct strbuf labels; /* "a=b c=d\n" a series */
	struct chunk chunks[CHUNKS_MAX];
	size_t chunk_cnt;
	size_t series_cnt;
	struct blob raw;
};

static void body_fini(struct body *body)
{
	strbuf_fini(&body->labels);
	blob_fini(&body->raw);
}

static void body_read_label(struct body *body, const struct wire_field *pair)
{
	struct wire wire = { pair->data, pair->len };
	struct wire_field field;

	while (wire_next(&wire, &field)) {
		strbuf_append(&body->labels, field.data, field.len);
		strbuf_puts(&body->labels, field.number == 1 ? "=" : " ");
	}
}

static void chunk_read_sample(struct chunk *chunk, const struct wire_field *sample)
{
	struct wire wire = { sample->data, sample->len };
	struct wire_field field;

	chunk->sample_cnt++;
	while (wire_next(&wire, &field)) {
		struct wire values = { field.data, field.len };

		if (field.number == 2)
			chunk->sum += wire_take_varint(&values);
	}
}

static void body_read_profile(struct body *body, const struct wire_field *profile)
{
	struct wire wire = { profile->data, profile->len };
	struct chunk *chunk = &body->chunks[body->chunk_cnt++];
	struct wire_field field;

	assert_true(body->chunk_cnt <= CHUNKS_MAX);
	*chunk = (struct chunk){ .series = body->series_cnt, .len = profile->len };
	while (wire_next(&wire, &field)) {
		if (field.number == 9)
			chunk->time_ns = field.value;
		else if (field.number == 2)
			chunk_read_sample(chunk, &field);
	}
}

static void body_read(struct body *body, const struct blob *blob)
{
	struct wire wire;
	struct wire_field series, field, raw;

	*body = (struct body){ 0 };
	gunzip(blob, &body->raw);
	wire = (struct wire){ body->raw.data, body->raw.len };
	while (wire_next(&wire, &series)) {
		struct wire in_series = { series.data, series.len };

		assert_int_equal(series.number, 1);
		while (wire_next(&in_series, &field)) {
			struct wire in_sample = { field.data, field.len };

			if (field.number == 1)
				body_read_label(body, &field);
			while (field.number == 2 && wire_next(&in_sample, &raw)) {
				assert_int_equal(raw.number, 1);
				body_read_profile(body, &raw);
			}
		}
		strbuf_puts(&body->labels, "\n");
		body->series_cnt++;
	}
}

static struct profile *make_profile(const char *service)
{
	struct profile *profile;

	assert_int_equal(profile_new("process_cpu", &profile), 0);
	profile->value_types[0] = (struct profile_value_type){ "samples", "count" };
	profile->value_type_cnt = 1;
	profile->time_wall_ns = TIME_NS;
	assert_int_equal(profile_add_label(profile, "service_name", service), 0);
	return profile;
}

/* `cnt` samples of values 1, 2 ... each of a function with a name of `name_len` characters. */
static void add_samples(struct profile *profile, size_t cnt, int name_len)
{
	_cleanup_(freep) char *name = malloc((size_t)name_len + 32);

	assert_non_null(name);
	for (size_t i = 0; i < cnt; i++) {
		const int64_t value = (int64_t)i + 1;
		struct profile_line line = { 0 };
		uint32_t location;

		snprintf(name, (size_t)name_len + 32, "%0*zu", name_len, i);
		assert_int_equal(profile_add_function(profile, name, "", "", 0, &line.function), 0);
		assert_int_equal(profile_add_location(profile, PROFILE_NO_MAPPING, 0, &line, 1, &location), 0);
		assert_int_equal(profile_add_sample(profile, &location, 1, &value), 0);
	}
}

static void push_encode__makes_a_series_of_each_profile(void **state)
{
	_cleanup_(profile_freep) struct profile *web = make_profile("web");
	_cleanup_(profile_freep) struct profile *db = make_profile("db");
	const struct profile *const profiles[] = { web, db };
	_cleanup_(blob_fini) struct blob blob = { 0 };
	_cleanup_(body_fini) struct body body;

	(void)state;
	add_samples(web, 3, 1);
	add_samples(db, 2, 1);
	assert_int_equal(push_encode(profiles, 2, &blob), 0);
	body_read(&body, &blob);
	assert_string_equal(strbuf_text(&body.labels), "__delta__=false __name__=process_cpu service_name=web \n"
						       "__delta__=false __name__=process_cpu service_name=db \n");
	assert_int_equal(body.chunk_cnt, 2);
	assert_int_equal(body.chunks[0].time_ns, TIME_NS);
	assert_int_equal(body.chunks[0].sum, 6);
	assert_int_equal(body.chunks[1].time_ns, TIME_NS);
	assert_int_equal(body.chunks[1].sum, 3);
}

static void push_encode__splits_by_samples_and_by_bytes(void **state)
{
	static const struct {
		size_t sample_cnt;
		int name_len;
		size_t chunks_min, chunks_max;
	} cases[] = {
		{ PUSH_SAMPLES_MAX, 1, 1, 1 },
		{ PUSH_SAMPLES_MAX + 1, 1, 2, 2 },
		{ PUSH_SAMPLES_MAX * 2 + 5, 1, 3, 3 },
		/* 10,000 names of 1,000 bytes: at least five times 2 MiB, and not many more. */
		{ 10000, 1000, 5, 8 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(profile_freep) struct profile *profile = make_profile("web");
		const struct profile *const profiles[] = { profile };
		_cleanup_(blob_fini) struct blob blob = { 0 };
		_cleanup_(body_fini) struct body body;
		uint64_t sum = 0, samples = 0;

		add_samples(profile, cases[i].sample_cnt, cases[i].name_len);
		assert_int_equal(push_encode(profiles, 1, &blob), 0);
		body_read(&body, &blob);
		assert_int_equal(body.series_cnt, 1);
		assert_in_range(body.chunk_cnt, cases[i].chunks_min, cases[i].chunks_max);
		for (size_t j = 0; j < body.chunk_cnt; j++) {
			assert_true(body.chunks[j].sample_cnt <= PUSH_SAMPLES_MAX);
			assert_true(body.chunks[j].len <= PUSH_PROFILE_MAX);
			assert_int_equal(body.chunks[j].time_ns, TIME_NS + j);
			samples += body.chunks[j].sample_cnt;
			sum += body.chunks[j].sum;
		}
		assert_int_equal(samples, cases[i].sample_cnt);
		assert_int_equal(sum, cases[i].sample_cnt * (cases[i].sample_cnt + 1) / 2);
	}
}

static void push_encode__gives_no_two_profiles_the_same_labels_and_time(void **state)
{
	/* Different names that read the same once they are mended. */
	_cleanup_(profile_freep) struct profile *first = make_profile("\xff");
	_cleanup_(profile_freep) struct profile *second = make_profile("\xfe");
	_cleanup_(profile_freep) struct profile *other = make_profile("other");
	const struct profile *const profiles[] = { first, other, second };
	_cleanup_(blob_fini) struct blob blob = { 0 };
	_cleanup_(body_fini) struct body body;

	(void)state;
	add_samples(first, PUSH_SAMPLES_MAX + 1, 1);
	add_samples(second, 1, 1);
	add_samples(other, 1, 1);
	assert_int_equal(push_encode(profiles, 3, &blob), 0);
	body_read(&body, &blob);
	assert_int_equal(body.chunk_cnt, 4);
	assert_int_equal(body.chunks[0].time_ns, TIME_NS);
	assert_int_equal(body.chunks[1].time_ns, TIME_NS + 1);
	assert_int_equal(body.chunks[2].time_ns, TIME_NS);
	assert_int_equal(body.chunks[3].time_ns, TIME_NS + 2);
}

static void push_encode__leaves_out_what_holds_no_sample(void **state)
{
	_cleanup_(profile_freep) struct profile *empty = make_profile("empty");
	_cleanup_(profile_freep) struct profile *zeros = make_profile("zeros");
	_cleanup_(profile_freep) struct profile *late = make_profile("late");
	const struct profile *const profiles[] = { empty, zeros, late };
	_cleanup_(blob_fini) struct blob blob = { 0 }, nothing = { 0 };
	_cleanup_(body_fini) struct body body;

	(void)state;
	add_samples(zeros, 2, 1);
	zeros->samples[0].values[0] = zeros->samples[1].values[0] = 0;
	/* More zeros in front than one chunk holds. */
	add_samples(late, PUSH_SAMPLES_MAX + 10, 1);
	for (size_t i = 0; i < PUSH_SAMPLES_MAX + 5; i++)
		late->samples[i].values[0] = 0;
	assert_int_equal(push_encode(profiles, 3, &blob), 0);
	body_read(&body, &blob);
	assert_int_equal(body.chunk_cnt, 1);
	assert_int_equal(body.chunks[0].sample_cnt, 5);
	assert_int_equal(body.chunks[0].time_ns, TIME_NS);

	assert_int_equal(push_encode(profiles, 2, &nothing), 0);
	assert_null(nothing.data);
	assert_int_equal(nothing.len, 0);
}

static void push_encode__refuses_a_broken_profile(void **state)
{
	_cleanup_(profile_freep) struct profile *profile = make_profile("web");
	const struct profile *const profiles[] = { profile };
	_cleanup_(blob_fini) struct blob blob = { 0 };

	(void)state;
	add_samples(profile, 1, 1);
	profile->samples[0].locations[0] = 7;
	assert_int_equal(push_encode(profiles, 1, &blob), -EINVAL);
	assert_null(blob.data);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(push_encode__makes_a_series_of_each_profile),
		cmocka_unit_test(push_encode__splits_by_samples_and_by_bytes),
		cmocka_unit_test(push_encode__gives_no_two_profiles_the_same_labels_and_time),
		cmocka_unit_test(push_encode__leaves_out_what_holds_no_sample),
		cmocka_unit_test(push_encode__refuses_a_broken_profile),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

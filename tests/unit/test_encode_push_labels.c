/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "base/utf8.h"
#include "encode/push.h"
#include "encode/push_labels.h"

struct fixture {
	struct profile *profile;
	struct arena *arena;
	struct push_labels labels;
};

static void fixture_fini(struct fixture *fixture)
{
	profile_free(fixture->profile);
	arena_free(fixture->arena);
}

static void fixture_init(struct fixture *fixture)
{
	*fixture = (struct fixture){ 0 };
	assert_int_equal(profile_new("process_cpu", &fixture->profile), 0);
	assert_int_equal(arena_new(&fixture->arena), 0);
}

static void add(struct fixture *fixture, const char *name, const char *value)
{
	assert_int_equal(profile_add_label(fixture->profile, name, value), 0);
}

static void assert_labels(struct fixture *fixture, const char *want)
{
	_cleanup_(strbuf_fini) struct strbuf text = { 0 };

	assert_int_equal(push_labels_init(&fixture->labels, fixture->profile, fixture->arena), 0);
	for (size_t i = 0; i < fixture->labels.cnt; i++)
		strbuf_printf(&text, "%s=%s\n", fixture->labels.labels[i].name, fixture->labels.labels[i].value);
	assert_string_equal(strbuf_text(&text), want);
}

static void push_labels_init__adds_ours_and_sorts(void **state)
{
	_cleanup_(fixture_fini) struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	add(&fixture, "service_name", "redis-server");
	add(&fixture, "host", "node-1");
	add(&fixture, "Zone", "a");
	assert_labels(&fixture, "Zone=a\n"
				"__delta__=false\n"
				"__name__=process_cpu\n"
				"host=node-1\n"
				"service_name=redis-server\n");
}

static void push_labels_init__makes_names_that_the_server_takes(void **state)
{
	_cleanup_(fixture_fini) struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	add(&fixture, "service_name", "s");
	add(&fixture, "app.kubernetes.io/name", "1");
	add(&fixture, "9lives", "2");
	add(&fixture, "", "3");
	add(&fixture, "caf\xc3\xa9", "4");
	add(&fixture, "a9", "5");
	assert_labels(&fixture, "_=3\n"
				"_9lives=2\n"
				"__delta__=false\n"
				"__name__=process_cpu\n"
				"a9=5\n"
				"app_kubernetes_io_name=1\n"
				"caf__=4\n"
				"service_name=s\n");
}

static void push_labels_init__holds_a_name_once_and_the_first_stays(void **state)
{
	_cleanup_(fixture_fini) struct fixture fixture;

	(void)state;
	fixture_init(&fixture);
	add(&fixture, "service_name", "s");
	add(&fixture, "a.b", "first");
	add(&fixture, "a-b", "second");
	add(&fixture, "__delta__", "true");
	add(&fixture, "__name__", "mine");
	assert_labels(&fixture, "__delta__=false\n"
				"__name__=process_cpu\n"
				"a_b=first\n"
				"service_name=s\n");
}

static void push_labels_init__always_names_the_service(void **state)
{
	static const char *const empties[] = { NULL, "" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(empties); i++) {
		_cleanup_(fixture_fini) struct fixture fixture;

		fixture_init(&fixture);
		if (empties[i])
			add(&fixture, "service_name", empties[i]);
		add(&fixture, "empty", "");
		assert_labels(&fixture, "__delta__=false\n"
					"__name__=process_cpu\n"
					"service_name=unknown_service\n");
	}
}

static void push_labels_init__mends_and_cuts_values(void **state)
{
	_cleanup_(fixture_fini) struct fixture fixture;
	char value[3000];
	const char *made;

	(void)state;
	fixture_init(&fixture);
	/* A two-byte character across the limit, behind a byte that grows to three. */
	memset(value, 'x', sizeof(value));
	value[0] = '\xff';
	for (size_t i = PUSH_LABEL_VALUE_MAX - 3; i < sizeof(value) - 1; i += 2)
		memcpy(value + i, "\xc3\xa9", 2);
	value[2999] = '\0';
	add(&fixture, "service_name", value);
	assert_int_equal(push_labels_init(&fixture.labels, fixture.profile, fixture.arena), 0);
	assert_string_equal(fixture.labels.labels[2].name, "service_name");
	made = fixture.labels.labels[2].value;
	assert_memory_equal(made, "\xef\xbf\xbdxxx", 6);
	assert_int_equal(strlen(made), PUSH_LABEL_VALUE_MAX - 1);
	assert_int_equal(utf8_find_invalid(made, strlen(made)), strlen(made));
}

static void push_labels_init__drops_the_last_by_name_beyond_the_limit(void **state)
{
	_cleanup_(fixture_fini) struct fixture fixture;
	char name[PUSH_LABEL_NAME_MAX + 10];

	(void)state;
	fixture_init(&fixture);
	for (int i = 39; i >= 0; i--) {
		snprintf(name, sizeof(name), "x%02d", i);
		add(&fixture, name, "v");
	}
	add(&fixture, "service_name", "s");
	assert_int_equal(push_labels_init(&fixture.labels, fixture.profile, fixture.arena), 0);
	assert_int_equal(fixture.labels.cnt, PUSH_LABELS_MAX);
	assert_string_equal(fixture.labels.labels[2].name, "service_name");
	assert_string_equal(fixture.labels.labels[3].name, "x00");
	assert_string_equal(fixture.labels.labels[PUSH_LABELS_MAX - 1].name, "x26");
}

static void push_labels_init__bounds_names(void **state)
{
	_cleanup_(fixture_fini) struct fixture fixture;
	char name[PUSH_LABEL_NAME_MAX + 10];

	(void)state;
	fixture_init(&fixture);
	memset(name, '7', sizeof(name));
	name[sizeof(name) - 1] = '\0';
	add(&fixture, name, "v");
	assert_int_equal(push_labels_init(&fixture.labels, fixture.profile, fixture.arena), 0);
	assert_int_equal(strlen(fixture.labels.labels[0].name), PUSH_LABEL_NAME_MAX);
	assert_memory_equal(fixture.labels.labels[0].name, "_77", 3);
}

static void push_labels_hash__depends_on_every_name_and_value(void **state)
{
	static const char *const pairs[][2] = { { "a", "bc" }, { "ab", "c" }, { "a", "bd" }, { "b", "bc" } };
	uint64_t hashes[ARRAY_LEN(pairs)];

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(pairs); i++) {
		_cleanup_(fixture_fini) struct fixture fixture;

		fixture_init(&fixture);
		add(&fixture, pairs[i][0], pairs[i][1]);
		assert_int_equal(push_labels_init(&fixture.labels, fixture.profile, fixture.arena), 0);
		hashes[i] = push_labels_hash(&fixture.labels);
		assert_true(hashes[i] == push_labels_hash(&fixture.labels));
		for (size_t j = 0; j < i; j++)
			assert_true(hashes[i] != hashes[j]);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(push_labels_init__adds_ours_and_sorts),
		cmocka_unit_test(push_labels_init__makes_names_that_the_server_takes),
		cmocka_unit_test(push_labels_init__holds_a_name_once_and_the_first_stays),
		cmocka_unit_test(push_labels_init__always_names_the_service),
		cmocka_unit_test(push_labels_init__mends_and_cuts_values),
		cmocka_unit_test(push_labels_init__drops_the_last_by_name_beyond_the_limit),
		cmocka_unit_test(push_labels_init__bounds_names),
		cmocka_unit_test(push_labels_hash__depends_on_every_name_and_value),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

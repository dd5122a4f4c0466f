/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

#include "command/summary.h"

static struct pipeline_stats stats_of(uint64_t complete, uint64_t cut, uint64_t lost)
{
	struct pipeline_stats stats = { 0 };

	stats.counters[PPROFD_COUNTER_EVENTS] = complete + cut + lost;
	stats.counters[PPROFD_COUNTER_RECORDED] = complete + cut;
	stats.counters[PPROFD_COUNTER_USER_COMPLETE] = complete;
	stats.counters[PPROFD_COUNTER_USER_PENDING] = cut;
	stats.counters[PPROFD_COUNTER_LOST_RING] = lost;
	return stats;
}

static void summary_append__says_samples_lost_and_complete(void **state)
{
	static const struct {
		uint64_t complete, cut, lost;
		const char *text;
	} cases[] = {
		{ 0, 0, 0, "0 samples, 0 lost, 100.0 % complete user stacks" },
		{ 1185, 3, 0, "1,188 samples, 0 lost, 99.7 % complete user stacks" },
		{ 999999, 1, 1234567, "1,000,000 samples, 1,234,567 lost, 99.9 % complete user stacks" },
		{ 0, 7, 0, "7 samples, 0 lost, 0.0 % complete user stacks" },
		{ 12, 0, 1, "12 samples, 1 lost, 100.0 % complete user stacks" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(strbuf_fini) struct strbuf buf = { 0 };
		struct pipeline_stats stats = stats_of(cases[i].complete, cases[i].cut, cases[i].lost);

		summary_append(&buf, &stats);
		assert_string_equal(strbuf_text(&buf), cases[i].text);
	}
}

static void summary_lost__adds_up_both_sides_of_the_border(void **state)
{
	struct pipeline_stats stats = stats_of(100, 0, 1);

	(void)state;
	stats.counters[PPROFD_COUNTER_LOST_NESTED] = 10;
	stats.lost_user = 20;
	assert_int_equal(summary_lost(&stats), 31);
}

static void summary_append__does_not_count_a_sample_twice_that_user_space_lost(void **state)
{
	_cleanup_(strbuf_fini) struct strbuf buf = { 0 };
	struct pipeline_stats stats = stats_of(100, 0, 0);

	(void)state;
	stats.lost_user = 30;
	summary_append(&buf, &stats);
	assert_string_equal(strbuf_text(&buf), "70 samples, 30 lost, 100.0 % complete user stacks");
}

static void summary_append_lost__names_the_reasons_largest_first(void **state)
{
	_cleanup_(strbuf_fini) struct strbuf buf = { 0 };
	_cleanup_(strbuf_fini) struct strbuf nothing = { 0 };
	struct pipeline_stats stats = stats_of(100, 0, 3);
	struct pipeline_stats none = stats_of(100, 0, 0);
	const char *ring, *nested;

	(void)state;
	stats.counters[PPROFD_COUNTER_LOST_NESTED] = 1500;
	stats.lost_user = 2;
	summary_append_lost(&buf, &stats);
	ring = strstr(strbuf_text(&buf), "ring buffer");
	nested = strstr(strbuf_text(&buf), "interrupted another sample on the same CPU (1,500)");
	assert_non_null(ring);
	assert_non_null(nested);
	assert_true(nested < ring);
	assert_non_null(strstr(strbuf_text(&buf), "user space could not place them (2)"));
	/* A list of reasons repeats no prefix of counters.def. */
	assert_null(strstr(strbuf_text(&buf), "samples lost:"));

	summary_append_lost(&nothing, &none);
	assert_int_equal(nothing.len, 0);
}

static void summary_append_cut__shows_three_reasons_as_shares_of_the_user_stacks(void **state)
{
	_cleanup_(strbuf_fini) struct strbuf buf = { 0 };
	struct pipeline_stats stats = stats_of(890, 50, 0);

	(void)state;
	stats.counters[PPROFD_COUNTER_USER_TRUNCATED] = 40;
	stats.counters[PPROFD_COUNTER_USER_STUCK] = 15;
	stats.counters[PPROFD_COUNTER_USER_COMPAT] = 5;
	/* Kernel threads have no user stack that could be cut. */
	stats.counters[PPROFD_COUNTER_USER_NONE] = 100000;
	summary_append_cut(&buf, &stats);
	assert_non_null(strstr(strbuf_text(&buf), "(5.0 %); deeper than the limit (4.0 %); "));
	assert_non_null(strstr(strbuf_text(&buf), "(1.5 %)"));
	assert_null(strstr(strbuf_text(&buf), "32-bit"));
	assert_int_equal(summary_complete_permille(&stats), 890);
}

static void summary_since__leaves_what_came_after(void **state)
{
	struct pipeline_stats before = stats_of(100, 2, 3);
	struct pipeline_stats now = stats_of(150, 3, 3);
	struct pipeline_stats since;

	(void)state;
	before.rows = 10;
	now.rows = 25;
	now.throttled = 1;
	since = summary_since(&now, &before);
	assert_int_equal(since.counters[PPROFD_COUNTER_RECORDED], 51);
	assert_int_equal(since.counters[PPROFD_COUNTER_USER_PENDING], 1);
	assert_int_equal(summary_lost(&since), 0);
	assert_int_equal(since.throttled, 1);
	/* A state, not a count. */
	assert_int_equal(since.rows, 25);
}

static void summary_append_json__names_every_counter(void **state)
{
	_cleanup_(strbuf_fini) struct strbuf buf = { 0 };
	struct pipeline_stats stats = stats_of(18, 1, 7);

	(void)state;
	stats.lost_user = 2;
	summary_append_json(&buf, &stats);
#define COUNTER(name, metric, help) assert_non_null(strstr(strbuf_text(&buf), "\"" metric "\": "));
#include <pprofd/counters.def>
#undef COUNTER
	assert_non_null(strstr(strbuf_text(&buf), "\"events\": 26,\n"));
	assert_non_null(strstr(strbuf_text(&buf), "\"lost_ring\": 7,\n"));
	assert_non_null(strstr(strbuf_text(&buf), "\"lost_user\": 2,\n"));
	assert_string_equal(buf.data + buf.len - strlen("\"bpf_runs\": 0\n}\n"), "\"bpf_runs\": 0\n}\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(summary_append__says_samples_lost_and_complete),
		cmocka_unit_test(summary_lost__adds_up_both_sides_of_the_border),
		cmocka_unit_test(summary_append__does_not_count_a_sample_twice_that_user_space_lost),
		cmocka_unit_test(summary_append_lost__names_the_reasons_largest_first),
		cmocka_unit_test(summary_append_cut__shows_three_reasons_as_shares_of_the_user_stacks),
		cmocka_unit_test(summary_since__leaves_what_came_after),
		cmocka_unit_test(summary_append_json__names_every_counter),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

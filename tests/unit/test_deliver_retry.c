/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "deliver/retry.h"

#define MS 1000000ULL

static void retry_judge__retries_what_may_pass_and_nothing_else(void **state)
{
	static const struct {
		long status;
		enum retry_verdict want;
	} cases[] = {
		{ 0, RETRY_LATER },   { 200, RETRY_DELIVERED }, { 204, RETRY_DELIVERED }, { 299, RETRY_DELIVERED },
		{ 301, RETRY_NEVER }, { 400, RETRY_NEVER },     { 401, RETRY_NEVER },     { 404, RETRY_NEVER },
		{ 408, RETRY_LATER }, { 413, RETRY_NEVER },     { 415, RETRY_NEVER },     { 422, RETRY_NEVER },
		{ 429, RETRY_LATER }, { 500, RETRY_LATER },     { 502, RETRY_LATER },     { 503, RETRY_LATER },
		{ 504, RETRY_LATER }, { 599, RETRY_LATER },     { 600, RETRY_NEVER },     { 101, RETRY_NEVER },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		if (retry_judge(cases[i].status) != cases[i].want)
			fail_msg("status %ld", cases[i].status);
	}
}

static void retry_wait_ns__doubles_up_to_the_limit(void **state)
{
	static const struct retry_policy policy = { .min_ns = 500 * MS, .max_ns = 300000 * MS };
	static const struct {
		uint32_t failure_cnt;
		uint64_t want_ms; /* with the whole of the jitter */
	} cases[] = {
		{ 1, 500 },     { 2, 1000 },    { 3, 2000 },      { 9, 128000 },          { 10, 256000 },
		{ 11, 300000 }, { 12, 300000 }, { 1000, 300000 }, { UINT32_MAX, 300000 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		uint64_t whole_ns = retry_wait_ns(&policy, cases[i].failure_cnt, UINT32_MAX, 0);

		assert_int_equal(whole_ns, cases[i].want_ms * MS);
		assert_int_equal(retry_wait_ns(&policy, cases[i].failure_cnt, 0, 0), whole_ns / 2);
		assert_in_range(retry_wait_ns(&policy, cases[i].failure_cnt, UINT32_MAX / 2, 0), whole_ns * 7 / 10,
				whole_ns * 8 / 10);
	}
}

static void retry_wait_ns__bears_any_policy(void **state)
{
	static const struct retry_policy policies[] = {
		{ 0, 0 }, { 0, UINT64_MAX }, { UINT64_MAX, UINT64_MAX }, { UINT64_MAX / 3, UINT64_MAX }, { 1000, 10 },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(policies); i++) {
		assert_true(retry_wait_ns(&policies[i], 50, 0, 0) <= policies[i].max_ns);
		assert_true(retry_wait_ns(&policies[i], 1, 0, 5) >= 5);
	}
}

static void retry_wait_ns__waits_as_long_as_the_server_asks(void **state)
{
	static const struct retry_policy policy = { .min_ns = 500 * MS, .max_ns = 5000 * MS };

	(void)state;
	assert_int_equal(retry_wait_ns(&policy, 1, UINT32_MAX, 7000 * MS), 7000 * MS);
	assert_int_equal(retry_wait_ns(&policy, 1, UINT32_MAX, 100 * MS), 500 * MS);
	assert_int_equal(retry_wait_ns(&policy, 1, UINT32_MAX, UINT64_MAX), 3600 * NSEC_PER_SEC);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(retry_judge__retries_what_may_pass_and_nothing_else),
		cmocka_unit_test(retry_wait_ns__doubles_up_to_the_limit),
		cmocka_unit_test(retry_wait_ns__bears_any_policy),
		cmocka_unit_test(retry_wait_ns__waits_as_long_as_the_server_asks),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

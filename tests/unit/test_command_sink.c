/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

#include "command/sink.h"

#define SEC 1000000000ULL

/* What the pusher says at a time, and what the log is to say of it: nothing when `text` is NULL. */
struct step {
	uint64_t mono_s;
	uint64_t rejected, dropped;
	const char *error;
	bool is_bad;
	const char *text; /* part of it */
};

static void expect_steps(const struct step *steps, size_t cnt)
{
	struct sink_log log = { 0 };

	for (size_t i = 0; i < cnt; i++) {
		_cleanup_(strbuf_fini) struct strbuf buf = { 0 };
		struct pusher_stats stats = { .dropped_rejected = steps[i].rejected,
					      .dropped_queue = steps[i].dropped };
		bool is_bad;

		snprintf(stats.last_error, sizeof(stats.last_error), "%s", steps[i].error);
		is_bad = sink_log_update(&log, &stats, steps[i].mono_s * SEC, &buf);
		assert_int_equal(is_bad, steps[i].is_bad);
		if (!steps[i].text != (buf.len == 0) || (steps[i].text && !strstr(strbuf_text(&buf), steps[i].text)))
			fail_msg("step %zu: \"%s\" instead of \"%s\"", i, strbuf_text(&buf),
				 steps[i].text ? steps[i].text : "");
	}
}

static void sink_log_update__tells_an_outage_once_and_its_end_once(void **state)
{
	static const struct step steps[] = {
		{ 1, 0, 0, "", false, NULL },
		{ 10, 0, 0, "refused", true, "cannot deliver profiles, trying again: refused" },
		{ 25, 0, 0, "refused", true, NULL },
		{ 40, 0, 3, "timed out", true, NULL },
		{ 70, 0, 5, "", false, "delivered again, after 60 s; 5 requests were dropped" },
		{ 85, 0, 5, "", false, NULL },
		{ 100, 0, 5, "refused", true, "cannot deliver" },
		{ 101, 0, 5, "", false, "after 1 s; 0 requests were dropped" },
	};

	(void)state;
	expect_steps(steps, ARRAY_LEN(steps));
}

static void sink_log_update__tells_the_words_of_a_refusal_once(void **state)
{
	static const struct step steps[] = {
		{ 1, 1, 0, "400: no labels", true, "refused and dropped: 400: no labels" },
		{ 2, 1, 0, "400: no labels", true, NULL },
		{ 3, 2, 0, "400: no labels", true, NULL },
		{ 4, 2, 0, "", false, NULL },
		{ 5, 3, 0, "400: no labels", true, NULL },
		{ 6, 4, 0, "401: who?", true, "refused and dropped: 401: who?" },
	};

	(void)state;
	expect_steps(steps, ARRAY_LEN(steps));
}

static void sink_log_update__tells_an_outage_behind_a_refusal(void **state)
{
	static const struct step steps[] = {
		{ 1, 1, 0, "400: no labels", true, "refused and dropped" },
		{ 2, 1, 0, "connection refused", true, "cannot deliver profiles, trying again: connection refused" },
		{ 9, 1, 0, "", false, "after 7 s" },
	};

	(void)state;
	expect_steps(steps, ARRAY_LEN(steps));
}

static void sink_describe__leaves_a_password_out(void **state)
{
	static const struct {
		const char *url;
		const char *text;
	} cases[] = {
		{ "http://host:4040", "profiles are pushed to http://host:4040" },
		{ "https://user:secret@host/x", "profiles are pushed to https://host/x" },
		{ "https://host/a@b", "profiles are pushed to https://host/a@b" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(strbuf_fini) struct strbuf buf = { 0 };
		const struct config config = { .pyroscope_url = cases[i].url };
		/* Only whether there is a pusher is looked at. */
		const struct sink sink = { .config = &config, .pusher = (struct pusher *)&config };

		sink_describe(&sink, &buf);
		assert_string_equal(strbuf_text(&buf), cases[i].text);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(sink_log_update__tells_an_outage_once_and_its_end_once),
		cmocka_unit_test(sink_log_update__tells_the_words_of_a_refusal_once),
		cmocka_unit_test(sink_log_update__tells_an_outage_behind_a_refusal),
		cmocka_unit_test(sink_describe__leaves_a_password_out),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

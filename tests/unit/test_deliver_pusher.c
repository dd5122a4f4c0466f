/* SPDX-License-Identifier: Apache-2.0 */
/* What needs no server; the rest is in tests/e2e/test_deliver.py. */
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "base/clock.h"
#include "deliver/http_post.h"
#include "deliver/pusher.h"

static struct pusher_options make_options(const char *url)
{
	return (struct pusher_options){
		.url = url,
		.timeout_ns = NSEC_PER_SEC,
		.backoff_min_ns = NSEC_PER_SEC,
		.backoff_max_ns = NSEC_PER_SEC,
		.queue_max = 1000,
	};
}

static void pusher_new__refuses_a_url_that_is_none_of_http(void **state)
{
	static const char *const urls[] = {
		"",        "localhost",   "localhost:4040",     "/push", "ftp://host/", "file:///etc/passwd",
		"http://", "http://a b/", "http://host:99999/",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		struct pusher_options options = make_options(urls[i]);
		struct pusher *pusher = NULL;

		if (pusher_new(&options, &pusher) != -EINVAL)
			fail_msg("\"%s\" was taken", urls[i]);
		assert_null(pusher);
	}
}

static void pusher_new__takes_urls_of_http(void **state)
{
	static const char *const urls[] = { "http://localhost:4040", "https://user:word@host/prefix/",
					    "http://[::1]:1/" };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(urls); i++) {
		struct pusher_options options = make_options(urls[i]);
		_cleanup_(pusher_freep) struct pusher *pusher = NULL;
		struct pusher_stats stats;

		assert_int_equal(pusher_new(&options, &pusher), 0);
		assert_true(pusher_get_event_fd(pusher) >= 0);
		pusher_get_stats(pusher, &stats);
		assert_int_equal(stats.queued_blobs, 0);
		assert_string_equal(stats.last_error, "");
		assert_int_equal(pusher_flush(pusher, 0), 0);
	}
}

static void pusher_push__takes_an_empty_blob_for_nothing(void **state)
{
	struct pusher_options options = make_options("http://localhost:4040");
	_cleanup_(pusher_freep) struct pusher *pusher = NULL;
	struct blob blob = { 0 };
	struct pusher_stats stats;

	(void)state;
	assert_int_equal(pusher_new(&options, &pusher), 0);
	assert_int_equal(pusher_push(pusher, &blob), 0);
	pusher_get_stats(pusher, &stats);
	assert_int_equal(stats.queued_blobs + stats.dropped_queue, 0);
	assert_int_equal(pusher_flush(pusher, 0), 0);
}

static void http_post_get_name__does_not_tell_the_password(void **state)
{
	static const struct {
		const char *url, *want;
	} cases[] = {
		{ "https://user:word@host:4040/prefix/", "https://host:4040/prefix/" },
		{ "http://host", "http://host/" },
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		_cleanup_(http_post_freep) struct http_post *post = NULL;

		assert_int_equal(http_post_new(cases[i].url, "/path", NSEC_PER_SEC, &post), 0);
		assert_string_equal(http_post_get_name(post), cases[i].want);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(pusher_new__refuses_a_url_that_is_none_of_http),
		cmocka_unit_test(pusher_new__takes_urls_of_http),
		cmocka_unit_test(pusher_push__takes_an_empty_blob_for_nothing),
		cmocka_unit_test(http_post_get_name__does_not_tell_the_password),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

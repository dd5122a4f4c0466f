/* SPDX-License-Identifier: Apache-2.0 */
/*
 * One endpoint over HTTP/1.1, one request at a time on a connection that is kept (libcurl).
 * One thread, but for http_post_wake().
 */
#ifndef PPROFD_DELIVER_HTTP_POST_H
#define PPROFD_DELIVER_HTTP_POST_H

#include <stdbool.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/cleanup.h"

/* How a request ended. */
struct http_result {
	long status;             /* HTTP's; 0: there was no answer */
	uint64_t retry_after_ns; /* 0: not asked for */
	char words[160];         /* why there was no answer, or how the answer's body begins; printable */
};

struct http_post;

/*
 * POSTs go to `path` below the base `url`. *ret is the caller's; http_post_free().
 * Returns 0, -EINVAL when `url` is not an absolute one of HTTP or HTTPS, or -ENOMEM.
 */
_must_check_ int http_post_new(const char *url, const char *path, uint64_t timeout_ns, struct http_post **ret);

/* Breaks off a request that has not ended. */
void http_post_free(struct http_post *post);
DEFINE_CLEANUP(struct http_post, http_post_free);

/* The base URL without a password in it. */
const char *http_post_get_name(const struct http_post *post);

/* Begins a request with a gzipped `body`, borrowed until the request ended. Returns 0 or -ENOMEM. */
_must_check_ int http_post_start(struct http_post *post, const struct blob *body);

/*
 * Waits until the request, if there is one, has ended, at most `timeout_ns`, and not on after
 * http_post_wake(). True when it has ended and *ret says how.
 */
bool http_post_wait(struct http_post *post, uint64_t timeout_ns, struct http_result *ret);

/* Ends the wait that is going on, or else the next. Any thread. */
void http_post_wake(struct http_post *post);

#endif

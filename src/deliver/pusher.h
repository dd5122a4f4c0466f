/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Delivers blobs to a Pyroscope-compatible endpoint from a thread of its own (libcurl).
 *
 * 1. At least once, in order, from a queue bounded in bytes; when it is full the oldest that is not
 *    being sent goes and is counted.
 * 2. 408, 429, 5xx and network errors are tried again with exponential backoff and jitter, honouring
 *    Retry-After; any other answer drops the blob, with a counter and the server's own words. The
 *    backoff goes by failures in a row, whichever blobs they were of: a dead server is not asked
 *    more often because there is much to deliver.
 * 3. Every blob pushed is delivered, dropped or queued, by the counters of one pusher_get_stats().
 *
 * pusher_new, pusher_push, pusher_get_stats, pusher_flush, pusher_free: the event loop's thread.
 */
#ifndef PPROFD_DELIVER_PUSHER_H
#define PPROFD_DELIVER_PUSHER_H

#include <stdint.h>

#include "base/blob.h"
#include "base/cleanup.h"

struct pusher_options {
	const char *url; /* base: http://host:4040; "/push.v1.PusherService/Push" is appended */
	uint64_t timeout_ns;
	uint64_t backoff_min_ns;
	uint64_t backoff_max_ns;
	uint32_t retries_max; /* of one blob */
	size_t queue_max;     /* bytes */
};

struct pusher_stats {
	uint64_t delivered;         /* blobs */
	uint64_t retried;           /* attempts after the first */
	uint64_t dropped_rejected;  /* the server will never take it */
	uint64_t dropped_exhausted; /* retries_max reached */
	uint64_t dropped_queue;     /* queue_max reached */
	uint64_t queued_bytes;
	uint64_t queued_blobs;
	/* Of the latest failure, "" when the latest attempt succeeded: "http://...: connection refused". */
	char last_error[256];
};

struct pusher;

/*
 * Options are copied. *ret is the caller's; pusher_free(). Returns 0, -EINVAL for an unusable URL, -ENOMEM,
 * or the negative errno of a thread or descriptor that could not be had.
 */
_must_check_ int pusher_new(const struct pusher_options *options, struct pusher **ret);

/* Stops at once; what is queued is lost: pusher_flush() first. */
void pusher_free(struct pusher *pusher);
DEFINE_CLEANUP(struct pusher, pusher_free);

/*
 * Takes the blob's bytes over (blob is empty afterwards, also on failure). An empty blob is nothing
 * to deliver. Returns 0 or -ENOMEM.
 */
_must_check_ int pusher_push(struct pusher *pusher, struct blob *blob);

/*
 * Waits until the queue is empty or `timeout_ns` is over; what waits to be tried again is tried at
 * once, but for a server that asked to wait. Returns 0 or -ETIMEDOUT.
 */
_must_check_ int pusher_flush(struct pusher *pusher, uint64_t timeout_ns);

void pusher_get_stats(struct pusher *pusher, struct pusher_stats *ret);

/*
 * Readable whenever the state of delivery changed (first failure, recovery, drop), until
 * pusher_get_stats() is called: for the event loop.
 */
int pusher_get_event_fd(const struct pusher *pusher);

#endif

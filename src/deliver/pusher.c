/* SPDX-License-Identifier: Apache-2.0 */
#include "deliver/pusher.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/random.h>

#include "base/clock.h"
#include "base/log.h"
#include "deliver/http_post.h"
#include "deliver/push_queue.h"
#include "deliver/retry.h"

#define PUSHER_PATH "/push.v1.PusherService/Push"
/* With nothing to do the thread sleeps until it is woken; this only bounds a number. */
#define PUSHER_IDLE_NS (3600 * NSEC_PER_SEC)

struct pusher {
	struct retry_policy retry;
	uint32_t retries_max;
	struct http_post *post; /* the thread's, but for http_post_wake() */
	int event_fd;
	pthread_t thread;
	bool started; /* `thread` is to be joined */

	pthread_mutex_t lock; /* over all below */
	pthread_cond_t empty; /* the queue is; by the monotonic clock */
	struct push_queue queue;
	struct pusher_stats stats;
	uint32_t failure_cnt;  /* in a row */
	uint64_t next_mono_ns; /* no attempt before */
	bool asked;            /* it was the server that named next_mono_ns */
	bool stop;
};

/* Under the lock. A full eventfd is readable, which is all that is wanted. */
static void pusher_signal(struct pusher *pusher)
{
	if (eventfd_write(pusher->event_fd, 1) < 0)
		log_debug("signalling the state of delivery: %m");
}

static uint32_t pusher_random(void)
{
	uint32_t random = 0;

	/* Without randomness so early after boot there is no jitter. */
	if (getrandom(&random, sizeof(random), GRND_NONBLOCK) != (ssize_t)sizeof(random))
		return 0;
	return random;
}

static void pusher_drop_first(struct pusher *pusher)
{
	push_queue_drop_first(&pusher->queue);
	if (pusher->queue.cnt == 0)
		pthread_cond_broadcast(&pusher->empty);
}

static void pusher_note_error(struct pusher *pusher, const struct http_result *result)
{
	const char *name = http_post_get_name(pusher->post);
	char *error = pusher->stats.last_error;

	/* The words are what helps: a long URL gives way to them. */
	if (result->status)
		snprintf(error, sizeof(pusher->stats.last_error), "%.70s: HTTP %ld: %s", name, result->status,
			 result->words);
	else
		snprintf(error, sizeof(pusher->stats.last_error), "%.80s: %s", name, result->words);
}

static void pusher_on_delivered(struct pusher *pusher)
{
	pusher->stats.delivered++;
	pusher->failure_cnt = 0;
	pusher->next_mono_ns = 0;
	if (pusher->stats.last_error[0]) {
		pusher->stats.last_error[0] = '\0';
		pusher_signal(pusher);
	}
	pusher_drop_first(pusher);
}

static void pusher_on_rejected(struct pusher *pusher, const struct http_result *result)
{
	/* It answers: what comes next need not wait. */
	pusher->failure_cnt = 0;
	pusher->next_mono_ns = 0;
	pusher->stats.dropped_rejected++;
	pusher_note_error(pusher, result);
	pusher_signal(pusher);
	pusher_drop_first(pusher);
}

static void pusher_on_failed(struct pusher *pusher, const struct http_result *result)
{
	bool exhausted = pusher->queue.first->attempt_cnt > pusher->retries_max;

	if (pusher->failure_cnt < UINT32_MAX)
		pusher->failure_cnt++;
	pusher->asked = result->retry_after_ns > 0;
	pusher->next_mono_ns = clock_mono_ns() + retry_wait_ns(&pusher->retry, pusher->failure_cnt, pusher_random(),
							       result->retry_after_ns);
	if (!pusher->stats.last_error[0] || exhausted)
		pusher_signal(pusher);
	pusher_note_error(pusher, result);
	if (exhausted) {
		pusher->stats.dropped_exhausted++;
		pusher_drop_first(pusher);
	}
}

/* Under the lock, as are all that end in what an attempt came to. */
static void pusher_end_attempt(struct pusher *pusher, const struct http_result *result)
{
	pusher->queue.held = false;
	switch (retry_judge(result->status)) {
	case RETRY_DELIVERED:
		pusher_on_delivered(pusher);
		return;
	case RETRY_LATER:
		pusher_on_failed(pusher, result);
		return;
	case RETRY_NEVER:
		pusher_on_rejected(pusher, result);
		return;
	}
}

static void pusher_begin_attempt(struct pusher *pusher)
{
	struct push_item *item = pusher->queue.first;

	if (item->attempt_cnt++ > 0)
		pusher->stats.retried++;
	pusher->queue.held = true;
	if (http_post_start(pusher->post, &item->blob) < 0)
		pusher_end_attempt(pusher, &(struct http_result){ .words = "out of memory" });
}

/* Begins what is due; how long there is nothing else to do. Under the lock. */
static uint64_t pusher_step(struct pusher *pusher)
{
	uint64_t now_ns = clock_mono_ns();

	if (pusher->queue.held || pusher->queue.cnt == 0)
		return PUSHER_IDLE_NS;
	if (now_ns < pusher->next_mono_ns)
		return pusher->next_mono_ns - now_ns;
	pusher_begin_attempt(pusher);
	return pusher->queue.held ? PUSHER_IDLE_NS : 0;
}

static void *pusher_main(void *context)
{
	struct pusher *pusher = context;

	pthread_mutex_lock(&pusher->lock);
	while (!pusher->stop) {
		uint64_t wait_ns = pusher_step(pusher);
		struct http_result result;
		bool ended;

		/* While it is held, nobody else touches the blob that is being sent. */
		pthread_mutex_unlock(&pusher->lock);
		ended = http_post_wait(pusher->post, wait_ns, &result);
		pthread_mutex_lock(&pusher->lock);
		if (ended)
			pusher_end_attempt(pusher, &result);
	}
	pthread_mutex_unlock(&pusher->lock);
	return NULL;
}

static int pusher_init_lock(struct pusher *pusher)
{
	pthread_condattr_t attr;
	int err = pthread_condattr_init(&attr);

	if (err)
		return -err;
	err = pthread_condattr_setclock(&attr, CLOCK_MONOTONIC);
	if (!err)
		err = pthread_cond_init(&pusher->empty, &attr);
	pthread_condattr_destroy(&attr);
	if (err)
		return -err;
	err = pthread_mutex_init(&pusher->lock, NULL);
	if (err)
		pthread_cond_destroy(&pusher->empty);
	return -err;
}

/* The thread inherits a mask that leaves all signals to the others, SIGPIPE of a TLS library included. */
static int pusher_start_thread(struct pusher *pusher)
{
	sigset_t all, before;
	int err;

	sigfillset(&all);
	err = pthread_sigmask(SIG_SETMASK, &all, &before);
	if (err)
		return -err;
	err = pthread_create(&pusher->thread, NULL, pusher_main, pusher);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	if (err)
		return -err;
	pusher->started = true;
	/* For people who look with ps -L; it works without. */
	err = pthread_setname_np(pusher->thread, "deliver");
	if (err)
		log_debug("naming the delivery thread: %s", strerror(err));
	return 0;
}

int pusher_new(const struct pusher_options *options, struct pusher **ret)
{
	_cleanup_(pusher_freep) struct pusher *pusher = NULL;
	struct pusher *made = calloc(1, sizeof(*made));
	int err;

	if (!made)
		return -ENOMEM;
	err = pusher_init_lock(made);
	if (err < 0) {
		free(made);
		return err;
	}
	pusher = made;
	pusher->retry = (struct retry_policy){ options->backoff_min_ns, options->backoff_max_ns };
	pusher->retries_max = options->retries_max;
	pusher->queue.bytes_max = options->queue_max;
	pusher->event_fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
	if (pusher->event_fd < 0)
		return -errno;
	err = http_post_new(options->url, PUSHER_PATH, options->timeout_ns, &pusher->post);
	if (err < 0)
		return err;
	err = pusher_start_thread(pusher);
	if (err < 0)
		return err;
	*ret = take_ptr(pusher);
	return 0;
}

void pusher_free(struct pusher *pusher)
{
	if (!pusher)
		return;
	if (pusher->started) {
		pthread_mutex_lock(&pusher->lock);
		pusher->stop = true;
		pthread_mutex_unlock(&pusher->lock);
		http_post_wake(pusher->post);
		pthread_join(pusher->thread, NULL);
	}
	http_post_free(pusher->post);
	push_queue_fini(&pusher->queue);
	closep(&pusher->event_fd);
	pthread_mutex_destroy(&pusher->lock);
	pthread_cond_destroy(&pusher->empty);
	free(pusher);
}

int pusher_push(struct pusher *pusher, struct blob *blob)
{
	size_t dropped = 0;
	int err;

	if (blob->len == 0) {
		blob_fini(blob);
		return 0;
	}
	pthread_mutex_lock(&pusher->lock);
	err = push_queue_put(&pusher->queue, blob, &dropped);
	pusher->stats.dropped_queue += dropped;
	if (dropped > 0)
		pusher_signal(pusher);
	pthread_mutex_unlock(&pusher->lock);
	http_post_wake(pusher->post);
	return err;
}

int pusher_flush(struct pusher *pusher, uint64_t timeout_ns)
{
	uint64_t end_ns = clock_mono_ns() + timeout_ns;
	struct timespec end = { .tv_sec = (time_t)(end_ns / NSEC_PER_SEC), .tv_nsec = (long)(end_ns % NSEC_PER_SEC) };
	int err = 0;

	pthread_mutex_lock(&pusher->lock);
	if (!pusher->asked) {
		pusher->failure_cnt = 0;
		pusher->next_mono_ns = 0;
	}
	http_post_wake(pusher->post);
	while (pusher->queue.cnt > 0 && err == 0)
		err = pthread_cond_timedwait(&pusher->empty, &pusher->lock, &end);
	if (pusher->queue.cnt == 0)
		err = 0;
	pthread_mutex_unlock(&pusher->lock);
	return -err;
}

void pusher_get_stats(struct pusher *pusher, struct pusher_stats *ret)
{
	eventfd_t count;

	pthread_mutex_lock(&pusher->lock);
	*ret = pusher->stats;
	ret->queued_bytes = pusher->queue.bytes;
	ret->queued_blobs = pusher->queue.cnt;
	/* Nothing to be read is nothing that happened. */
	if (eventfd_read(pusher->event_fd, &count) < 0 && errno != EAGAIN)
		log_debug("reading the state of delivery: %m");
	pthread_mutex_unlock(&pusher->lock);
}

int pusher_get_event_fd(const struct pusher *pusher)
{
	return pusher->event_fd;
}

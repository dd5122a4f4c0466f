/* SPDX-License-Identifier: Apache-2.0 */
#include "command/sink.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/log.h"
#include "config/value.h"
#include "encode/pprof.h"
#include "encode/push.h"

/*
 * Series of one request. The server acknowledges a request after 0.3 to 1 s, so one for each series would not keep
 * up with a node of many services; and what is dropped, is dropped by request.
 */
#define SERIES_PER_PUSH 50
#define PUSH_TIMEOUT_NS (10 * NSEC_PER_SEC)
#define BACKOFF_MIN_NS (NSEC_PER_SEC / 2)
#define BACKOFF_MAX_NS (60 * NSEC_PER_SEC)
/* With those pauses, for about an hour: what is older the server refuses. */
#define RETRIES_MAX 64
/* Below the 10 s that Docker, and the 30 s that Kubernetes, leave between SIGTERM and SIGKILL. */
#define FLUSH_NS (8 * NSEC_PER_SEC)

static int sink_init_pusher(struct sink *sink)
{
	const struct config *config = sink->config;
	const struct pusher_options options = {
		.url = config->pyroscope_url,
		.timeout_ns = PUSH_TIMEOUT_NS,
		.backoff_min_ns = BACKOFF_MIN_NS,
		.backoff_max_ns = BACKOFF_MAX_NS,
		.retries_max = RETRIES_MAX,
		.queue_max = config->queue_max,
	};
	int err = pusher_new(&options, &sink->pusher);

	if (err == -EINVAL)
		log_error("--pyroscope-url: \"%.100s\" is not a URL such as http://pyroscope:4040", options.url);
	else if (err < 0)
		log_error("cannot push: %s", strerror(-err));
	return err;
}

static int sink_init_dir(struct sink *sink)
{
	const struct config *config = sink->config;
	int err = window_dir_new(config->output_dir, config->output_max, &sink->dir);

	if (err < 0)
		log_error("cannot write profiles to %s: %s (--output DIR, or --pyroscope-url URL)", config->output_dir,
			  strerror(-err));
	return err;
}

int sink_init(const struct config *config, struct sink *ret)
{
	struct sink sink = { .config = config };
	int err = config->pyroscope_url ? sink_init_pusher(&sink) : sink_init_dir(&sink);

	if (err == 0)
		*ret = sink;
	return err;
}

void sink_fini(struct sink *sink)
{
	if (sink->pusher)
		pusher_free(sink->pusher);
	if (sink->dir)
		window_dir_free(sink->dir);
	*sink = (struct sink){ 0 };
}

/* Without what stands between "://" and "@". */
static void append_url(struct strbuf *buf, const char *url)
{
	const char *scheme_end = strstr(url, "://");
	const char *host = scheme_end ? scheme_end + 3 : url;
	const char *at = memchr(host, '@', strcspn(host, "/?#"));

	strbuf_append(buf, url, (size_t)(host - url));
	strbuf_puts(buf, at ? at + 1 : host);
}

void sink_describe(const struct sink *sink, struct strbuf *buf)
{
	const struct config *config = sink->config;

	if (sink->pusher) {
		strbuf_puts(buf, "profiles are pushed to ");
		append_url(buf, config->pyroscope_url);
		return;
	}
	strbuf_printf(buf, "profiles go to %s, at most ", config->output_dir);
	bytes_format(config->output_max, buf);
	strbuf_printf(buf, "; open one with: go tool pprof -http=: %s/FILE", config->output_dir);
}

static void sink_push(struct sink *sink, struct profile *const *profiles, size_t profile_cnt)
{
	_cleanup_(blob_fini) struct blob blob = { 0 };
	int err = push_encode((const struct profile *const *)profiles, profile_cnt, &blob);

	if (err == 0 && blob.len > 0)
		err = pusher_push(sink->pusher, &blob);
	if (err < 0)
		log_error("%zu profiles are lost, they cannot be pushed: %s", profile_cnt, strerror(-err));
}

static int sink_write(struct sink *sink, const struct profile *profile)
{
	_cleanup_(blob_fini) struct blob blob = { 0 };
	int err = pprof_encode(profile, &blob);

	return err < 0 ? err : window_dir_put(sink->dir, profile, &blob);
}

static void sink_write_all(struct sink *sink, const struct profile_set *set)
{
	int failed = 0;

	for (size_t i = 0; i < set->cnt; i++) {
		int err = set->profiles[i]->sample_cnt ? sink_write(sink, set->profiles[i]) : 0;

		if (err < 0)
			failed = err;
	}
	if (failed < 0 && !sink->is_dir_failing)
		log_warning("cannot write profiles to %s: %s; they are lost until it can", sink->config->output_dir,
			    strerror(-failed));
	if (failed == 0 && sink->is_dir_failing)
		log_info("profiles are written to %s again", sink->config->output_dir);
	sink->is_dir_failing = failed < 0;
}

void sink_put(struct sink *sink, const struct profile_set *set)
{
	if (sink->dir) {
		sink_write_all(sink, set);
		return;
	}
	for (size_t i = 0; i < set->cnt; i += SERIES_PER_PUSH) {
		size_t left = set->cnt - i;

		sink_push(sink, set->profiles + i, left < SERIES_PER_PUSH ? left : SERIES_PER_PUSH);
	}
}

int sink_get_fd(const struct sink *sink)
{
	return sink->pusher ? pusher_get_event_fd(sink->pusher) : -1;
}

bool sink_log_update(struct sink_log *log, const struct pusher_stats *stats, uint64_t now_mono_ns, struct strbuf *buf)
{
	uint64_t dropped_cnt = stats->dropped_exhausted + stats->dropped_queue;
	bool is_rejection = stats->dropped_rejected > log->rejected_cnt;

	log->rejected_cnt = stats->dropped_rejected;
	if (!*stats->last_error) {
		if (!log->is_failing)
			return false;
		log->is_failing = false;
		strbuf_printf(buf, "profiles are delivered again, after %.0f s; %" PRIu64 " requests were dropped",
			      (double)(now_mono_ns - log->failing_mono_ns) / 1e9, dropped_cnt - log->dropped_cnt);
		return false;
	}
	/* The server's answer to a request is no outage: the next one may be taken. */
	if (is_rejection || strcmp(log->rejection, stats->last_error) == 0) {
		if (strcmp(log->rejection, stats->last_error) != 0)
			strbuf_printf(buf, "profiles were refused and dropped: %s", stats->last_error);
		snprintf(log->rejection, sizeof(log->rejection), "%s", stats->last_error);
		return true;
	}
	if (!log->is_failing) {
		log->is_failing = true;
		log->failing_mono_ns = now_mono_ns;
		log->dropped_cnt = dropped_cnt;
		strbuf_printf(buf, "cannot deliver profiles, trying again: %s", stats->last_error);
	}
	return true;
}

void sink_dispatch(struct sink *sink)
{
	_cleanup_(strbuf_fini) struct strbuf message = { 0 };
	struct pusher_stats stats;
	bool is_bad;

	pusher_get_stats(sink->pusher, &stats);
	is_bad = sink_log_update(&sink->log, &stats, clock_mono_ns(), &message);
	if (message.len)
		log_write(is_bad ? LOG_LEVEL_WARNING : LOG_LEVEL_INFO, "%s", strbuf_text(&message));
}

void sink_flush(struct sink *sink)
{
	struct pusher_stats stats;

	if (!sink->pusher || pusher_flush(sink->pusher, FLUSH_NS) == 0)
		return;
	pusher_get_stats(sink->pusher, &stats);
	log_warning("%" PRIu64 " requests could not be delivered in time and are lost: %s", stats.queued_blobs,
		    *stats.last_error ? stats.last_error : "the server is slow");
}

void sink_append_stats(struct sink *sink, struct strbuf *buf)
{
	struct pusher_stats stats;

	if (sink->dir) {
		bytes_format(window_dir_get_bytes(sink->dir), buf);
		strbuf_printf(buf, " in %s", sink->config->output_dir);
		return;
	}
	pusher_get_stats(sink->pusher, &stats);
	strbuf_printf(buf, "requests: %" PRIu64 " delivered, %" PRIu64 " dropped, %" PRIu64 " queued", stats.delivered,
		      stats.dropped_rejected + stats.dropped_exhausted + stats.dropped_queue, stats.queued_blobs);
}

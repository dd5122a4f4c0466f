/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Where the windows of `run` go: pushed to a server, or into a directory.
 *
 * 1. What fails again and again is said once when it begins and once when it is over.
 *
 * The event loop's thread only.
 */
#ifndef PPROFD_COMMAND_SINK_H
#define PPROFD_COMMAND_SINK_H

#include <stdbool.h>

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "config/config.h"
#include "deliver/pusher.h"
#include "pipeline.h"
#include "store/window_dir.h"

/* What has been said of deliveries. All zero: nothing yet. */
struct sink_log {
	bool is_failing;
	uint64_t failing_mono_ns; /* since when */
	uint64_t rejected_cnt;
	uint64_t dropped_cnt; /* before the failure began */
	char rejection[256];  /* the latest that was said */
};

struct sink {
	const struct config *config;
	struct pusher *pusher;  /* one of */
	struct window_dir *dir; /* the two */
	struct sink_log log;
	bool is_dir_failing;
};

/* `config` must outlive the sink. Says what goes wrong. sink_fini(). Returns 0 or a negative errno. */
_must_check_ int sink_init(const struct config *config, struct sink *ret);
void sink_fini(struct sink *sink);

/* "pushed to http://pyroscope:4040"; a password in the URL is left out. */
void sink_describe(const struct sink *sink, struct strbuf *buf);

/* Encodes and hands over what has samples. What fails is said and gone. */
void sink_put(struct sink *sink, const struct profile_set *set);

/* Readable when sink_dispatch() has something to say; -1 for a directory. */
int sink_get_fd(const struct sink *sink);
void sink_dispatch(struct sink *sink);

/* Waits for deliveries, for a bounded time. */
void sink_flush(struct sink *sink);

/* "12 delivered, 0 dropped, 0 queued" or "3MiB kept" */
void sink_append_stats(struct sink *sink, struct strbuf *buf);

/*
 * Appends what there is to say about a new state of delivery; nothing when it has been said. True when it is
 * bad news.
 */
bool sink_log_update(struct sink_log *log, const struct pusher_stats *stats, uint64_t now_mono_ns, struct strbuf *buf);

#endif

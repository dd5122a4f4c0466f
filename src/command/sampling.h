/* SPDX-License-Identifier: Apache-2.0 */
/* From what the user asked for to a pipeline, and from its errors to what to do about them. The main thread only. */
#ifndef PPROFD_COMMAND_SAMPLING_H
#define PPROFD_COMMAND_SAMPLING_H

#include "base/cleanup.h"
#include "base/strbuf.h"
#include "config/config.h"
#include "pipeline.h"

struct sampling_mode {
	uint64_t window_ns;
	bool only_targets;
	bool per_service;
};

/* Borrows from `config`. */
struct pipeline_options sampling_options(const struct config *config, const struct sampling_mode *mode);

/*
 * pipeline_new() with the options of `config`; logs what goes wrong, in one line.
 * On success *ret is the caller's; pipeline_free(). Returns 0 or a negative errno.
 */
_must_check_ int sampling_new(const struct config *config, const struct sampling_mode *mode, struct pipeline **ret);

/* pipeline_warm_up() unless `warm_up_ns` is 0, then pipeline_start(); likewise. */
_must_check_ int sampling_start(const struct config *config, struct pipeline *pipeline, uint64_t warm_up_ns);

/* Why pipeline_new() or pipeline_start() failed with `err`, and the remedy. */
void sampling_explain(struct strbuf *buf, int err, const char *event);

#endif

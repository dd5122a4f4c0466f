/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Owns the stages and hands the product of each to the next: kernel side -> batch -> profiles.
 *
 * 1. Between windows it only answers requests for rows; everything else happens in
 *    pipeline_collect(), once a window.
 * 2. Samples the kernel side recorded are in the profiles, or counted in pipeline_stats as lost.
 *
 * One thread, the event loop's.
 */
#ifndef PPROFD_PIPELINE_H
#define PPROFD_PIPELINE_H

#include <pprofd/abi.h>
#include <stdbool.h>

#include "base/cleanup.h"
#include "profile/profile.h"
#include "symbolize/symbolizer.h"

struct pipeline_options {
	const char *event; /* "cpu-clock", or a hardware event's name: "cycles" */
	uint32_t sample_hz;
	uint64_t window_ns; /* time between two collects: sizes the kernel side */
	bool only_targets;  /* record only processes given to pipeline_add_target() and their children */
	bool per_service;   /* one profile per executable's name; else one of everything */
	enum demangle_mode demangle;
	uint64_t row_memory_max;  /* bytes of BPF row memory */
	uint32_t ring_bytes;      /* 0: sized by the number of CPUs */
	uint32_t buckets_per_cpu; /* 0: sized by sample_hz and window_ns */
};

struct pipeline_stats {
	uint64_t counters[PPROFD_COUNTER_CNT]; /* since pipeline_start() */
	uint64_t lost_user;          /* samples that user space could not place: no memory, or a record missing */
	uint64_t throttled;          /* times the kernel throttled a sampling event */
	uint64_t executables;        /* with a number */
	uint64_t executables_failed; /* could not be opened or given rows so far */
	uint64_t rows;               /* published */
	uint64_t row_memory;         /* bytes of BPF maps for rows */
	uint64_t map_memory;         /* bytes of all BPF maps */
	uint64_t bpf_ns;             /* time in BPF programs; 0 unless kernel.bpf_stats_enabled */
	uint64_t bpf_runs;
};

/* Profiles by service, growing over as many windows as its owner likes. */
struct profile_set {
	struct profile **profiles;
	size_t cnt, cap;
	struct hashmap index; /* hash of the service's name -> index into profiles */
};

void profile_set_fini(struct profile_set *set);

struct pipeline;

/*
 * Loads the kernel side; nothing is sampled yet. Options are copied. *ret is the caller's; pipeline_free().
 * Returns 0, -EPERM or -EACCES without the capabilities, -ENOENT when the machine lacks the event,
 * -EOPNOTSUPP when the kernel lacks what is needed (BTF), -ENOMEM. `pprofd check` says more.
 */
_must_check_ int pipeline_new(const struct pipeline_options *options, struct pipeline **ret);
void pipeline_free(struct pipeline *pipeline);
DEFINE_CLEANUP(struct pipeline, pipeline_free);

/* Records process `tgid` and what it forks from now on. -ESRCH when there is none. */
_must_check_ int pipeline_add_target(struct pipeline *pipeline, int tgid);

/*
 * Samples for `duration_ns` and throws the samples away, so that most of what runs has its rows by the
 * time a recording begins. Before pipeline_start(). Returns 0 or a negative errno.
 */
_must_check_ int pipeline_warm_up(struct pipeline *pipeline, uint64_t duration_ns);

/* Begins to sample. Returns 0 or a negative errno. */
_must_check_ int pipeline_start(struct pipeline *pipeline);

/* Stops sampling; what was recorded can still be collected. */
void pipeline_stop(struct pipeline *pipeline);

/* Readable when pipeline_dispatch() has something to do. */
int pipeline_get_fd(const struct pipeline *pipeline);

/* Answers what the kernel side asked for; call when the descriptor is readable. 0 or a negative errno. */
_must_check_ int pipeline_dispatch(struct pipeline *pipeline);

/*
 * Ends the window: swaps epochs, drains, symbolizes, and adds to the profiles of `set`.
 * Returns 0 or a negative errno; then what the window held is counted in lost_user.
 */
_must_check_ int pipeline_collect(struct pipeline *pipeline, struct profile_set *set);

void pipeline_get_stats(const struct pipeline *pipeline, struct pipeline_stats *ret);

#endif

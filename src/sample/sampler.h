/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Loads the kernel side and runs its events: one perf event per online CPU.
 *
 * 1. libbpf's types and messages stay in this folder.
 * 2. CPUs that come and go are followed by sampler_follow_cpus().
 *
 * The event loop's thread only.
 */
#ifndef PPROFD_SAMPLE_SAMPLER_H
#define PPROFD_SAMPLE_SAMPLER_H

#include <stdbool.h>
#include <stdint.h>

#include "sample/maps.h"

struct sampler_options {
	const char *event; /* "cpu-clock" or a hardware event's name */
	uint32_t sample_hz;
	uint64_t window_ns;
	bool only_targets;
	uint32_t ring_bytes;      /* 0: by the number of CPUs; else rounded up to a power of two of pages */
	uint32_t buckets_per_cpu; /* 0: by sample_hz and window_ns; else rounded up to a power of two */
};

struct sampler;

/*
 * Loads the programs; nothing runs yet. Options are copied. *ret is the caller's; sampler_free().
 * Returns 0, -EPERM or -EACCES without the capabilities, -EOPNOTSUPP without BTF, -EINVAL for an
 * unknown event name, -ENOMEM, or the errno of loading.
 */
_must_check_ int sampler_new(const struct sampler_options *options, struct sampler **ret);
void sampler_free(struct sampler *sampler);
DEFINE_CLEANUP(struct sampler, sampler_free);

struct maps *sampler_get_maps(struct sampler *sampler);

/*
 * Opens and enables the events. Returns 0, -ENOENT when the machine does not have the event,
 * or the errno of opening.
 */
_must_check_ int sampler_start(struct sampler *sampler);
void sampler_stop(struct sampler *sampler);

/* Closes the events until sampler_start(), but goes on following the forks of targets. */
void sampler_pause(struct sampler *sampler);

/*
 * While it runs: opens events on CPUs that came online, lets go of those that went. Returns 0, or the negative errno
 * of one that could not be opened; the others are.
 */
_must_check_ int sampler_follow_cpus(struct sampler *sampler);

/* Reads the kernel's device messages and does as they say. Returns as sampler_follow_cpus(). */
_must_check_ int sampler_dispatch(struct sampler *sampler);

/*
 * Readable when sampler_dispatch() may have something to do. -1 when the kernel's device messages
 * cannot be had here (another network namespace): then sampler_follow_cpus() once a window must do.
 */
int sampler_get_hotplug_fd(const struct sampler *sampler);

/* Times the kernel has throttled an event since the start. */
uint64_t sampler_read_throttled(struct sampler *sampler);

/* Time in BPF programs and how often they ran; 0 unless kernel.bpf_stats_enabled is set. */
void sampler_read_cost(const struct sampler *sampler, uint64_t *ret_ns, uint64_t *ret_runs);

#endif

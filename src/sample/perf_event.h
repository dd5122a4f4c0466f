/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The perf event of one CPU. Its ring of one page takes no samples (the program does): the kernel
 * leaves its throttle records there. The event loop's thread only.
 */
#ifndef PPROFD_SAMPLE_PERF_EVENT_H
#define PPROFD_SAMPLE_PERF_EVENT_H

#include <stdint.h>

#include "base/cleanup.h"

struct bpf_link;
struct bpf_program;

struct perf_event {
	int cpu;
	int fd; /* -1: not open */
	struct bpf_link *link;
	void *ring; /* NULL when the kernel would not map one: throttling goes unseen */
	uint64_t tail;
};

/* What an event is called on the command line. Returns 0, or -EINVAL for a name that is not known. */
_must_check_ int perf_event_parse(const char *name, uint32_t *ret_type, uint64_t *ret_config);

/*
 * Opens the event on `cpu` and attaches `program`; it runs from now on.
 * Returns 0, -ENOENT or -EOPNOTSUPP when the machine has no such event, -ENODEV when the CPU is offline, or an errno.
 */
_must_check_ int perf_event_init(struct perf_event *event, const char *name, uint32_t sample_hz, int cpu,
				 const struct bpf_program *program);
void perf_event_fini(struct perf_event *event);

/* Throttle records since the last call. */
uint64_t perf_event_take_throttled(struct perf_event *event);

#endif

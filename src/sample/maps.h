/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The typed door to the kernel side's maps, for unwind/ and drain/. Owned by the sampler.
 *
 * 1. Counters, counts and row memory are the kernel's own memory, mapped: reading and writing them
 *    costs no system call. Row memory is mapped only while it is written, lest it count twice.
 * 2. Counts of an epoch may be read and zeroed only after maps_end_epoch() has ended it.
 *
 * The event loop's thread only.
 */
#ifndef PPROFD_SAMPLE_MAPS_H
#define PPROFD_SAMPLE_MAPS_H

#include <pprofd/abi.h>
#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

struct ring_buffer;

struct maps {
	int executables_fd;
	int row_chunks_fd;
	int targets_fd;
	int fence_fd; /* a map of maps of one element: see maps_wait() */
	int fence_inner_fd;
	uint32_t cpu_cnt;
	uint32_t bucket_cnt; /* of one CPU and epoch */
	volatile uint32_t *epoch;
	volatile uint32_t *rows_generation;
	volatile uint32_t *executables_sequence;
	const volatile struct pprofd_counters *counters; /* cpu_cnt of them */
	struct pprofd_bucket *buckets;                   /* 2 * cpu_cnt * bucket_cnt */
	int chunk_fds[PPROFD_CHUNKS_MAX];
	uint32_t *chunks[PPROFD_CHUNKS_MAX]; /* row memory while it is mapped, else NULL */
	size_t chunk_cnt;
	struct ring_buffer *ring;
	size_t fixed_bytes; /* of all maps but row memory */
	int (*on_record)(void *arg, const void *record, size_t len);
	void *on_record_arg;
};

/* The number of the running epoch. */
uint32_t maps_get_epoch(const struct maps *maps);

/*
 * Begins the next epoch and waits until no program works for the last one any more.
 * Returns 0, *ret_ended the number of the epoch that is over, or a negative errno of waiting.
 */
_must_check_ int maps_end_epoch(struct maps *maps, uint32_t *ret_ended);

/* Waits until every program that runs now has ended. Returns 0 or a negative errno. */
_must_check_ int maps_wait(struct maps *maps);

/*
 * After rows were withdrawn: makes programs forget what they remember of row memory, and waits for
 * those under way. Returns 0 or a negative errno of waiting.
 */
_must_check_ int maps_forget_rows(struct maps *maps);

/* The buckets of one CPU in an epoch: bucket_cnt of them. */
struct pprofd_bucket *maps_get_buckets(const struct maps *maps, uint32_t epoch, uint32_t cpu);

/* Sums a counter over all CPUs. */
uint64_t maps_read_counter(const struct maps *maps, enum pprofd_counter counter);

/* Who receives the records of the ring buffer. `on_record` returns 0, or a negative errno to stop. */
void maps_set_on_record(struct maps *maps, int (*on_record)(void *arg, const void *record, size_t len), void *arg);

/* Hands every waiting record to on_record. Returns 0 or the first negative errno. */
_must_check_ int maps_consume(struct maps *maps);

/* Readable when records should be consumed. */
int maps_get_fd(const struct maps *maps);

/* -ENOENT when the kernel side does not know the file. */
_must_check_ int maps_get_executable(const struct maps *maps, const struct pprofd_executable_key *key,
				     struct pprofd_executable *ret);
_must_check_ int maps_put_executable(const struct maps *maps, const struct pprofd_executable_key *key,
				     const struct pprofd_executable *executable);
_must_check_ int maps_remove_executable(const struct maps *maps, const struct pprofd_executable_key *key);

/*
 * Walks the executables: NULL `previous` for the first. Returns 0 with *ret the next key, -ENOENT at the end.
 */
_must_check_ int maps_next_executable(const struct maps *maps, const struct pprofd_executable_key *previous,
				      struct pprofd_executable_key *ret);

/*
 * Adds `cnt` chunks of row memory, numbered from chunk_cnt on. The kernel waits for programs under way
 * each time, some 10 ms, so many at once cost what one does. Returns 0, -ENOSPC beyond
 * PPROFD_CHUNKS_MAX, or an errno, with none added.
 */
_must_check_ int maps_add_chunks(struct maps *maps, uint32_t cnt);

/* The words of chunk `number`; borrowed until maps_close_chunks(). Returns 0 or the errno of mapping it. */
_must_check_ int maps_open_chunk(struct maps *maps, uint32_t number, uint32_t **ret);
void maps_close_chunks(struct maps *maps);

_must_check_ int maps_add_target(const struct maps *maps, uint32_t tgid);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sample/maps.h in plain memory, with a kernel side that tests move by hand. Linked into each test,
 * where it takes the place of maps.c.
 *
 * 1. Whatever row memory an entry has named counts as remembered by programs until maps_forget_rows():
 *    `torn_cnt` grows when it is found overwritten before.
 * 2. A failure that is set stays until it is set to 0.
 */
#ifndef FAKE_MAPS_H
#define FAKE_MAPS_H

#include <pprofd/abi.h>
#include <stdbool.h>
#include <stddef.h>

#include "base/hashmap.h"
#include "sample/maps.h"

#define FAKE_CPU_CNT 3
#define FAKE_BUCKET_CNT 4
#define FAKE_EXECUTABLES_MAX PPROFD_EXECUTABLES_MAX

struct fake_executable {
	struct pprofd_executable_key key;
	struct pprofd_executable value;
	bool is_used;
};

struct fake_record {
	void *data;
	size_t len;
};

/* Rows that programs may remember. */
struct fake_rows {
	struct pprofd_executable executable;
	uint64_t checksum;
};

struct fake_maps {
	struct maps maps; /* what the code under test is handed */
	uint32_t epoch, rows_generation;
	struct pprofd_counters counters[FAKE_CPU_CNT];
	struct pprofd_bucket buckets[2 * FAKE_CPU_CNT * FAKE_BUCKET_CNT];

	struct fake_executable *executables; /* FAKE_EXECUTABLES_MAX */
	struct hashmap executable_index;     /* hash of the key -> index */
	int fd;                              /* readable while records wait */
	struct fake_record *records;         /* the ring buffer */
	size_t record_cnt, record_cap;
	uint32_t *chunks[PPROFD_CHUNKS_MAX];
	struct fake_rows *rows;
	size_t rows_cnt, rows_cap;

	size_t wait_cnt;   /* waits for programs under way, those of maps_forget_rows() included */
	size_t forget_cnt; /* calls of maps_forget_rows() */
	size_t torn_cnt;
	void (*on_wait)(struct fake_maps *fake); /* what programs under way still do; once */
	/* 0 or the negative errno to fail with. */
	int wait_error, consume_error, next_error, get_error, put_error, add_chunks_error, open_chunk_error;
	size_t open_chunk_left; /* calls of maps_open_chunk() that succeed before open_chunk_error */
};

/* An all-zero fake is made ready; epoch 1 runs. */
void fake_maps_init(struct fake_maps *fake);
void fake_maps_fini(struct fake_maps *fake);

/* ---- what programs do ---- */

struct pprofd_executable_key fake_key(uint64_t inode);

/* A sample meets a file: it has an entry from now on, and is hit in the running epoch. */
void fake_maps_meet(struct fake_maps *fake, uint64_t inode, uint32_t number);
void fake_maps_meet_key(struct fake_maps *fake, const struct pprofd_executable_key *key, uint32_t number);
/* Hits what has an entry in the running epoch. */
void fake_maps_hit(struct fake_maps *fake, uint64_t inode);
/* The entry; NULL when there is none. */
const struct pprofd_executable *fake_maps_find(const struct fake_maps *fake, uint64_t inode);
/* The rule for `off` as bpf/ would find it; NULL without rows there. */
const struct pprofd_rule *fake_maps_find_rule(const struct fake_maps *fake, uint64_t inode, uint64_t off);

/* Writes a record to the ring buffer. */
void fake_maps_send(struct fake_maps *fake, const void *record, size_t len);
void fake_maps_send_stack(struct fake_maps *fake, uint32_t epoch, uint64_t stack, uint64_t frame);
void fake_maps_send_process(struct fake_maps *fake, uint32_t epoch, uint64_t process);
/* Puts a count into slot `slot` of the CPU's buckets. */
void fake_maps_count(struct fake_maps *fake, uint32_t epoch, uint32_t cpu, uint32_t slot, struct pprofd_slot count);

/* Chunks of row memory that are mapped. */
size_t fake_maps_open_cnt(const struct fake_maps *fake);

#endif

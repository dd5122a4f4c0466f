/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A publisher above fake_maps.c, and tables of rows to publish: for tests of unwind/publisher.h, one
 * at a time.
 */
#ifndef FAKE_PUBLISHER_H
#define FAKE_PUBLISHER_H

#include <stdbool.h>

#include "fake_maps.h"
#include "unwind/publisher.h"

#define FAKE_PAGE (1u << PPROFD_PAGE_BITS)
#define FAKE_CHUNK_BYTES ((size_t)PPROFD_CHUNK_WORDS * sizeof(uint32_t))
/* Row memory of one chunk holds seven tables of this many rows. */
#define FAKE_SEVENTH (PPROFD_CHUNK_WORDS / 8)
#define FAKE_SEVENTHS 7

struct fake_publisher {
	struct fake_maps maps;
	struct publisher *publisher;
};

/* With row memory of at most `chunk_max` chunks. */
void fake_publisher_init(struct fake_publisher *fake, size_t chunk_max);

/* Whatever a test did: no row that programs could remember was overwritten, nothing is left mapped. */
void fake_publisher_fini(struct fake_publisher *fake);

/* A table of `row_cnt` rows, one every `step` bytes from `off` on; `seed` makes its rules differ. The caller's. */
struct unwind_table *fake_table_new(size_t row_cnt, uint64_t off, uint32_t step, uint32_t seed);

int fake_publish(struct fake_publisher *fake, uint64_t inode, uint32_t number, const struct unwind_table *table);

/* Publishes a table of a seventh of a chunk for file `inode`, its number too, which programs have met by then. */
int fake_publish_seventh(struct fake_publisher *fake, uint64_t inode);

bool fake_is_ready(const struct fake_publisher *fake, uint64_t inode);
enum publisher_wish fake_get_wish(const struct fake_publisher *fake, uint64_t inode);

/* Programs find in row memory what `table` says. */
void fake_assert_rules(const struct fake_publisher *fake, uint64_t inode, const struct unwind_table *table);

#endif

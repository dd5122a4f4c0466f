/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The FDEs of one section by the code that they cover, in file offsets.
 *
 * 1. Ranges ascend by start and no two start at one place: of several the first in the section is kept.
 * 2. Ranges lie within executable segments and below FDE_OFF_MAX.
 * 3. CIEs are read when an FDE needs them and FDE_CIES of them kept at hand.
 *
 * One thread at a time.
 */
#ifndef PPROFD_UNWIND_FDE_INDEX_H
#define PPROFD_UNWIND_FDE_INDEX_H

#include "target/object.h"
#include "unwind/cfi_program.h"

/* FDEs of one section at the most; the largest programs have half a million functions. */
#define FDE_RANGES_MAX (4u << 20)
/* A power of two. */
#define FDE_CIES 64
/* File offsets that pages of rows can hold. */
#define FDE_OFF_MAX ((uint64_t)PPROFD_PAGES_MAX << PPROFD_PAGE_BITS)

struct fde_range {
	uint32_t start, end;
	uint32_t pos; /* in the section */
};

/* A CIE with what its program says. */
struct fde_cie {
	struct cfi_cie cie;
	struct cfi_state initial;
	int error;
	bool is_used;
};

struct fde_index {
	struct cfi_section section;
	struct fde_range *ranges;
	size_t range_cnt, range_cap;
	struct fde_cie cies[FDE_CIES];
};

/*
 * Finds the FDEs of index->section, which the caller has set. A malformed FDE is left out; so is all
 * that follows a malformed length. Programs of CIEs run on `run`.
 * Returns 0, -E2BIG past FDE_RANGES_MAX or without budget, or -ENOMEM.
 */
_must_check_ int fde_index_build(struct fde_index *index, const struct object *object, struct cfi_run *run);
void fde_index_fini(struct fde_index *index);

/* Reads the FDE of a range again. *ret_cie is borrowed until the next read. 0, -EBADMSG or -E2BIG. */
_must_check_ int fde_index_read(struct fde_index *index, struct cfi_run *run, const struct fde_range *range,
				const struct fde_cie **ret_cie, struct cfi_fde *ret);

/* Up to where range `i` reaches: its end, or where the next one begins, as the search in .eh_frame_hdr has it. */
uint64_t fde_index_get_limit(const struct fde_index *index, size_t i);

#endif

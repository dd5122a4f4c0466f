/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The entries of .eh_frame and .debug_frame: CIEs, and FDEs that refer to them (DWARF 5, 6.4.1;
 * LSB 5.0, 10.6.1). What their programs say is cfi_program's.
 *
 * 1. Cursors point into the section's bytes, which must outlive them.
 * 2. Everything is checked against the section; a bad entry is an error of that entry, and the next
 *    one can still be read unless the length itself is beyond the section.
 *
 * Any thread.
 */
#ifndef PPROFD_UNWIND_CFI_H
#define PPROFD_UNWIND_CFI_H

#include "base/cleanup.h"
#include "unwind/cursor.h"

struct cfi_section {
	const uint8_t *data;
	size_t size; /* below 4 GiB */
	uint64_t elfva;
	bool is_eh; /* .eh_frame, not .debug_frame */
};

struct cfi_entry {
	uint32_t pos; /* in the section */
	bool is_cie;
	bool is_64;       /* its length and id have 64 bits */
	uint32_t cie_pos; /* of an FDE */
	struct cursor body;
};

struct cfi_cie {
	uint32_t pos;
	uint8_t pointer_encoding; /* DW_EH_PE_* of the FDEs' addresses */
	uint8_t segment_size;
	bool has_augmentation; /* its FDEs have augmentation data */
	bool is_signal;        /* its FDEs are the kernel's signal trampolines */
	uint64_t code_align;
	int64_t data_align;
	uint64_t ra_reg;
	struct cursor program;
};

struct cfi_fde {
	uint64_t start_elfva;
	uint64_t size;
	struct cursor program;
};

/*
 * Reads the entry at *pos and moves *pos behind it. Terminators (length 0) are passed over: what a
 * linker put behind one is found through .eh_frame_hdr by the others.
 * Returns 0, -ENODATA at the section's end, or -EBADMSG: when *pos did not move, nothing more can be read.
 */
_must_check_ int cfi_read_entry(const struct cfi_section *section, uint32_t *pos, struct cfi_entry *ret);

/* The CIE at `pos`. Returns 0 or -EBADMSG, also for versions and augmentations that are not known. */
_must_check_ int cfi_read_cie(const struct cfi_section *section, uint32_t pos, struct cfi_cie *ret);

/* Returns 0 or -EBADMSG. */
_must_check_ int cfi_read_fde(const struct cfi_section *section, const struct cfi_entry *entry,
			      const struct cfi_cie *cie, struct cfi_fde *ret);

/* An address as `encoding` (DW_EH_PE_*) says. Failure is left in the cursor. */
uint64_t cfi_read_pointer(const struct cfi_section *section, uint8_t encoding, struct cursor *cursor);

#endif

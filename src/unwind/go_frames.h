/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What Go's own unwind information leaves out on x86-64 and in part on arm64: where goroutines and
 * threads begin, and where the kernel returns from a signal handler. Any thread; one at a time per object.
 */
#ifndef PPROFD_UNWIND_GO_FRAMES_H
#define PPROFD_UNWIND_GO_FRAMES_H

#include <stddef.h>
#include <stdint.h>

#include "target/object.h"

#define GO_FRAMES_MAX 10

struct go_frame {
	uint64_t start_elfva, size;
	uint8_t cfa; /* enum pprofd_cfa: PPROFD_CFA_END or PPROFD_CFA_SIGNAL */
};

/* Finds them by .symtab; 0 in other programs and in those that were stripped. `ret` holds GO_FRAMES_MAX. */
size_t go_frames_find(const struct object *object, struct go_frame *ret);

#endif

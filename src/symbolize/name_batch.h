/* SPDX-License-Identifier: Apache-2.0 */
/*
 * batch -> profiles: gives every frame of a window its name.
 *
 * 1. Each executable is asked once for all its addresses of the window.
 * 2. Every frame has at least one line: what has no name reads "file+0x1234" (its ELF address),
 *    "[kernel.kallsyms]+0x…", "[jit]+0x…", "[unknown]+0x…". A sample without any frame reads
 *    "[unknown]"; a stack that was cut at the root end has "[truncated]" there.
 * 3. Every frame but the last kind belongs to a mapping that needs no further symbols
 *    (has_functions). A location's address is the ELF address, its mapping the ELF file's own
 *    address space, so that restarts and address randomisation change nothing. Kernel frames
 *    belong to "[kernel.kallsyms]", code without a file to "[anon]".
 * 4. The main binary of the process that a profile begins with is its mapping 0.
 *
 * The event loop's thread only.
 */
#ifndef PPROFD_SYMBOLIZE_NAME_BATCH_H
#define PPROFD_SYMBOLIZE_NAME_BATCH_H

#include "base/cleanup.h"
#include "profile/batch.h"
#include "profile/profile.h"
#include "symbolize/symbolizer.h"
#include "target/executable.h"

/* Says which profile takes the samples of `process`: 0 with *ret borrowed, or a negative errno. */
struct name_batch_picker {
	int (*pick)(void *arg, const struct batch_process *process, struct profile **ret);
	void *arg;
};

/*
 * Adds the samples of `batch` to the profiles that `picker` chooses, with the values { count, value }.
 * Asked once per process. Returns 0; or a negative errno of the picker, or -ENOMEM: some samples
 * may have been added by then.
 */
_must_check_ int name_batch(struct symbolizer *symbolizer, const struct executables *executables,
			    const struct batch *batch, const struct name_batch_picker *picker);

#endif

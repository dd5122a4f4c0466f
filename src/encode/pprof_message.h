/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Some of a profile's samples -> bytes of pprof's profile.proto, not compressed.
 *
 * 1. What is packed stands alone: it holds every location, function, mapping and string that its
 *    samples lead to, and no other, but for mapping 1, which is always the profile's first.
 * 2. Ids start at 1; string 0 is ""; samples whose values are all 0 are left out.
 *
 * Any thread.
 */
#ifndef PPROFD_ENCODE_PPROF_MESSAGE_H
#define PPROFD_ENCODE_PPROF_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

#include "base/blob.h"
#include "base/cleanup.h"
#include "profile/profile.h"

struct pprof_slice {
	size_t first; /* sample to begin with */
	size_t cnt;   /* samples; out: as many as were packed */
	size_t bytes_max;
	uint64_t time_wall_ns;
};

/*
 * Packs slice->cnt samples, or as many fewer as fit bytes_max, but at least one: nothing smaller
 * could hold it. *ret is the caller's; blob_fini(). Returns 0, -ENOMEM, or -EINVAL when an index
 * leads nowhere, a value is negative or the profile has no value types.
 */
_must_check_ int pprof_message_pack(const struct profile *profile, struct pprof_slice *slice, struct blob *ret);

#endif

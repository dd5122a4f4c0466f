/* SPDX-License-Identifier: Apache-2.0 */
/* profile -> bytes of pprof's profile.proto, gzipped. Any thread. */
#ifndef PPROFD_ENCODE_PPROF_H
#define PPROFD_ENCODE_PPROF_H

#include "base/blob.h"
#include "base/cleanup.h"
#include "profile/profile.h"

/* *ret is the caller's; blob_fini(). Returns 0, -ENOMEM, -EINVAL when the profile breaks its invariants. */
_must_check_ int pprof_encode(const struct profile *profile, struct blob *ret);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile -> folded stacks: one line a stack, root first, frames joined by ';', a blank and the
 * first value. Inlined functions are frames of their own. Any thread.
 */
#ifndef PPROFD_ENCODE_FOLDED_H
#define PPROFD_ENCODE_FOLDED_H

#include "base/blob.h"
#include "base/cleanup.h"
#include "profile/profile.h"

/* *ret is the caller's; blob_fini(). Returns 0 or -ENOMEM. */
_must_check_ int folded_encode(const struct profile *profile, struct blob *ret);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles -> the body of push.v1.PusherService/Push (Connect unary, application/proto), gzipped.
 *
 * 1. Each series carries the profile's labels sorted by name, __name__, and __delta__ "false".
 * 2. What is larger than Pyroscope takes (PUSH_SAMPLES_MAX, PUSH_PROFILE_MAX) is split into several
 *    profiles of the same series, each 1 ns later than the one before.
 *
 * Any thread.
 */
#ifndef PPROFD_ENCODE_PUSH_H
#define PPROFD_ENCODE_PUSH_H

#include "base/blob.h"
#include "base/cleanup.h"
#include "profile/profile.h"

#define PUSH_SAMPLES_MAX 16000
#define PUSH_PROFILE_MAX (2u << 20) /* bytes before gzip */

/* *ret is the caller's; blob_fini(). Returns 0, -ENOMEM or -EINVAL. */
_must_check_ int push_encode(const struct profile *const *profiles, size_t profile_cnt, struct blob *ret);

#endif

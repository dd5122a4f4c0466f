/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Profiles -> the body of push.v1.PusherService/Push (Connect unary, application/proto), gzipped.
 *
 * 1. Each series carries the profile's labels sorted by name, __name__, and __delta__ "false":
 *    names are made [a-zA-Z_][a-zA-Z0-9_]* and held once, values are valid UTF-8 of at most
 *    PUSH_LABEL_VALUE_MAX bytes, there are at most PUSH_LABELS_MAX, and service_name is among them.
 * 2. What is larger than Pyroscope takes (PUSH_SAMPLES_MAX, PUSH_PROFILE_MAX) is split into several
 *    profiles of the same series, each 1 ns later than the one before.
 * 3. No two profiles of one body have the same labels and the same time: the later one is moved on
 *    by as many ns as it takes.
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
#define PUSH_LABELS_MAX 30
#define PUSH_LABEL_NAME_MAX 1024
#define PUSH_LABEL_VALUE_MAX 2048

/*
 * *ret is the caller's; blob_fini(). It is empty when no profile holds a sample: there is nothing
 * to push. Returns 0, -ENOMEM, or -EINVAL when a profile breaks its invariants.
 */
_must_check_ int push_encode(const struct profile *const *profiles, size_t profile_cnt, struct blob *ret);

#endif

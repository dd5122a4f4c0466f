/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The labels of a profile -> the labels of its series, within what Pyroscope takes. Any thread.
 *
 * 1. Names match [a-zA-Z_][a-zA-Z0-9_]*, are sorted and each there once; values are not empty.
 * 2. __name__, __delta__ and service_name are always there; of the others the last by name go
 *    when there are more than PUSH_LABELS_MAX.
 */
#ifndef PPROFD_ENCODE_PUSH_LABELS_H
#define PPROFD_ENCODE_PUSH_LABELS_H

#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/cleanup.h"
#include "profile/profile.h"

struct push_labels {
	struct profile_label *labels;
	size_t cnt;
};

/* Lives in `arena`. Returns 0 or -ENOMEM. */
_must_check_ int push_labels_init(struct push_labels *labels, const struct profile *profile, struct arena *arena);

uint64_t push_labels_hash(const struct push_labels *labels);

#endif

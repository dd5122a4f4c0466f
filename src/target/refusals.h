/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Executables that could not be opened or given rows, and from when on it is worth trying again:
 * the kernel side asks up to thirty times a second for each of them.
 *
 * 1. A process that has gone, or maps another file by now, is no fault of the file: another process
 *    may have it. REFUSALS_TRIES_MAX in a window.
 * 2. Where there was no room for the rows, parsing them was in vain: one try, then twice as many
 *    windows to wait each time, up to REFUSALS_WAIT_MAX.
 * 3. Anything else: one try a window.
 *
 * Windows are numbered by epoch. Bounded by the executables that there are: whoever forgets one
 * calls refusals_remove(). One thread at a time.
 */
#ifndef PPROFD_TARGET_REFUSALS_H
#define PPROFD_TARGET_REFUSALS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hashmap.h"

#define REFUSALS_TRIES_MAX 256
#define REFUSALS_WAIT_MAX 64

/* All zero is empty. */
struct refusals {
	struct hashmap by_number; /* number of the executable -> failures << 32 | epoch from which it may be tried */
};

void refusals_fini(struct refusals *refusals);

/* Notes that executable `number` failed with `err`, a negative errno, in `epoch`. Returns 0 or -ENOMEM. */
_must_check_ int refusals_add(struct refusals *refusals, uint32_t number, uint32_t epoch, int err);

/* Would another try be too early? */
bool refusals_hold(const struct refusals *refusals, uint32_t number, uint32_t epoch);

/* It went well, or is forgotten. */
void refusals_remove(struct refusals *refusals, uint32_t number);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Takes windows and requests out of the kernel side.
 *
 * 1. Records go to the batch of the epoch they name: a record of the running epoch that is read
 *    while the last one is drained waits for its own window.
 * 2. What cannot be kept (no memory, a record that breaks its format) never ends the reading: the counts
 *    that miss their stack or process are lost, and counted by samples.
 *
 * The event loop's thread only.
 */
#ifndef PPROFD_DRAIN_DRAIN_H
#define PPROFD_DRAIN_DRAIN_H

#include <stdint.h>

#include "base/cleanup.h"
#include "profile/batch.h"
#include "sample/maps.h"

struct drain;

/*
 * `maps` is borrowed. Executables that the kernel side asks rows for go to `on_executable` as they are read.
 * *ret is the caller's; drain_free(). Returns 0 or -ENOMEM.
 */
_must_check_ int drain_new(struct maps *maps, void (*on_executable)(void *arg, const struct pprofd_executable_record *),
			   void *arg, struct drain **ret);
void drain_free(struct drain *drain);
DEFINE_CLEANUP(struct drain, drain_free);

/* Reads the records that wait. Returns 0 or the errno of reading. */
_must_check_ int drain_dispatch(struct drain *drain);

/*
 * Ends the epoch and takes its batch: *ret is the caller's; batch_free().
 * Returns 0, -ENOMEM or the errno of waiting for the kernel side; then what it holds comes out of a later window.
 */
_must_check_ int drain_end_window(struct drain *drain, struct batch **ret);

/* Samples that were recorded but could not be kept. */
uint64_t drain_get_lost(const struct drain *drain);

#endif

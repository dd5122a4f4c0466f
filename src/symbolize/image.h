/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes of an object's file at an offset, without libelf: nothing is mapped, so nothing can be cut
 * off below our feet, and nothing stays in memory. One thread at a time per object.
 */
#ifndef PPROFD_SYMBOLIZE_IMAGE_H
#define PPROFD_SYMBOLIZE_IMAGE_H

#include <sys/types.h>

#include "base/cleanup.h"
#include "target/object.h"

/* Returns the bytes read, fewer than `len` only at the end of the file, or a negative errno. */
_must_check_ ssize_t image_read(const struct object *object, uint64_t off, void *buf, size_t len);

#endif

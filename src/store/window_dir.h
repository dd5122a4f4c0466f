/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A directory of encoded windows, one file a profile: <service>-<UTC time>.pb.gz.
 *
 * 1. Its own files take at most max_bytes, counted in blocks of 4 KiB as file systems do; the
 *    oldest go first. Files of any other name are neither counted nor touched.
 * 2. A file is there whole or not at all. Files of earlier runs count, also those cut short.
 *
 * One thread at a time; one window_dir a directory.
 */
#ifndef PPROFD_STORE_WINDOW_DIR_H
#define PPROFD_STORE_WINDOW_DIR_H

#include <stdint.h>

#include "base/blob.h"
#include "base/cleanup.h"
#include "profile/profile.h"

struct window_dir;

/*
 * Makes the directory unless it is there and takes stock of it. *ret is the caller's; window_dir_free().
 * Returns 0, or the negative errno of making, reading or writing it: -EACCES, -EROFS, -ENOTDIR.
 */
_must_check_ int window_dir_new(const char *path, uint64_t max_bytes, struct window_dir **ret);
void window_dir_free(struct window_dir *dir);
DEFINE_CLEANUP(struct window_dir, window_dir_free);

/*
 * Writes `blob`, the encoded `profile`, under the profile's service and time. Returns 0, -EFBIG when
 * it is larger than the whole directory may be, -ENOMEM, or the negative errno of removing or
 * writing: -ENOSPC, -EROFS, -EIO.
 */
_must_check_ int window_dir_put(struct window_dir *dir, const struct profile *profile, const struct blob *blob);

/* Bytes that its files take, by invariant 1. */
uint64_t window_dir_get_bytes(const struct window_dir *dir);

#endif

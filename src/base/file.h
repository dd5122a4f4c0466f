/* SPDX-License-Identifier: Apache-2.0 */
/* Whole files. Any thread. */
#ifndef PPROFD_BASE_FILE_H
#define PPROFD_BASE_FILE_H

#include <stddef.h>
#include <stdint.h>

#include "base/cleanup.h"

/*
 * Reads all of `path`, below `max` bytes (-EFBIG beyond), with a zero byte behind it; works for
 * /proc files. *ret is the caller's (free()); *ret_len may be NULL. Returns 0 or a negative errno.
 */
_must_check_ int file_read(const char *path, size_t max, char **ret, size_t *ret_len);

/* Reads a number in decimal, or hexadecimal after 0x. -EBADMSG when there is none. */
_must_check_ int file_read_number(const char *path, int64_t *ret);

/*
 * Writes `path` so that it holds either what it held or all of data: a temporary file beside it,
 * fsync, rename. Returns 0 or a negative errno, and then leaves nothing behind.
 */
_must_check_ int file_write_atomic(const char *path, const void *data, size_t len);

/* Makes a directory and those above it. 0 also when it is there. */
_must_check_ int file_make_dirs(const char *path);

#endif

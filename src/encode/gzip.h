/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Bytes in pieces -> one gzip member (RFC 1952) in memory, without time or name, so that equal
 * input gives equal output. One thread at a time for each.
 */
#ifndef PPROFD_ENCODE_GZIP_H
#define PPROFD_ENCODE_GZIP_H

#include <stddef.h>

#include "base/blob.h"
#include "base/cleanup.h"

struct gzip;

/* *ret is the caller's; gzip_free(). Returns 0 or -ENOMEM. */
_must_check_ int gzip_new(struct gzip **ret);
void gzip_free(struct gzip *gzip);
DEFINE_CLEANUP(struct gzip, gzip_free);

/* Returns 0 or -ENOMEM; after a failure only gzip_free() is left. */
_must_check_ int gzip_write(struct gzip *gzip, const void *data, size_t len);

/* Ends the member; only gzip_free() is left. *ret is the caller's; blob_fini(). 0 or -ENOMEM. */
_must_check_ int gzip_finish(struct gzip *gzip, struct blob *ret);

#endif

/* SPDX-License-Identifier: Apache-2.0 */
/* Finished bytes: what encode/ hands to deliver/. All zero is empty. */
#ifndef PPROFD_BASE_BLOB_H
#define PPROFD_BASE_BLOB_H

#include <stddef.h>
#include <stdlib.h>

struct blob {
	unsigned char *data; /* malloc'ed, the blob's */
	size_t len;
};

static inline void blob_fini(struct blob *blob)
{
	free(blob->data);
	*blob = (struct blob){ 0 };
}

#endif

/* SPDX-License-Identifier: Apache-2.0 */
#include "encode/gzip.h"

#include <assert.h>
#include <errno.h>
#include <stdint.h>
#include <stdlib.h>

#include <zlib.h>

#include "base/vec.h"

/*
 * Of a profile of 3,000 C++ stacks, 1.2 MB: level 1 makes 41 % in 11 ms, 3 makes 39 % in 14 ms, 6 (zlib's default)
 * 37 % in 30 ms, 9 36 % in 55 ms. CPU on every node is dearer than a tenth of the bytes.
 */
#define GZIP_LEVEL 1
/* The largest window, and the gzip wrapper rather than zlib's. */
#define GZIP_WINDOW_BITS (15 + 16)
#define GZIP_MEMORY 8
/* Room that is made at a time. */
#define GZIP_STEP (16UL << 10)
/* What deflate() is given at the most: it counts in 32 bits. */
#define GZIP_PIECE_MAX (1UL << 30)

struct gzip {
	z_stream stream;
	unsigned char *out;
	size_t out_len, out_cap;
};

int gzip_new(struct gzip **ret)
{
	struct gzip *gzip = calloc(1, sizeof(*gzip));

	if (!gzip)
		return -ENOMEM;
	if (deflateInit2(&gzip->stream, GZIP_LEVEL, Z_DEFLATED, GZIP_WINDOW_BITS, GZIP_MEMORY, Z_DEFAULT_STRATEGY) !=
	    Z_OK) {
		free(gzip);
		return -ENOMEM;
	}
	*ret = gzip;
	return 0;
}

void gzip_free(struct gzip *gzip)
{
	if (!gzip)
		return;
	deflateEnd(&gzip->stream);
	free(gzip->out);
	free(gzip);
}

/* Runs deflate() until it has taken all of its input, and with Z_FINISH has given all of its output. */
static int gzip_run(struct gzip *gzip, int flush)
{
	z_stream *stream = &gzip->stream;
	int status;

	do {
		int err = vec_reserve(&gzip->out, &gzip->out_cap, gzip->out_len + GZIP_STEP);

		if (err < 0)
			return err;
		stream->next_out = gzip->out + gzip->out_len;
		stream->avail_out = GZIP_STEP;
		status = deflate(stream, flush);
		assert(status != Z_STREAM_ERROR);
		gzip->out_len += GZIP_STEP - stream->avail_out;
	} while (stream->avail_in > 0 || (flush == Z_FINISH && status == Z_OK));
	return 0;
}

int gzip_write(struct gzip *gzip, const void *data, size_t len)
{
	const unsigned char *bytes = data;

	while (len > 0) {
		size_t piece = len < GZIP_PIECE_MAX ? len : GZIP_PIECE_MAX;
		int err;

		/* zlib does not write through next_in; only its type says that it might. */
		gzip->stream.next_in = (unsigned char *)bytes;
		gzip->stream.avail_in = (unsigned int)piece;
		err = gzip_run(gzip, Z_NO_FLUSH);
		if (err < 0)
			return err;
		bytes += piece;
		len -= piece;
	}
	return 0;
}

int gzip_finish(struct gzip *gzip, struct blob *ret)
{
	unsigned char *fitted;
	int err = gzip_run(gzip, Z_FINISH);

	if (err < 0)
		return err;
	/* Blobs wait in queues: without the room that was made to grow. */
	fitted = realloc(gzip->out, gzip->out_len);
	if (!fitted)
		return -ENOMEM;
	gzip->out = NULL;
	*ret = (struct blob){ .data = fitted, .len = gzip->out_len };
	return 0;
}

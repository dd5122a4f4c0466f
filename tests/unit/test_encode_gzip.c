/* SPDX-License-Identifier: Apache-2.0 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "base/cleanup.h"
#include "encode/gzip.h"
#include "pprof_text.h"

/* Of every 128 bytes, `noise` are such that nothing can be saved on them. */
static unsigned char *make_bytes(size_t len, size_t noise)
{
	unsigned char *bytes = malloc(len + 1);
	uint32_t state = 12345;

	assert_non_null(bytes);
	for (size_t i = 0; i < len; i++) {
		state = state * 1103515245 + 12345;
		bytes[i] = i % 128 < noise ? (unsigned char)(state >> 16) : (unsigned char)i;
	}
	return bytes;
}

static void gzip_finish__gives_back_what_was_written(void **state)
{
	/* Around multiples of the step that output grows by, and as much as needs many steps. */
	static const size_t lens[] = { 0, 1, 16383, 16384, 16385, 65536, 131072, 3000000 };
	static const size_t pieces[] = { 1000, 65536, 1 << 20 };
	static const size_t noises[] = { 0, 64, 128 };

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(lens) * ARRAY_LEN(pieces) * ARRAY_LEN(noises); i++) {
		size_t len = lens[i % ARRAY_LEN(lens)];
		size_t piece = pieces[i / ARRAY_LEN(lens) % ARRAY_LEN(pieces)];
		size_t noise = noises[i / ARRAY_LEN(lens) / ARRAY_LEN(pieces)];
		_cleanup_(freep) unsigned char *bytes = make_bytes(len, noise);
		_cleanup_(blob_fini) struct blob blob = { 0 }, back = { 0 };
		_cleanup_(gzip_freep) struct gzip *gzip = NULL;

		assert_int_equal(gzip_new(&gzip), 0);
		for (size_t off = 0; off < len; off += piece)
			assert_int_equal(gzip_write(gzip, bytes + off, len - off < piece ? len - off : piece), 0);
		assert_int_equal(gzip_finish(gzip, &blob), 0);
		gunzip(&blob, &back);
		assert_int_equal(back.len, len);
		assert_memory_equal(back.data, bytes, len);
	}
}

static void gzip_finish__writes_no_time_into_the_header(void **state)
{
	static const unsigned char want[] = { 0x1f, 0x8b, 8, 0, 0, 0, 0, 0 };
	_cleanup_(gzip_freep) struct gzip *gzip = NULL;
	_cleanup_(blob_fini) struct blob blob = { 0 };

	(void)state;
	assert_int_equal(gzip_new(&gzip), 0);
	assert_int_equal(gzip_finish(gzip, &blob), 0);
	assert_memory_equal(blob.data, want, sizeof(want));
}

static void gzip_free__releases_what_was_never_finished(void **state)
{
	_cleanup_(freep) unsigned char *bytes = make_bytes(200000, 64);
	struct gzip *gzip;

	(void)state;
	assert_int_equal(gzip_new(&gzip), 0);
	assert_int_equal(gzip_write(gzip, bytes, 200000), 0);
	gzip_free(gzip);
	gzip_free(NULL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(gzip_finish__gives_back_what_was_written),
		cmocka_unit_test(gzip_finish__writes_no_time_into_the_header),
		cmocka_unit_test(gzip_free__releases_what_was_never_finished),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
